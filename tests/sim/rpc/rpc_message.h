// SPDX-License-Identifier: Apache-2.0
//
// What SimRpc's two ends send each other. Thread rule: values.
#pragma once

#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/rpc/rpc.h"

namespace millrace::sim {

enum class RpcKind : std::uint8_t {
    kRequest = 1,  // body, method, metadata
    kReply = 2,    // status; body, or the error's detail
    kAsk = 3,      // do you still know this call?
    kRunning = 4,  // answers to kAsk
    kUnknown = 5,
};

struct RpcMessage {
    RpcKind kind = RpcKind::kRequest;
    std::uint64_t call = 0;  // unique for ever among all calls of a world
    rpc::StatusCode status = rpc::StatusCode::kOk;
    std::string method;
    std::string body;
    rpc::Metadata metadata;
    std::uint8_t attempt = 0;  // copies of one attempt are one request
};

Bytes encode_rpc(const RpcMessage& message);
// kCorrupt: not one of these.
Result<RpcMessage> decode_rpc(ByteView bytes);

}  // namespace millrace::sim
