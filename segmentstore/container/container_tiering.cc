// SPDX-License-Identifier: Apache-2.0
//
// From the log to long-term storage, in this order, each step durable before the next begins:
//   1. the log says which object is about to be written        (ObjectPlanned)
//   2. the object holds the bytes of a window of the log
//   3. the log says where they are now                         (WindowTiered)
//   4. a snapshot of the state after that is written, planned like any object
//   5. the log is truncated to the window's end and anchors the snapshot, in one step
//   6. objects that the anchored snapshot proves dead are removed
// A crash between any two of them leaves objects that nothing refers to, and the log knows their names.
#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/crc32c.h"
#include "common/runtime/assert_on.h"
#include "common/runtime/rare.h"
#include "common/telemetry/log.h"
#include "segmentstore/container/container.h"
#include "segmentstore/tiering/object_writer.h"

namespace millrace::container {

namespace {

// A boundary a little later will do: fewer of them are kept.
constexpr std::uint64_t kBoundaryBytes = 64 * 1024;
constexpr std::size_t kPieceBytes = 1024 * 1024;
// With pauses in between: short for those who wait for the same disk.
constexpr std::size_t kEvenWriteBytes = 256 * 1024;
constexpr std::size_t kSnapshotReadBytes = 4 * 1024 * 1024;
constexpr int kRetryFactorMax = 30;
// What one operation can list.
constexpr std::size_t kMaxRuns = (kMaxOperationBytes - 1024) / 32;

Error log_without_state(std::string what) { return {ErrorCode::kCorrupt, std::move(what)}; }

}  // namespace

void Container::note_untiered(const std::shared_ptr<Segment>& segment) {
    if (segment->untiered) return;
    segment->untiered = true;
    untiered_.push_back(segment);
}

void Container::tell_untiered_bytes() {
    const std::uint64_t bytes = committed_bytes_ - cursor_bytes_;
    cache_.gathered(std::exchange(untiered_bytes_, bytes), bytes);
    metrics_.untiered_bytes.set(static_cast<double>(bytes));
}

void Container::tier_now() {
    tier_now_ = true;
    tier_wake_.notify_all();
}

void Container::note_boundary(LogPosition position) {
    last_boundary_ = {position, committed_bytes_};
    if (boundaries_.empty()) {
        // What tiering itself writes is no reason to tier again.
        if (committed_bytes_ == cursor_bytes_) return;
        untiered_since_ = clock_.now();
    } else if (writer_ && boundaries_.back().position != window_end_) {
        // During replay, and for the window that is being written, each cursor has to find its boundary.
        const std::uint64_t before = boundaries_.size() > 1 ? boundaries_[boundaries_.size() - 2].bytes : cursor_bytes_;
        if (committed_bytes_ - before < std::min(kBoundaryBytes, options_.tiering.window_bytes / 4)) boundaries_.pop_back();
    }
    boundaries_.push_back({position, committed_bytes_});
    tell_untiered_bytes();
    if (due_window()) tier_wake_.notify_all();
}

// The end of the next window, when it is time for one.
std::optional<Container::Boundary> Container::due_window() const {
    const std::uint64_t waiting = boundaries_.empty() ? 0 : boundaries_.back().bytes - cursor_bytes_;
    // Also when nothing waits but what tiering has written: that keeps the log from being truncated.
    if (tier_now_ && waiting < options_.tiering.window_bytes && last_boundary_.position.index > cursor_.index) {
        return last_boundary_;
    }
    if (boundaries_.empty()) return std::nullopt;
    if (waiting < options_.tiering.window_bytes && !cache_.should_move(waiting) &&
        clock_.now() < untiered_since_ + options_.tiering.max_age) {
        return std::nullopt;
    }
    const auto beyond = std::find_if(boundaries_.begin(), boundaries_.end(), [&](const Boundary& b) {
        return b.bytes - cursor_bytes_ > options_.tiering.window_bytes;
    });
    if (beyond == boundaries_.begin()) return *beyond;
    const Boundary& last = *std::prev(beyond);
    const bool small = beyond != boundaries_.end() && last.bytes - cursor_bytes_ < options_.tiering.window_bytes / 2;
    return small ? *beyond : last;
}

void Container::apply_tiered(const WindowTiered& tiered, Lsn lsn) {
    std::uint64_t live = 0;
    for (const WindowTiered::Run& run : tiered.runs) {
        const auto found = by_key_.find(run.segment);
        if (found == by_key_.end()) continue;  // deleted since
        Segment& segment = *found->second;
        const TieredExtent extent{tiered.object, run.offset, run.position, run.length, run.crc};
        if (extent.end() <= segment.committed.start_offset) continue;  // truncated since
        segment.tiered.add(extent);
        ++live;
    }
    if (tiered.object != ObjectId{}) objects_.written(tiered.object, live, lsn);
    else objects_.none_written(lsn);
    std::erase_if(untiered_, [&](const std::shared_ptr<Segment>& segment) {
        const std::int64_t begin = segment->extents.begin_of(tiered.cursor.index);
        segment->extents.drop_before(begin);
        if (begin < segment->extents.end() && !segment->committed.deleted) return false;
        segment->untiered = false;
        return true;
    });
    cursor_ = tiered.cursor;
    snapshot_due_ = true;
    while (!boundaries_.empty() && boundaries_.front().position.index <= cursor_.index) {
        cursor_bytes_ = boundaries_.front().bytes;
        boundaries_.pop_front();
    }
    // What tiering itself has written meanwhile is no reason to tier again.
    while (!boundaries_.empty() && boundaries_.front().bytes == cursor_bytes_) boundaries_.pop_front();
    untiered_since_ = clock_.now();
    tell_untiered_bytes();
}

Task<void> Container::tier_loop() {
    int failures = 0;
    removals_due_ = anchored_.has_value();
    if (!log_.is_exclusive() && !options_.mutations.forget_late_objects) {
        late_objects_end_ = clock_.now() + options_.tiering.late_objects;
    }
    while (!stopped_) {
        tiering_progress_ = clock_.now();
        const Result<bool> done = co_await tier_once();
        tiering_progress_.reset();
        if (credits_.available()) credits_.changed().notify_all();
        if (done) {
            failures = 0;
            tiering_trouble_.clear();
            if (*done || stopped_) continue;
            tiering_step_ = TieringStep::kIdle;
            // The age of what waits is looked at now and then; everything else wakes.
            MonotonicTime look = clock_.now() + options_.tiering.max_age;
            if (!removed_early_.empty()) look = std::min(look, std::max(late_objects_end_, clock_.now()));
            co_await tier_wake_.wait_until(clock_, look);
            if (!removed_early_.empty() && clock_.now() >= late_objects_end_) removals_due_ = true;
            continue;
        }
        if (stopped_ || done.error().is(ErrorCode::kClosed)) co_return;
        if (done.error().is(ErrorCode::kFenced)) co_return on_failed(done.error());
        tiering_step_ = TieringStep::kIdle;
        ++failures;
        metrics_.tiering_failures.add();
        tiering_trouble_ = done.error().to_string();
        if (failures == 1 || failures % 10 == 0) {
            MR_LOG_WARN("not moved to long-term storage; will try again", {"container", to_string(options_.id)},
                        {"attempt", failures}, {"reason", done.error().to_string()});
        }
        const MonotonicTime again = clock_.now() + options_.tiering.retry * std::min(failures, kRetryFactorMax);
        while (!stopped_ && clock_.now() < again) co_await tier_wake_.wait_until(clock_, again);
    }
}

std::string Container::tiering_trouble() const {
    if (!tiering_trouble_.empty() || !tiering_progress_) return tiering_trouble_;
    const auto since = clock_.now() - *tiering_progress_;
    if (since < options_.tiering.stuck_after) return {};
    return "no answer for " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(since).count()) + " s";
}

