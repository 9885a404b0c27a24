// SPDX-License-Identifier: Apache-2.0
//
// Keys: 'n' parent-path NUL name, so that a node's children are one range in order; value: version
// (i64, little-endian), then the node's value. Key 'f': the format's number.
#include "common/metadata/rocksdb/rocksdb_metadata_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <deque>
#include <filesystem>

#include "common/base/binary.h"
#include "common/metadata/tree_rules.h"
#include "common/runtime/gate.h"
#include "common/telemetry/log.h"

namespace millrace::metadata {

namespace {

constexpr std::size_t kQueuedMultisMax = 10'000;
constexpr std::size_t kGroupMultisMax = 1'000;
constexpr std::size_t kGroupBytesMax = 4 * 1024 * 1024;
constexpr std::string_view kFormatKey = "f";
constexpr std::string_view kFormatValue = "1";

std::string key_of_children(std::string_view parent) {
    std::string key = "n";
    key.append(parent);
    key.push_back('\0');
    return key;
}

std::string key_of(std::string_view path) { return key_of_children(parent_of(path)).append(name_of(path)); }

std::string encode_node(const Node& node) {
    ByteBuffer bytes;
    LittleEndianWriter{bytes}.i64(node.version.number());
    bytes.append(as_bytes(node.value));
    return std::string{as_text(bytes.view())};
}

Result<Node> decode_node(std::string_view path, std::string_view stored) {
    LittleEndianReader reader{as_bytes(stored)};
    Node node;
    node.version = Version{reader.i64()};
    if (reader.failed() || node.version < Version{0}) {
        return Error{ErrorCode::kCorrupt, "the metadata store holds a broken value for " + std::string{path}};
    }
    node.value = std::string{as_text(reader.rest())};
    return node;
}

Error to_error(const rocksdb::Status& status, std::string_view what) {
    const ErrorCode code = status.IsCorruption() ? ErrorCode::kCorrupt
                           : status.IsNoSpace()  ? ErrorCode::kNoSpace
                                                 : ErrorCode::kIo;
    return {code, std::string{what} + ": " + status.ToString()};
}

// On a thread of the blocking pool, under the store's rule that one group is written at a time.
class DbReader final : public TreeReader {
public:
    explicit DbReader(rocksdb::DB& db) : db_{db} {}

    Result<std::optional<Node>> read(std::string_view path) override {
        std::string stored;
        const rocksdb::Status status = db_.Get(rocksdb::ReadOptions{}, key_of(path), &stored);
        if (status.IsNotFound()) return std::optional<Node>{};
        if (!status.ok()) return to_error(status, "reading " + std::string{path});
        MR_TRY(Node node, decode_node(path, stored));
        return std::optional<Node>{std::move(node)};
    }

    Result<std::vector<std::string>> names(std::string_view parent, std::size_t limit) override {
        const std::string prefix = key_of_children(parent);
        std::vector<std::string> names;
        const std::unique_ptr<rocksdb::Iterator> it{db_.NewIterator(rocksdb::ReadOptions{})};
        for (it->Seek(prefix); it->Valid() && names.size() < limit; it->Next()) {
            const std::string_view key{it->key().data(), it->key().size()};
            if (!key.starts_with(prefix)) break;
            names.emplace_back(key.substr(prefix.size()));
        }
        if (!it->status().ok()) return to_error(it->status(), "listing " + std::string{parent});
        return names;
    }

private:
    rocksdb::DB& db_;
};

struct QueuedMulti {
    std::vector<Operation> operations;
    std::size_t bytes = 0;
    OneShot<Result<void>> done;
};

struct GroupOutcome {
    std::vector<Result<void>> results;
    bool failed = false;  // the write itself
    std::string detail;
};

class Store final : public RocksDbMetadataStore {
public:
    Store(Runtime runtime, std::string directory, RocksDbOptions options, std::unique_ptr<rocksdb::DB> db)
        : runtime_{runtime}, directory_{std::move(directory)}, options_{options}, db_{std::move(db)} {}

