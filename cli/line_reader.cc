// SPDX-License-Identifier: Apache-2.0
#include "cli/line_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace millrace::cli {
namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;

}  // namespace

LineReader::LineReader(Source source, std::size_t line_bytes_max)
    : source_{std::move(source)}, line_bytes_max_{line_bytes_max}, buffer_(kReadBytes) {}

Result<EventInput::Item> LineReader::next() {
    while (true) {
        if (scanned_ < end_) {
            const void* found = std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_);
            scanned_ = end_;
            if (found != nullptr) {
                const auto newline = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
                const std::string_view text{buffer_.data() + begin_, newline - begin_};
                begin_ = scanned_ = newline + 1;
                ++number_;
                if (text.size() > line_bytes_max_) break;
                return Item{.text = text};
            }
        }
        if (end_ - begin_ > line_bytes_max_) {
            ++number_;
            break;
        }
        MR_TRY(const bool more, fill());
        if (!more) {
            if (begin_ == end_) return Item{.end = true, .text = {}};
            const std::string_view text{buffer_.data() + begin_, end_ - begin_};
            begin_ = scanned_ = end_;
            ++number_;
            return Item{.text = text};
        }
    }
    return Error{ErrorCode::kTooLarge, "line " + std::to_string(number_) + " is longer than " +
                                           std::to_string(line_bytes_max_) + " bytes, the most an event may have"};
}

Result<bool> LineReader::skip() {
    bool any = false;
    bool over = false;
    while (!over) {
        if (begin_ == end_) {
            MR_TRY(const bool more, fill());
            if (!more) break;
        }
        any = true;
        const void* found = std::memchr(buffer_.data() + begin_, '\n', end_ - begin_);
        over = found != nullptr;
        begin_ = over ? static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data()) + 1 : end_;
        scanned_ = begin_;
    }
    if (any) ++number_;
    return any;
}

Result<bool> LineReader::fill() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        scanned_ -= begin_;
        begin_ = 0;
    }
    if (buffer_.size() - end_ < kReadBytes / 2) buffer_.resize(buffer_.size() * 2);
    MR_TRY(const std::size_t got, source_(buffer_.data() + end_, std::min(buffer_.size() - end_, kReadBytes)));
    end_ += got;
    return got > 0;
}

}  // namespace millrace::cli
