// SPDX-License-Identifier: Apache-2.0
//
// Cuts input into lines: bytes up to a '\n', which is not part of the line. The bytes after the last
// '\n' are a line too, unless there are none. Any byte but '\n' may stand in a line.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace millrace::cli {

class LineReader {
public:
    // Up to `size` bytes into `into`; 0 at the end of the input.
    using Source = std::function<Result<std::size_t>(char* into, std::size_t size)>;

    LineReader(Source source, std::size_t line_bytes_max);

    struct Line {
        bool end = false;  // of the input; no text
        std::string_view text;  // until the next call
    };
    // kTooLarge names the line's number; otherwise the source's errors.
    Result<Line> next();

    // Of the line that next() returned last; the first is 1.
    std::uint64_t number() const { return number_; }

private:
    Result<bool> fill();  // false at the end of the input

    Source source_;
    const std::size_t line_bytes_max_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;    // of what has not been handed out
    std::size_t scanned_ = 0;  // no '\n' in [begin_, scanned_)
    std::size_t end_ = 0;
    std::uint64_t number_ = 0;
};

}  // namespace millrace::cli
