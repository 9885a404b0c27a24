// SPDX-License-Identifier: Apache-2.0
//
// Input cut into events: lines (line_reader.h) or bytes with their length before them (length_reader.h).
// Thread rule: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "common/base/result.h"

namespace millrace::cli {

class EventInput {
public:
    // Up to `size` bytes into `into`; 0 at the end of the input.
    using Source = std::function<Result<std::size_t>(char* into, std::size_t size)>;

    virtual ~EventInput() = default;

    struct Item {
        bool end = false;       // of the input; no text
        std::string_view text;  // until the next call
    };
    // Errors name the event's number, or are the source's. After an error there is nothing more.
    virtual Result<Item> next() = 0;
    // Passes over the next one, a line however long it is. False at the end of the input.
    virtual Result<bool> skip() = 0;

    // Of the event that next() or skip() was about last; the first is 1.
    std::uint64_t number() const { return number_; }
    // What one is called: "line", "event".
    virtual std::string_view noun() const = 0;

protected:
    std::uint64_t number_ = 0;
};

}  // namespace millrace::cli
