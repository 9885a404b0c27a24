// SPDX-License-Identifier: Apache-2.0
//
// The text form of a position, and what can be said of one without asking anybody.
#include <charconv>

#include "client/reader/check_position.h"
#include "millrace/event_reader.h"

namespace millrace {

namespace {

// Takes a whole number >= 0 that ends at `end` (or at the end of the text) off the front of `text`.
template <class Number>
bool take_number(std::string_view& text, char end, Number& number) {
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto length = static_cast<std::size_t>(stop - text.data());
    if (error != std::errc{} || number < 0) return false;
    if (length == text.size()) {
        text = {};
        return end == ',';
    }
    if (text[length] != end) return false;
    text.remove_prefix(length + 1);
    // Nothing after the last comma.
    return end != ',' || !text.empty();
}

}  // namespace

std::string Position::to_string() const {
    std::string text = stream.to_string() + ":";
    bool first = true;
    for (const auto& [segment, offset] : offsets) {
        if (!first) text += ',';
        first = false;
        text += millrace::to_string(segment.epoch()) + '.' + std::to_string(segment.number()) + '@' +
                std::to_string(offset);
    }
    return text;
}

Result<Position> Position::parse(std::string_view text) {
    const auto wrong = [whole = std::string{text.substr(0, 200)}](std::string what) {
        return Error{ErrorCode::kInvalidArgument, "'" + whole + "' is not a position: " + what +
                                                      "; it looks like scope/stream:0.0@1234,0.1@5678"};
    };
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return wrong("there is no ':' after the stream's name");
    Position position;
    const std::string_view name = text.substr(0, colon);
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) return wrong("there is no '/' between scope and stream");
    position.stream = StreamName{std::string{name.substr(0, slash)}, std::string{name.substr(slash + 1)}};
    if (auto legal = check_internal_name("scope", position.stream.scope); !legal) return wrong(legal.error().detail());
    if (auto legal = check_internal_name("stream", position.stream.stream); !legal) return wrong(legal.error().detail());

    std::string_view rest = text.substr(colon + 1);
    if (rest.empty()) return wrong("it names no segment");
    while (!rest.empty()) {
        std::int32_t epoch = 0;
        std::int32_t number = 0;
        std::int64_t offset = 0;
        if (!take_number(rest, '.', epoch) || !take_number(rest, '@', number) || !take_number(rest, ',', offset)) {
            return wrong("segments are written EPOCH.NUMBER@OFFSET, separated by commas");
        }
        if (!position.offsets.emplace(SegmentId::of(number, StreamEpoch{epoch}), offset).second) {
            return wrong("segment " + std::to_string(epoch) + "." + std::to_string(number) + " is named twice");
        }
    }
    return position;
}

}  // namespace millrace

namespace millrace::client {

Result<void> check_position(std::string_view what, const Position& position, const StreamName& stream) {
    const std::string name{what};
    if (position.stream != stream) {
        return Error{ErrorCode::kInvalidArgument, name + " is of stream " + position.stream.to_string() + ", not of " +
                                                      stream.to_string()};
    }
    if (position.offsets.empty()) return Error{ErrorCode::kInvalidArgument, name + " names no segment"};
    for (const auto& [segment, offset] : position.offsets) {
        if (segment.value < 0 || offset < 0) {
            return Error{ErrorCode::kInvalidArgument, name + " is not a position: " + position.to_string()};
        }
    }
    return ok();
}

}  // namespace millrace::client