// False: there is nothing to do now.
Task<Result<bool>> Container::tier_once() {
    if (snapshot_due_ && !full()) {
        MR_CO_TRY_VOID(co_await take_snapshot());
        co_return true;
    }
    if (const auto end = due_window(); end && !full()) {
        hurried_ = std::exchange(tier_now_, false);
        Result<void> moved = co_await tier_window(*end);
        if (moved) co_return true;
        // Who asked still needs it.
        tier_now_ = tier_now_ || hurried_;
        // A full storage gets room by what segments have given up, once a snapshot proves it; that takes little.
        const bool proof = moved.error().is(ErrorCode::kNoSpace) && objects_.awaits_proof(anchored_ ? anchored_->lsn : Lsn{});
        snapshot_due_ = snapshot_due_ || proof;
        co_return std::move(moved).error();
    }
    if (!removals_due_) co_return false;
    MR_CO_TRY(removals_due_, co_await remove_dead());
    co_return true;
}

// The gaps between the steps are short; a simulation makes some of them long, so that crashes and successors fall into each.
Task<Result<void>> Container::reached(TieringStep step, bool linger) {
    constexpr std::chrono::milliseconds kLinger{20};
    tiering_step_ = step;
    if (linger) co_await sleep_for(clock_, kLinger);
    if (stopped_) co_return Error{ErrorCode::kClosed, "the container stopped"};
    co_return ok();
}

