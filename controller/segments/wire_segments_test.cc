// SPDX-License-Identifier: Apache-2.0
//
// The calls on a simulated network, against a store that follows a script.
#include "controller/segments/wire_segments.h"

#include <gtest/gtest.h>

#include "controller/testing/scripted_store.h"
#include "tests/sim/world.h"

namespace millrace::controller::segments {
namespace {

using namespace std::chrono_literals;

class WireSegmentsTest : public testing::Test {
protected:
    WireSegmentsTest() {
        const Result<Endpoint> at = world_.run(
            [this]() -> Task<Result<Endpoint>> { co_return co_await store_.listen({"store", 12345}); });
        MR_CHECK(at.ok());
        segments_ = std::make_unique<WireSegments>(controller_.runtime(), *at);
    }
    ~WireSegmentsTest() override {
        world_.run([this]() -> Task<void> {
            co_await segments_->close();
            co_await store_.close();
        });
    }

    Deadline in(std::chrono::nanoseconds duration) { return Deadline::after(world_.clock(), duration); }
    Result<void> create(std::string segment, CreateOptions options = {}) {
        return world_.run([this, segment, options]() -> Task<Result<void>> {
            co_return co_await segments_->create(segment, options, in(5s));
        });
    }
    Result<void> seal(std::string segment) {
        return world_.run([this, segment]() -> Task<Result<void>> { co_return co_await segments_->seal(segment, in(5s)); });
    }
    Result<void> truncate(std::string segment, std::int64_t offset) {
        return world_.run([this, segment, offset]() -> Task<Result<void>> {
            co_return co_await segments_->truncate(segment, offset, in(5s));
        });
    }
    Result<std::int64_t> length(std::string segment) {
        return world_.run(
            [this, segment]() -> Task<Result<std::int64_t>> { co_return co_await segments_->length(segment, in(5s)); });
    }
    Result<void> remove(std::string segment) {
        return world_.run([this, segment]() -> Task<Result<void>> { co_return co_await segments_->remove(segment, in(5s)); });
    }

