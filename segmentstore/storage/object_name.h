// SPDX-License-Identifier: Apache-2.0
//
// Names of objects in long-term storage. The owner's epoch is part of the name, so two owners of a container never mean
// the same object; a sequence number is used once in an epoch. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/ids.h"

namespace millrace::storage {

struct ObjectName {
    ContainerId container;
    OwnerEpoch epoch;
    std::uint64_t sequence = 0;

    auto operator<=>(const ObjectName&) const = default;
    // "container/epoch/sequence" as 8, 16 and 16 lower-case hex digits: sorted as text they are sorted as numbers.
    std::string to_string() const;
    // kInvalidArgument for everything that to_string() does not give.
    static Result<ObjectName> parse(std::string_view text);
};

}  // namespace millrace::storage
