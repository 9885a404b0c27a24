// SPDX-License-Identifier: Apache-2.0
//
// How reads meet writes. A batch becomes visible to reads a moment before its write returns, and only then are watches told.
// Every read therefore also reads the position, that is, the id of the last change, at the same point in time. It completes
// when that position is published: written, and everybody told. And a watch that would be set by a read that
// shows less than what was published meanwhile would have missed that: the read is made again.
#include "common/metadata/embedded/embedded_metadata_store.h"

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <utility>

#include "common/metadata/embedded/rows.h"
#include "common/metadata/tree_rules.h"
#include "common/metadata/watch_table.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "common/telemetry/log.h"

namespace millrace::metadata {

namespace {

using embedded::children_prefix;
using embedded::decode_position;
using embedded::decode_stat;
using embedded::encode_position;
using embedded::encode_stat;
using embedded::ephemeral_key;
using embedded::kEphemeralPrefix;
using embedded::kFormatKey;
using embedded::kFormatValue;
using embedded::kPositionKey;
using embedded::stat_key;
using embedded::value_key;

constexpr std::size_t kQueuedMultisMax = 10'000;
constexpr std::size_t kQueuedBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kGroupMultisMax = 1'000;
constexpr std::size_t kGroupBytesMax = 4 * 1024 * 1024;
// A row of a child's stat has a path and 45 bytes, so that all children are one page.
constexpr keyvalue::PageLimit kAllChildren{kMaxChildren + 1, (kMaxChildren + 1) * (kMaxPathBytes + 1024)};

using Stats = std::map<std::string, std::optional<Stat>, std::less<>>;

// What was read before, on which a group of multis is decided.
class ReadStats final : public StatReader {
public:
    explicit ReadStats(Stats stats) : stats_{std::move(stats)} {}
    Result<std::optional<Stat>> read(std::string_view path) override {
        const auto found = stats_.find(path);
        MR_CHECK(found != stats_.end());
        return found->second;
    }

private:
    Stats stats_;
};

std::set<std::string> concerned_paths(const std::vector<Operation>& operations) {
    std::set<std::string> paths;
    for (const Operation& operation : operations) {
        const std::string& path = path_of(operation);
        paths.insert(path);
        if (path != "/") paths.insert(std::string{parent_of(path)});
    }
    return paths;
}

std::size_t weight_of(const Operation& operation) {
    std::size_t bytes = 64 + path_of(operation).size();
    if (const auto* create = std::get_if<Create>(&operation)) bytes += create->value.size();
    if (const auto* set = std::get_if<Set>(&operation)) bytes += set->value.size();
    return bytes;
}

// The root is there also without a row.
Result<std::optional<Stat>> stat_of(std::string_view path, const std::optional<std::string>& row) {
    if (!row) return path == "/" ? std::optional{Stat{}} : std::nullopt;
    MR_TRY(const Stat stat, decode_stat(path, *row));
    return std::optional{stat};
}

Result<ChangeId> position_of(const std::optional<std::string>& row) {
    if (!row) return Error{ErrorCode::kCorrupt, "the metadata store does not tell its last change"};
    return decode_position(*row);
}

Result<void> put_changes(StatReader& stored, const TreeChanges& changes, keyvalue::WriteBatch& batch) {
    const auto ephemeral = [](const std::optional<Stat>& stat) { return stat && stat->ephemeral_owner != SessionId{}; };
    for (const auto& [path, change] : changes.changed()) {
        MR_TRY(const std::optional<Stat> before, stored.read(path));
        if (change.stat) {
            batch.put(stat_key(path), encode_stat(*change.stat));
            if (change.value) batch.put(value_key(path), *change.value);
        } else if (before) {
            batch.remove(stat_key(path));
            batch.remove(value_key(path));
        }
        if (ephemeral(change.stat) && !ephemeral(before)) batch.put(ephemeral_key(path), {});
        if (ephemeral(before) && !ephemeral(change.stat)) batch.remove(ephemeral_key(path));
    }
    return ok();
}

bool concerns(const TreeEvent& event, WatchTable::Kind kind, const std::string& path) {
    if (event.path != path) return false;
    if (event.kind == EventKind::kDeleted) return true;
    return (event.kind == EventKind::kChildrenChanged) == (kind == WatchTable::Kind::kChildren);
}

class EmbeddedStore final : public EmbeddedMetadataStore {
public:
    EmbeddedStore(Runtime runtime, EmbeddedOptions options, std::shared_ptr<keyvalue::Engine> engine,
                  std::unique_ptr<keyvalue::Store> rows)
        : runtime_{runtime}, options_{std::move(options)}, engine_{std::move(engine)}, rows_{std::move(rows)} {
        while (session_ == SessionId{}) session_ = SessionId{runtime_.random.next()};
    }

