// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/health.h"

#include <gtest/gtest.h>

namespace millrace::telemetry {
namespace {

TEST(Health, GoesThroughItsStates) {
    Health health;
    EXPECT_EQ(health.response().status, 503);
    EXPECT_EQ(health.response().body, "{\"status\":\"starting\"}\n");
    health.serving();
    EXPECT_EQ(health.response().status, 200);
    EXPECT_EQ(health.response().body, "{\"status\":\"serving\"}\n");
    health.degraded("segment store", "the disk is full");
    health.degraded("controller", "slow");
    EXPECT_EQ(health.response().status, 200);
    EXPECT_EQ(health.response().body,
              "{\"status\":\"degraded\",\"reasons\":[\"controller: slow\",\"segment store: the disk is full\"]}\n");
    health.degraded("controller", "");
    health.degraded("segment store", "");
    EXPECT_EQ(health.state(), HealthState::kServing);
    health.stopping();
    EXPECT_EQ(health.response().status, 503);
    EXPECT_EQ(health.response().body, "{\"status\":\"stopping\"}\n");
}

TEST(Health, FailedIsForGoodAndSaysWhy) {
    Health health;
    health.serving();
    health.failed("journal", "write of \"a\\b\"\n failed");
    health.failed("journal", "later");
    health.serving();
    EXPECT_EQ(health.response().status, 503);
    EXPECT_EQ(health.response().body,
              "{\"status\":\"failed\",\"reasons\":[\"journal: write of \\\"a\\\\b\\\"\\u000a failed\"]}\n");
}

}  // namespace
}  // namespace millrace::telemetry
