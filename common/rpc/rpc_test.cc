// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/rpc.h"

#include <gtest/gtest.h>

namespace millrace::rpc {
namespace {

TEST(RpcStatus, KeepsTheMeaningOfCodesThatClientsActOn) {
    for (const ErrorCode code :
         {ErrorCode::kInternal, ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kAlreadyExists,
          ErrorCode::kCancelled, ErrorCode::kTimedOut, ErrorCode::kUnavailable, ErrorCode::kUnsupported,
          ErrorCode::kPermissionDenied, ErrorCode::kUnauthenticated, ErrorCode::kFailedPrecondition}) {
        EXPECT_EQ(from_status(to_status(code)), code) << to_string(code);
    }
}

TEST(RpcStatus, NeverMakesARetriedCodeOfWhatCannotSucceed) {
    for (const ErrorCode code : {ErrorCode::kInvalidArgument, ErrorCode::kBadRequest, ErrorCode::kTooLarge}) {
        EXPECT_EQ(to_status(code), StatusCode::kInvalidArgument) << to_string(code);
    }
}

TEST(RpcStatus, IsNeverOkForAnError) {
    for (int n = 1; n <= 24; ++n) EXPECT_NE(to_status(static_cast<ErrorCode>(n)), StatusCode::kOk) << n;
}

TEST(RpcStatus, TakesEveryStatusForAnError) {
    for (int n = 1; n <= 16; ++n) EXPECT_GE(static_cast<int>(from_status(static_cast<StatusCode>(n))), 1) << n;
}

}  // namespace
}  // namespace millrace::rpc