    Task<Result<void>> begin();

    Task<void> close() override {
        co_await calls_.close();
        // Ends the wait for its failure.
        co_await rows_->close();
        co_await background_.close();
        expire();
    }

    bool stopped() const override { return failed_.has_value(); }
    Task<Error> failed() override {
        while (!failed_) co_await failed_changed_.wait();
        co_return *failed_;
    }

    Nonce new_nonce() override {
        Nonce nonce;
        while (nonce == Nonce{}) nonce = Nonce{runtime_.random.next()};
        return nonce;
    }
    // Writes of unknown fate end the session.
    Task<Result<std::optional<ChangeId>>> fate_of(Nonce) override {
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_return Error{ErrorCode::kNotFound, "no write of unknown fate has this nonce"};
    }
    SessionId session() const override { return session_; }
    SessionState state() const override { return state_; }
    Task<SessionState> state_changed(SessionState seen, Deadline deadline) override {
        while (state_ == seen && !deadline.passed(runtime_.clock)) {
            co_await state_changed_.wait_until(runtime_.clock, deadline.when());
        }
        co_return state_;
    }

private:
    struct QueuedMulti {
        std::vector<Operation> operations;
        std::size_t bytes = 0;
        OneShot<Result<ChangeId>> done;
    };
    using Group = std::vector<std::shared_ptr<QueuedMulti>>;

    // A read that is to set a watch, from before it looks until the watch is set.
    class Onlooker {
    public:
        Onlooker(EmbeddedStore& store, WatchTable::Kind kind, std::string path)
            : store_{store}, kind_{kind}, path_{std::move(path)}, place_{store.onlookers_.insert(store.onlookers_.end(), this)} {}
        Onlooker(const Onlooker&) = delete;
        Onlooker& operator=(const Onlooker&) = delete;
        ~Onlooker() { store_.onlookers_.erase(place_); }

        void note(const TreeEvent& event, ChangeId id) {
            if (concerns(event, kind_, path_)) last_ = id;
        }
        bool missed(ChangeId position) const { return last_ > position; }

    private:
        EmbeddedStore& store_;
        const WatchTable::Kind kind_;
        const std::string path_;
        ChangeId last_;
        std::list<Onlooker*>::iterator place_;
    };

    struct Found {
        std::optional<Stat> stat;
        std::string value;
        ChangeId position;
    };
    struct Listed {
        bool exists = false;
        std::vector<std::string> names;
        ChangeId position;
    };

    Task<Result<Node>> do_get(std::string path, ReadOptions options) override;
    Task<Result<std::optional<Stat>>> do_stat(std::string path, ReadOptions options) override;
    Task<Result<std::vector<std::string>>> do_children(std::string path, ReadOptions options) override;
    Task<Result<ChangeId>> do_multi(std::vector<Operation> operations, Nonce nonce) override;

    Result<Gate::Pass> enter() {
        if (failed_) return over_error();
        return calls_.enter();
    }
    Error over_error(Fate fate = Fate::kNotApplied) const {
        return {ErrorCode::kClosed, "the metadata store stopped: " + failed_->to_string(), fate};
    }

