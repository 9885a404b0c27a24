// SPDX-License-Identifier: Apache-2.0
//
// MurmurHash3_x64_128 in a form that takes its input in pieces, so that a text can be widened to
// UTF-16 through a small buffer on the stack, however long it is.
#include "common/model/routing_hash.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "common/base/binary.h"
#include "common/model/utf8.h"

namespace millrace {
namespace {

constexpr std::size_t kBlockBytes = 16;
constexpr std::uint64_t kC1 = 0x87c37b91114253d5;
constexpr std::uint64_t kC2 = 0x4cf5ad432745937f;

std::uint64_t load_little_u64(const std::byte* from) {
    std::uint64_t v;
    std::memcpy(&v, from, sizeof v);
    return detail::in_order<std::endian::little>(v);
}

std::uint64_t avalanche(std::uint64_t k) {
    k ^= k >> 33;
    k *= 0xff51afd7ed558ccd;
    k ^= k >> 33;
    k *= 0xc4ceb9fe1a85ec53;
    k ^= k >> 33;
    return k;
}

class Murmur3 {
public:
    explicit Murmur3(std::int32_t seed)
        : h1_{static_cast<std::uint64_t>(static_cast<std::int64_t>(seed))}, h2_{h1_} {}

    // Takes the whole blocks at the front of `bytes` and returns how many bytes that was.
    std::size_t take_blocks(ByteView bytes) {
        const std::size_t whole = bytes.size() - bytes.size() % kBlockBytes;
        for (std::size_t at = 0; at < whole; at += kBlockBytes) {
            h1_ ^= mix1(load_little_u64(bytes.data() + at));
            h1_ = (std::rotl(h1_, 27) + h2_) * 5 + 0x52dce729;
            h2_ ^= mix2(load_little_u64(bytes.data() + at + 8));
            h2_ = (std::rotl(h2_, 31) + h1_) * 5 + 0x38495ab5;
        }
        length_ += whole;
        return whole;
    }

    // REQUIRES: fewer than kBlockBytes bytes.
    std::uint64_t finish(ByteView tail) {
        std::array<std::byte, kBlockBytes> block{};
        if (!tail.empty()) std::memcpy(block.data(), tail.data(), tail.size());
        length_ += tail.size();
        // A zero word mixes to zero, so the absent bytes of a short tail change nothing.
        h2_ ^= mix2(load_little_u64(block.data() + 8));
        h1_ ^= mix1(load_little_u64(block.data()));

        h1_ ^= length_;
        h2_ ^= length_;
        h1_ += h2_;
        h2_ += h1_;
        return avalanche(h1_) + avalanche(h2_);
    }

private:
    static std::uint64_t mix1(std::uint64_t k) { return std::rotl(k * kC1, 31) * kC2; }
    static std::uint64_t mix2(std::uint64_t k) { return std::rotl(k * kC2, 33) * kC1; }

    std::uint64_t h1_;
    std::uint64_t h2_;
    std::uint64_t length_ = 0;
};

// UTF-16LE through a buffer that is handed to the hash whenever it is nearly full.
class Utf16Hasher {
public:
    explicit Utf16Hasher(std::int32_t seed) : hash_{seed} {}

    void put(std::string_view text) {
        std::size_t at = 0;
        while (at < text.size()) {
            at += put_ascii(text.substr(at));
            if (at == text.size()) break;
            const CodePoint point = code_point_at(text, at);
            at += point.bytes;
            if (used_ + 2 > kUnits) drain();
            if (point.value < 0x10000) {
                put_unit(static_cast<std::uint16_t>(point.value));
            } else {
                put_unit(static_cast<std::uint16_t>(0xD800 + ((point.value - 0x10000) >> 10)));
                put_unit(static_cast<std::uint16_t>(0xDC00 + ((point.value - 0x10000) & 0x3FF)));
            }
        }
    }

    std::uint64_t finish() {
        drain();
        return hash_.finish(filled());
    }

private:
    static constexpr std::size_t kUnits = 256;

    // Widens the ASCII characters at the front and returns how many there were.
    std::size_t put_ascii(std::string_view text) {
        std::size_t done = 0;
        while (done < text.size()) {
            if (used_ == kUnits) drain();
            const std::size_t run = std::min(text.size() - done, kUnits - used_);
            const char* from = text.data() + done;
            std::uint16_t* to = units_.data() + used_;
            std::size_t i = 0;
            for (; i + 8 <= run; i += 8) {
                std::uint64_t eight;
                std::memcpy(&eight, from + i, sizeof eight);
                if ((eight & 0x8080808080808080) != 0) break;
                for (std::size_t j = 0; j < 8; ++j) to[i + j] = unit(static_cast<unsigned char>(from[i + j]));
            }
            for (; i < run && static_cast<unsigned char>(from[i]) < 0x80; ++i) {
                to[i] = unit(static_cast<unsigned char>(from[i]));
            }
            used_ += i;
            done += i;
            if (i < run) break;
        }
        return done;
    }

    static std::uint16_t unit(std::uint16_t value) { return detail::in_order<std::endian::little>(value); }
    void put_unit(std::uint16_t value) { units_[used_++] = unit(value); }

    ByteView filled() const { return std::as_bytes(std::span{units_.data(), used_}); }

    void drain() {
        const std::size_t taken = hash_.take_blocks(filled()) / 2;
        std::memmove(units_.data(), units_.data() + taken, (used_ - taken) * 2);
        used_ -= taken;
    }

    Murmur3 hash_;
    std::size_t used_ = 0;
    std::array<std::uint16_t, kUnits> units_;
};

}  // namespace

std::uint64_t murmur3_x64_128(ByteView bytes, std::int32_t seed) {
    Murmur3 hash{seed};
    const std::size_t taken = hash.take_blocks(bytes);
    return hash.finish(bytes.subspan(taken));
}

std::uint64_t murmur3_of_utf16(std::string_view text, std::int32_t seed) {
    Utf16Hasher hasher{seed};
    hasher.put(text);
    return hasher.finish();
}

double position_of_hash(std::uint64_t hash) {
    // 52 bits as the mantissa of a number in [1, 2): exact, and never rounds up to 1.0.
    return std::bit_cast<double>(0x3FF0000000000000 | (hash >> 12)) - 1.0;
}

}  // namespace millrace
