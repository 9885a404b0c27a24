// SPDX-License-Identifier: Apache-2.0
//
// Receiving, sending and ending. How long it is waited for a peer is in connection_watch.cc.
#include "common/transport/connection.h"

#include <algorithm>
#include <utility>

#include "common/runtime/rare.h"

namespace millrace::transport {
namespace {

// Of one gathered write. Enough to keep a socket busy; little enough that a slow peer is seen to move.
constexpr std::size_t kBytesPerWrite = 256 * 1024;
// For a peer that has been told the end to close its own: enough for a round trip and a busy machine.
constexpr std::chrono::seconds kLingerLimit{1};

}  // namespace

Connection::Connection(Runtime runtime, std::unique_ptr<ByteStream> stream, ConnectionOptions options)
    : runtime_{std::move(runtime)},
      stream_{std::move(stream)},
      options_{options},
      peer_{stream_->peer()},
      opened_at_{runtime_.clock.now()},
      in_{options_} {
    if (options_.resources != nullptr) {
        ++options_.resources->counters.opened;
        ++options_.resources->counters.open;
    }
    watch_.heard_at = watch_.keep_alive_at = opened_at_;
    if (options_.first_frame_limit.count() > 0) watch_soon();
    else watch_later();
}

Connection::~Connection() {
    // Without close() only where nothing was begun.
    if (!over_) end(EndReason::kClosedHere, Error{ErrorCode::kClosed, "the connection is gone"});
}

Task<Result<std::vector<wire::Frame>>> Connection::receive() {
    MR_CO_TRY(const FrameRun run, co_await receive_run());
    std::vector<wire::Frame> frames;
    frames.reserve(run.size());
    for (const FrameView frame : run) frames.push_back(run.share(frame));
    co_return frames;
}

Task<Result<FrameRun>> Connection::receive_run() {
    const auto pass = gate_.enter();
    if (!pass) co_return reason_it_is_over();
    // The drain reads already; nothing comes any more.
    while (draining_ && receiving_ && !over_) co_await drained_.wait();
    if (over_) co_return reason_it_is_over();
    MR_CHECK(!receiving_);
    receiving_ = true;
    struct Done {
        bool& receiving;
        ~Done() { receiving = false; }
    } const done{receiving_};

    for (;;) {
        FrameRun run;
        const auto cut = draining_ ? ok() : in_.cut_frames(run);
        // What came before a damaged header is still good; the next receive() reports the damage.
        if (!run.empty()) {
            count_frames(run.size());
            co_return run;
        }
        if (!cut) {
            end(EndReason::kBadLength, Error{ErrorCode::kBadRequest, peer_ + " sent " + cut.error().detail()});
            co_return reason_it_is_over();
        }
        flush();
        if (draining_) in_.discard();
        const bool room = co_await ensure_room();
        if (!room || over_) co_return reason_it_is_over();
        if (in_.inside_frame()) watch_soon();
        MutableByteView into = in_.room();
        if (MR_RARE("transport.short_read")) into = into.first(1);
        auto count = co_await stream_->read_some(into);
        if (over_) co_return reason_it_is_over();
        if (count && *count > 0) {
            in_.received(into.size(), *count);
            received_bytes_ += *count;
            if (options_.resources != nullptr) options_.resources->counters.received_bytes += *count;
            continue;
        }
        const bool inside = in_.inside_frame() && !draining_;
        const char* const where = inside ? "inside a frame" : "between frames";
        if (!count) {
            end(EndReason::kBroken, std::move(count).error().while_doing(std::string{"receiving, "} + where));
        } else if (draining_) {
            end(EndReason::kClosedHere, Error{ErrorCode::kClosed, "the connection with " + peer_ + " is closed"});
        } else {
            end(inside ? EndReason::kPeerEndedInFrame : EndReason::kPeerEnded,
                Error{ErrorCode::kUnavailable, peer_ + " ended the connection " + where});
        }
        co_return reason_it_is_over();
    }
}

// Leaves room to read into. False: the connection is over.
Task<bool> Connection::ensure_room() {
    const bool had_large_frame = in_.has_large_frame();
    if (const std::size_t needed = in_.make_room(); needed > 0) {
        MR_PROBE("transport.budget_wait");
        ++options_.resources->counters.budget_waits;
        waiting_for_budget_ = true;
        auto grant = co_await options_.resources->received->take(
            needed, runtime_.clock,
            options_.budget_limit.count() > 0 ? Deadline::after(runtime_.clock, options_.budget_limit) : Deadline::never(),
            budget_wait_);
        waiting_for_budget_ = false;
        if (over_) co_return false;
        if (!grant) {
            MR_PROBE("transport.no_memory");
            end(EndReason::kNoMemory, Error{ErrorCode::kTimedOut, "no memory for a frame of " +
                                                                      std::to_string(in_.frame_bytes()) + " bytes from " +
                                                                      peer_ + ": " + grant.error().detail()});
            co_return false;
        }
        in_.give_room(std::move(grant).value());
    }
    if (!had_large_frame && in_.has_large_frame()) {
        large_since_ = runtime_.clock.now();
        large_bytes_seen_ = received_bytes_;
    }
    co_return true;
}

void Connection::count_frames(std::size_t frames) {
    received_frames_ += frames;
    if (options_.resources != nullptr) options_.resources->counters.received_frames += frames;
}

void Connection::send(ByteBuffer frames) {
    if (!may_send() || frames.empty()) return;
    const std::size_t before = queue_.bytes();
    queue_.add(std::move(frames));
    sent(before);
}

void Connection::send(Bytes part) {
    if (!may_send() || part.empty()) return;
    const std::size_t before = queue_.bytes();
    queue_.add(std::move(part));
    sent(before);
}

void Connection::send_frame(wire::FrameType type, Bytes payload) {
    if (!may_send()) return;
    const std::size_t before = queue_.bytes();
    queue_.add_frame(type, std::move(payload));
    sent(before);
}

void Connection::send_frame(wire::FrameType type, ByteView payload) {
    if (!may_send()) return;
    const std::size_t before = queue_.bytes();
    queue_.add_copy(type, payload);
    sent(before);
}

void Connection::sent(std::size_t queued_before) {
    count_queued(queued_before);
    if (queued_before > options_.send_queue_bytes + kMaxQueuedFrameBytes) [[unlikely]] {
        MR_PROBE("transport.send_queue_full");
        end(EndReason::kSendQueueFull,
            Error{ErrorCode::kTooLarge, peer_ + " does not read: " + std::to_string(queue_.bytes()) +
                                            " bytes wait to be sent; at most " +
                                            std::to_string(options_.send_queue_bytes) + " and one frame may"});
        return;
    }
    flush_soon();
}

// Once everything that this turn of the event loop sends is queued, or before the next read.
void Connection::flush_soon() {
    if (writing_ || flush_posted_) return;
    auto pass = gate_.enter();
    if (!pass) return;
    flush_posted_ = true;
    post(runtime_.executor, [this, pass = std::move(pass).value()] {
        flush_posted_ = false;
        flush();
        if (writing_ || over_ || queue_.bytes() == 0) return;
        writing_ = true;
        gate_.spawn(runtime_.executor, [this]() -> Task<void> { return write_loop(); });
    });
}

// What the stream takes at once needs no coroutine.
void Connection::flush() {
    if (writing_ || over_ || queue_.bytes() == 0) return;
    if (MR_RARE("transport.no_try_write")) return;
    wrote(stream_->try_write(queue_.take(kBytesPerWrite)));
}

// Ends what queue_.take() began.
void Connection::wrote(std::size_t bytes) {
    const std::size_t before = queue_.bytes();
    queue_.done(bytes);
    count_queued(before);
    written_bytes_ += bytes;
    if (options_.resources != nullptr) options_.resources->counters.sent_bytes += bytes;
    if (bytes > 0) drained_.notify_all();
}

// After each change of the queue.
void Connection::count_queued(std::size_t before) {
    if (options_.resources == nullptr) return;
    ConnectionCounters& counters = options_.resources->counters;
    options_.resources->change_unsent([&] { counters.queued_bytes = counters.queued_bytes - before + queue_.bytes(); });
    counters.most_queued_bytes = std::max(counters.most_queued_bytes, counters.queued_bytes);
}

void Connection::drop_queue() {
    const std::size_t before = queue_.bytes();
    queue_.clear();
    count_queued(before);
}

Task<void> Connection::write_loop() {
    watch_.write_since = runtime_.clock.now();
    watch_.written_seen = written_bytes_;
    watch_soon();
    while (!over_ && queue_.bytes() > 0) {
        const std::size_t at_most = MR_RARE("transport.small_write") ? 1 : kBytesPerWrite;
        auto written = co_await stream_->write(queue_.take(at_most));
        // What was taken out may be let go only now, also when the connection is over.
        const bool good = written && !over_;
        wrote(good ? queue_.taken_bytes() : 0);
        if (good) continue;
        if (!written) end(EndReason::kBroken, std::move(written).error().while_doing("sending"));
        drop_queue();
        break;
    }
    writing_ = false;
}

Task<Result<void>> Connection::drained(std::size_t at_most) {
    const auto pass = gate_.enter();
    if (!pass) co_return reason_it_is_over();
    while (!over_ && !has_drained(at_most)) {
        if (crowded()) co_await options_.resources->queued_less.wait();
        else co_await drained_.wait();
    }
    if (over_) co_return reason_it_is_over();
    co_return ok();
}

Task<Result<void>> Connection::room_to_prepare() {
    const auto pass = gate_.enter();
    if (!pass) co_return reason_it_is_over();
    ConnectionResources* const shared = options_.resources;
    while (!over_ && shared != nullptr && shared->full()) co_await shared->queued_less.wait();
    if (over_) co_return reason_it_is_over();
    co_return ok();
}

void Connection::expect_more(const char* what) {
    if (more_expected_ == nullptr && what != nullptr && !over_) {
        more_expected_since_ = runtime_.clock.now();
        more_bytes_seen_ = received_bytes_;
        more_frames_seen_ = received_frames_;
        watch_soon();
    }
    more_expected_ = what;
}

Task<void> Connection::close() {
    end(EndReason::kClosedHere, Error{ErrorCode::kClosed, "the connection with " + peer_ + " is closed"});
    co_await gate_.close();
}

Task<void> Connection::close_after_drain(Deadline deadline) {
    while (!over_ && queue_.bytes() > 0) {
        if (!co_await drained_.wait_until(runtime_.clock, deadline.when())) break;
    }
    if (!over_ && queue_.bytes() == 0) {
        writes_ended_ = true;
        draining_ = true;
        stream_->end_writing();
        const MonotonicTime until = std::min(deadline.when(), runtime_.clock.now() + kLingerLimit);
        const Clock::TimerId timer = runtime_.clock.schedule(until, runtime_.executor, [this] {
            MR_PROBE("transport.linger_ended_by_time");
            end(EndReason::kClosedHere, Error{ErrorCode::kClosed, "the connection with " + peer_ + " is closed"});
        });
        while (!over_) {
            if (receiving_) co_await drained_.wait();
            else (void)co_await receive_run();
        }
        runtime_.clock.cancel(timer);
    }
    co_await close();
}

void Connection::shut(Error reason) {
    const EndReason why = reason.is(ErrorCode::kClosed) ? EndReason::kClosedHere : EndReason::kByOwner;
    end(why, std::move(reason));
}

void Connection::end(EndReason why, Error reason) {
    if (over_) return;
    over_ = std::move(reason);
    end_reason_ = why;
    gate_.shut();
    stream_->close();
    drop_queue();
    if (watch_.timer) runtime_.clock.cancel(*watch_.timer);
    watch_.timer.reset();
    if (options_.resources != nullptr) {
        --options_.resources->counters.open;
        ++options_.resources->counters.ended[static_cast<std::size_t>(why)];
    }
    budget_wait_.cancel();
    drained_.notify_all();
    if (options_.resources != nullptr) options_.resources->queued_less.notify_all();
    if (on_end_) std::exchange(on_end_, nullptr)();
}

Error Connection::reason_it_is_over() const {
    MR_CHECK(over_.has_value());
    return *over_;
}

}  // namespace millrace::transport
