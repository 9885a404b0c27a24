// SPDX-License-Identifier: Apache-2.0
//
// Whether a position that an application handed in can be one of a stream at all. Pure; any thread.
#pragma once

#include <string_view>

#include "millrace/event_reader.h"

namespace millrace::client {

// kInvalidArgument names `what` and says why not.
Result<void> check_position(std::string_view what, const Position& position, const StreamName& stream);

}  // namespace millrace::client
