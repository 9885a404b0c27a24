// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/echo/echo_wire.h"

#include <algorithm>

#include "common/base/binary.h"
#include "common/runtime/rare.h"

namespace millrace::sim::echo {

namespace {

// The one place that allocates for a peer: whoever asks has checked.
ByteBuffer frame_memory(std::size_t length) {
    MR_CHECK(length <= kFrameBytesMax);
    return ByteBuffer(length);
}

Task<Result<void>> read_exactly(ByteStream& stream, MutableByteView into) {
    while (!into.empty()) {
        MR_CO_TRY(const std::size_t count, co_await stream.read_some(into));
        if (count == 0) co_return Error{ErrorCode::kUnavailable, "stream from " + stream.peer() + " ended"};
        into = into.subspan(count);
    }
    co_return ok();
}

}  // namespace

ByteBuffer encode(const Frame& frame) {
    ByteBuffer out;
    BigEndianWriter writer{out};
    writer.u8(static_cast<std::uint8_t>(frame.type));
    writer.u64(frame.number);
    for (const Record& record : frame.records) {
        writer.u64(record.number);
        writer.u32(static_cast<std::uint32_t>(record.body.size()));
        writer.bytes(record.body);
    }
    return out;
}

Result<Frame> decode(Bytes bytes, const Bugs& bugs) {
    BigEndianReader reader{bytes};
    Frame frame;
    frame.type = static_cast<FrameType>(reader.u8());
    frame.number = reader.u64();
    if (reader.failed() || frame.type < FrameType::kPrepare || frame.type > FrameType::kAck) {
        MR_PROBE("echo.bad_frame");
        return Error{ErrorCode::kBadRequest, "frame of " + std::to_string(bytes.size()) + " bytes: no such type"};
    }
    while (reader.remaining() > 0) {
        Record record;
        record.number = reader.u64();
        const std::uint32_t length = reader.u32();
        if (bugs.read_beyond_frame) {
            // No more than that, or another limit would stop it first.
            const std::size_t asked = std::min<std::size_t>(length, 64 * 1024);
            record.body = Bytes::copy_of(ByteView{bytes.data() + (bytes.size() - reader.remaining()), asked});
            (void)reader.bytes(std::min<std::size_t>(asked, reader.remaining()));
            frame.records.push_back(std::move(record));
            continue;
        }
        if (!bugs.trust_length && (reader.failed() || length > reader.remaining())) {
            MR_PROBE("echo.bad_record_length");
            return Error{ErrorCode::kBadRequest, "record of " + std::to_string(length) + " bytes in a frame with " +
                                                     std::to_string(reader.remaining()) + " left"};
        }
        // slice() stops whoever asks for more than there is.
        record.body = bytes.slice(bytes.size() - reader.remaining(), length);
        (void)reader.bytes(length);
        frame.records.push_back(std::move(record));
    }
    return frame;
}

Task<Result<void>> write_frame(ByteStream& stream, Frame frame) {
    const ByteBuffer body = encode(frame);
    MR_CHECK(body.size() <= kFrameBytesMax);
    ByteBuffer header;
    BigEndianWriter{header}.u32(static_cast<std::uint32_t>(body.size()));
    const std::vector<ByteView> pieces{header.view(), body.view()};
    co_return co_await stream.write(pieces);
}

Task<Result<Frame>> read_frame(ByteStream& stream, Bugs bugs) {
    ByteBuffer header(4);
    MR_CO_TRY_VOID(co_await read_exactly(stream, header.mutable_view()));
    const std::uint32_t length = BigEndianReader{header.view()}.u32();
    if (length > kFrameBytesMax && !bugs.trust_length) {
        MR_PROBE("echo.frame_too_long");
        co_return Error{ErrorCode::kBadRequest, "frame of " + std::to_string(length) + " bytes from " + stream.peer() +
                                                    ": at most " + std::to_string(kFrameBytesMax)};
    }
    ByteBuffer body = frame_memory(length);
    MR_CO_TRY_VOID(co_await read_exactly(stream, body.mutable_view()));
    co_return decode(Bytes{std::move(body)}, bugs);
}

}  // namespace millrace::sim::echo
