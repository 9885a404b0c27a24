// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/restore.h"

#include <algorithm>
#include <optional>

#include "common/keyvalue/rocksdb/directory.h"
#include "common/keyvalue/rocksdb/errors.h"

namespace millrace::keyvalue {

namespace {

bool all_digits(std::string_view text) {
    return !text.empty() && text.size() <= 20 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool name_of_a_pin(std::string_view name) {
    if (name == "CURRENT") return true;
    if (name.starts_with("MANIFEST-")) return all_digits(name.substr(9));
    return name.ends_with(".sst") && all_digits(name.substr(0, name.size() - 4));
}

// What the calls, one at a time, work on.
struct Restoring {
    std::shared_ptr<rocksdb::FileSystem> files;
    std::unique_ptr<Directory> directory;
    std::string name;
    std::unique_ptr<rocksdb::FSWritableFile> file;
    std::optional<Error> failed;
    bool finished = false;

    Result<void> end_file() {
        if (!file) return ok();
        rocksdb::IOStatus status = file->Sync(rocksdb::IOOptions{}, nullptr);
        if (status.ok()) status = file->Close(rocksdb::IOOptions{}, nullptr);
        file.reset();
        if (!status.ok()) return to_error(status, "writing " + path_of(name));
        return ok();
    }
    std::string path_of(const std::string& which) const { return directory->restoring_path() + "/" + which; }

    Result<void> write(const std::string& to, const Bytes& piece) {
        if (!file || to != name) {
            MR_TRY_VOID(end_file());
            if (files->FileExists(path_of(to), rocksdb::IOOptions{}, nullptr).ok()) {
                return Error{ErrorCode::kInvalidArgument, to + " was restored before"};
            }
            name = to;
            const rocksdb::IOStatus made = files->NewWritableFile(path_of(to), rocksdb::FileOptions{}, &file, nullptr);
            if (!made.ok()) return to_error(made, "making " + path_of(to));
        }
        const rocksdb::IOStatus written = file->Append(
            rocksdb::Slice{reinterpret_cast<const char*>(piece.data()), piece.size()}, rocksdb::IOOptions{}, nullptr);
        if (!written.ok()) return to_error(written, "writing " + path_of(to));
        return ok();
    }

    Result<void> finish() {
        MR_TRY_VOID(end_file());
        if (!files->FileExists(path_of("CURRENT"), rocksdb::IOOptions{}, nullptr).ok()) {
            return Error{ErrorCode::kInvalidArgument, "CURRENT was not among the files restored to " + directory->path()};
        }
        MR_TRY_VOID(directory->sync(directory->restoring_path()));
        const rocksdb::IOStatus moved =
            files->RenameFile(directory->restoring_path(), directory->db_path(), rocksdb::IOOptions{}, nullptr);
        if (!moved.ok()) return to_error(moved, "moving " + directory->restoring_path() + " to " + directory->db_path());
        MR_TRY_VOID(directory->sync(directory->path()));
        directory.reset();
        finished = true;
        return ok();
    }
};

class RocksRestore final : public Restore {
public:
    RocksRestore(Runtime runtime, std::shared_ptr<Restoring> state) : runtime_{runtime}, state_{std::move(state)} {}

    Task<Result<void>> write(std::string name, Bytes piece) override {
        if (!name_of_a_pin(name)) co_return Error{ErrorCode::kInvalidArgument, "\"" + name + "\" is no file of a store"};
        co_return co_await step([name = std::move(name), piece](Restoring& state) { return state.write(name, piece); });
    }
    Task<Result<void>> finish() override {
        co_return co_await step([](Restoring& state) { return state.finish(); });
    }

private:
    template <class F>
    Task<Result<void>> step(F work) {
        if (state_->failed) co_return *state_->failed;
        if (state_->finished) co_return Error{ErrorCode::kClosed, "the restore has finished"};
        Result<void> done = co_await run_blocking(runtime_.blocking, [state = state_, work = std::move(work)]() mutable {
            return work(*state);
        });
        if (!done) state_->failed = done.error();
        co_return done;
    }

    const Runtime runtime_;
    const std::shared_ptr<Restoring> state_;
};

}  // namespace

Task<Result<std::unique_ptr<Restore>>> begin_restore(Runtime runtime, std::shared_ptr<rocksdb::FileSystem> files,
                                                     std::string directory) {
    MR_CO_TRY(std::shared_ptr<Restoring> state,
              co_await run_blocking(runtime.blocking, [files, directory]() -> Result<std::shared_ptr<Restoring>> {
                  auto restoring = std::make_shared<Restoring>();
                  restoring->files = files;
                  MR_TRY(restoring->directory, Directory::take(files, directory, false));
                  MR_TRY(const bool there, restoring->directory->has_store());
                  if (there) return Error{ErrorCode::kAlreadyExists, "there is a store in " + directory};
                  MR_TRY_VOID(restoring->directory->remove_restoring());
                  MR_TRY_VOID(restoring->directory->remove_unmade_store());
                  const std::string path = restoring->directory->restoring_path();
                  const rocksdb::IOStatus made = files->CreateDirIfMissing(path, rocksdb::IOOptions{}, nullptr);
                  if (!made.ok()) return to_error(made, "making " + path);
                  return restoring;
              }));
    co_return std::unique_ptr<Restore>{std::make_unique<RocksRestore>(runtime, std::move(state))};
}

}  // namespace millrace::keyvalue
