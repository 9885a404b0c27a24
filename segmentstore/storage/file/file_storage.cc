// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/storage/file/file_storage.h"

#include <algorithm>

#include "segmentstore/storage/file/file_object_writer.h"

namespace millrace::storage {

namespace {

constexpr std::size_t kMarkBytesMax = 4096;

std::string mark_path(const std::string& root) { return root + "/STORAGE"; }

Task<Result<StorageId>> read_mark(Disk& disk, std::string root) {
    const std::string path = mark_path(root);
    MR_CO_TRY(auto file, co_await disk.open(path, OpenOptions{}));
    ByteBuffer bytes;
    bytes.resize(kMarkBytesMax);
    MR_CO_TRY(const std::size_t count, co_await file->read_at(0, bytes.mutable_view()));
    Result<StorageId> id = decode_storage_mark(bytes.view().first(count));
    if (!id) co_return std::move(id).error().while_doing(path);
    co_return id;
}

}  // namespace

Task<Result<StorageId>> FileStorage::format(Runtime runtime, std::string root) {
    MR_CO_TRY_VOID(co_await runtime.remote_disk.create_directories(root));
    MR_CO_TRY(const auto names, co_await runtime.remote_disk.list(root));
    const std::string unfinished = mark_path("") + ".tmp";
    for (const std::string& name : names) {
        if ("/" + name == unfinished) continue;
        co_return Error{ErrorCode::kFailedPrecondition,
                        "'" + root + "' cannot become a storage directory: it has '" + name + "' in it, and must be empty"};
    }
    StorageId id;
    runtime.random.fill(id);
    MR_CO_TRY(auto file, co_await runtime.remote_disk.open(root + unfinished, {.mode = OpenMode::kCreate}));
    MR_CO_TRY_VOID(co_await file->truncate(0));
    const ByteBuffer mark = encode_storage_mark(id);
    MR_CO_TRY_VOID(co_await file->write_and_sync(0, mark.view()));
    file.reset();
    MR_CO_TRY_VOID(co_await runtime.remote_disk.rename(root + unfinished, mark_path(root)));
    MR_CO_TRY_VOID(co_await runtime.remote_disk.sync_directory(root));
    co_return id;
}

Task<Result<std::unique_ptr<FileStorage>>> FileStorage::open(Runtime runtime, std::string root) {
    Result<StorageId> id = co_await read_mark(runtime.remote_disk, root);
    if (!id) co_return std::move(id).error().while_doing("open the long-term storage in '" + root + "'");
    co_return std::unique_ptr<FileStorage>{new FileStorage{runtime, std::move(root), *id}};
}

Task<Result<bool>> FileStorage::used() {
    MR_CO_TRY(const auto names, co_await runtime_.remote_disk.list(root_));
    co_return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        const std::string path = root_ + "/" + name;
        return path != mark_path(root_) && path != mark_path(root_) + ".tmp";
    });
}

Task<Result<void>> FileStorage::check_mark() {
    const Result<StorageId> id = co_await read_mark(runtime_.remote_disk, root_);
    if (id && *id == id_) co_return ok();
    co_return Error{ErrorCode::kUnavailable,
                    "'" + root_ + "' is not this store's long-term storage any more" +
                        (id ? ": another one is there" : ": " + id.error().to_string()) + "; is it mounted?"};
}

Task<Error> FileStorage::explain(Error error) {
    if (error.is(ErrorCode::kClosed)) co_return error;
    Result<void> mark = co_await check_mark();
    if (!mark) co_return std::move(mark).error();
    co_return error;
}

std::string FileStorage::directory_of(ObjectName name) const {
    const std::string path = path_of(name);
    return path.substr(0, path.rfind('/'));
}

