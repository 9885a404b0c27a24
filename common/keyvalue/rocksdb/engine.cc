// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/rocksdb/core.h"
#include "common/keyvalue/rocksdb/engine_on.h"
#include "common/keyvalue/rocksdb/errors.h"
#include "common/keyvalue/rocksdb/log_check.h"
#include "common/keyvalue/rocksdb/restore.h"
#include "common/keyvalue/rocksdb/rocksdb_engine.h"

namespace millrace::keyvalue {

namespace {

constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kFormat = "1";

rocksdb::Slice text(std::string_view words) { return {words.data(), words.size()}; }

// A new database gets its format, another one must have it.
Result<void> check_format(DbHandle& handle) {
    const std::string& directory = handle.options.directory;
    std::string found;
    const rocksdb::Status read = handle.db->Get(rocksdb::ReadOptions{}, text(kFormatKey), &found);
    if (read.ok()) {
        if (found == kFormat) return ok();
        return Error{ErrorCode::kUnsupported,
                     "the store " + directory + " has format " + found + "; this version knows " + std::string{kFormat}};
    }
    if (!read.IsNotFound()) return to_error(read, "reading the format of " + directory);
    const std::unique_ptr<rocksdb::Iterator> first{handle.db->NewIterator(rocksdb::ReadOptions{})};
    first->SeekToFirst();
    if (!first->status().ok()) return to_error(first->status(), "reading the format of " + directory);
    if (first->Valid()) return Error{ErrorCode::kUnsupported, "the database in " + directory + " is none of ours: no format"};
    // Nobody could have written before the format was durable.
    if (handle.options.read_only) return ok();
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    rocksdb::Status written = handle.db->Put(options, text(kFormatKey), text(kFormat));
    if (written.ok()) written = handle.db->Flush(rocksdb::FlushOptions{});
    if (!written.ok()) return to_error(written, "formatting " + directory);
    return ok();
}

class RocksSnapshot final : public Snapshot {
public:
    RocksSnapshot(std::shared_ptr<Core> core, Core::SnapshotId id) : core_{std::move(core)}, id_{id} {}
    ~RocksSnapshot() override { core_->drop_snapshot(id_); }

    Task<Result<std::optional<std::string>>> get(std::string key) override { return core_->get(std::move(key), id_); }
    Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys) override {
        return core_->multi_get(std::move(keys), id_);
    }
    Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit) override {
        return core_->scan(std::move(begin), std::move(end), limit, id_);
    }

private:
    const std::shared_ptr<Core> core_;
    const Core::SnapshotId id_;
};

class RocksPin final : public PinnedFiles {
public:
    RocksPin(std::shared_ptr<Core> core, Core::Pin pin) : core_{std::move(core)}, pin_{std::move(pin)} {}
    ~RocksPin() override { core_->unpin(); }

    const std::vector<File>& files() const override { return pin_.files; }

    Task<Result<Bytes>> read(std::size_t file, std::uint64_t offset, std::size_t length) override {
        MR_CHECK(file < pin_.files.size());
        const File& wanted = pin_.files[file];
        const auto small = pin_.small.find(wanted.name);
        if (small == pin_.small.end()) co_return co_await core_->read_pinned(wanted.name, wanted.size, offset, length);
        const std::size_t begin = static_cast<std::size_t>(std::min<std::uint64_t>(offset, wanted.size));
        co_return small->second.slice(begin, std::min(length, small->second.size() - begin));
    }

private:
    const std::shared_ptr<Core> core_;
    const Core::Pin pin_;
};

class RocksStore final : public Store {
public:
    explicit RocksStore(std::shared_ptr<Core> core) : core_{std::move(core)} {}

