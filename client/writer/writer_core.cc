// SPDX-License-Identifier: Apache-2.0
//
// Routing between staging and segment writers, hand-over of sealed segments, failing and stopping.
#include "client/writer/writer_core.h"

#include <algorithm>
#include <utility>

namespace millrace::client {

namespace {

constexpr std::size_t kWriterMemoryMin = 1024 * 1024;
constexpr std::size_t kWriterMemoryMax = std::size_t{4} * 1024 * 1024 * 1024;

// Whether successors, sorted by range, have all keys of `range`.
bool successors_cover(const std::vector<Successor>& successors, const KeyRange& range) {
    double covered = range.low;
    for (const Successor& successor : successors) {
        const KeyRange& next = successor.segment.range;
        if (next.low > covered) return false;
        covered = std::max(covered, next.high);
    }
    return covered >= range.high;
}

}  // namespace

Task<Result<std::shared_ptr<WriterCore>>> WriterCore::open(ClientCore& client, StreamName stream, WriterOptions options) {
    if (options.memory_bytes < kWriterMemoryMin || options.memory_bytes > kWriterMemoryMax) {
        co_return Error{ErrorCode::kInvalidArgument, "WriterOptions::memory_bytes is " +
                                                         std::to_string(options.memory_bytes) +
                                                         "; it can be 1 MiB to 4 GiB"};
    }
    MR_CO_TRY_VOID(check_internal_name("scope", stream.scope));
    MR_CO_TRY_VOID(check_internal_name("stream", stream.stream));
    MR_CO_TRY(auto segments, co_await client.controller.current_segments(stream, client.controller.normally()));
    if (segments.empty()) {
        co_return Error{ErrorCode::kSealed, "stream " + stream.to_string() + " is sealed; it takes no more events"};
    }
    co_return std::make_shared<WriterCore>(client, std::move(stream), options, segments);
}

WriterCore::WriterCore(ClientCore& client, StreamName stream, WriterOptions options,
                       const std::vector<SegmentRange>& segments)
    : client_{client},
      stream_{std::move(stream)},
      staging_{options.memory_bytes, client.runtime.random.next(), segments} {
    for (const SegmentRange& segment : segments) ranges_.emplace(segment.id, segment);
}

WriterCore::~WriterCore() = default;

Result<void> WriterCore::write(std::optional<double> position, std::string_view payload,
                               EventWriter::Acknowledged acknowledged) {
    const bool here = client_.home.is_here();
    MR_TRY(const bool taken, stage(position, payload, std::move(acknowledged),
                                   here ? Staging::WhenFull::kTakeAnyway : Staging::WhenFull::kWait));
    MR_CHECK(taken);
    return ok();
}

Result<bool> WriterCore::try_write(double position, std::string_view payload, EventWriter::Acknowledged acknowledged) {
    return stage(position, payload, std::move(acknowledged), Staging::WhenFull::kLeave);
}

Result<bool> WriterCore::stage(std::optional<double> position, std::string_view payload,
                               EventWriter::Acknowledged acknowledged, Staging::WhenFull when_full) {
    if (payload.size() > kMaxEventBytes) {
        return Error{ErrorCode::kTooLarge, "an event of " + std::to_string(payload.size()) +
                                               " bytes; the largest is " + std::to_string(kMaxEventBytes) + " (8 MiB)"};
    }
    MR_TRY(const Staging::Written written, staging_.write(position, payload, std::move(acknowledged), when_full));
    if (!written.taken) return false;
    if (client_.home.is_here()) {
        if (written.wake) {
            drain();
        } else if (const auto found = segments_.find(written.segment); found != segments_.end()) {
            found->second->work();
        }
    } else if (written.wake) {
        post(client_.runtime.executor, [self = shared_from_this()] { self->drain(); });
    }
    return true;
}

EventWriter::Stats WriterCore::stats() {
    const Staging::Totals totals = staging_.totals();
    return {totals.acknowledged_events, totals.outstanding_bytes, reconnects_.load(std::memory_order_relaxed)};
}

SegmentWriter& WriterCore::segment_writer(const SegmentRange& segment) {
    auto& writer = segments_[segment.id];
    if (!writer) {
        WriterId id;
        client_.runtime.random.fill(id.bytes);
        writer = std::make_unique<SegmentWriter>(*this, segment, id, next_flow_++ << 32);
    }
    return *writer;
}

void WriterCore::drain() {
    const std::vector<SegmentId> woken = staging_.take_woken();
    if (stopping_) return;
    for (const SegmentId segment : woken) {
        // A segment that was replaced meanwhile has nothing staged any more.
        if (const auto range = ranges_.find(segment); range != ranges_.end()) segment_writer(range->second).work();
    }
}

Task<bool> WriterCore::pause(std::chrono::nanoseconds duration) {
    const MonotonicTime end = client_.runtime.clock.now() + duration;
    while (!stopping_) {
        if (!co_await stop_.wait_until(client_.runtime.clock, end)) break;
    }
    co_return !stopping_;
}

void WriterCore::finish(std::deque<BlockPtr> blocks, const Result<void>& outcome) {
    // Callbacks first: when flush() returns, they have been called.
    for (const BlockPtr& block : blocks) block->notify(outcome);
    staging_.settle(std::move(blocks), outcome.ok());
    settled_.notify_all();
}

Task<Result<void>> WriterCore::hand_over(SegmentWriter& sealed, bool gone) {
    const SegmentRange segment = sealed.segment();
    const std::string name = segment_name(stream_, segment.id);
    Retry retry{client_.runtime.clock, client_.timeouts.retry, client_.timeouts.retry};
    std::vector<Successor> successors;
    while (true) {
        retry.trying();
        auto answer = co_await client_.controller.successors(stream_, segment.id, client_.controller.briefly());
        if (stopping_) co_return Error{ErrorCode::kClosed, "the writer is closed"};
        if (answer) {
            successors = std::move(*answer);
            break;
        }
        MR_CO_TRY(const auto wait, retry.failed(std::move(answer).error(), "asking for the successors of " + name));
        if (!co_await pause(wait)) co_return Error{ErrorCode::kClosed, "the writer is closed"};
    }

    if (gone && sealed.waits_for_acknowledgements()) {
        // Sending them to the successors could store them twice, and dropping them lose them.
        co_return Error{ErrorCode::kTruncated, name + " was truncated away before it said which of the last events it had stored"};
    }
    if (successors.empty()) {
        // The stream is sealed. Its other segments may still have taken what is on its way to them.
        Error error{ErrorCode::kSealed, "stream " + stream_.to_string() + " is sealed; it takes no more events"};
        staging_.fail(error);
        std::deque<BlockPtr> lost = sealed.surrender();
        for (BlockPtr& block : staging_.surrender(segment.id)) lost.push_back(std::move(block));
        finish(std::move(lost), error);
        co_return ok();
    }
    if (!successors_cover(successors, segment.range)) {
        co_return Error{ErrorCode::kInternal, "the successors that the controller names for " + name +
                                                  " do not cover its keys"};
    }

    std::vector<SegmentRange> targets;
    for (const Successor& successor : successors) {
        targets.push_back(successor.segment);
        ranges_.insert_or_assign(successor.segment.id, successor.segment);
    }
    std::erase_if(retired_, [](const auto& writer) { return writer->ended(); });
    // The coroutine that runs this is the sealed writer's own.
    const auto place = segments_.find(segment.id);
    MR_CHECK(place != segments_.end() && place->second.get() == &sealed);
    retired_.push_back(std::move(place->second));
    segments_.erase(place);
    ranges_.erase(segment.id);
    std::deque<BlockPtr> unacknowledged = sealed.surrender();
    if (client_.mutations.forget_order_on_split) std::reverse(unacknowledged.begin(), unacknowledged.end());
    for (const SegmentId target : staging_.replace(segment.id, std::move(unacknowledged), targets)) {
        segment_writer(ranges_.at(target)).work();
    }
    co_return ok();
}

void WriterCore::fail(Error error) {
    staging_.fail(error);
    end(error);
}

void WriterCore::end(const Error& error) {
    stopping_ = true;
    std::deque<BlockPtr> sent;  // nobody knows what became of them
    std::deque<BlockPtr> lost;
    for (const auto& [id, range] : ranges_) {
        if (const auto found = segments_.find(id); found != segments_.end()) {
            for (BlockPtr& block : found->second->surrender()) sent.push_back(std::move(block));
        }
        for (BlockPtr& block : staging_.surrender(id)) lost.push_back(std::move(block));
    }
    stop_.notify_all();
    for (auto& [id, writer] : segments_) writer->interrupt();
    finish(std::move(sent), Error{error}.with_unknown_fate());
    finish(std::move(lost), error);
}

Task<Result<void>> WriterCore::flush(std::uint64_t flush) {
    while (!staging_.flushed(flush)) co_await settled_.wait();
    if (auto failure = staging_.failure()) co_return std::move(*failure);
    co_return ok();
}

Task<void> WriterCore::stop() {
    gate_.shut();
    if (!stopping_) {
        const Error closed{ErrorCode::kClosed, "the writer is closed"};
        // Nothing can come after this, so what is outstanding now is all that is lost.
        staging_.refuse(closed);
        if (staging_.totals().outstanding_bytes > 0) staging_.fail(closed);
        end(closed);
    }
    co_await gate_.close();
    settled_.notify_all();
}

}  // namespace millrace::client
