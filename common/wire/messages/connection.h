// SPDX-License-Identifier: Apache-2.0
//
// The handshake and what keeps a connection alive. How a message is laid out: message.h.
#pragma once

#include <cstdint>

#include "common/wire/messages/message.h"

namespace millrace::wire {

struct Hello {
    std::int32_t high_version = 16;
    std::int32_t low_version = 5;

    static constexpr FrameType kType = FrameType::kHello;
    bool operator==(const Hello&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("high_version", m.high_version);
        v("low_version", m.low_version);
    }
};

// Answered with one.
struct KeepAlive {
    static constexpr FrameType kType = FrameType::kKeepAlive;
    bool operator==(const KeepAlive&) const = default;
    template <class V, class M>
    static void walk(V&, M&) {}
};

}  // namespace millrace::wire