Task<Result<void>> Container::still_owner() {
    if (co_await wait_settled(fact(Lsn{}))) co_return ok();
    co_return Error{ErrorCode::kClosed, "the container stopped"};
}

// False: the container stopped before the operation was committed.
Task<Result<bool>> Container::commit_operation(OperationType type, Operation::What what) {
    if (const auto refused = refusal()) {
        co_return Error{*refused == Status::kFull ? ErrorCode::kNoSpace : ErrorCode::kClosed, "the log takes nothing now"};
    }
    const Lsn lsn = admit(type, nullptr, std::move(what), {}, 0);
    co_return co_await wait_settled(lsn);
}

Task<Result<void>> Container::tier_window(Boundary end) {
    const Error closed{ErrorCode::kClosed, "the container stopped"};
    WindowTiered tiered;
    tiered.cursor = end.position;
    window_end_ = end.position;
    DataCache::Move move{cache_, clock_.now()};
    const bool any = std::any_of(untiered_.begin(), untiered_.end(), [&](const auto& segment) {
        return !segment->committed.deleted &&
               std::max(segment->tiered.end(), segment->committed.start_offset) < segment->extents.begin_of(end.position.index);
    });
    if (any) {
        MR_CO_TRY(tiered.object, co_await plan_object(false));
        MR_CO_TRY_VOID(co_await reached(TieringStep::kDataPlanned, MR_RARE("container.lingers_with_data_planned")));
        MR_CO_TRY_VOID(co_await write_runs(tiered.object, end.position, move, tiered.runs));
        MR_CO_TRY_VOID(co_await reached(TieringStep::kDataStored, MR_RARE("container.lingers_with_data_stored")));
    } else {
        planned_data_.reset();  // dead with this window
    }
    if (stopped_) co_return closed;
    if (tiered.runs.size() > kMaxRuns) {
        co_return Error{ErrorCode::kTooLarge, "a window of " + std::to_string(tiered.runs.size()) + " extents"};
    }
    const auto bytes = std::accumulate(tiered.runs.begin(), tiered.runs.end(), std::uint64_t{0},
                                       [](std::uint64_t sum, const auto& run) { return sum + run.length; });
    MR_CO_TRY(const bool committed,
              co_await commit_operation(OperationType::kWindowTiered, std::move(tiered)));
    if (!committed) co_return closed;
    MR_CO_TRY_VOID(co_await reached(TieringStep::kWindowCommitted, MR_RARE("container.lingers_with_window_committed")));
    ++counts_.windows;
    metrics_.tiered_bytes.add(bytes);
    co_return ok();
}

