// SPDX-License-Identifier: Apache-2.0
//
// Encoding in two walks over a message's fields: one bounds the size, so that the buffer grows at
// most once, one writes through a plain pointer.
#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include "common/base/binary.h"
#include "common/wire/messages.h"
#include "common/wire/utf.h"

namespace millrace::wire {
namespace {

// What leaves the walk over fields to the visitor and is the same for all that do not read.
template <class Self>
class WritingVisitor {
public:
    bool since(int) const { return true; }
    void token(const char* name, const std::string& text) { self()(name, text); }
    template <class E>
    void list(const char* name, const std::vector<E>& items, std::size_t most = SIZE_MAX) {
        MR_CHECK(items.size() <= most);
        self()(name, static_cast<std::int32_t>(items.size()));
        for (const E& item : items) {
            if constexpr (requires { E::walk(self(), item); }) E::walk(self(), item);
            else self()(name, item);
        }
    }
    void event(const char* name, const Bytes& event) {
        MR_CHECK(event.size() >= kFrameHeaderBytes);
        const FrameHeader header = read_frame_header(event.view().first(kFrameHeaderBytes));
        MR_CHECK(header.type == FrameType::kEvent && header.length >= 0 &&
                 static_cast<std::size_t>(header.length) == event.size() - kFrameHeaderBytes);
        self().rest(name, event);
    }
    void table_key(const Bytes& key, std::int64_t version) {
        self()("", static_cast<std::int32_t>(4 + key.size() + 8));
        self()("", key);
        if (!key.empty()) self()("", version);
    }
    void table_value(const Bytes& value) {
        self()("", static_cast<std::int32_t>(4 + value.size()));
        self()("", value);
    }
    void unused_blob() { self()("", std::int32_t{0}); }

private:
    Self& self() { return static_cast<Self&>(*this); }
};

class SizeBound : public WritingVisitor<SizeBound> {
public:
    // Payloads of so many bytes and more are not counted.
    explicit SizeBound(std::size_t shared_from = SIZE_MAX) : shared_from_{shared_from} {}

    void operator()(const char*, std::int8_t) { bytes_ += 1; }
    void operator()(const char*, std::int32_t) { bytes_ += 4; }
    void operator()(const char*, std::int64_t) { bytes_ += 8; }
    void operator()(const char*, bool) { bytes_ += 1; }
    void operator()(const char*, const WriterId&) { bytes_ += 16; }
    void operator()(const char*, const AttributeId&) { bytes_ += 16; }
    void operator()(const char*, const std::string& text) { bytes_ += utf_size_bound(text); }
    void operator()(const char* name, const Bytes& data) {
        bytes_ += 4;
        rest(name, data);
    }
    void rest(const char*, const Bytes& data) {
        if (data.size() < shared_from_) bytes_ += data.size();
    }
    void zeros(const char*, std::int32_t length) {
        MR_CHECK(length >= 0);
        bytes_ += static_cast<std::size_t>(length);
    }

    std::size_t bytes() const { return bytes_; }

private:
    const std::size_t shared_from_;
    std::size_t bytes_ = 0;
};

template <std::unsigned_integral U>
std::byte* put_big_endian(U v, std::byte* at) {
    v = millrace::detail::in_order<std::endian::big>(v);
    std::memcpy(at, &v, sizeof v);
    return at + sizeof v;
}

class FieldWriter : public WritingVisitor<FieldWriter> {
public:
    explicit FieldWriter(std::byte* at) : at_{at} {}

    void operator()(const char*, std::int8_t v) { at_ = put_big_endian(static_cast<std::uint8_t>(v), at_); }
    void operator()(const char*, std::int32_t v) { at_ = put_big_endian(static_cast<std::uint32_t>(v), at_); }
    void operator()(const char*, std::int64_t v) { at_ = put_big_endian(static_cast<std::uint64_t>(v), at_); }
    void operator()(const char*, bool v) { *at_++ = static_cast<std::byte>(v ? 1 : 0); }
    void operator()(const char*, const WriterId& v) { raw(v.bytes); }
    void operator()(const char*, const AttributeId& v) { raw(v.bytes); }
    void operator()(const char*, const std::string& text) { at_ = encode_utf(text, at_); }
    void operator()(const char* name, const Bytes& data) {
        (*this)(name, static_cast<std::int32_t>(data.size()));
        rest(name, data);
    }
    void rest(const char*, const Bytes& data) {
        if (data.size() < shared_from_) raw(data);
        else shared_->push_back({at_, &data});
    }
    void zeros(const char*, std::int32_t length) {
        std::memset(at_, 0, static_cast<std::size_t>(length));
        at_ += length;
    }