    Task<Result<Node>> get(std::string path) override {
        MR_CO_TRY_VOID(check_path(path));
        MR_CO_TRY(const Gate::Pass pass, enter());
        if (path == "/") co_return Node{};
        co_return co_await run_blocking(runtime_.blocking, [db = db_.get(), path]() -> Result<Node> {
            MR_TRY(std::optional<Node> node, DbReader{*db}.read(path));
            if (!node) return Error{ErrorCode::kNotFound, path + " does not exist"};
            return std::move(*node);
        });
    }

    Task<Result<std::vector<std::string>>> children(std::string path) override {
        MR_CO_TRY_VOID(check_path(path));
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_return co_await run_blocking(runtime_.blocking, [db = db_.get(), path]() -> Result<std::vector<std::string>> {
            DbReader reader{*db};
            if (path != "/") {
                MR_TRY(const std::optional<Node> node, reader.read(path));
                if (!node) return Error{ErrorCode::kNotFound, path + " does not exist"};
            }
            return reader.names(path, kMaxChildren);
        });
    }

    Task<Result<void>> multi(std::vector<Operation> operations) override {
        MR_CO_TRY_VOID(check_bounds(operations));
        MR_CO_TRY(const Gate::Pass pass, enter());
        if (queue_.size() >= kQueuedMultisMax) {
            co_return Error{ErrorCode::kUnavailable,
                            "the metadata store has " + std::to_string(kQueuedMultisMax) + " changes waiting"};
        }
        auto queued = std::make_shared<QueuedMulti>();
        for (const Operation& operation : operations) queued->bytes += weigh(operation);
        queued->operations = std::move(operations);
        queue_.push_back(queued);
        if (!writing_) {
            writing_ = true;
            gate_.spawn(runtime_.executor, [this]() -> Task<void> { return write_groups(); });
        }
        co_return co_await queued->done.wait();
    }

    Task<void> close() override {
        // The writer leaves the gate when the queue is empty.
        co_await gate_.close();
        if (db_) {
            co_await run_blocking(runtime_.blocking, [db = std::move(db_)]() mutable {
                db->Close();
                db.reset();
                return true;
            });
        }
    }

    bool stopped() const override { return failed_.has_value(); }
    Task<Error> failed() override {
        while (!failed_) co_await failed_changed_.wait();
        co_return Error{ErrorCode::kIo, *failed_};
    }

private:
    static std::size_t weigh(const Operation& operation) {
        std::size_t bytes = 64;
        if (const auto* create = std::get_if<Create>(&operation)) bytes += create->value.size();
        if (const auto* set = std::get_if<Set>(&operation)) bytes += set->value.size();
        return bytes;
    }

    Result<Gate::Pass> enter() {
        if (failed_) return Error{ErrorCode::kUnavailable, "the metadata store stopped: " + *failed_};
        return gate_.enter();
    }

    // One group after the other until none waits. What is queued while a group is written makes up
    // the next one.
    Task<void> write_groups() {
        while (!queue_.empty()) {
            std::vector<std::shared_ptr<QueuedMulti>> group;
            std::size_t bytes = 0;
            while (!queue_.empty() && group.size() < kGroupMultisMax && bytes < kGroupBytesMax) {
                bytes += queue_.front()->bytes;
                group.push_back(std::move(queue_.front()));
                queue_.pop_front();
            }
            if (failed_) {
                for (const auto& queued : group) {
                    queued->done.set(Error{ErrorCode::kUnavailable, "the metadata store stopped: " + *failed_});
                }
                continue;
            }
            GroupOutcome outcome = co_await run_blocking(
                runtime_.blocking, [this, group] { return full() ? refuse_group(group) : write_group(*db_, group); });
            if (outcome.failed) {
                failed_ = outcome.detail;
                MR_LOG_ERROR("metadata store stopped", {"reason", outcome.detail});
                failed_changed_.notify_all();
            }
            for (std::size_t i = 0; i < group.size(); ++i) group[i]->done.set(std::move(outcome.results[i]));
        }
        writing_ = false;
    }

    // On a pool thread, which touches only what is constant.
    bool full() const {
        std::error_code unknown;
        const std::filesystem::space_info space = std::filesystem::space(directory_, unknown);
        return !unknown && space.available < options_.keep_free_bytes;
    }
    static GroupOutcome refuse_group(const std::vector<std::shared_ptr<QueuedMulti>>& group) {
        GroupOutcome outcome;
        outcome.results.assign(group.size(), Error{ErrorCode::kNoSpace, "the disk of the metadata store is full"});
        return outcome;
    }