Task<Result<void>> Container::write_runs(ObjectId object, LogPosition end, DataCache::Move& move,
                                         std::vector<WindowTiered::Run>& runs) {
    struct Range {
        std::shared_ptr<Segment> segment;
        std::int64_t begin = 0;
        std::int64_t end = 0;
    };
    std::vector<Range> ranges;
    for (const auto& segment : untiered_) {
        if (segment->committed.deleted) continue;
        const Range range{segment, std::max(segment->tiered.end(), segment->committed.start_offset),
                          segment->extents.begin_of(end.index)};
        if (range.begin < range.end) ranges.push_back(range);
    }
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.segment->key < b.segment->key; });
    auto created = co_await tiering::DataObjectWriter::create(*options_.storage, object_name(object));
    if (!created) {
        if (created.error().is(ErrorCode::kAlreadyExists)) planned_data_.reset();
        co_return std::move(created).error();
    }
    const auto writer = std::move(*created);
    std::size_t written = 0;  // since the last pause
    for (const Range& range : ranges) {
        ReadCursor cursor;
        cursor.segment_ = range.segment;
        for (cursor.offset_ = range.begin; cursor.offset_ < range.end;) {
            if (written >= kEvenWriteBytes && !is_urgent(move)) {
                MR_CO_TRY_VOID(co_await writer->hand_over());
                co_await pause(move, std::exchange(written, 0));
            }
            if (stopped_) co_return Error{ErrorCode::kClosed, "the container stopped"};
            const auto wanted = std::min<std::size_t>(kPieceBytes, static_cast<std::size_t>(range.end - cursor.offset_));
            const ReadOutcome read = co_await read_back(cursor, wanted);
            // Nobody needs what was deleted or truncated meanwhile.
            if (read.status == ReadStatus::kNoSuchSegment) break;
            if (read.status == ReadStatus::kTruncated) {
                cursor.offset_ = read.start_offset;
                continue;
            }
            if (read.status == ReadStatus::kFailed) co_return *read.error;
            if (read.status != ReadStatus::kData) co_return Error{ErrorCode::kClosed, "the container stopped"};
            std::vector<Bytes> pieces{read.data};
            MR_CO_TRY_VOID(co_await writer->add(range.segment->key.number(), range.segment->name, cursor.offset_, std::move(pieces)));
            cursor.offset_ += static_cast<std::int64_t>(read.data.size());
            written += read.data.size();
            range.segment->cache.moved_before(cursor.offset_);
            tiering_progress_ = clock_.now();
            move.moved(read.data.size(), *tiering_progress_);
            if (credits_.available()) credits_.changed().notify_all();
        }
    }
    MR_CO_TRY_VOID(co_await still_owner());
    planned_data_.reset();
    MR_CO_TRY(const tiering::ObjectFooter footer, co_await writer->finish());
    for (const tiering::StoredExtent& extent : footer.extents) {
        runs.push_back({SegmentKey{extent.segment}, extent.offset, extent.position, extent.length, extent.crc});
    }
    co_return ok();
}

// Whoever asked for a window needs the room.
bool Container::is_urgent(const DataCache::Move& move) const { return hurried_ || tier_now_ || move.is_urgent(); }

Task<void> Container::pause(const DataCache::Move& move, std::size_t bytes) {
    const MonotonicTime until = clock_.now() + move.pause(bytes);
    while (!stopped_ && !is_urgent(move) && clock_.now() < until) co_await tier_wake_.wait_until(clock_, until);
}

// The committed state, all of it: called between two turns of the loop, so nothing changes underneath.
ByteBuffer Container::encode_state(SnapshotHead& head) const {
    head.lsn = committed_;
    head.cursor = options_.mutations.truncate_at_snapshot ? last_boundary_.position : cursor_;
    head.wall_ms = wall_ms_;
    head.segments = by_key_.size();
    head.objects = objects_.objects().size();
    ByteBuffer body;
    encode_snapshot_head(head, body);
    for (const auto& segment : segments()) {
        SnapshotSegment row;
        row.key = segment->key;
        row.name = segment->name;
        row.policy = segment->policy;
        row.sealed = segment->committed.sealed;
        row.length = segment->committed.length;
        row.start_offset = segment->committed.start_offset;
        row.last_modified_ms = segment->committed.last_modified_ms;
        // Operations that are only admitted have no part in this.
        row.newest = std::min(segment->admitted.newest, committed_);
        row.tiered_end = segment->tiered.end();
        for (const auto& [id, attribute] : segment->attributes) {
            const std::int64_t value =
                options_.mutations.snapshot_admitted_attributes ? attribute.value : attribute.committed;
            if (value != kNoAttributeValue) row.attributes.emplace_back(id, value);
        }
        std::sort(row.attributes.begin(), row.attributes.end());
        row.extents.assign(segment->tiered.extents().begin(), segment->tiered.extents().end());
        encode_snapshot_segment(row, body);
    }
    for (const auto& [id, object] : objects_.objects()) encode_snapshot_object(object, body);
    return body;
}

