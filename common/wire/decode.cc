// SPDX-License-Identifier: Apache-2.0
//
// Decoding is one walk over a message's fields with a reader that remembers its first failure. Only
// then a second walk finds out which field that was.
#include <algorithm>
#include <cstring>

#include "common/base/binary.h"
#include "common/wire/messages.h"
#include "common/wire/utf.h"

namespace millrace::wire {
namespace {

template <class E>
constexpr std::size_t least_bytes_of() {
    if constexpr (std::is_same_v<E, std::string>) return 2;
    else if constexpr (std::is_integral_v<E>) return sizeof(E);
    else return E::kLeastBytes;
}

// With `kExplains` it notes where a failure was and what was due.
template <bool kExplains>
class FieldReader {
public:
    FieldReader(ByteView payload, const Bytes& memory) : payload_{payload}, memory_{memory}, reader_{payload} {}

    // A peer that does not know a field sends nothing for it and for all after it.
    bool since(int) const { return reader_.remaining() > 0; }

    void operator()(const char* name, std::int8_t& v) {
        begin(name, "1 byte");
        v = reader_.i8();
    }
    void operator()(const char* name, std::int32_t& v) {
        begin(name, "4 bytes");
        v = reader_.i32();
    }
    void operator()(const char* name, std::int64_t& v) {
        begin(name, "8 bytes");
        v = reader_.i64();
    }
    void operator()(const char* name, bool& v) {
        begin(name, "1 byte");
        v = reader_.u8() != 0;
    }
    void operator()(const char* name, WriterId& v) { id(name, v.bytes); }
    void operator()(const char* name, AttributeId& v) { id(name, v.bytes); }
    void operator()(const char* name, std::string& text) {
        begin(name, "a string: its length in 2 bytes and so many bytes of UTF-8");
        const std::size_t size = reader_.u16();
        const ByteView raw = reader_.bytes(size);
        if (raw.size() == size && !decode_utf(raw, text)) reader_.fail();
    }
    void token(const char* name, std::string& text) { (*this)(name, text); }
    void operator()(const char* name, Bytes& data) {
        begin(name, "a length of 0 or more in 4 bytes and so many bytes");
        const std::int32_t size = reader_.i32();
        if (size < 0) reader_.fail();
        else slice(static_cast<std::size_t>(size), data);
    }
    void rest(const char*, Bytes& data) { slice(reader_.remaining(), data); }
    void zeros(const char*, std::int32_t& length) { length = static_cast<std::int32_t>(reader_.rest().size()); }

    void event(const char* name, Bytes& data) {
        begin(name, "an event: type 0 in 4 bytes, its length in 4 bytes, and so many bytes");
        BigEndianReader ahead = reader_;
        const std::int32_t type = ahead.i32();
        const std::int32_t size = ahead.i32();
        if (type != 0 || size < 0) reader_.fail();
        else slice(8 + static_cast<std::size_t>(size), data);
    }

    template <class E>
    void list(const char* name, std::vector<E>& items, std::size_t most = SIZE_MAX) {
        begin(name, "a count of 0 or more in 4 bytes and so many elements");
        const std::int32_t count = reader_.i32();
        // Nothing is allocated for elements that cannot be there.
        const std::size_t fit = reader_.remaining() / least_bytes_of<E>();
        if (count < 0 || static_cast<std::size_t>(count) > std::min(most, fit)) {
            reader_.fail();
            return;
        }
        items.resize(static_cast<std::size_t>(count));
        for (E& item : items) {
            if (reader_.failed()) return;
            if constexpr (requires { E::walk(*this, item); }) E::walk(*this, item);
            else (*this)(name, item);
        }
    }
    // The size in front of keys and values says again what follows; it must not exceed what is there.
    void table_key(Bytes& key, std::int64_t& version) {
        begin("key", "a key: two lengths, its bytes and its version");
        const auto there = static_cast<std::int64_t>(reader_.remaining());
        const std::int32_t whole = reader_.i32();
        const std::int32_t size = reader_.i32();
        if (size == 0) return;  // neither bytes nor a version
        if (size < 0 || whole > there) {
            reader_.fail();
            return;
        }
        slice(static_cast<std::size_t>(size), key);
        version = reader_.i64();
    }
    void table_value(Bytes& value) {
        begin("value", "a value: two lengths and its bytes");
        const auto there = static_cast<std::int64_t>(reader_.remaining());
        const std::int32_t whole = reader_.i32();
        const std::int32_t size = reader_.i32();
        if (size < 0 || whole > there) reader_.fail();
        else slice(static_cast<std::size_t>(size), value);
    }
    void unused_blob() {
        Bytes unused;
        (*this)("unused", unused);
    }

