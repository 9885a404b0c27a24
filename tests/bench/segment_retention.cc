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
        for (const std::string& segment : segments_) truncate(segment);
        lock.lock();
    }
}

void SegmentRetention::truncate(const std::string& segment) {
    wire::GetStreamSegmentInfo ask;
    ask.segment = segment;
    const ByteBuffer payload = call(socket_, ask, wire::FrameType::kStreamSegmentInfo);
    const auto reply =
        wire::decode(wire::FrameType::kStreamSegmentInfo, payload.view(), Bytes{nullptr, payload.view()});
    const auto& info = std::get<wire::StreamSegmentInfo>(reply.value());
    const std::int64_t start = info.write_offset - static_cast<std::int64_t>(kept_bytes_);
    if (start <= info.start_offset) return;
    wire::TruncateSegment truncation;
    truncation.segment = segment;
    truncation.truncation_offset = start;
    (void)call(socket_, truncation, wire::FrameType::kSegmentTruncated);
}

}  // namespace millrace::bench