Task<Result<std::unique_ptr<ObjectWriter>>> FileStorage::create(ObjectName name) {
    const std::string directory = directory_of(name);
    // Never into a directory that is not ours: where a mount is missing, making paths would hide that.
    MR_CO_TRY_VOID(co_await check_mark());
    if (!directories_.contains(directory)) {
        MR_CO_TRY_VOID(co_await runtime_.remote_disk.create_directories(directory));
        directories_.insert(directory);
    }
    const std::string path = path_of(name);
    const auto taken = co_await runtime_.remote_disk.open(path, OpenOptions{});
    if (taken) co_return Error{ErrorCode::kAlreadyExists, path + " exists already"};
    if (!taken.error().is(ErrorCode::kNotFound)) co_return taken.error();
    auto file = co_await runtime_.remote_disk.open(FileObjectWriter::unfinished(path), {.mode = OpenMode::kCreate, .direct = true});
    if (!file) {
        directories_.erase(directory);  // perhaps somebody removed it
        co_return std::move(file).error();
    }
    // What a writer before left under this name does not count.
    MR_CO_TRY_VOID(co_await (*file)->truncate(0));
    co_return std::make_unique<FileObjectWriter>(*this, name, std::move(*file));
}

Task<Result<std::unique_ptr<File>>> FileStorage::open_object(ObjectName name) {
    auto file = co_await runtime_.remote_disk.open(path_of(name), {.mode = OpenMode::kReadOnly, .direct = true});
    if (!file) co_return co_await explain(std::move(file).error());
    co_return std::move(file);
}

Task<Result<Bytes>> FileStorage::read(ObjectName name, std::uint64_t offset, std::size_t length) {
    // Before anything is opened or allocated.
    const Permits::Permit permit = co_await reads_.take();
    MR_CO_TRY(auto file, co_await open_object(name));
    const std::uint64_t begin = offset - offset % kDirectAlignment;
    const std::size_t lead = static_cast<std::size_t>(offset - begin);
    auto buffer = std::make_shared<AlignedBuffer>(lead + length);
    const Result<std::size_t> got = co_await file->read_at(begin, buffer->mutable_view());
    if (!got) co_return co_await explain(got.error());
    if (*got <= lead) co_return Bytes{};
    const ByteView view = buffer->view().subspan(lead, std::min(length, *got - lead));
    co_return Bytes{std::move(buffer), view};
}

Task<Result<std::uint64_t>> FileStorage::size(ObjectName name) {
    MR_CO_TRY(auto file, co_await open_object(name));
    co_return co_await file->size();
}

Task<Result<void>> FileStorage::remove(ObjectName name) {
    MR_CO_TRY_VOID(co_await check_mark());
    const std::string path = path_of(name);
    // What a writer that never finished has left, too.
    for (const std::string& file : {path, FileObjectWriter::unfinished(path)}) {
        Result<void> removed = co_await runtime_.remote_disk.remove(file);
        if (!removed && !removed.error().is(ErrorCode::kNotFound)) co_return removed;
    }
    // The caller forgets the object now; it must not come back after a power cut.
    Result<void> synced = co_await runtime_.remote_disk.sync_directory(directory_of(name));
    if (!synced && !synced.error().is(ErrorCode::kNotFound)) co_return synced;
    co_return ok();
}

Task<Result<std::vector<ObjectName>>> FileStorage::list(ContainerId container) {
    MR_CO_TRY_VOID(co_await check_mark());
    std::vector<ObjectName> objects;
    const std::string first = ObjectName{container, OwnerEpoch{}, 0}.to_string();
    const std::string number = first.substr(0, first.find('/'));
    const auto epochs = co_await runtime_.remote_disk.list(root_ + "/" + number);
    if (!epochs && epochs.error().is(ErrorCode::kNotFound)) co_return objects;
    if (!epochs) co_return epochs.error();
    for (const std::string& epoch : *epochs) {
        MR_CO_TRY(const auto names, co_await runtime_.remote_disk.list(root_ + "/" + number + "/" + epoch));
        for (const std::string& name : names) {
            // Unfinished objects and what is not ours have other names.
            const auto object = ObjectName::parse(number + "/" + epoch + "/" + name);
            if (object) objects.push_back(*object);
        }
    }
    std::sort(objects.begin(), objects.end());
    co_return objects;
}

}  // namespace millrace::storage