    // Payloads of so many bytes and more are not written; `shared` gets them with their places.
    struct Shared {
        std::byte* at;
        const Bytes* data;
    };
    void share(std::size_t from, std::vector<Shared>& shared) {
        shared_from_ = from;
        shared_ = &shared;
    }

    std::byte* at() const { return at_; }

private:
    void raw(ByteView bytes) {
        if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }

    std::byte* at_;
    std::size_t shared_from_ = SIZE_MAX;
    std::vector<Shared>* shared_ = nullptr;
};

void put_header(FrameType type, std::size_t payload_bytes, std::byte* at) {
    MR_CHECK(payload_bytes <= kMaxSentPayload);
    at = put_big_endian(static_cast<std::uint32_t>(type), at);
    put_big_endian(static_cast<std::uint32_t>(payload_bytes), at);
}

}  // namespace

FrameType type_of(const Message& message) {
    return std::visit([]<class T>(const T&) { return T::kType; }, message);
}

template <MessageType T>
void encode(const T& message, ByteBuffer& out) {
    SizeBound bound;
    T::walk(bound, message);
    const std::size_t begin = out.size();
    out.resize(begin + kFrameHeaderBytes + bound.bytes());
    std::byte* const payload = out.data() + begin + kFrameHeaderBytes;
    FieldWriter writer{payload};
    T::walk(writer, message);
    const auto payload_bytes = static_cast<std::size_t>(writer.at() - payload);
    put_header(T::kType, payload_bytes, out.data() + begin);
    out.resize(begin + kFrameHeaderBytes + payload_bytes);
}

template <MessageType T>
std::vector<Bytes> encode_in_pieces(const T& message) {
    SizeBound bound{kSharedPieceBytes};
    T::walk(bound, message);
    ByteBuffer buffer(kFrameHeaderBytes + bound.bytes());
    std::vector<FieldWriter::Shared> shared;
    FieldWriter writer{buffer.data() + kFrameHeaderBytes};
    writer.share(kSharedPieceBytes, shared);
    T::walk(writer, message);
    const auto written = static_cast<std::size_t>(writer.at() - buffer.data());
    std::size_t payload_bytes = written - kFrameHeaderBytes;
    for (const auto& piece : shared) payload_bytes += piece.data->size();
    put_header(T::kType, payload_bytes, buffer.data());
    buffer.resize(written);

    const Bytes own{std::move(buffer)};
    std::vector<Bytes> pieces;
    pieces.reserve(2 * shared.size() + 1);
    std::size_t done = 0;
    for (const auto& piece : shared) {
        const auto at = static_cast<std::size_t>(piece.at - own.data());
        if (at != done) pieces.push_back(own.slice(done, at - done));
        pieces.push_back(*piece.data);
        done = at;
    }
    if (done != own.size()) pieces.push_back(own.slice(done));
    return pieces;
}

#define MR_WIRE_ENCODE(name, code, sender)            \
    template void encode(const name&, ByteBuffer&);   \
    template std::vector<Bytes> encode_in_pieces(const name&);
MR_WIRE_MESSAGES(MR_WIRE_ENCODE)
#undef MR_WIRE_ENCODE

void encode(const Message& message, ByteBuffer& out) {
    std::visit([&out](const auto& alternative) { encode(alternative, out); }, message);
}

std::vector<Bytes> encode_in_pieces(const Message& message) {
    return std::visit([](const auto& alternative) { return encode_in_pieces(alternative); }, message);
}

void encode_segment_read_around(const SegmentRead& message, ByteBuffer& before, ByteBuffer& after) {
    constexpr std::size_t kFixedBytes = 8 + 1 + 1 + 4;  // offset, both flags, the data's length
    constexpr std::size_t kRequestIdBytes = 8;
    const std::size_t begin = before.size();
    before.resize(begin + kFrameHeaderBytes + utf_size_bound(message.segment) + kFixedBytes);
    std::byte* const payload = before.data() + begin + kFrameHeaderBytes;
    FieldWriter writer{payload};
    writer("segment", message.segment);
    writer("offset", message.offset);
    writer("at_tail", message.at_tail);
    writer("end_of_segment", message.end_of_segment);
    writer("data", static_cast<std::int32_t>(message.data.size()));
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
