// SPDX-License-Identifier: Apache-2.0
#include "common/model/segment_name.h"

#include <charconv>
#include <optional>

#include "common/model/routing_hash.h"

namespace millrace {
namespace {

constexpr std::string_view kEpochMark = ".#epoch.";
constexpr std::string_view kTransactionMark = "#transaction.";
constexpr std::string_view kTransientMark = "#transient.";
// 128 bits in hex follow both marks.
constexpr std::size_t kSuffixIdBytes = 32;

// Java's hash code of the name of the function that maps segments to containers.
constexpr std::int32_t kContainerSeed = 1'661'405'012;

bool is_name_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

// For messages: short, and without bytes that would upset a terminal.
std::string quoted(std::string_view text) {
    constexpr std::size_t kShown = 80;
    std::string out = "'";
    for (const char c : text.substr(0, kShown)) out += c >= 0x20 && c < 0x7F ? c : '?';
    if (text.size() > kShown) out += "...";
    return out + "'";
}

Error bad_name(std::string_view what, std::string_view name, const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, std::string{what} + " " + quoted(name) + " " + why};
}

Result<void> check_name(std::string_view what, std::string_view name, std::size_t longest, bool may_be_internal) {
    if (name.empty()) {
        return Error{ErrorCode::kInvalidArgument,
                     std::string{what} + " has an empty name; names are 1 to " + std::to_string(longest) +
                         " characters of A-Z a-z 0-9 . -"};
    }
    if (name.size() > longest) {
        return bad_name(what, name,
                        "has " + std::to_string(name.size()) + " characters; at most " + std::to_string(longest) +
                            " are allowed");
    }
    const std::size_t first = may_be_internal && name.front() == '_' ? 1 : 0;
    if (first == name.size()) return bad_name(what, name, "has nothing after its '_'");
    for (std::size_t i = first; i < name.size(); ++i) {
        if (is_name_character(name[i])) continue;
        std::string why = "has a character at position " + std::to_string(i + 1) +
                          " that is not allowed; names are made of A-Z a-z 0-9 . -";
        if (i == 0 && name[i] == '_') why += " (a leading '_' is kept for the system's own names)";
        return bad_name(what, name, why);
    }
    return ok();
}

// A number as we spell it: no sign, no leading zeros, below 2^31.
std::optional<std::int32_t> canonical_number(std::string_view text) {
    if (text.empty() || text.front() == '-' || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// What stands before the last `mark`, if at least kSuffixIdBytes follow it.
std::optional<std::string_view> parent_before(std::string_view name, std::string_view mark) {
    const std::size_t at = name.rfind(mark);
    if (at == std::string_view::npos || name.size() - at - mark.size() < kSuffixIdBytes) return std::nullopt;
    return name.substr(0, at);
}

}  // namespace

Result<void> check_user_name(std::string_view what, std::string_view name) {
    return check_name(what, name, kMaxUserNameBytes, false);
}

Result<void> check_internal_name(std::string_view what, std::string_view name) {
    return check_name(what, name, kMaxInternalNameBytes, true);
}

Result<StreamName> StreamName::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos || text.find('/', slash + 1) != std::string_view::npos) {
        return bad_name("stream", text, "is not of the form SCOPE/STREAM");
    }
    const std::string_view scope = text.substr(0, slash);
    const std::string_view stream = text.substr(slash + 1);
    MR_TRY_VOID(check_user_name("scope", scope));
    MR_TRY_VOID(check_user_name("stream", stream));
    return StreamName{std::string{scope}, std::string{stream}};
}

std::string segment_name(const StreamName& stream, SegmentId segment) {
    std::string name;
    name.reserve(stream.scope.size() + stream.stream.size() + 32);
    name.append(stream.scope).append(1, '/').append(stream.stream).append(1, '/');
    name.append(std::to_string(segment.number())).append(kEpochMark).append(to_string(segment.epoch()));
    return name;
}

Result<ParsedSegmentName> parse_segment_name(std::string_view name) {
    const std::size_t first = name.find('/');
    const std::size_t second = first == std::string_view::npos ? first : name.find('/', first + 1);
    if (second == std::string_view::npos || name.find('/', second + 1) != std::string_view::npos) {
        return bad_name("segment", name, "is not of the form SCOPE/STREAM/NUMBER.#epoch.EPOCH");
    }
    const std::string_view scope = name.substr(0, first);
    const std::string_view stream = name.substr(first + 1, second - first - 1);
    MR_TRY_VOID(check_internal_name("scope", scope));
    MR_TRY_VOID(check_internal_name("stream", stream));

    const std::string_view last = name.substr(second + 1);
    const std::size_t mark = last.find(kEpochMark);
    const std::optional<std::int32_t> number = canonical_number(last.substr(0, mark));
    const std::optional<std::int32_t> epoch =
        mark == std::string_view::npos ? std::optional<std::int32_t>{0}
                                       : canonical_number(last.substr(mark + kEpochMark.size()));
    if (!number || !epoch) {
        return bad_name("segment", name, "does not end in NUMBER.#epoch.EPOCH with plain numbers below 2147483648");
    }
    return ParsedSegmentName{StreamName{std::string{scope}, std::string{stream}},
                             SegmentId::of(*number, StreamEpoch{*epoch})};
}

std::string_view container_hash_key(std::string_view segment_name) {
    if (const auto parent = parent_before(segment_name, kTransactionMark)) segment_name = *parent;
    if (const auto parent = parent_before(segment_name, kTransientMark)) segment_name = *parent;
    return segment_name.substr(0, segment_name.rfind(kEpochMark));
}

std::uint32_t hash_slot_of(std::string_view segment_name) {
    return static_cast<std::uint32_t>(murmur3_of_utf16(container_hash_key(segment_name), kContainerSeed) % kHashSlots);
}

ContainerId container_of(std::string_view segment_name, std::uint32_t containers) {
    MR_CHECK(containers >= 1 && containers <= kHashSlots);
    return ContainerId{hash_slot_of(segment_name) * containers / kHashSlots};
}

}  // namespace millrace