    Task<Result<std::optional<std::string>>> get(std::string key) override {
        return core_->get(std::move(key), std::nullopt);
    }
    Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys) override {
        return core_->multi_get(std::move(keys), std::nullopt);
    }
    Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit) override {
        return core_->scan(std::move(begin), std::move(end), limit, std::nullopt);
    }
    Task<Result<void>> write(WriteBatch batch, Durability durability) override {
        return core_->write(std::move(batch), durability);
    }
    Task<Result<void>> flush() override { return core_->flush(); }
    Task<Result<std::unique_ptr<Snapshot>>> snapshot() override {
        MR_CO_TRY(const Core::SnapshotId id, co_await core_->take_snapshot());
        co_return std::unique_ptr<Snapshot>{std::make_unique<RocksSnapshot>(core_, id)};
    }
    Task<Result<std::unique_ptr<PinnedFiles>>> pin_files() override {
        MR_CO_TRY(Core::Pin pin, co_await core_->pin());
        co_return std::unique_ptr<PinnedFiles>{std::make_unique<RocksPin>(core_, std::move(pin))};
    }
    Task<Result<void>> compact() override { return core_->compact(); }
    Task<Result<void>> verify() override { return core_->verify(); }
    Task<Result<Statistics>> statistics() override { return core_->statistics(); }
    std::optional<Error> stopped() const override { return core_->stopped(); }
    Task<Error> failed() override { return core_->failed(); }
    Task<void> close() override { return core_->close(); }

private:
    const std::shared_ptr<Core> core_;
};

class RocksEngine final : public Engine {
public:
    RocksEngine(rocksdb::Env& environment, const EngineOptions& options)
        : shared_{std::make_shared<SharedParts>(options, &environment)} {}

    Task<Result<std::unique_ptr<Store>>> open(Runtime runtime, StoreOptions options) override {
        MR_CO_TRY(std::shared_ptr<DbHandle> handle, co_await run_blocking(runtime.blocking, [shared = shared_, options] {
            return DbHandle::open(shared, options);
        }));
        auto core = std::make_shared<Core>(runtime, std::move(handle));
        core->start();
        co_return std::unique_ptr<Store>{std::make_unique<RocksStore>(std::move(core))};
    }

    Task<Result<std::unique_ptr<Restore>>> restore(Runtime runtime, std::string directory) override {
        co_return co_await begin_restore(runtime, shared_->env->GetFileSystem(), std::move(directory));
    }

    Task<Result<void>> destroy(Runtime runtime, std::string directory) override {
        co_return co_await run_blocking(runtime.blocking, [files = shared_->env->GetFileSystem(), directory]() -> Result<void> {
            if (!files->FileExists(directory, rocksdb::IOOptions{}, nullptr).ok()) return ok();
            MR_TRY(const std::unique_ptr<Directory> taken, Directory::take(files, directory, false));
            return taken->destroy();
        });
    }

    std::size_t cache_bytes_used() const override { return shared_->cache->GetUsage(); }
    std::size_t write_buffers_bytes_used() const override { return shared_->write_buffers->memory_usage(); }

private:
    const std::shared_ptr<const SharedParts> shared_;
};

}  // namespace

Result<std::shared_ptr<DbHandle>> DbHandle::open(std::shared_ptr<const SharedParts> shared, StoreOptions options) {
    auto handle = std::make_shared<DbHandle>();
    handle->shared = std::move(shared);
    handle->options = options;
    const std::string what = "opening the store " + options.directory;
    const auto& files = handle->shared->env->GetFileSystem();
    MR_TRY(handle->directory, Directory::take(files, options.directory, options.read_only));
    MR_TRY_VOID(handle->directory->remove_restoring());
    const std::string db_path = handle->directory->db_path();
    MR_TRY_VOID(check_logs(*files, db_path));
    handle->direct_io = options.direct_io && !options.read_only && handle->directory->grants_direct_io();
    rocksdb::Options db_options = options_of_store(*handle->shared, options, handle->direct_io);
    handle->listener = std::make_shared<FailureListener>();
    db_options.listeners.push_back(handle->listener);
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = options.read_only ? rocksdb::DB::OpenForReadOnly(db_options, db_path, &opened)
                                                     : rocksdb::DB::Open(db_options, db_path, &opened);
    if (!status.ok()) return to_error(status, what);
    handle->db.reset(opened);
    // RocksDB syncs its own directory, not the one that holds it.
    MR_TRY_VOID(handle->directory->sync(handle->directory->path()));
    MR_TRY_VOID(check_format(*handle));
    return handle;
}

std::shared_ptr<Engine> make_rocksdb_engine_on(rocksdb::Env& environment, EngineOptions options) {
    return std::make_shared<RocksEngine>(environment, options);
}

std::shared_ptr<Engine> make_rocksdb_engine(EngineOptions options) {
    return make_rocksdb_engine_on(*rocksdb::Env::Default(), options);
}

}  // namespace millrace::keyvalue
