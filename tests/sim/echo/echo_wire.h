// SPDX-License-Identifier: Apache-2.0
//
// What the replicated echo says: frames between leader and follower, messages between client and leader, and the
// records in both. Big-endian; a frame is its length (u32, of the rest), its type and its fields.
//
//     prepare  epoch                     -> state or refused
//     state    log epoch, records
//     adopt    epoch, records            -> synced or refused   (replaces the follower's log)
//     append   epoch, records            -> synced or refused   (goes on where the follower is)
//     synced   last number
//     refused  promised epoch
//     write    number, body              (client's message)
//     ack      number                    (leader's message)
// Thread rule: none.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/runtime/network.h"

namespace millrace::sim::echo {

// Each is a mistake that a test plants and the seeds must catch.
struct Bugs {
    bool trust_length = false;         // a length from the network is used unchecked
    bool lose_wake_up = false;         // looks, does something else, then waits
    bool use_after_close = false;      // the log is closed before its users have ended
    // The same two without a guard in the way, for the address sanitizer.
    bool read_beyond_frame = false;    // copies what a length from the network says
    bool free_before_users_end = false;  // destroys the log under a call
    bool ack_before_sync = false;      // written counts as durable
    bool trust_unsynced_tail = false;  // what a restart finds in the file counts as durable
};

struct Record {
    std::uint64_t number = 0;
    Bytes body;
    friend bool operator==(const Record&, const Record&) = default;
};
using Records = std::vector<Record>;

enum class FrameType : std::uint8_t { kPrepare = 1, kState, kAdopt, kAppend, kSynced, kRefused, kWrite, kAck };

struct Frame {
    FrameType type{};
    std::uint64_t number = 0;  // epoch, log epoch or record number
    Records records;
};

inline constexpr std::size_t kFrameBytesMax = 1024 * 1024;

// Without the length: the form of a message.
ByteBuffer encode(const Frame& frame);
// kBadRequest. Looks at nothing beyond `bytes`, unless a bug is planted.
Result<Frame> decode(Bytes bytes, const Bugs& bugs);

Task<Result<void>> write_frame(ByteStream& stream, Frame frame);
// kBadRequest for a length beyond kFrameBytesMax, before anything is allocated; kUnavailable at the end of the stream.
Task<Result<Frame>> read_frame(ByteStream& stream, Bugs bugs);

}  // namespace millrace::sim::echo
