// SPDX-License-Identifier: Apache-2.0
//
// Streams that belong to something else and come and go with it: "_RG<group>", in which the readers of a group keep their
// state, and "_MARK<stream>", which is to hold a stream's watermarks (docs/protocol/names.md). Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "common/model/segment_name.h"

namespace millrace::controller::stream {

struct ReaderGroupName {
    std::string scope;
    std::string group;

    std::string to_string() const { return scope + "/" + group; }
    auto operator<=>(const ReaderGroupName&) const = default;
};

StreamName state_of(const ReaderGroupName& group);
// The group whose state the stream keeps, if it is one that does.
std::optional<ReaderGroupName> group_of(const StreamName& stream);

// None: the stream belongs to something else itself, or its name has no room for the prefix.
std::optional<StreamName> marks_of(const StreamName& stream);
// The stream whose marks the stream keeps, if it is one that does.
std::optional<StreamName> marked_by(const StreamName& stream);

}  // namespace millrace::controller::stream
