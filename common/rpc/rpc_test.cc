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

TEST(RpcMetadata, TakesOnlyWhatTheProtocolCarries) {
    EXPECT_TRUE(check_metadata({}).ok());
    EXPECT_TRUE(check_metadata({{"authorization", "Basic YTpi"}, {"x-1_2.3", ""}}).ok());
    for (const std::string key : {"", "Authorization", "a b", "grpc-timeout", "x-bin", "te", "content-type", ":path", "\xc3\xa9", "a\n"}) {
        EXPECT_TRUE(check_metadata({{key, "v"}}).error().is(ErrorCode::kInvalidArgument)) << key;
    }
    for (const std::string value : {" a", "a ", "a\r\nb: c", "\xc3\xa9", "\x7f"}) {
        EXPECT_TRUE(check_metadata({{"k", value}}).error().is(ErrorCode::kInvalidArgument)) << value;
    }
    EXPECT_TRUE(check_metadata({{"k", std::string(kMaxMetadataBytes - 1, 'x')}}).ok());
    EXPECT_TRUE(check_metadata({{"k", std::string(kMaxMetadataBytes, 'x')}}).error().is(ErrorCode::kTooLarge));
}

TEST(RpcStatus, NeverSaysThatNothingWasDoneWhenNobodyKnows) {
    for (int n = 1; n <= 24; ++n) {
        const auto code = static_cast<ErrorCode>(n);
        EXPECT_EQ(status_of(Error{code, ""}), to_status(code));
        EXPECT_EQ(fate_of(status_of(Error{code, "", Fate::kUnknown})), Fate::kUnknown) << to_string(code);
    }
}

TEST(RpcStatus, TakesEveryStatusForAnError) {
    for (int n = 1; n <= 16; ++n) EXPECT_GE(static_cast<int>(from_status(static_cast<StatusCode>(n))), 1) << n;
}

}  // namespace
}  // namespace millrace::rpc