    sim::World world_{1};
    sim::Node& store_node_ = world_.add_node("store");
    sim::Node& controller_ = world_.add_node("controller");
    ScriptedStore store_{store_node_.runtime()};
    std::unique_ptr<WireSegments> segments_;
};

TEST_F(WireSegmentsTest, EveryCallMayBeRepeated) {
    const std::string name = "s/x/0.#epoch.0";
    EXPECT_TRUE(create(name, {2, 100, 4096}).ok());
    EXPECT_TRUE(create(name).ok()) << "SegmentAlreadyExists";
    ASSERT_TRUE(store_.segments.contains(name));
    EXPECT_EQ(store_.segments.at(name).scale_type, 2);
    EXPECT_EQ(store_.segments.at(name).target_rate, 100);
    EXPECT_EQ(store_.segments.at(name).rollover_size_bytes, 4096);
    EXPECT_TRUE(seal(name).ok());
    EXPECT_TRUE(seal(name).ok()) << "SegmentIsSealed";
    EXPECT_EQ(*length(name), ScriptedStore::kLength);
    EXPECT_TRUE(truncate(name, 700).ok());
    EXPECT_TRUE(truncate(name, 700).ok());
    EXPECT_TRUE(truncate(name, 500).ok()) << "SegmentIsTruncated";
    EXPECT_EQ(store_.starts.at(name), 700);
    EXPECT_TRUE(remove(name).ok());
    EXPECT_TRUE(remove(name).ok()) << "NoSuchSegment";
    EXPECT_EQ(truncate(name, 700).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(length(name).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(seal(name).error().code(), ErrorCode::kNotFound) << "sealing what is not there is no success";
    EXPECT_EQ(store_.connections, 1u) << "one connection for all";
}

TEST_F(WireSegmentsTest, ManyCallsShareOneConnection) {
    int succeeded = 0;
    world_.run([&, this]() -> Task<void> {
        Gate gate;
        for (int i = 0; i < 100; ++i) {
            gate.spawn(world_.executor(), [&, i, this]() -> Task<void> {
                const Result<void> made = co_await segments_->create("s/x/" + std::to_string(i) + ".#epoch.0", {}, in(5s));
                if (made) ++succeeded;
            });
        }
        co_await gate.close();
    });
    EXPECT_EQ(succeeded, 100);
    EXPECT_EQ(store_.segments.size(), 100u);
    EXPECT_EQ(store_.connections, 1u);
}

TEST_F(WireSegmentsTest, ABrokenConnectionFailsTheCallAndTheNextOneConnectsAgain) {
    store_.break_replies = 1;
    const Result<void> broken = create("s/x/0.#epoch.0");
    ASSERT_FALSE(broken.ok());
    EXPECT_TRUE(broken.error().is(ErrorCode::kUnavailable)) << broken.error().to_string();
    EXPECT_EQ(broken.error().fate(), Fate::kUnknown);
    EXPECT_TRUE(create("s/x/0.#epoch.0").ok());
    EXPECT_EQ(store_.connections, 2u);
}

TEST_F(WireSegmentsTest, AnIdleConnectionThatBrokeIsReplaced) {
    EXPECT_TRUE(create("s/x/0.#epoch.0").ok());
    store_.break_connections();
    world_.run_for(1s);
    EXPECT_TRUE(create("s/x/1.#epoch.0").ok());
    EXPECT_EQ(store_.connections, 2u);
}

TEST_F(WireSegmentsTest, ASilentStoreTimesOutAndIsAskedAnew) {
    store_.silent = true;
    const Result<void> late = create("s/x/0.#epoch.0");
    ASSERT_FALSE(late.ok());
    EXPECT_TRUE(late.error().is(ErrorCode::kTimedOut)) << late.error().to_string();
    EXPECT_EQ(late.error().fate(), Fate::kUnknown);
    store_.silent = false;
    EXPECT_TRUE(create("s/x/0.#epoch.0").ok());
    EXPECT_EQ(store_.connections, 2u);
}

TEST_F(WireSegmentsTest, AStoreThatIsNotThereIsNamed) {
    auto nobody = std::make_unique<WireSegments>(controller_.runtime(), Endpoint{"store", 1});
    const Result<void> refused = world_.run([&, this]() -> Task<Result<void>> {
        Result<void> result = co_await nobody->create("s/x/0.#epoch.0", {}, in(5s));
        co_await nobody->close();
        co_return result;
    });
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().detail().find("store:1"), std::string::npos) << refused.error().to_string();
}

TEST_F(WireSegmentsTest, OtherRepliesAreErrorsWithTheirMeaning) {
    const std::string name = "s/x/0.#epoch.0";
    const std::pair<wire::Message, ErrorCode> replies[] = {
        {wire::WrongHost{0, name, "other:1", {}}, ErrorCode::kWrongHost},
        {wire::AuthTokenCheckFailed{0, {}, 0}, ErrorCode::kUnauthenticated},
        {wire::OperationUnsupported{0, "create", {}}, ErrorCode::kUnsupported},
        {wire::ErrorMessage{0, name, "disk on fire", -1}, ErrorCode::kInternal},
        {wire::SegmentDeleted{0, name}, ErrorCode::kInternal},
        {wire::NoSuchSegment{0, name, {}, -1}, ErrorCode::kNotFound},
    };
    for (const auto& [reply, code] : replies) {
        store_.reply_with = reply;
        const Result<void> result = create(name);
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.error().code(), code) << result.error().to_string();
        EXPECT_NE(result.error().detail().find(name), std::string::npos);
        EXPECT_EQ(length(name).error().code(), code);
        EXPECT_EQ(truncate(name, 1).error().code(), code);
    }
}

TEST_F(WireSegmentsTest, ClosingEndsWhatIsOutstanding) {
    store_.silent = true;
    Result<void> result;
    world_.run([&, this]() -> Task<void> {
        Gate gate;
        gate.spawn(world_.executor(), [&, this]() -> Task<void> {
            result = co_await segments_->create("s/x/0.#epoch.0", {}, in(1h));
        });
        while (store_.requests == 0) co_await sleep_for(world_.clock(), 1ms);
        co_await segments_->close();
        co_await gate.close();
    });
    EXPECT_TRUE(result.error().is(ErrorCode::kClosed));
    EXPECT_TRUE(create("s/x/1.#epoch.0").error().is(ErrorCode::kClosed));
}

}  // namespace
}  // namespace millrace::controller::segments
