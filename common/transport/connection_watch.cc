// SPDX-License-Identifier: Apache-2.0
//
// How long a connection waits for its peer. One timer, which runs only while something is waited for
// and looks once a second what has moved: the data path pays for it with a test of a flag. A limit is
// therefore kept to the second.
#include <algorithm>

#include "common/runtime/rare.h"
#include "common/transport/connection.h"
#include "common/wire/messages.h"

namespace millrace::transport {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

std::string seconds(std::chrono::nanoseconds duration) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

}  // namespace

void Connection::watch_soon() {
    if (over_) return;  // nobody would stop the timer
    if (watch_.timer && watch_.short_interval) return;
    // What there was before nobody looked says nothing.
    const MonotonicTime now = runtime_.clock.now();
    watch_.frame_since = now;
    watch_.frame_bytes_seen = received_bytes_;
    watch_.frames_seen = received_frames_;
    watch_.short_interval = true;
    set_watch(kLookEvery);
}

void Connection::watch_later() {
    watch_.short_interval = false;
    if (const auto interval = idle_interval(); interval.count() > 0) set_watch(interval);
}

// How often to look where nothing but silence counts; 0: never.
std::chrono::nanoseconds Connection::idle_interval() const {
    constexpr std::chrono::nanoseconds kNever{0};
    const auto quarter = options_.silence_limit / 4;
    if (options_.keep_alive_every == kNever) return quarter;
    return options_.silence_limit == kNever ? options_.keep_alive_every : std::min(options_.keep_alive_every, quarter);
}

void Connection::set_watch(std::chrono::nanoseconds after) {
    if (watch_.timer) runtime_.clock.cancel(*watch_.timer);
    watch_.timer = runtime_.clock.schedule(runtime_.clock.now() + after, runtime_.executor, [this] {
        watch_.timer.reset();
        look();
    });
}

void Connection::look() {
    const MonotonicTime now = runtime_.clock.now();
    bool pending = look_at_receiving(now);
    if (!over_) pending = look_at_memory(now) || pending;
    if (!over_) pending = look_at_sending(now) || pending;
    if (!over_) look_at_silence(now);
    if (over_) return;
    if (pending) {
        watch_.short_interval = true;
        set_watch(kLookEvery);
    } else {
        watch_later();
    }
}

// Each of these: whether something is still waited for.
bool Connection::look_at_receiving(MonotonicTime now) {
    bool pending = false;
    if (received_bytes_ < wire::kFrameHeaderBytes && options_.first_frame_limit.count() > 0) {
        pending = true;
        if (now - opened_at_ >= options_.first_frame_limit) {
            MR_PROBE("transport.nothing_came");
            end(EndReason::kNothingCame, Error{ErrorCode::kTimedOut, peer_ + " began no frame within " +
                                                                         seconds(options_.first_frame_limit) +
                                                                         " of connecting"});
            return false;
        }
    }
    // While we do not receive, it is us who keep the peer waiting.
    if (receiving() && in_.inside_frame()) {
        pending = true;
        const bool moved = received_frames_ != watch_.frames_seen ||
                           received_bytes_ - watch_.frame_bytes_seen >= options_.frame_bytes_min;
        if (!moved && options_.frame_limit.count() > 0 && now - watch_.frame_since >= options_.frame_limit) {
            MR_PROBE("transport.frame_stalled");
            end(EndReason::kFrameStalled,
                Error{ErrorCode::kTimedOut, peer_ + " sent " + std::to_string(received_bytes_ - watch_.frame_bytes_seen) +
                                                " bytes in " + seconds(options_.frame_limit) + " inside a frame"});
            return false;
        }
        if (moved) {
            watch_.frame_since = now;
            watch_.frame_bytes_seen = received_bytes_;
            watch_.frames_seen = received_frames_;
        }
    } else {
        watch_.frame_since = now;
        watch_.frame_bytes_seen = received_bytes_;
        watch_.frames_seen = received_frames_;
    }
    if (more_expected_ != nullptr) {
        pending = true;
        if (received_frames_ != more_frames_seen_) {
            more_frames_seen_ = received_frames_;
            more_bytes_seen_ = received_bytes_;
        }
        const bool comes = received_bytes_ - more_bytes_seen_ >= options_.frame_bytes_min;
        if (!receiving() || comes) {
            more_expected_since_ = now;
            more_bytes_seen_ = received_bytes_;
        }
        if (options_.frame_limit.count() > 0 && now - more_expected_since_ >= options_.frame_limit) {
            MR_PROBE("transport.more_stalled");
            end(EndReason::kFrameStalled, Error{ErrorCode::kTimedOut, peer_ + " left " + more_expected_ +
                                                                          " incomplete for " + seconds(options_.frame_limit)});
        }
    }
    return pending;
}

