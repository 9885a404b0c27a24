// SPDX-License-Identifier: Apache-2.0
//
// Cuts input into lines: bytes up to a '\n', which is not part of the line. The bytes after the last
// '\n' are a line too, unless there are none. Any byte but '\n' may stand in a line.
// Thread rule: one thread.
#pragma once

#include <vector>

#include "cli/event_input.h"

namespace millrace::cli {

class LineReader final : public EventInput {
public:
    LineReader(Source source, std::size_t line_bytes_max);

    // kTooLarge names the line's number; otherwise the source's errors.
    Result<Item> next() override;
    Result<bool> skip() override;
    std::string_view noun() const override { return "line"; }

private:
    Result<bool> fill();  // false at the end of the input

    Source source_;
    const std::size_t line_bytes_max_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;    // of what has not been handed out
    std::size_t scanned_ = 0;  // no '\n' in [begin_, scanned_)
    std::size_t end_ = 0;
};

}  // namespace millrace::cli
