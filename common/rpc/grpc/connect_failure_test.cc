// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc/connect_failure.h"

#include <gtest/gtest.h>

namespace millrace::rpc {
namespace {

TEST(ConnectFailure, SaysWhatIsAtTheAddress) {
    constexpr const char* kFailed = "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:9090: ";
    const auto of = [&](const char* end) { return connect_failure("h:9090", std::string{kFailed} + end); };
    EXPECT_EQ(of("Failed to connect to remote host: Connection refused"),
              "nothing listens at h:9090 (connection refused)");
    EXPECT_NE(of("Failed parsing HTTP/2").find("h:9090 does not speak gRPC"), std::string::npos);
    EXPECT_NE(of("connection attempt timed out before receiving SETTINGS frame")
                  .find("h:9090 takes connections and says nothing"),
              std::string::npos);
    EXPECT_EQ(connect_failure("h:9090", "DNS resolution failed for h:9090: not found"),
              "the name in h:9090 is not known to this machine");
    EXPECT_NE(connect_failure("h:9090", "Socket closed").find("the connection to h:9090 broke"), std::string::npos);
    EXPECT_EQ(connect_failure("h:9090", "something new"), "h:9090 cannot be reached: something new");
}

}  // namespace
}  // namespace millrace::rpc
