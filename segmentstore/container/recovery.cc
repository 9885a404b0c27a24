// SPDX-License-Identifier: Apache-2.0
//
// Replay: the log is the container's only memory. Everything that the log says was checked when it
// was admitted, so whatever does not fit is damage, and the container does not start.
#include <deque>
#include <utility>

#include "segmentstore/container/container.h"

namespace millrace::container {

// What only replay needs.
class Container::Replay {
public:
    explicit Replay(const Container& container)
        : container_{container}, assembler{container.log_.first() > log::Index{1}, container.options_.mutations} {}

    const Container& container_;
    OperationAssembler assembler;
    Lsn snapshot;  // up to here the state is known; operations only tell where bytes lie

    Result<std::shared_ptr<Segment>> find(SegmentKey key) const {
        const auto found = container_.by_key_.find(key);
        if (found == container_.by_key_.end()) {
            return Error{ErrorCode::kCorrupt, "it names segment " + to_string(key) + ", which does not exist"};
        }
        return found->second;
    }
};

namespace {

// Entries read ahead while earlier ones are applied: at most this many MiB a container.
constexpr std::size_t kReadAhead = 2;

Error replay_mismatch(const Segment& segment, std::string what) {
    return {ErrorCode::kCorrupt, "segment '" + segment.name + "': " + std::move(what)};
}

}  // namespace

Task<Result<void>> Container::recover() {
    Result<void> replayed = co_await replay_log();
    if (replayed || options_.read_only || log_.is_exclusive()) co_return replayed;
    // A successor truncates the log and removes objects while we read: what looks like damage is none then.
    Result<void> owner = co_await log_.confirm_ownership();
    if (!owner && owner.error().is(ErrorCode::kFenced)) co_return owner;
    co_return replayed;
}

Task<Result<void>> Container::replay_log() {
    Result<void> loaded = co_await load_snapshot();
    if (!loaded) co_return std::move(loaded).error().while_doing("container " + to_string(options_.id));
    Replay replay{*this};
    if (anchored_) replay.snapshot = anchored_->lsn;
    using Slot = OneShot<Result<Bytes>>;
    std::deque<std::shared_ptr<Slot>> ahead;
    Gate readers;
    log::Index to_read = log_.first();
    const log::Index end = log_.next();
    Result<void> result = ok();
    for (log::Index index = log_.first(); result && index < end; index = next(index)) {
        while (to_read < end && ahead.size() < kReadAhead) {
            auto slot = std::make_shared<Slot>();
            ahead.push_back(slot);
            readers.spawn(executor_, [this, slot, to_read]() -> Task<void> {
                slot->set(co_await log_.read(to_read, 0, kMaxEntryBytes));
            });
            to_read = next(to_read);
        }
        const std::shared_ptr<Slot> slot = std::move(ahead.front());
        ahead.pop_front();
        Result<Bytes> body = co_await slot->wait();
        if (!body) {
            result = std::move(body).error().while_doing("log entry " + to_string(index));
            break;
        }
        std::vector<ReplayedOperation> operations;
        result = replay.assembler.feed(index, body->view(), operations);
        for (auto operation = operations.begin(); result && operation != operations.end(); ++operation) {
            result = apply_replayed(replay, *operation);
            if (!result) {
                result = std::move(result).error().while_doing("log entry " + to_string(index) + ", operation " +
                                                               to_string(next(committed_)));
            }
        }
        for (const ReplayedOperation& operation : operations) {
            const auto& what = operation.decoded.operation.what;
            if (std::holds_alternative<ObjectPlanned>(what) || std::holds_alternative<WindowTiered>(what)) continue;
            for (const OperationPart& part : operation.parts) committed_bytes_ += part.length;
        }
        if (result && !replay.assembler.inside_operation()) note_boundary({next(index), committed_});
    }
    if (result && committed_ < replay.snapshot) {
        result = Error{ErrorCode::kCorrupt, "the log ends with operation " + to_string(committed_) +
                                                ", its snapshot holds operation " + to_string(replay.snapshot)};
    }
    co_await readers.close();
    if (!result) co_return std::move(result).error().while_doing("container " + to_string(options_.id));
    admitted_ = committed_;
    objects_.take_over(log_.epoch(), anchored_ ? anchored_->snapshot : ObjectId{}, committed_);
    counts_.segments = names_.size();
    metrics_.segments.set(static_cast<double>(counts_.segments));
    LogWriter::Events events{[this](Lsn lsn, std::optional<LogPosition> boundary) { on_committed(lsn, boundary); }, [this](bool is_full) { on_full(is_full); },
                             [this](Error error) { on_failed(std::move(error)); }, options_.log_refusing};
    writer_ = std::make_unique<LogWriter>(executor_, clock_, log_, std::move(events), options_.mutations);
    writer_->start();
    if (!options_.read_only && !log_.is_exclusive()) {
        Ownership::Events changes{[this] { tell_committed(); }, [this](Error error) { on_failed(std::move(error)); }};
        ownership_ = std::make_unique<Ownership>(clock_, log_, std::move(changes));
        ownership_->start(executor_);
    }
    if (options_.storage != nullptr && !options_.read_only) gate_.spawn(executor_, [this] { return tier_loop(); });
    co_return ok();
}

Result<void> Container::apply_replayed(Replay& replay, ReplayedOperation& replayed) {
    const Lsn lsn = next(committed_);
    const Operation& operation = replayed.decoded.operation;
    if (lsn <= replay.snapshot) return locate_replayed(replayed);
    std::shared_ptr<Segment> segment;
    if (const auto* planned = std::get_if<ObjectPlanned>(&operation.what)) {
        objects_.plan(planned->object, planned->snapshot, lsn);
        committed_ = lsn;
        return ok();
    }
    if (const auto* tiered = std::get_if<WindowTiered>(&operation.what)) {
        if (tiered->cursor.index < cursor_.index || tiered->cursor.lsn >= lsn) {
            return Error{ErrorCode::kCorrupt, "it moves the log's cursor to entry " + to_string(tiered->cursor.index)};
        }
        apply_tiered(*tiered, lsn);
        committed_ = lsn;
        return ok();
    }
    if (const auto* create = std::get_if<CreateSegment>(&operation.what)) {
        if (create->segment.number() != lsn.number()) {
            return Error{ErrorCode::kCorrupt, "it creates segment " + to_string(create->segment) + " at LSN " +
                                                  to_string(lsn) + "; operations are missing or doubled"};
        }
        if (names_.contains(create->name)) {
            return Error{ErrorCode::kCorrupt, "it creates segment '" + create->name + "', which exists"};
        }
        segment = std::make_shared<Segment>(create->name, create->segment, cache_);
        segment->policy = create->policy;
        segment->committed.exists = true;
        names_[create->name] = segment;
        by_key_[create->segment] = segment;
    } else if (const auto* append = std::get_if<Append>(&operation.what)) {
        MR_TRY(segment, replay.find(append->segment));
        if (segment->committed.sealed) return replay_mismatch(*segment, "an append after its seal");
        if (append->offset != segment->committed.length) {
            return replay_mismatch(*segment, "an append at offset " + std::to_string(append->offset) + ", its length is " +
                                                 std::to_string(segment->committed.length));
        }
        Attribute& record = segment->attributes[append->writer];
        if (append->event_number <= record.value) {
            return replay_mismatch(*segment, "event " + std::to_string(append->event_number) + " of writer " +
                                                 append->writer.to_string() + " after event " +
                                                 std::to_string(record.value));
        }
        record.value = record.committed = append->event_number;
        std::vector<Extent> extents;
        append_extents(*append, replayed.parts, extents);
        for (const Extent& extent : extents) segment->locate(extent);
        if (!extents.empty()) note_untiered(segment);
        segment->committed.length += static_cast<std::int64_t>(replayed.data_bytes);
        // Behind a gap nothing is known until there are bytes again.
        MR_CHECK(extents.empty() || segment->extents.end() == segment->committed.length);
    } else if (const auto* seal = std::get_if<SealSegment>(&operation.what)) {
        MR_TRY(segment, replay.find(seal->segment));
        if (segment->committed.sealed) return replay_mismatch(*segment, "sealed twice");
        if (seal->length != segment->committed.length) {
            return replay_mismatch(*segment, "sealed at length " + std::to_string(seal->length) + ", its length is " +
                                                 std::to_string(segment->committed.length));
        }
        segment->committed.sealed = true;
    } else if (const auto* truncate = std::get_if<TruncateSegment>(&operation.what)) {
        MR_TRY(segment, replay.find(truncate->segment));
        if (truncate->start_offset <= segment->committed.start_offset ||
            truncate->start_offset > segment->committed.length) {
            return replay_mismatch(*segment, "truncated to offset " + std::to_string(truncate->start_offset) +
                                                 ", it has " + std::to_string(segment->committed.start_offset) + " to " +
                                                 std::to_string(segment->committed.length));
        }
        apply_truncated(*segment, truncate->start_offset, lsn);
    } else if (const auto* set = std::get_if<SetAttribute>(&operation.what)) {
        MR_TRY(segment, replay.find(set->segment));
        if (segment->committed.sealed) return replay_mismatch(*segment, "an attribute set after its seal");
        Attribute& attribute = segment->attributes[set->attribute];
        attribute.value = attribute.committed = set->value;
    } else {
        MR_TRY(segment, replay.find(std::get<DeleteSegment>(operation.what).segment));
        apply_deleted(*segment, lsn);
        names_.erase(segment->name);
    }
    segment->admitted = {segment->committed.length,  segment->committed.start_offset, segment->committed.sealed,
                         segment->committed.deleted, operation.wall_ms,               lsn};
    segment->committed.last_modified_ms = operation.wall_ms;
    wall_ms_ = std::max(wall_ms_, operation.wall_ms);
    committed_ = lsn;
    return ok();
}

// The snapshot has this operation's effect already, but not where an append's bytes lie.
Result<void> Container::locate_replayed(ReplayedOperation& replayed) {
    committed_ = next(committed_);
    const auto* append = std::get_if<Append>(&replayed.decoded.operation.what);
    if (append == nullptr) return ok();
    const auto found = by_key_.find(append->segment);
    if (found == by_key_.end()) return ok();  // deleted since
    const std::shared_ptr<Segment>& segment = found->second;
    std::vector<Extent> extents;
    append_extents(*append, replayed.parts, extents);
    if (extents.empty()) return ok();
    const bool gap = segment->extents.empty() && append->offset > segment->extents.end();
    if (append->offset != segment->extents.end() && !gap) {
        return replay_mismatch(*segment, "an append at offset " + std::to_string(append->offset) + ", the log goes on at " +
                                             std::to_string(segment->extents.end()));
    }
    for (const Extent& extent : extents) segment->locate(extent);
    note_untiered(segment);
    return ok();
}

}  // namespace millrace::container
