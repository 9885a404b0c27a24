// SPDX-License-Identifier: Apache-2.0
//
// Admission and commit. Reads are in container_read.cc, replay in recovery.cc.
#include "segmentstore/container/container.h"

#include <algorithm>
#include <utility>

#include "common/runtime/assert_on.h"

namespace millrace::container {

namespace {

constexpr std::chrono::milliseconds kWallClockEvery{1};

bool legal_segment_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxSegmentNameBytes &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Container::Container(Executor executor, Clock& clock, log::DurableLog& log, AdmissionCredits& credits, DataCache& cache,
                     ContainerOptions options, std::function<void(Error)> on_failed)
    : executor_{std::move(executor)},
      clock_{clock},
      log_{log},
      credits_{credits},
      cache_{cache},
      options_{options},
      report_failure_{std::move(on_failed)},
      metrics_{options.id},
      extent_loader_{executor_, options.id, cache, options.storage, gate_} {}

Container::~Container() {
    MR_CHECK(gate_.inside() == 0);
    cache_.gathered(untiered_bytes_, 0);
    if (troubled_) credits_.change_troubled(false);
}

Task<void> Container::close() {
    MR_ASSERT_ON(executor_);
    stopped_ = true;
    tell_trouble();
    if (writer_) co_await writer_->close();
    if (ownership_) co_await ownership_->close();
    closing_ = true;
    for (const auto& [name, segment] : names_) segment->wake_readers();
    // A segment whose deletion never committed may have lost its name to a new one.
    for (std::size_t i = 0; i < pending_.size(); ++i) {
        if (pending_[i].segment) pending_[i].segment->wake_readers();
    }
    stop();
    co_await gate_.close();
    for (std::size_t i = 0; i < pending_.size(); ++i) {
        if (!options_.mutations.keep_credits) credits_.give_back(pending_[i].bytes);
    }
    pending_.clear();
    pending_data_.clear();
    pending_extents_.clear();
}

std::shared_ptr<Segment> Container::find(std::string_view name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : found->second;
}

std::optional<Status> Container::refusal() const {
    if (stopped_ || options_.read_only || !writer_ || writer_->stopped()) return Status::kStopped;
    if (writer_->full()) return Status::kFull;
    return std::nullopt;
}

std::int64_t Container::wall_ms(MonotonicTime now) {
    // A clock costs as much as the rest of admitting a small append.
    if (wall_ms_ == 0 || now - wall_read_at_ >= kWallClockEvery) {
        wall_ms_ = std::max<std::int64_t>(wall_ms_, clock_.wall_now().time_since_epoch().count());
        wall_read_at_ = now;
    }
    return wall_ms_;
}

Outcome Container::create(std::string_view name, const ScalePolicy& policy) {
    if (stopped_) return {Status::kStopped, Lsn{}};
    if (!legal_segment_name(name)) return {Status::kInvalidArgument, Lsn{}};
    if (const auto existing = find(name); existing && !existing->admitted.deleted) {
        return {Status::kAlreadyExists, fact(existing->admitted.newest)};
    }
    if (const auto refused = refusal()) return {*refused, Lsn{}};
    const SegmentKey key{next(admitted_).number()};
    auto segment = std::make_shared<Segment>(std::string{name}, key, cache_);
    segment->policy = policy;
    names_.insert_or_assign(segment->name, segment);
    const Lsn lsn = admit(OperationType::kCreateSegment, segment,
                          CreateSegment{key, segment->name, policy}, {}, 0);
    return {Status::kOk, done(lsn)};
}

Outcome Container::seal(std::string_view name) {
    if (stopped_) return {Status::kStopped, Lsn{}};
    const auto segment = find(name);
    if (!segment) return {Status::kNoSuchSegment, fact(Lsn{})};
    if (segment->admitted.deleted) return {Status::kNoSuchSegment, fact(segment->admitted.newest)};
    if (segment->admitted.sealed) return {Status::kSealed, fact(segment->admitted.newest)};
    if (const auto refused = refusal()) return {*refused, Lsn{}};
    segment->admitted.sealed = true;
    const Lsn lsn = admit(OperationType::kSealSegment, segment,
                          SealSegment{segment->key, segment->admitted.length}, {}, 0);
    return {Status::kOk, done(lsn)};
}

Outcome Container::remove(std::string_view name) {
    if (stopped_) return {Status::kStopped, Lsn{}};
    const auto segment = find(name);
    if (!segment) return {Status::kNoSuchSegment, fact(Lsn{})};
    if (segment->admitted.deleted) return {Status::kNoSuchSegment, fact(segment->admitted.newest)};
    if (const auto refused = refusal()) return {*refused, Lsn{}};
    segment->admitted.deleted = true;
    const Lsn lsn =
        admit(OperationType::kDeleteSegment, segment, DeleteSegment{segment->key}, {}, 0);
    return {Status::kOk, done(lsn)};
}

InfoOutcome Container::info(std::string_view name) const {
    if (stopped_) return {};
    InfoOutcome outcome;
    const auto segment = find(name);
    if (full()) {
        // What was admitted may not be committed for long; what is committed can be told at once.
        if (!segment || !segment->committed.exists) {
            outcome.status = Status::kNoSuchSegment;
            outcome.depends_on = fact(Lsn{});
            return outcome;
        }
        return {Status::kOk, fact(Lsn{}), segment->committed.sealed, segment->committed.length,
                segment->committed.start_offset, segment->committed.last_modified_ms, segment->policy};
    }
    outcome.status = segment && !segment->admitted.deleted ? Status::kOk : Status::kNoSuchSegment;
    outcome.depends_on = fact(segment ? segment->admitted.newest : Lsn{});
    if (outcome.status == Status::kOk) {
        outcome.sealed = segment->admitted.sealed;
        outcome.length = segment->admitted.length;
        outcome.start_offset = segment->admitted.start_offset;
        outcome.last_modified_ms = segment->admitted.last_modified_ms;
        outcome.policy = segment->policy;
    }
    return outcome;
}

SetupOutcome Container::setup_append(std::string_view name, WriterId writer) {
    SetupOutcome outcome;
    if (stopped_) return outcome;
    const auto segment = find(name);
    outcome.depends_on = fact(segment ? segment->admitted.newest : Lsn{});
    if (!segment || segment->admitted.deleted) {
        outcome.status = Status::kNoSuchSegment;
        return outcome;
    }
    Attribute& record = segment->attributes[writer];
    record.owner = ++last_owner_;
    outcome.status = Status::kOk;
    outcome.last_event_number = record.value;
    outcome.handle.segment_ = segment;
    outcome.handle.writer_ = writer;
    outcome.handle.owner_ = record.owner;
    return outcome;
}

bool Container::owns(const WriterHandle& handle) const {
    if (!handle) return false;
    const auto record = handle.segment_->attributes.find(handle.writer_);
    return record != handle.segment_->attributes.end() && record->second.owner == handle.owner_;
}

AppendOutcome Container::append(const WriterHandle& handle, const EventNumbers& events, std::span<const Bytes> pieces,
                                std::optional<std::int64_t> expected_offset) {
    if (stopped_ || !handle) return {};
    const std::shared_ptr<Segment>& segment = handle.segment_;
    const auto record = segment->attributes.find(handle.writer_);
    if (record == segment->attributes.end() || record->second.owner != handle.owner_) {
        return {Status::kInvalidEventNumber, Lsn{}, 0};  // taken over; nothing in the log says so
    }
    const Lsn newest = segment->admitted.newest;
    if (segment->admitted.deleted) return {Status::kNoSuchSegment, fact(newest), 0};
    if (segment->admitted.sealed) return {Status::kSealed, fact(newest), 0};
    // Numbers say what is new: an equal one would store an event twice.
    if (events.first <= record->second.value) return {Status::kInvalidEventNumber, fact(newest), 0};
    if (expected_offset && *expected_offset != segment->admitted.length) {
        return {Status::kConditionFailed, fact(newest), segment->admitted.length};
    }
    std::size_t data_bytes = 0;
    for (const Bytes& piece : pieces) data_bytes += piece.size();
    if (data_bytes > kMaxOperationBytes - kAppendHeadBytes) return {Status::kInvalidArgument, Lsn{}, 0};
    if (const auto refused = refusal()) return {*refused, Lsn{}, 0};

    const std::int64_t offset = segment->admitted.length;
    segment->admitted.length += static_cast<std::int64_t>(data_bytes);
    record->second.value = events.last;
    const Lsn lsn = admit(OperationType::kAppend, segment,
                          Append{segment->key, offset, handle.writer_, events.last, events.count},
                          pieces, events.count);
    return {Status::kOk, done(lsn), segment->admitted.length};
}

TruncateOutcome Container::truncate(std::string_view name, std::int64_t offset) {
    if (stopped_) return {};
    const auto segment = find(name);
    if (!segment) return {Status::kNoSuchSegment, fact(Lsn{}), 0};
    const Lsn newest = segment->admitted.newest;
    if (segment->admitted.deleted) return {Status::kNoSuchSegment, fact(newest), 0};
    const std::int64_t start = segment->admitted.start_offset;
    if (offset < start || offset > segment->admitted.length) return {Status::kTruncated, fact(newest), start};
    if (offset == start) return {Status::kOk, fact(newest), start};
    if (const auto refused = refusal()) return {*refused, Lsn{}, start};
    segment->admitted.start_offset = offset;
    const Lsn lsn = admit(OperationType::kTruncateSegment, segment,
                          TruncateSegment{segment->key, offset}, {}, 0);
    return {Status::kOk, done(lsn), offset};
}

AttributeOutcome Container::attribute(std::string_view name, AttributeId id) const {
    if (stopped_) return {};
    const auto segment = find(name);
    if (!segment) return {Status::kNoSuchSegment, fact(Lsn{})};
    const Dependency since = fact(segment->admitted.newest);
    if (segment->admitted.deleted) return {Status::kNoSuchSegment, since};
    const auto found = segment->attributes.find(id);
    return {Status::kOk, since, found == segment->attributes.end() ? kNoAttributeValue : found->second.value};
}

AttributeOutcome Container::set_attribute(std::string_view name, AttributeId id, std::int64_t value,
                                          std::int64_t expected) {
    if (stopped_) return {};
    const auto segment = find(name);
    if (!segment || segment->admitted.deleted) return attribute(name, id);
    const auto found = segment->attributes.find(id);
    const std::int64_t present = found == segment->attributes.end() ? kNoAttributeValue : found->second.value;
    if (segment->admitted.sealed) return {Status::kSealed, fact(segment->admitted.newest), present};
    if (present != expected) return {Status::kConditionFailed, fact(segment->admitted.newest), present};
    if (const auto refused = refusal()) return {*refused, Lsn{}, present};
    segment->attributes[id].value = value;
    const Lsn lsn = admit(OperationType::kSetAttribute, segment,
                          SetAttribute{segment->key, id, value}, {}, 0);
    return {Status::kOk, done(lsn), value};
}

void Container::release(WriterHandle& handle) {
    if (!handle) return;
    const auto record = handle.segment_->attributes.find(handle.writer_);
    if (record != handle.segment_->attributes.end() && record->second.owner == handle.owner_) {
        record->second.owner = 0;
        if (record->second.value == kNoEventNumber) handle.segment_->attributes.erase(record);
    }
    handle = {};
}

Lsn Container::admit(OperationType type, const std::shared_ptr<Segment>& segment, Operation::What what,
                     std::span<const Bytes> data, std::int32_t event_count) {
    const MonotonicTime now = clock_.now();
    Operation operation{wall_ms(now), std::move(what)};
    admitted_ = next(admitted_);
    if (segment) {
        segment->admitted.newest = admitted_;
        segment->admitted.last_modified_ms = operation.wall_ms;
    }

    head_.clear();
    encode_operation(operation, data, head_);
    parts_.clear();
    const std::size_t pieces_before = pending_data_.size();
    writer_->add(admitted_, head_.view(), data, parts_, pending_data_);

    PendingOperation& pending = pending_.emplace_back();
    pending.lsn = admitted_;
    pending.segment = segment;
    pending.type = type;
    pending.event_count = event_count;
    pending.bytes = head_.size();
    pending.pieces = pending_data_.size() - pieces_before;
    pending.admitted_at = now;
    pending.wall_ms = operation.wall_ms;
    if (type == OperationType::kAppend) {
        for (const Bytes& piece : data) pending.bytes += piece.size();
        const auto& append = std::get<Append>(operation.what);
        extents_.clear();
        append_extents(append, parts_, extents_);
        pending.extents = extents_.size();
        for (const Extent& extent : extents_) pending_extents_.push_back(extent);
        pending.attribute = append.writer;
        pending.value = append.event_number;
    } else if (const auto* truncate = std::get_if<TruncateSegment>(&operation.what)) {
        pending.start_offset = truncate->start_offset;
    } else if (const auto* set = std::get_if<SetAttribute>(&operation.what)) {
        pending.attribute = set->attribute;
        pending.value = set->value;
    } else if (!segment) {
        pending.of_storage = std::make_unique<Operation>(std::move(operation));
    }
    credits_.take(pending.bytes);
    return admitted_;
}

void Container::on_committed(Lsn lsn, std::optional<LogPosition> boundary) {
    MR_CHECK(lsn > committed_ && lsn <= admitted_);
    std::vector<std::shared_ptr<Segment>> changed;
    std::size_t bytes = 0;
    const MonotonicTime now = clock_.now();
    while (!pending_.empty() && pending_.front().lsn <= lsn) {
        PendingOperation& operation = pending_.front();
        apply(operation, now);
        bytes += operation.bytes;
        if (operation.segment) committed_bytes_ += operation.bytes;
        if (operation.segment && !operation.segment->waiting_readers.empty()) changed.push_back(std::move(operation.segment));
        pending_.pop_front();
    }
    committed_ = lsn;
    if (boundary) note_boundary(*boundary);
    for (const auto& segment : changed) segment->wake_readers();
    credits_.give_back(bytes);
    tell_committed();
}

void Container::apply(PendingOperation& operation, MonotonicTime now) {
    if (operation.type == OperationType::kObjectPlanned) {
        const auto& planned = std::get<ObjectPlanned>(operation.of_storage->what);
        return objects_.plan(planned.object, planned.snapshot, operation.lsn);
    }
    if (operation.type == OperationType::kWindowTiered) {
        return apply_tiered(std::get<WindowTiered>(operation.of_storage->what), operation.lsn);
    }
    Segment& segment = *operation.segment;
    segment.committed.last_modified_ms = operation.wall_ms;
    switch (operation.type) {
        case OperationType::kCreateSegment:
            segment.committed.exists = true;
            by_key_[segment.key] = operation.segment;
            ++counts_.segments;
            metrics_.segments.set(static_cast<double>(counts_.segments));
            break;
        case OperationType::kAppend:
            apply_append(operation, now);
            break;
        case OperationType::kSealSegment:
            segment.committed.sealed = true;
            break;
        case OperationType::kTruncateSegment:
            apply_truncated(segment, operation.start_offset, operation.lsn);
            break;
        case OperationType::kSetAttribute:
            segment.attributes[operation.attribute].committed = operation.value;
            break;
        case OperationType::kObjectPlanned:
        case OperationType::kWindowTiered:
            break;  // of no segment: above
        case OperationType::kDeleteSegment: {
            apply_deleted(segment, operation.lsn);
            const auto found = names_.find(segment.name);
            // The name may have been given to a new segment already.
            if (found != names_.end() && found->second.get() == &segment) names_.erase(found);
            --counts_.segments;
            metrics_.segments.set(static_cast<double>(counts_.segments));
            break;
        }
    }
}

void Container::apply_append(PendingOperation& operation, MonotonicTime now) {
    Segment& segment = *operation.segment;
    const bool deleted = segment.committed.deleted;
    for (; operation.extents > 0; --operation.extents) {
        const Extent extent = pending_extents_.take_front();
        if (deleted) continue;
        segment.locate(extent);
        if (!segment.untiered) note_untiered(operation.segment);
    }
    segment.attributes[operation.attribute].committed = operation.value;
    std::size_t bytes = 0;
    for (; operation.pieces > 0; --operation.pieces) {
        const Bytes piece = pending_data_.take_front();
        segment.cache.append(segment.committed.length, piece);
        segment.committed.length += static_cast<std::int64_t>(piece.size());
        bytes += piece.size();
    }
    // Behind a gap nothing is known until there are bytes again.
    MR_CHECK(bytes == 0 || deleted || segment.extents.end() == segment.committed.length);
    counts_.appended_events += static_cast<std::uint64_t>(operation.event_count);
    counts_.appended_bytes += bytes;
    metrics_.appended_events.add(static_cast<std::uint64_t>(operation.event_count));
    metrics_.appended_bytes.add(bytes);
    metrics_.append_seconds.observe(std::chrono::duration<double>(now - operation.admitted_at).count());
}

void Container::apply_truncated(Segment& segment, std::int64_t start_offset, Lsn lsn) {
    segment.committed.start_offset = start_offset;
    segment.extents.drop_before(start_offset);
    segment.cache.drop_before(start_offset);
    for (const TieredExtent& extent : segment.tiered.drop_before(start_offset)) objects_.release(extent.object, lsn);
}

void Container::apply_deleted(Segment& segment, Lsn lsn) {
    segment.committed.deleted = true;
    segment.extents.clear();
    segment.cache.clear();
    for (const TieredExtent& extent : segment.tiered.drop_all()) objects_.release(extent.object, lsn);
    by_key_.erase(segment.key);
}

void Container::tell_committed() {
    committed_changed_.notify_all();
    // A listener may add itself again, or others, while it is told.
    std::vector<CommitListener*> told = std::exchange(listeners_, {});
    for (CommitListener* listener : told) {
        if (listener->on_committed(options_.id, committed_)) listeners_.push_back(listener);
    }
}

void Container::add_listener(CommitListener& listener) {
    listeners_.push_back(&listener);
}

void Container::remove_listener(CommitListener& listener) { std::erase(listeners_, &listener); }

Task<bool> Container::wait_settled(Dependency on) {
    auto pass = gate_.enter();
    while (pass && !settled(on) && !stopped_) co_await committed_changed_.wait();
    co_return settled(on);
}

void Container::tell_trouble() {
    const bool troubled = full() || stopped_;
    if (std::exchange(troubled_, troubled) != troubled) credits_.change_troubled(troubled);
}

void Container::on_full(bool full) {
    tell_trouble();
    metrics_.full.set(full ? 1 : 0);
    credits_.changed().notify_all();
    tier_wake_.notify_all();
    forget_give_up();
    if (!full) return;
    full_since_ = clock_.now();
    give_up_timer_ = clock_.schedule(full_since_ + kFullGiveUp, executor_, [this] { give_up_replies(); });
}

std::optional<MonotonicTime> Container::refuses_from() const {
    if (!full()) return std::nullopt;
    return full_since_ + kFullPatience;
}

void Container::forget_give_up() {
    if (give_up_timer_) clock_.cancel(*give_up_timer_);
    give_up_timer_.reset();
}

void Container::give_up_replies() {
    give_up_timer_.reset();
    for (CommitListener* listener : std::vector<CommitListener*>{listeners_}) listener->on_full(options_.id);
}

void Container::on_failed(Error error) {
    if (std::exchange(failed_, true)) return;  // the log and the loss of it may both say so
    stopped_ = true;
    tell_trouble();
    stop();
    if (report_failure_) {
        report_failure_(std::move(error).while_doing("container " + to_string(options_.id)));
    }
}

void Container::stop() {
    forget_give_up();
    credits_.changed().notify_all();
    committed_changed_.notify_all();
    tier_wake_.notify_all();
    for (CommitListener* listener : std::exchange(listeners_, {})) listener->on_stopped(options_.id);
}

Container::Counts Container::counts() const { return counts_; }

std::vector<std::shared_ptr<const Segment>> Container::segments() const {
    std::vector<std::shared_ptr<const Segment>> all;
    all.reserve(by_key_.size());
    for (const auto& [key, segment] : by_key_) all.push_back(segment);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->key < b->key; });
    return all;
}

}  // namespace millrace::container
