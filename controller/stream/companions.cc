// SPDX-License-Identifier: Apache-2.0
#include "controller/stream/companions.h"

#include <string_view>

namespace millrace::controller::stream {

namespace {

constexpr std::string_view kState = "_RG";
constexpr std::string_view kMarks = "_MARK";

}  // namespace

StreamName state_of(const ReaderGroupName& group) { return {group.scope, std::string{kState} + group.group}; }

std::optional<ReaderGroupName> group_of(const StreamName& stream) {
    if (!stream.stream.starts_with(kState) || stream.stream.size() == kState.size()) return std::nullopt;
    return ReaderGroupName{stream.scope, stream.stream.substr(kState.size())};
}

std::optional<StreamName> marks_of(const StreamName& stream) {
    StreamName marks{stream.scope, std::string{kMarks} + stream.stream};
    if (!check_internal_name("stream", marks.stream)) return std::nullopt;
    return marks;
}

std::optional<StreamName> marked_by(const StreamName& stream) {
    if (!stream.stream.starts_with(kMarks) || stream.stream.size() == kMarks.size()) return std::nullopt;
    return StreamName{stream.scope, stream.stream.substr(kMarks.size())};
}

}  // namespace millrace::controller::stream