// A storage that is away is tried for as long as it takes; the log must not fill with plans meanwhile.
Task<Result<ObjectId>> Container::plan_object(bool snapshot) {
    std::optional<ObjectId>& planned = snapshot ? planned_snapshot_ : planned_data_;
    if (planned) co_return *planned;
    const ObjectId id{log_.epoch(), next_object_++};
    MR_CO_TRY(const bool committed,
              co_await commit_operation(OperationType::kObjectPlanned, ObjectPlanned{id, snapshot}));
    if (!committed || stopped_) co_return Error{ErrorCode::kClosed, "the container stopped"};
    planned = id;
    co_return id;
}

Task<Result<void>> Container::take_snapshot() {
    Anchor anchor;
    MR_CO_TRY(anchor.snapshot, co_await plan_object(true));
    MR_CO_TRY_VOID(co_await reached(TieringStep::kSnapshotPlanned, MR_RARE("container.lingers_with_snapshot_planned")));
    const storage::ObjectName name = object_name(anchor.snapshot);
    auto created = co_await options_.storage->create(name);
    if (!created) {
        if (created.error().is(ErrorCode::kAlreadyExists)) planned_snapshot_.reset();
        co_return std::move(created).error();
    }
    if (stopped_) co_return Error{ErrorCode::kClosed, "the container stopped"};
    auto writer = std::move(*created);
    SnapshotHead head;
    const Bytes body{encode_state(head)};
    anchor.lsn = head.lsn;
    anchor.body_bytes = body.size();
    anchor.body_crc = crc32c(body.view());
    std::vector<Bytes> pieces{Bytes{tiering::encode_object_header({tiering::ObjectKind::kSnapshot, name})}, body,
                              Bytes{encode_snapshot_end(anchor.body_bytes, anchor.body_crc)}};
    MR_CO_TRY_VOID(co_await writer->append(std::move(pieces)));
    MR_CO_TRY_VOID(co_await still_owner());
    planned_snapshot_.reset();
    MR_CO_TRY_VOID(co_await writer->finish());
    writer.reset();
    MR_CO_TRY_VOID(co_await reached(TieringStep::kSnapshotStored, MR_RARE("container.lingers_with_snapshot_stored")));
    if (options_.mutations.remove_before_anchor && anchored_) {
        MR_CO_TRY_VOID(co_await options_.storage->remove(object_name(anchored_->snapshot)));
    }
    MR_CO_TRY_VOID(co_await log_.truncate(head.cursor.index, encode_anchor(anchor)));
    anchored_ = anchor;
    snapshot_due_ = false;
    ++counts_.snapshots;
    MR_CO_TRY_VOID(co_await reached(TieringStep::kAnchored, MR_RARE("container.lingers_with_snapshot_anchored")));
    removals_due_ = true;
    MR_CO_TRY(removals_due_, co_await remove_dead());
    co_return ok();
}

// Whether who planned it may be about to write it, not knowing that it was replaced.
bool Container::may_appear_late(ObjectId id) const {
    const ObjectTable::Object* const object = objects_.find(id);
    return id.epoch < log_.epoch() && object != nullptr && !object->written && clock_.now() < late_objects_end_;
}

