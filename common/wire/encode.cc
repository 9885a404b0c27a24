// SPDX-License-Identifier: Apache-2.0
//
// Encoding in two walks over a message's fields: one bounds the size, so that the buffer grows at
// most once, one writes through a plain pointer.
#include <cstring>
#include <variant>

#include "common/base/binary.h"
#include "common/wire/fields.h"
#include "common/wire/messages.h"
#include "common/wire/utf.h"

namespace millrace::wire {
namespace {

class SizeBound {
public:
    static constexpr bool kReads = false;

    bool more() const { return true; }
    void i8(std::int8_t) { bytes_ += 1; }
    void i32(std::int32_t) { bytes_ += 4; }
    void i64(std::int64_t) { bytes_ += 8; }
    void boolean(bool) { bytes_ += 1; }
    void id(const WriterId&) { bytes_ += 16; }
    void utf(const std::string& text) { bytes_ += utf_size_bound(text); }
    void blob(const Bytes& data) { bytes_ += 4 + data.size(); }
    void rest(const Bytes& data) { bytes_ += data.size(); }
    void zeros(std::int32_t length) {
        MR_CHECK(length >= 0);
        bytes_ += static_cast<std::size_t>(length);
    }

    std::size_t bytes() const { return bytes_; }

private:
    std::size_t bytes_ = 0;
};

template <std::unsigned_integral U>
std::byte* put_big_endian(U v, std::byte* at) {
    v = millrace::detail::in_order<std::endian::big>(v);
    std::memcpy(at, &v, sizeof v);
    return at + sizeof v;
}

class FieldWriter {
public:
    static constexpr bool kReads = false;

    explicit FieldWriter(std::byte* at) : at_{at} {}

    bool more() const { return true; }
    void i8(std::int8_t v) { at_ = put_big_endian(static_cast<std::uint8_t>(v), at_); }
    void i32(std::int32_t v) { at_ = put_big_endian(static_cast<std::uint32_t>(v), at_); }
    void i64(std::int64_t v) { at_ = put_big_endian(static_cast<std::uint64_t>(v), at_); }
    void boolean(bool v) { *at_++ = static_cast<std::byte>(v ? 1 : 0); }
    void id(const WriterId& v) { raw(v.bytes); }
    void utf(const std::string& text) { at_ = encode_utf(text, at_); }
    void blob(const Bytes& data) {
        i32(static_cast<std::int32_t>(data.size()));
        raw(data);
    }
    void rest(const Bytes& data) { raw(data); }
    void zeros(std::int32_t length) {
        std::memset(at_, 0, static_cast<std::size_t>(length));
        at_ += length;
    }

    std::byte* at() const { return at_; }

private:
    void raw(ByteView bytes) {
        if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }

    std::byte* at_;
};

void put_header(FrameType type, std::size_t payload_bytes, std::byte* at) {
    MR_CHECK(payload_bytes <= kMaxSentPayload);
    at = put_big_endian(static_cast<std::uint32_t>(type), at);
    put_big_endian(static_cast<std::uint32_t>(payload_bytes), at);
}

}  // namespace

FrameType type_of(const Message& message) {
    return std::visit([]<class T>(const T&) { return kTypeOf<T>; }, message);
}

template <MessageType T>
void encode(const T& message, ByteBuffer& out) {
    SizeBound bound;
    fields(bound, message);
    const std::size_t begin = out.size();
    out.resize(begin + kFrameHeaderBytes + bound.bytes());
    std::byte* const payload = out.data() + begin + kFrameHeaderBytes;
    FieldWriter writer{payload};
    fields(writer, message);
    const auto payload_bytes = static_cast<std::size_t>(writer.at() - payload);
    put_header(kTypeOf<T>, payload_bytes, out.data() + begin);
    out.resize(begin + kFrameHeaderBytes + payload_bytes);
}

template void encode(const Hello&, ByteBuffer&);
template void encode(const KeepAlive&, ByteBuffer&);
template void encode(const Padding&, ByteBuffer&);
template void encode(const PartialEvent&, ByteBuffer&);
template void encode(const SetupAppend&, ByteBuffer&);
template void encode(const AppendSetup&, ByteBuffer&);
template void encode(const AppendBlock&, ByteBuffer&);
template void encode(const AppendBlockEnd&, ByteBuffer&);
template void encode(const DataAppended&, ByteBuffer&);
template void encode(const ReadSegment&, ByteBuffer&);
template void encode(const SegmentRead&, ByteBuffer&);
template void encode(const GetStreamSegmentInfo&, ByteBuffer&);
template void encode(const StreamSegmentInfo&, ByteBuffer&);
template void encode(const CreateSegment&, ByteBuffer&);
template void encode(const SegmentCreated&, ByteBuffer&);
template void encode(const SealSegment&, ByteBuffer&);
template void encode(const SegmentSealed&, ByteBuffer&);
template void encode(const DeleteSegment&, ByteBuffer&);
template void encode(const SegmentDeleted&, ByteBuffer&);
template void encode(const WrongHost&, ByteBuffer&);
template void encode(const SegmentIsSealed&, ByteBuffer&);
template void encode(const SegmentAlreadyExists&, ByteBuffer&);
template void encode(const NoSuchSegment&, ByteBuffer&);
template void encode(const InvalidEventNumber&, ByteBuffer&);
template void encode(const SegmentIsTruncated&, ByteBuffer&);
template void encode(const OperationUnsupported&, ByteBuffer&);
template void encode(const AuthTokenCheckFailed&, ByteBuffer&);
template void encode(const ErrorMessage&, ByteBuffer&);

void encode(const Message& message, ByteBuffer& out) {
    std::visit([&out](const auto& alternative) { encode(alternative, out); }, message);
}

void encode_segment_read_around(const SegmentRead& message, ByteBuffer& before, ByteBuffer& after) {
    constexpr std::size_t kFixedBytes = 8 + 1 + 1 + 4;  // offset, both flags, the data's length
    constexpr std::size_t kRequestIdBytes = 8;
    const std::size_t begin = before.size();
    before.resize(begin + kFrameHeaderBytes + utf_size_bound(message.segment) + kFixedBytes);
    std::byte* const payload = before.data() + begin + kFrameHeaderBytes;
    FieldWriter writer{payload};
    writer.utf(message.segment);
    writer.i64(message.offset);
    writer.boolean(message.at_tail);
    writer.boolean(message.end_of_segment);
    writer.i32(static_cast<std::int32_t>(message.data.size()));
    const auto payload_before = static_cast<std::size_t>(writer.at() - payload);
    put_header(FrameType::kSegmentRead, payload_before + message.data.size() + kRequestIdBytes, before.data() + begin);
    before.resize(begin + kFrameHeaderBytes + payload_before);

    BigEndianWriter{after}.i64(message.request_id);
}

void encode_append_block_before(const WriterId& writer, std::size_t data_bytes, ByteBuffer& before) {
    const std::size_t begin = before.size();
    before.resize(begin + kFrameHeaderBytes + writer.bytes.size());
    put_header(FrameType::kAppendBlock, writer.bytes.size() + data_bytes, before.data() + begin);
    std::memcpy(before.data() + begin + kFrameHeaderBytes, writer.bytes.data(), writer.bytes.size());
}

}  // namespace millrace::wire