    // On a pool thread: decides in order, writes once.
    static GroupOutcome write_group(rocksdb::DB& db, const std::vector<std::shared_ptr<QueuedMulti>>& group) {
        GroupOutcome outcome;
        DbReader reader{db};
        TreeChanges changes{reader};
        for (const auto& queued : group) outcome.results.push_back(changes.apply(queued->operations));
        rocksdb::WriteBatch batch;
        for (const auto& [path, node] : changes.changed()) {
            if (node) batch.Put(key_of(path), encode_node(*node));
            else batch.Delete(key_of(path));
        }
        if (batch.Count() == 0) return outcome;
        rocksdb::WriteOptions options;
        options.sync = true;
        const rocksdb::Status status = db.Write(options, &batch);
        if (!status.ok()) {
            outcome.failed = true;
            outcome.detail = status.ToString();
            for (Result<void>& result : outcome.results) {
                // Refusals too were decided on changes that may not be there.
                result = Error{ErrorCode::kUnavailable, "the metadata store could not write: " + status.ToString(),
                               Fate::kUnknown};
            }
        }
        return outcome;
    }

    const Runtime runtime_;
    const std::string directory_;
    const RocksDbOptions options_;
    std::unique_ptr<rocksdb::DB> db_;
    std::deque<std::shared_ptr<QueuedMulti>> queue_;
    bool writing_ = false;
    std::optional<std::string> failed_;
    Signal failed_changed_;
    Gate gate_;
};

rocksdb::Options small_options() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = 4 * 1024 * 1024;
    options.max_write_buffer_number = 2;
    options.max_total_wal_size = 16 * 1024 * 1024;
    options.max_background_jobs = 2;
    options.max_open_files = 64;
    options.keep_log_file_num = 2;
    options.max_log_file_size = 1024 * 1024;
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.skip_stats_update_on_db_open = true;
    // A torn tail of the WAL is what a crash leaves; damage before it is refused.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    options.paranoid_checks = true;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(4 * 1024 * 1024);
    table.cache_index_and_filter_blocks = true;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

Result<std::unique_ptr<rocksdb::DB>> open_db(const std::string& directory) {
    rocksdb::DB* raw = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(small_options(), directory, &raw);
    if (!status.ok()) {
        const std::string text = status.ToString();
        if (status.IsIOError() && (text.find("lock") != std::string::npos && text.find("LOCK") != std::string::npos)) {
            return Error{ErrorCode::kInUse, "the metadata directory " + directory + " is open already: " + text};
        }
        return to_error(status, "opening the metadata directory " + directory);
    }
    std::unique_ptr<rocksdb::DB> db{raw};
    std::string format;
    const rocksdb::Status read = db->Get(rocksdb::ReadOptions{}, rocksdb::Slice{kFormatKey.data(), kFormatKey.size()}, &format);
    if (read.IsNotFound()) {
        rocksdb::WriteOptions options;
        options.sync = true;
        const rocksdb::Status written = db->Put(options, rocksdb::Slice{kFormatKey.data(), kFormatKey.size()},
                                                rocksdb::Slice{kFormatValue.data(), kFormatValue.size()});
        if (!written.ok()) return to_error(written, "formatting the metadata directory " + directory);
    } else if (!read.ok()) {
        return to_error(read, "reading the metadata directory " + directory);
    } else if (format != kFormatValue) {
        return Error{ErrorCode::kUnsupported, "the metadata directory " + directory + " has format " + format +
                                                  "; this version knows " + std::string{kFormatValue}};
    }
    return db;
}

}  // namespace

Task<Result<std::unique_ptr<RocksDbMetadataStore>>> RocksDbMetadataStore::open(Runtime runtime, std::string directory,
                                                                              RocksDbOptions options) {
    Result<std::unique_ptr<rocksdb::DB>> db =
        co_await run_blocking(runtime.blocking, [directory] { return open_db(directory); });
    if (!db) co_return std::move(db).error();
    co_return std::unique_ptr<RocksDbMetadataStore>{std::make_unique<Store>(runtime, directory, options, std::move(db).value())};
}

}  // namespace millrace::metadata