    Task<Result<Found>> find(std::string path, bool with_value);
    Task<Result<Found>> find_published(std::string path, bool with_value, Onlooker* onlooker);
    Task<Result<Listed>> list(std::string path);
    Task<Result<Stats>> read_stats(std::set<std::string> paths);
    Task<Result<void>> published(ChangeId position);
    void publish(const std::vector<std::pair<ChangeId, std::vector<TreeEvent>>>& events, ChangeId position);

    Task<void> write_groups();
    Task<void> write_group(Group group);
    Task<Result<std::vector<std::string>>> left_ephemerals();

    void stop(Error error);
    void expire();

    const Runtime runtime_;
    const EmbeddedOptions options_;
    const std::shared_ptr<keyvalue::Engine> engine_;  // outlives its store
    const std::unique_ptr<keyvalue::Store> rows_;
    SessionId session_;
    SessionState state_ = SessionState::kConnected;
    Signal state_changed_;
    ChangeId published_;
    Signal published_changed_;
    WatchTable watches_;
    std::list<Onlooker*> onlookers_;
    std::deque<std::shared_ptr<QueuedMulti>> queue_;
    std::size_t queued_bytes_ = 0;
    bool writing_ = false;
    std::optional<Error> failed_;
    Signal failed_changed_;
    Gate calls_;
    Gate background_;
};

// ---- Begin and end ----

Task<Result<std::vector<std::string>>> EmbeddedStore::left_ephemerals() {
    std::vector<std::string> paths;
    std::optional<std::string> from{kEphemeralPrefix};
    while (from) {
        MR_CO_TRY(const keyvalue::Page page, co_await rows_->scan(*from, keyvalue::end_of_prefix(kEphemeralPrefix)));
        for (const keyvalue::Row& row : page.rows) {
            std::string path = row.key.substr(kEphemeralPrefix.size());
            if (path == "/" || !check_user_path(path)) {
                co_return Error{ErrorCode::kCorrupt, "the metadata store lists a broken path"};
            }
            paths.push_back(std::move(path));
        }
        from = page.next;
    }
    co_return paths;
}

// The ephemeral nodes of the sessions before go now.
Task<Result<void>> EmbeddedStore::begin() {
    std::vector<std::string> keys{std::string{kFormatKey}, std::string{kPositionKey}};
    MR_CO_TRY(const std::vector<std::optional<std::string>> found, co_await rows_->multi_get(std::move(keys)));
    keyvalue::WriteBatch batch;
    if (!found[0]) {
        MR_CO_TRY(const keyvalue::Page page, co_await rows_->scan("", "", {.rows = 1}));
        if (!page.rows.empty()) {
            co_return Error{ErrorCode::kUnsupported, options_.directory + " holds something else than metadata"};
        }
        batch.put(kFormatKey, kFormatValue);
        batch.put(kPositionKey, encode_position(published_));
    } else if (*found[0] != kFormatValue) {
        co_return Error{ErrorCode::kUnsupported, "the metadata in " + options_.directory + " has format " + *found[0] +
                                                     "; this version knows " + std::string{kFormatValue}};
    } else {
        MR_CO_TRY(published_, position_of(found[1]));
        MR_CO_TRY(std::vector<std::string> paths, co_await left_ephemerals());
        if (!paths.empty()) {
            std::vector<Operation> operations;
            for (std::string& path : paths) operations.emplace_back(Remove{std::move(path)});
            MR_CO_TRY(Stats stats, co_await read_stats(concerned_paths(operations)));
            ReadStats stored{std::move(stats)};
            TreeChanges changes{stored};
            const ChangeId id = next(published_);
            if (auto removed = changes.apply(operations, session_, id); !removed) {
                co_return Error{ErrorCode::kCorrupt, "removing ephemeral nodes: " + removed.error().detail()};
            }
            MR_CO_TRY_VOID(put_changes(stored, changes, batch));
            batch.put(kPositionKey, encode_position(id));
            published_ = id;
        }
    }
    if (!batch.empty()) MR_CO_TRY_VOID(co_await rows_->write(std::move(batch), keyvalue::Durability::kSynced));
    background_.spawn(runtime_.executor, [this]() -> Task<void> {
        Error error = co_await rows_->failed();
        if (!error.is(ErrorCode::kClosed)) stop(std::move(error));
    });
    co_return ok();
}

void EmbeddedStore::stop(Error error) {
    if (failed_) return;
    failed_ = std::move(error);
    // Of a process that is over nobody needs to be told.
    if (!failed_->is(ErrorCode::kClosed)) {
        MR_LOG_ERROR("metadata store stopped", {"directory", options_.directory}, {"reason", *failed_});
    }
    failed_changed_.notify_all();
    // Nothing more will be published.
    published_changed_.notify_all();
    expire();
}

void EmbeddedStore::expire() {
    if (state_ == SessionState::kExpired) return;
    state_ = SessionState::kExpired;
    state_changed_.notify_all();
    watches_.lose_all();
}

// ---- Reads ----

Task<Result<EmbeddedStore::Found>> EmbeddedStore::find(std::string path, bool with_value) {
    std::vector<std::string> keys{std::string{kPositionKey}, stat_key(path)};
    if (with_value) keys.push_back(value_key(path));
    MR_CO_TRY(std::vector<std::optional<std::string>> rows, co_await rows_->multi_get(std::move(keys)));
    Found found;
    MR_CO_TRY(found.position, position_of(rows[0]));
    MR_CO_TRY(found.stat, stat_of(path, rows[1]));
    if (with_value && found.stat && path != "/") {
        if (!rows[2]) co_return Error{ErrorCode::kCorrupt, "the metadata store has no value for " + path};
        found.value = std::move(*rows[2]);
    }
    co_return found;
}

// `onlooker`: null, or of the same path; it then missed nothing.
Task<Result<EmbeddedStore::Found>> EmbeddedStore::find_published(std::string path, bool with_value, Onlooker* onlooker) {
    for (;;) {
        MR_CO_TRY(Found found, co_await find(path, with_value));
        MR_CO_TRY_VOID(co_await published(found.position));
        if (onlooker == nullptr || !onlooker->missed(found.position)) co_return found;
    }
}

Task<Result<void>> EmbeddedStore::published(ChangeId position) {
    while (published_ < position && !failed_) co_await published_changed_.wait();
    if (failed_) co_return over_error();
    co_return ok();
}

Task<Result<Node>> EmbeddedStore::do_get(std::string path, ReadOptions options) {
    MR_CO_TRY(const Gate::Pass pass, enter());
    std::optional<Onlooker> onlooker;
    if (options.watcher) onlooker.emplace(*this, WatchTable::Kind::kNode, path);
    MR_CO_TRY(Found found, co_await find_published(path, true, onlooker ? &*onlooker : nullptr));
    if (!found.stat) co_return Error{ErrorCode::kNotFound, path + " does not exist"};
    watches_.add(WatchTable::Kind::kNode, path, std::move(options.watcher));
    co_return Node{std::move(found.value), *found.stat};
}

Task<Result<std::optional<Stat>>> EmbeddedStore::do_stat(std::string path, ReadOptions options) {
    MR_CO_TRY(const Gate::Pass pass, enter());
    std::optional<Onlooker> onlooker;
    if (options.watcher) onlooker.emplace(*this, WatchTable::Kind::kNode, path);
    MR_CO_TRY(Found found, co_await find_published(path, false, onlooker ? &*onlooker : nullptr));
    watches_.add(WatchTable::Kind::kNode, path, std::move(options.watcher));
    co_return found.stat;
}

// Stat, names and position at one point in time.
Task<Result<EmbeddedStore::Listed>> EmbeddedStore::list(std::string path) {
    MR_CO_TRY(const std::unique_ptr<keyvalue::Snapshot> snapshot, co_await rows_->snapshot());
    std::vector<std::string> keys{std::string{kPositionKey}, stat_key(path)};
    MR_CO_TRY(const std::vector<std::optional<std::string>> rows, co_await snapshot->multi_get(std::move(keys)));
    Listed listed;
    MR_CO_TRY(listed.position, position_of(rows[0]));
    MR_CO_TRY(const std::optional<Stat> stat, stat_of(path, rows[1]));
    listed.exists = stat.has_value();
    if (!stat || stat->children == 0) co_return listed;
    const std::string prefix = children_prefix(path);
    MR_CO_TRY(const keyvalue::Page page, co_await snapshot->scan(prefix, keyvalue::end_of_prefix(prefix), kAllChildren));
    for (const keyvalue::Row& row : page.rows) listed.names.push_back(row.key.substr(prefix.size()));
    if (page.next || listed.names.size() != stat->children) {
        co_return Error{ErrorCode::kCorrupt, "the metadata store lists " + std::to_string(listed.names.size()) +
                                                 " children of " + path + "; its stat says " +
                                                 std::to_string(stat->children)};
    }
    co_return listed;
}

Task<Result<std::vector<std::string>>> EmbeddedStore::do_children(std::string path, ReadOptions options) {
    MR_CO_TRY(const Gate::Pass pass, enter());
    std::optional<Onlooker> onlooker;
    if (options.watcher) onlooker.emplace(*this, WatchTable::Kind::kChildren, path);
    for (;;) {
        MR_CO_TRY(Listed listed, co_await list(path));
        MR_CO_TRY_VOID(co_await published(listed.position));
        if (onlooker && onlooker->missed(listed.position)) continue;
        if (!listed.exists) co_return Error{ErrorCode::kNotFound, path + " does not exist"};
        watches_.add(WatchTable::Kind::kChildren, path, std::move(options.watcher));
        co_return std::move(listed.names);
    }
}

// ---- Writes ----

Task<Result<ChangeId>> EmbeddedStore::do_multi(std::vector<Operation> operations, Nonce) {
    MR_CO_TRY(const Gate::Pass pass, enter());
    auto queued = std::make_shared<QueuedMulti>();
    for (const Operation& operation : operations) queued->bytes += weight_of(operation);
    if (queue_.size() >= kQueuedMultisMax || (!queue_.empty() && queued_bytes_ + queued->bytes > kQueuedBytesMax)) {
        co_return Error{ErrorCode::kUnavailable, "the metadata store has " + std::to_string(queue_.size()) +
                                                     " changes waiting; try again"};
    }
    queued->operations = std::move(operations);
    queued_bytes_ += queued->bytes;
    queue_.push_back(queued);
    if (!writing_) {
        writing_ = true;
        // It leaves the gate when the queue is empty.
        background_.spawn(runtime_.executor, [this]() -> Task<void> { return write_groups(); });
    }
    co_return co_await queued->done.wait();
}

// One group after the other until none waits. What is queued while a group is written makes up the next one.
Task<void> EmbeddedStore::write_groups() {
    while (!queue_.empty()) {
        Group group;
        std::size_t bytes = 0;
        while (!queue_.empty() && group.size() < kGroupMultisMax && bytes < kGroupBytesMax) {
            bytes += queue_.front()->bytes;
            group.push_back(std::move(queue_.front()));
            queue_.pop_front();
        }
        queued_bytes_ -= bytes;
        co_await write_group(std::move(group));
    }
    writing_ = false;
}

Task<Result<Stats>> EmbeddedStore::read_stats(std::set<std::string> paths) {
    Stats stats;
    auto path = paths.begin();
    while (path != paths.end()) {
        const auto first = path;
        std::vector<std::string> keys;
        for (; path != paths.end() && keys.size() < keyvalue::kMultiGetKeysMax; ++path) keys.push_back(stat_key(*path));
        MR_CO_TRY(const std::vector<std::optional<std::string>> rows, co_await rows_->multi_get(std::move(keys)));
        auto at = first;
        for (const std::optional<std::string>& row : rows) {
            MR_CO_TRY(std::optional<Stat> stat, stat_of(*at, row));
            stats.emplace(*at++, std::move(stat));
        }
    }
    co_return stats;
}

// Decides in order, writes once. Nobody else writes, so what is read stays true until then.
Task<void> EmbeddedStore::write_group(Group group) {
    const auto answer_all = [&group](const Error& error) {
        for (const auto& queued : group) queued->done.set(error);
    };
    if (failed_) co_return answer_all(over_error());

    std::set<std::string> paths;
    for (const auto& queued : group) paths.merge(concerned_paths(queued->operations));
    Result<Stats> stats = co_await read_stats(std::move(paths));
    if (failed_) co_return answer_all(over_error());
    if (!stats) co_return answer_all(stats.error());

    ReadStats stored{std::move(*stats)};
    TreeChanges changes{stored};
    ChangeId position = published_;
    std::vector<std::pair<ChangeId, std::vector<TreeEvent>>> events;
    std::vector<Result<ChangeId>> results;
    for (const auto& queued : group) {
        Result<std::vector<TreeEvent>> applied = changes.apply(queued->operations, session_, next(position));
        if (!applied) {
            results.push_back(std::move(applied).error());
            continue;
        }
        position = next(position);
        events.emplace_back(position, std::move(*applied));
        results.push_back(position);
    }

    if (position != published_) {
        keyvalue::WriteBatch batch;
        MR_CHECK(put_changes(stored, changes, batch).ok());  // was read before
        batch.put(kPositionKey, encode_position(position));
        const Result<void> written = co_await rows_->write(std::move(batch), keyvalue::Durability::kSynced);
        if (!written) {
            // Refusals too were decided on changes that are not, or may not be, there.
            if (written.error().fate() == Fate::kNotApplied) co_return answer_all(written.error());
            stop(written.error());
            for (std::size_t i = 0; i < group.size(); ++i) {
                group[i]->done.set(over_error(results[i] ? Fate::kUnknown : Fate::kNotApplied));
            }
            co_return;
        }
        publish(events, position);
    }
    for (std::size_t i = 0; i < group.size(); ++i) group[i]->done.set(std::move(results[i]));
}

void EmbeddedStore::publish(const std::vector<std::pair<ChangeId, std::vector<TreeEvent>>>& events, ChangeId position) {
    published_ = position;
    for (const auto& [id, each] : events) {
        for (const TreeEvent& event : each) {
            for (Onlooker* const onlooker : onlookers_) onlooker->note(event, id);
            watches_.tell(event.kind, event.path);
        }
    }
    published_changed_.notify_all();
}

}  // namespace

Task<Result<std::unique_ptr<EmbeddedMetadataStore>>> EmbeddedMetadataStore::open(Runtime runtime,
                                                                                 std::shared_ptr<keyvalue::Engine> engine,
                                                                                 EmbeddedOptions options) {
    const std::string directory = options.directory;
    const Result<std::vector<std::string>> names = co_await runtime.disk.list(directory);
    if (!names && !names.error().is(ErrorCode::kNotFound)) co_return Error{names.error()}.while_doing("the metadata store");
    if (options.was_used && (!names || names->empty())) {
        co_return Error{ErrorCode::kNotFound, "'" + directory + "' is empty or missing, but there was something; is it mounted?"};
    }
    if (names && std::binary_search(names->begin(), names->end(), "CURRENT")) {
        co_return Error{ErrorCode::kUnsupported, "the metadata in " + directory +
                                                     " is that of a version before the first release, which this one cannot "
                                                     "read; begin with an empty data directory"};
    }
    keyvalue::StoreOptions rows;
    rows.directory = directory;
    rows.log = true;
    rows.write_buffer_bytes = 4 * 1024 * 1024;
    rows.keep_free_bytes = options.keep_free_bytes;
    MR_CO_TRY(std::unique_ptr<keyvalue::Store> opened, co_await engine->open(runtime, std::move(rows)));
    auto store = std::make_unique<EmbeddedStore>(runtime, std::move(options), std::move(engine), std::move(opened));
    Result<void> begun = co_await store->begin();
    if (!begun) {
        co_await store->close();
        co_return std::move(begun).error();
    }
    co_return std::unique_ptr<EmbeddedMetadataStore>{std::move(store)};
}

}  // namespace millrace::metadata