Task<Result<bool>> Container::remove_dead() {
    // So that a large stream that was deleted does not keep what is alive from moving.
    constexpr std::size_t kRemovalsAtOnce = 32;
    std::size_t removed = 0;
    for (const ObjectId id : objects_.dead(anchored_->lsn, anchored_->snapshot)) {
        if (stopped_) co_return false;
        const bool late = may_appear_late(id);
        if (late && removed_early_.contains(id)) continue;
        if (removed++ == kRemovalsAtOnce) co_return true;
        MR_CO_TRY_VOID(co_await options_.storage->remove(object_name(id)));  // after an error the evidence stays
        if (late) {
            removed_early_.insert(id);
        } else {
            removed_early_.erase(id);
            objects_.forget(id);
        }
        MR_CO_TRY_VOID(co_await reached(TieringStep::kRemoving, MR_RARE("container.lingers_while_removing")));
    }
    co_return false;
}

Task<Result<void>> Container::load_snapshot() {
    const Bytes& kept = log_.anchor();
    if (kept.empty()) {
        if (log_.first() == log::Index{1}) co_return ok();
        co_return log_without_state("the log begins with entry " + to_string(log_.first()) + " and names no snapshot");
    }
    MR_CO_TRY(const Anchor anchor, decode_anchor(kept.view()));
    const storage::ObjectName name = object_name(anchor.snapshot);
    const std::string what = "snapshot " + name.to_string();
    if (options_.storage == nullptr) {
        co_return Error{ErrorCode::kFailedPrecondition, "its state is in long-term storage (" + what + "), and none was given"};
    }
    const auto header = co_await options_.storage->read(name, 0, tiering::kObjectHeaderBytes);
    if (!header) {
        // The storage is the right one, so nothing else will help.
        if (header.error().is(ErrorCode::kNotFound)) co_return log_without_state(what + " is gone: " + header.error().detail());
        co_return header.error();
    }
    const auto decoded_header = tiering::decode_object_header(header->view());
    if (!decoded_header) co_return Error{decoded_header.error()}.while_doing(what);
    if (decoded_header->name != name || decoded_header->kind != tiering::ObjectKind::kSnapshot) {
        co_return log_without_state(what + ": another object is under its name");
    }
    ByteBuffer body;
    while (body.size() < anchor.body_bytes) {
        const auto wanted = std::min<std::uint64_t>(kSnapshotReadBytes, anchor.body_bytes - body.size());
        MR_CO_TRY(const Bytes piece, co_await options_.storage->read(name, tiering::kObjectHeaderBytes + body.size(),
                                                                     static_cast<std::size_t>(wanted)));
        if (piece.empty()) co_return log_without_state(what + " ends after " + std::to_string(body.size()) + " bytes");
        body.append(piece.view());
    }
    if (crc32c(body.view()) != anchor.body_crc) co_return log_without_state(what + " fails its checksum");
    Result<Snapshot> decoded = decode_snapshot(body.view());
    if (!decoded) co_return std::move(decoded).error().while_doing(what);
    if (decoded->head.lsn != anchor.lsn || decoded->head.cursor.index != log_.first()) {
        co_return log_without_state(what + " is of operation " + to_string(decoded->head.lsn) + " and log entry " +
                                    to_string(decoded->head.cursor.index) + "; the log wants " + to_string(anchor.lsn) +
                                    " and " + to_string(log_.first()));
    }
    for (SnapshotSegment& row : decoded->segments) {
        auto segment = std::make_shared<Segment>(row.name, row.key, cache_);
        segment->policy = row.policy;
        segment->admitted = {row.length, row.start_offset, row.sealed, false, row.last_modified_ms, row.newest};
        segment->committed = {true, row.length, row.start_offset, row.sealed, false, row.last_modified_ms};
        for (const auto& [id, value] : row.attributes) segment->attributes[id] = {value, value, 0};
        for (const TieredExtent& extent : row.extents) segment->tiered.add(extent);
        segment->tiered.set_end(row.tiered_end);
        segment->extents.restart_at(row.tiered_end);
        if (!names_.emplace(row.name, segment).second || !by_key_.emplace(row.key, segment).second) {
            co_return log_without_state(what + " lists segment '" + row.name + "' twice");
        }
    }
    for (const ObjectTable::Object& object : decoded->objects) objects_.put(object);
    anchored_ = anchor;
    cursor_ = decoded->head.cursor;
    committed_ = cursor_.lsn;
    wall_ms_ = decoded->head.wall_ms;
    co_return ok();
}

}  // namespace millrace::container
