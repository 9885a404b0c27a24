// SPDX-License-Identifier: Apache-2.0
//
// Messages with every field at random, for tests of whatever carries or takes them. The same
// generator state gives the same message everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/wire/event.h"
#include "common/wire/messages.h"

namespace millrace::wire::testing {

// splitmix64.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_{seed} {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    // Uniform enough in [0, bound). REQUIRES: bound > 0.
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
    Bytes bytes(std::size_t size) {
        ByteBuffer buffer(size);
        for (std::byte& b : buffer) b = static_cast<std::byte>(next());
        return Bytes{std::move(buffer)};
    }

private:
    std::uint64_t state_;
};

// Visits a message's fields and fills them.
class RandomFiller {
public:
    RandomFiller(Dice& dice, std::size_t max_data_bytes) : dice_{dice}, max_data_bytes_{max_data_bytes} {}

    bool since(int) const { return true; }
    void operator()(const char*, std::int8_t& v) { v = static_cast<std::int8_t>(dice_.next()); }
    void operator()(const char*, std::int32_t& v) { v = static_cast<std::int32_t>(dice_.next()); }
    void operator()(const char*, std::int64_t& v) { v = static_cast<std::int64_t>(dice_.next()); }
    void operator()(const char*, bool& v) { v = dice_.below(2) == 1; }
    void operator()(const char*, WriterId& v) { fill(v.bytes); }
    void operator()(const char*, AttributeId& v) { fill(v.bytes); }
    void operator()(const char*, std::string& text) {
        static const std::string kParts[] = {"a",        "scope/stream/0.#epoch.7", std::string(1, '\0'), "\xC3\xA9",
                                             "\xE2\x82\xAC", "\xF0\x9F\x98\x80",        "\x7F",               " "};
        text.clear();
        for (std::size_t n = dice_.below(5); n > 0; --n) text += kParts[dice_.below(std::size(kParts))];
    }
    void operator()(const char*, Bytes& data) { data = dice_.bytes(dice_.below(max_data_bytes_ + 1)); }
    void token(const char* name, std::string& text) { (*this)(name, text); }
    void rest(const char* name, Bytes& data) { (*this)(name, data); }
    void zeros(const char*, std::int32_t& length) {
        length = static_cast<std::int32_t>(dice_.below(max_data_bytes_ + 1));
    }
    void event(const char*, Bytes& event) {
        ByteBuffer framed;
        encode_event(dice_.bytes(dice_.below(max_data_bytes_ + 1)), framed);
        event = Bytes{std::move(framed)};
    }
    template <class E>
    void list(const char* name, std::vector<E>& items, std::size_t = SIZE_MAX) {
        items.resize(dice_.below(4));
        for (E& item : items) {
            if constexpr (requires { E::walk(*this, item); }) E::walk(*this, item);
            else (*this)(name, item);
        }
    }
    void table_key(Bytes& key, std::int64_t& version) {
        (*this)("key", key);
        if (!key.empty()) (*this)("version", version);
    }
    void table_value(Bytes& value) { (*this)("value", value); }
    void unused_blob() {}

private:
    void fill(std::array<std::byte, 16>& bytes) {
        for (std::byte& b : bytes) b = static_cast<std::byte>(dice_.next());
    }

    Dice& dice_;
    std::size_t max_data_bytes_;
};

template <std::size_t Index = 0>
Message random_message(std::size_t alternative, Dice& dice, std::size_t max_data_bytes = 40) {
    if constexpr (Index < std::variant_size_v<Message>) {
        if (alternative != Index) return random_message<Index + 1>(alternative, dice, max_data_bytes);
        std::variant_alternative_t<Index, Message> message;
        RandomFiller filler{dice, max_data_bytes};
        std::variant_alternative_t<Index, Message>::walk(filler, message);
        return message;
    } else {
        MR_CHECK(alternative < std::variant_size_v<Message>);
        return {};
    }
}

// What a connection would have received for one encoded frame. The payload has memory of its own
// size, so that a sanitizer sees every step beyond it.
inline Frame frame_of(ByteView encoded) {
    const FrameHeader header = read_frame_header(encoded.first(kFrameHeaderBytes));
    MR_CHECK(header.length >= 0 && static_cast<std::size_t>(header.length) == encoded.size() - kFrameHeaderBytes);
    return Frame{header.type, Bytes::copy_of(encoded.subspan(kFrameHeaderBytes))};
}

}  // namespace millrace::wire::testing
