// SPDX-License-Identifier: Apache-2.0
//
// Cuts input into events with their length before them: four bytes, big-endian, and so many bytes.
// Thread rule: one thread.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "cli/event_input.h"

namespace millrace::cli {

inline constexpr std::size_t kLengthBytes = 4;

// What stands before an event of this size. REQUIRES: size < 2^32.
std::array<char, kLengthBytes> length_prefix(std::size_t size);

class LengthReader final : public EventInput {
public:
    LengthReader(Source source, std::size_t event_bytes_max);

    // kTooLarge: the length is beyond the bound. kCorrupt: the input ends inside an event. Both name the event's number
    // and the byte at which its length begins; otherwise the source's errors.
    Result<Item> next() override;
    Result<bool> skip() override;
    std::string_view noun() const override { return "event"; }

private:
    // The length of the next event; none at the end of the input.
    struct Length {
        bool end = false;
        std::size_t bytes = 0;
    };
    Result<Length> next_length();
    // Up to `size` bytes, fewer only at the end of the input.
    Result<std::size_t> take(char* into, std::size_t size);
    Error cut(std::size_t got, std::size_t wanted, std::string_view what) const;
    std::string where() const;

    Source source_;
    const std::size_t event_bytes_max_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;  // of what has not been taken, up to end_
    std::size_t end_ = 0;
    std::string event_;
    std::uint64_t taken_ = 0;      // bytes of the input
    std::uint64_t begins_at_ = 0;  // the event's length, in bytes of the input
};

}  // namespace millrace::cli
