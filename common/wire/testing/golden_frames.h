// SPDX-License-Identifier: Apache-2.0
//
// Messages with the bytes that they are on the wire, at least one of every kind, for tests and for
// the seeds of the fuzzers. The bytes were not made by this encoder: some are what other programs
// sent, the others follow docs/protocol/wire.md by hand.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/messages.h"

namespace millrace::wire::testing {

inline constexpr RequestId kGoldenFlow1 = 0x0000000100000000;
inline constexpr RequestId kGoldenFlow5 = 0x0000000500000000;
inline const std::string kGoldenSegment = "s/t/0.#epoch.0";

inline WriterId golden_writer() {
    WriterId id;
    std::ranges::copy(from_hex("112233445566778899aabbccddeeff00"), id.bytes.begin());
    return id;
}
inline AttributeId golden_attribute() {
    AttributeId id;
    std::ranges::copy(from_hex("0102030405060708090a0b0c0d0e0f10"), id.bytes.begin());
    return id;
}

inline Bytes golden_bytes(std::string_view hex) { return Bytes{from_hex(hex)}; }

struct GoldenFrame {
    const char* name;
    Message message;
    std::string hex;
};

const std::vector<GoldenFrame>& golden_frames();

}  // namespace millrace::wire::testing
