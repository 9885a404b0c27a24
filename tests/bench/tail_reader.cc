// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/tail_reader.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "common/wire/messages.h"
#include "tests/bench/bench.h"
#include "tests/bench/frame_call.h"

namespace millrace::bench {
namespace {

// The most that a server gives at once.
constexpr std::int32_t kReadBytes = 2 * 1024 * 1024;

std::size_t payload_bytes_without_data(const std::string& segment) {
    ByteBuffer out;
    wire::SegmentRead empty;
    empty.segment = segment;
    wire::encode(empty, out);
    return out.size() - wire::kFrameHeaderBytes;
}

}  // namespace

TailReader::TailReader(std::uint16_t port, std::string segment)
    : socket_{connect_loopback(port)}, segment_{std::move(segment)} {
    say_hello(socket_);
    ask();
}

TailReader::~TailReader() { ::close(socket_); }

void TailReader::ask() {
    out_.clear();
    wire::encode(wire::ReadSegment{.segment = segment_,
                                   .offset = static_cast<std::int64_t>(bytes_),
                                   .suggested_length = kReadBytes,
                                   .delegation_token = {},
                                   .request_id = 1},
                 out_);
    send_all(socket_, out_.view());
}

void TailReader::receive(MutableByteView scratch) {
    const ssize_t result = ::recv(socket_, scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (result < 0 && errno == EAGAIN) return;
    auto got = static_cast<std::size_t>(checked(result));
    if (got == 0) {
        std::fprintf(stderr, "the server ended a reader's connection\n");
        std::exit(1);
    }
    if (header_.size() < wire::kFrameHeaderBytes) {
        const std::size_t missing = std::min(got, wire::kFrameHeaderBytes - header_.size());
        header_.append(scratch.first(missing));
        got -= missing;
        if (header_.size() < wire::kFrameHeaderBytes) return;
        const wire::FrameHeader header = wire::read_frame_header(header_.view());
        if (header.type != wire::FrameType::kSegmentRead) {
            std::fprintf(stderr, "unexpected reply to a read: %s\n", wire::to_string(header.type).c_str());
            std::exit(1);
        }
        payload_due_ = static_cast<std::size_t>(header.length);
        data_bytes_ = payload_due_ - payload_bytes_without_data(segment_);
    }
    payload_due_ -= got;
    if (payload_due_ > 0) return;
    header_.clear();
    bytes_ += data_bytes_;
    ask();
}

}  // namespace millrace::bench
