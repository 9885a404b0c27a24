// SPDX-License-Identifier: Apache-2.0
#include "cli/length_reader.h"

#include <algorithm>

#include "common/base/binary.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kInputBytes = 1024 * 1024;

}  // namespace

std::array<char, kLengthBytes> length_prefix(std::size_t size) {
    std::array<char, kLengthBytes> prefix{};
    for (std::size_t i = 0; i < kLengthBytes; ++i) prefix[i] = static_cast<char>(size >> (8 * (kLengthBytes - 1 - i)));
    return prefix;
}

LengthReader::LengthReader(Source source, std::size_t event_bytes_max)
    : source_{std::move(source)}, event_bytes_max_{event_bytes_max}, buffer_(kInputBytes) {}

std::string LengthReader::where() const {
    return "event " + std::to_string(number_) + " at byte " + std::to_string(begins_at_);
}

Error LengthReader::cut(std::size_t got, std::size_t wanted, std::string_view what) const {
    return Error{ErrorCode::kCorrupt, where() + ": the input ends after " + std::to_string(got) + " of its " +
                                          std::to_string(wanted) + " bytes" + std::string{what}};
}

Result<std::size_t> LengthReader::take(char* into, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
        if (begin_ == end_) {
            begin_ = end_ = 0;
            MR_TRY(end_, source_(buffer_.data(), buffer_.size()));
            if (end_ == 0) break;
        }
        const std::size_t n = std::min(size - got, end_ - begin_);
        std::copy_n(buffer_.data() + begin_, n, into + got);
        begin_ += n;
        got += n;
    }
    taken_ += got;
    return got;
}

Result<LengthReader::Length> LengthReader::next_length() {
    begins_at_ = taken_;
    std::array<char, kLengthBytes> prefix{};
    MR_TRY(const std::size_t got, take(prefix.data(), prefix.size()));
    if (got == 0) return Length{.end = true};
    ++number_;
    if (got < prefix.size()) return cut(got, prefix.size(), " of length");
    BigEndianReader reader{as_bytes(std::string_view{prefix.data(), prefix.size()})};
    const std::size_t bytes = reader.u32();
    if (bytes > event_bytes_max_) {
        return Error{ErrorCode::kTooLarge, where() + " has a length of " + std::to_string(bytes) +
                                               "; an event has at most " + std::to_string(event_bytes_max_) + " bytes"};
    }
    return Length{.bytes = bytes};
}

Result<EventInput::Item> LengthReader::next() {
    MR_TRY(const Length length, next_length());
    if (length.end) return Item{.end = true, .text = {}};
    event_.resize(length.bytes);
    MR_TRY(const std::size_t got, take(event_.data(), length.bytes));
    if (got < length.bytes) return cut(got, length.bytes, "");
    return Item{.text = event_};
}

Result<bool> LengthReader::skip() {
    MR_TRY(const Item item, next());
    return !item.end;
}

}  // namespace millrace::cli
