// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/segment_retention.h"

#include <unistd.h>

#include <variant>

#include "tests/bench/bench.h"
#include "tests/bench/frame_call.h"

namespace millrace::bench {
namespace {

constexpr std::chrono::milliseconds kRetentionPeriod{200};

}  // namespace

SegmentRetention::SegmentRetention(std::uint16_t port, std::vector<std::string> segments, std::uint64_t kept_bytes)
    : socket_{connect_loopback(port)}, segments_{std::move(segments)}, kept_bytes_{kept_bytes} {
    say_hello(socket_);
    thread_ = std::thread{[this] { run(); }};
}

SegmentRetention::~SegmentRetention() {
    {
        const std::lock_guard lock{mutex_};
        stop_ = true;
    }
    stopped_.notify_all();
    thread_.join();
    ::close(socket_);
}

void SegmentRetention::run() {
    std::unique_lock lock{mutex_};
    while (!stopped_.wait_for(lock, kRetentionPeriod, [this] { return stop_; })) {
        lock.unlock();
        truncate();
        lock.lock();
    }
}

// All segments at once: under load each request waits for what came before it.
void SegmentRetention::truncate() {
    ByteBuffer out;
    for (const std::string& segment : segments_) {
        wire::GetStreamSegmentInfo ask;
        ask.segment = segment;
        wire::encode(ask, out);
    }
    send_all(socket_, out.view());
    out.clear();
    std::size_t truncated = 0;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        const ByteBuffer payload = receive_frame(socket_, wire::FrameType::kStreamSegmentInfo);
        auto reply = wire::decode(wire::FrameType::kStreamSegmentInfo, payload.view(), Bytes{nullptr, payload.view()});
        const auto& info = std::get<wire::StreamSegmentInfo>(reply.value());
        wire::TruncateSegment truncation;
        truncation.segment = info.segment;
        truncation.truncation_offset = info.write_offset - static_cast<std::int64_t>(kept_bytes_);
        if (truncation.truncation_offset <= info.start_offset) continue;
        wire::encode(truncation, out);
        ++truncated;
    }
    send_all(socket_, out.view());
    for (; truncated > 0; --truncated) (void)receive_frame(socket_, wire::FrameType::kSegmentTruncated);
}

}  // namespace millrace::bench