    bool failed() const { return reader_.failed(); }

    std::string failure() const
        requires kExplains
    {
        return std::string{field_} + " should start at byte " + std::to_string(at_) + " with " + due_ + "; " +
               std::to_string(payload_.size() - at_) + " are left of " + std::to_string(payload_.size());
    }

private:
    void begin([[maybe_unused]] const char* name, [[maybe_unused]] const char* due) {
        if constexpr (kExplains) {
            if (reader_.failed()) return;
            field_ = name;
            due_ = due;
            at_ = payload_.size() - reader_.remaining();
        }
    }
    void id(const char* name, std::array<std::byte, 16>& into) {
        begin(name, "16 bytes");
        const ByteView raw = reader_.bytes(into.size());
        if (!raw.empty()) std::memcpy(into.data(), raw.data(), raw.size());
    }
    void slice(std::size_t size, Bytes& data) {
        const ByteView part = reader_.bytes(size);
        if (!part.empty()) data = memory_.slice(static_cast<std::size_t>(part.data() - memory_.data()), size);
    }

    const ByteView payload_;
    const Bytes& memory_;  // where it lies
    BigEndianReader reader_;
    const char* field_ = "";
    const char* due_ = "";
    std::size_t at_ = 0;
};

template <class T>
[[gnu::cold]] Error malformed(ByteView payload, const Bytes& memory) {
    T message;
    FieldReader<true> reader{payload, memory};
    T::walk(reader, message);
    return Error{ErrorCode::kBadRequest, to_string(T::kType) + " is cut short or malformed: " + reader.failure()};
}

template <class T>
bool read_into(T& message, ByteView payload, const Bytes& memory) {
    FieldReader<false> reader{payload, memory};
    T::walk(reader, message);
    return !reader.failed();
}

template <class T>
Result<Message> decode_any(ByteView payload, const Bytes& memory) {
    Result<Message> result{Message{std::in_place_type<T>}};
    if (!read_into(*std::get_if<T>(&result.value()), payload, memory)) [[unlikely]] return malformed<T>(payload, memory);
    return result;
}

}  // namespace

template <class M>
Result<M> decode_as(ByteView payload, const Bytes& memory) {
    Result<M> result{M{}};
    if (!read_into(result.value(), payload, memory)) [[unlikely]] return malformed<M>(payload, memory);
    return result;
}
#define MR_WIRE_DECODE_AS(name, code, sender) template Result<name> decode_as<name>(ByteView payload, const Bytes& memory);
MR_WIRE_MESSAGES(MR_WIRE_DECODE_AS)
#undef MR_WIRE_DECODE_AS

Result<Message> decode(const Frame& frame) { return decode(frame.type, frame.payload.view(), frame.payload); }

Result<Message> decode(FrameType type, ByteView payload, const Bytes& memory) {
    switch (type) {
        case FrameType::kEvent:
            return Error{ErrorCode::kBadRequest, "Event came as a frame of its own; it belongs into an AppendBlock"};
#define MR_WIRE_DECODE(name, code, sender) \
    case FrameType::k##name: return decode_any<name>(payload, memory);
            MR_WIRE_MESSAGES(MR_WIRE_DECODE)
#undef MR_WIRE_DECODE
    }
    return Error{ErrorCode::kUnsupported, to_string(type) + " is not known here"};
}

}  // namespace millrace::wire