// A peer that holds memory which others wait for must be quick.
bool Connection::look_at_memory(MonotonicTime now) {
    const bool large = in_.has_large_frame() && in_.inside_frame();
    if (options_.resources == nullptr || !options_.resources->received || !receiving()) return large;
    if (!large && more_expected_ == nullptr) return false;
    if (options_.resources->received->waiting() == 0) return true;
    const MonotonicTime since = large ? large_since_ : more_expected_since_;
    const auto held = now - since;
    if (held < kPressureGrace) return true;
    const std::uint64_t came = large ? received_bytes_ - large_bytes_seen_ : 0;
    const auto held_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(held).count());
    if (came * 1000 / held_ms >= kPressureBytesPerSecond) return true;
    MR_PROBE("transport.too_slow_for_memory");
    end(EndReason::kTooSlowForMemory,
        Error{ErrorCode::kTimedOut,
              peer_ + " holds memory that others wait for with " +
                  (large ? "a frame of " + std::to_string(in_.frame_bytes()) + " bytes" : std::string{more_expected_}) +
                  ", and sent " + std::to_string(came) + " bytes of it in " + seconds(held)});
    return false;
}

bool Connection::look_at_sending(MonotonicTime now) {
    // A peer that holds unsent bytes while there are too many of them must be quick, as one that holds memory.
    if (!crowded() || queue_.bytes() <= kPressureQueuedBytes) {
        watch_.crowded_since.reset();
    } else if (!watch_.crowded_since) {
        watch_.crowded_since = now;
        watch_.crowded_written = written_bytes_;
    } else if (const auto held = now - *watch_.crowded_since; held >= kPressureGrace) {
        const std::uint64_t took = written_bytes_ - watch_.crowded_written;
        const auto held_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(held).count());
        if (took * 1000 / held_ms < kPressureBytesPerSecond) {
            MR_PROBE("transport.too_slow_to_read");
            end(EndReason::kWriteStalled,
                Error{ErrorCode::kTimedOut, peer_ + " took " + std::to_string(took) + " bytes in " + seconds(held) + " while " +
                                                std::to_string(queue_.bytes()) + " wait for it, and others wait for memory"});
            return false;
        }
        watch_.crowded_since = now;
        watch_.crowded_written = written_bytes_;
    }
    if (queue_.bytes() == 0 || written_bytes_ != watch_.written_seen) {
        watch_.written_seen = written_bytes_;
        watch_.write_since = now;
    } else if (options_.write_limit.count() > 0 && now - watch_.write_since >= options_.write_limit) {
        MR_PROBE("transport.write_stalled");
        end(EndReason::kWriteStalled,
            Error{ErrorCode::kTimedOut, peer_ + " took nothing for " + seconds(options_.write_limit) + " while " +
                                            std::to_string(queue_.bytes()) + " bytes wait for it"});
    }
    return queue_.bytes() > 0;
}

bool Connection::look_at_silence(MonotonicTime now) {
    if (received_bytes_ != watch_.heard_bytes_seen || !receiving()) {
        watch_.heard_bytes_seen = received_bytes_;
        watch_.heard_at = watch_.keep_alive_at = now;
    }
    if (options_.silence_limit.count() > 0 && now - watch_.heard_at >= options_.silence_limit) {
        MR_PROBE("transport.silent");
        end(EndReason::kSilent, Error{ErrorCode::kUnavailable,
                                      peer_ + " has been silent for " + seconds(options_.silence_limit), Fate::kUnknown});
        return false;
    }
    if (options_.keep_alive_every.count() > 0 && now - watch_.keep_alive_at >= options_.keep_alive_every) {
        watch_.keep_alive_at = now;
        send_encoded([](ByteBuffer& out) { wire::encode(wire::KeepAlive{}, out); });
    }
    return false;
}

}  // namespace millrace::transport
