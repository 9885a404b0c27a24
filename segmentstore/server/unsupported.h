// SPDX-License-Identifier: Apache-2.0
//
// Requests that the protocol has and this server does not offer: they are answered, not punished.
// Pure.
#pragma once

#include <optional>
#include <string_view>

#include "common/transport/frame_run.h"
#include "common/wire/messages.h"

namespace millrace::segmentstore {

struct UnsupportedRequest {
    std::string_view name;
    wire::RequestId request_id = 0;
};

// Empty when the code is no request that we know, or its request id cannot be found.
std::optional<UnsupportedRequest> unsupported_request(const transport::FrameView& frame);

}  // namespace millrace::segmentstore
