// SPDX-License-Identifier: Apache-2.0
//
// The writer in a simulated network against a scripted segment store and controller: exactly once and
// in order per key, whatever breaks, splits or merges.
#include <gtest/gtest.h>

#include <thread>

#include "client/testing/fake_cluster.h"
#include "client/writer/writer_core.h"
#include "common/model/routing_hash.h"
#include "tests/sim/seeded_test.h"
#include "tests/sim/world.h"

namespace millrace::client::testing {
namespace {

using namespace std::chrono_literals;

const StreamName kStream{"scope", "stream"};

// A cluster, a client and one writer in a world of their own.
class WriterWorld {
public:
    explicit WriterWorld(std::uint64_t seed, std::size_t segments, WriterOptions options = {}, bool same_thread = true,
                         Timeouts timeouts = {10s, 0s})
        : world{seed},
          store{world.add_node("store")},
          app{world.add_node("app")},
          cluster{store.runtime(), kStream, segments},
          client{app.runtime(), Home{world.executor(), same_thread ? std::this_thread::get_id() : std::thread::id{}},
                 cluster.channel(), Endpoint{"controller", 9090}, timeouts} {
        EXPECT_TRUE(world.run([this] { return cluster.start("store", "0.0.0.0"); }).ok());
        auto opened = world.run([&] { return WriterCore::open(client, kStream, options); });
        EXPECT_TRUE(opened.ok());
        if (opened) writer = std::move(*opened);
    }

    ~WriterWorld() {
        world.run([this]() -> Task<bool> {
            if (writer) co_await writer->stop();
            co_await client.close();
            co_await cluster.close();
            co_return true;
        });
    }

    // The key's next event.
    Result<void> write(const std::string& key, EventWriter::Acknowledged acknowledged = {}) {
        const std::string payload = key + "#" + std::to_string(written[key]);
        MR_TRY_VOID(writer->write(routing_position(key), payload, std::move(acknowledged)));
        ++written[key];
        return ok();
    }
    void write_round(std::size_t keys) {
        for (std::size_t k = 0; k < keys; ++k) ASSERT_TRUE(write("key" + std::to_string(k)).ok());
    }
    Result<void> flush() {
        return world.run([this] { return writer->flush(writer->staging().begin_flush()); }, 1h);
    }
    std::string check() const { return check_stored(cluster, written); }
    SegmentId first() const { return cluster.segments().begin()->first; }

    sim::World world;
    sim::Node& store;
    sim::Node& app;
    FakeCluster cluster;
    ClientCore client;
    std::shared_ptr<WriterCore> writer;
    std::map<std::string, std::uint64_t> written;
};

TEST(Writer, StoresEveryEventOnceInItsKeysSegment) {
    WriterWorld w{1, 4};
    for (int i = 0; i < 100; ++i) w.write_round(20);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
    EXPECT_EQ(w.writer->stats().acknowledged_events, 2000u);
    EXPECT_EQ(w.writer->stats().outstanding_bytes, 0u);
    for (const auto& [id, segment] : w.cluster.segments()) {
        EXPECT_FALSE(segment.data.empty());
        for (const std::string& event : segment.events()) {
            EXPECT_TRUE(segment.range.contains(routing_position(event.substr(0, event.find('#')))));
        }
    }
}

TEST(Writer, SendsFromAnotherThreadsStagingToo) {
    WriterWorld w{1, 4, {}, false};
    for (int i = 0; i < 100; ++i) w.write_round(20);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

TEST(Writer, GathersEventsIntoBlocksWhileOthersAreOnTheirWay) {
    WriterWorld w{1, 1};
    for (int i = 0; i < 1000; ++i) w.write_round(5);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
    EXPECT_LT(w.cluster.appends, 50u);
}

TEST(Writer, TakesEmptyAndLargestEventsAndRefusesLargerOnes) {
    WriterWorld w{1, 1};
    ASSERT_TRUE(w.writer->write(0.5, "", {}).ok());
    const std::string largest(kMaxEventBytes, 'x');
    ASSERT_TRUE(w.writer->write(0.5, largest, {}).ok());
    ASSERT_TRUE(w.writer->write(std::nullopt, "after", {}).ok());
    const auto refused = w.writer->write(0.5, largest + "y", {});
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kTooLarge));
    EXPECT_NE(refused.error().detail().find("8388608"), std::string::npos);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.cluster.segment(w.first()).events(), (std::vector<std::string>{"", largest, "after"}));
}

TEST(Writer, CallsBackOncePerEventInOrderOfItsKey) {
    WriterWorld w{1, 3};
    std::map<std::string, std::vector<std::uint64_t>> called;
    for (int i = 0; i < 50; ++i) {
        for (const std::string key : {"a", "b", "c"}) {
            const std::uint64_t number = w.written[key];
            ASSERT_TRUE(w.write(key, [&called, key, number](const Result<void>& stored) {
                EXPECT_TRUE(stored.ok());
                called[key].push_back(number);
            }).ok());
        }
    }
    ASSERT_TRUE(w.flush().ok());
    for (const auto& [key, numbers] : called) {
        ASSERT_EQ(numbers.size(), 50u);
        for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(numbers[i], i);
    }
    EXPECT_EQ(called.size(), 3u);
}

TEST(Writer, LetsACallbackWriteTheNextEventAtOnce) {
    WriterWorld w{1, 1};
    std::size_t acknowledged = 0;
    EventWriter::Acknowledged next = [&](const Result<void>& stored) {
        ASSERT_TRUE(stored.ok());
        if (++acknowledged < 100) {
            ASSERT_TRUE(w.write("key", next).ok());
        }
    };
    ASSERT_TRUE(w.write("key", next).ok());
    ASSERT_TRUE(w.world.run_until([&] { return acknowledged == 100; }, 1min));
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
    EXPECT_EQ(w.cluster.appends, 100u);
}

class WriterBreak : public ::testing::TestWithParam<AppendFate> {};

TEST_P(WriterBreak, StoresOnceWhenTheConnectionEndsAtAnyAppend) {
    for (std::size_t at = 1; at <= 6; ++at) {
        WriterWorld w{at, 1};
        w.cluster.on_append = [&w, at](const FakeSegment&, const wire::Append&) {
            return w.cluster.appends == at ? GetParam() : AppendFate::kStore;
        };
        for (int i = 0; i < 30; ++i) {
            w.write_round(3);
            w.world.run_for(1ms);
        }
        ASSERT_TRUE(w.flush().ok());
        EXPECT_EQ(w.check(), "") << "append " << at;
        EXPECT_EQ(w.writer->stats().reconnects, 1u);
        EXPECT_EQ(w.cluster.setups, 2u);
        EXPECT_EQ(w.writer->stats().acknowledged_events, 90u);
    }
}

INSTANTIATE_TEST_SUITE_P(Fates, WriterBreak,
                         ::testing::Values(AppendFate::kBreakBefore, AppendFate::kBreakAfter, AppendFate::kRefuseNumber,
                                           AppendFate::kWrongHost, AppendFate::kGarble));

TEST(Writer, ResendsOnlyWhatTheStoreDoesNotHave) {
    WriterWorld w{1, 1};
    // Three blocks on their way: two stored, none acknowledged, then the connection ends.
    w.cluster.on_append = [&](const FakeSegment&, const wire::Append&) {
        if (w.cluster.appends <= 2) return AppendFate::kStoreSilently;
        return w.cluster.appends == 3 ? AppendFate::kBreakBefore : AppendFate::kStore;
    };
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(w.write("a").ok());
        w.world.run_for(50ms);
    }
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
    EXPECT_EQ(w.cluster.appends, 4u);  // the third one twice
}

TEST(Writer, AsksForTheLocationAgainAfterWrongHost) {
    WriterWorld w{1, 1};
    w.cluster.on_append = [&](const FakeSegment&, const wire::Append&) {
        return w.cluster.appends == 1 ? AppendFate::kWrongHost : AppendFate::kStore;
    };
    ASSERT_TRUE(w.write("a").ok());
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

TEST(Writer, GoesOnWithTheKnownLocationWhileTheControllerIsAway) {
    WriterWorld w{1, 1};
    ASSERT_TRUE(w.write("a").ok());
    ASSERT_TRUE(w.flush().ok());
    w.cluster.reachable = false;
    w.cluster.refuse_connections = true;
    w.cluster.cut_connections();
    ASSERT_TRUE(w.write("a").ok());
    w.world.run_for(20s);
    w.cluster.refuse_connections = false;
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

TEST(Writer, FollowsASplitWithEventsOnTheirWay) {
    WriterWorld w{1, 1};
    w.cluster.on_append = [&](const FakeSegment& segment, const wire::Append&) {
        return segment.id == w.first() && w.cluster.appends <= 2 ? AppendFate::kStoreSilently : AppendFate::kStore;
    };
    w.write_round(10);
    w.world.run_for(50ms);
    w.write_round(10);
    w.world.run_for(50ms);
    const auto made = w.cluster.scale({w.first()}, {{0.0, 0.5}, {0.5, 1.0}});
    // The store acknowledges what it has before it says sealed.
    w.cluster.release();
    for (int i = 0; i < 5; ++i) w.write_round(10);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
    EXPECT_FALSE(w.cluster.segment(made[0]).data.empty());
    EXPECT_FALSE(w.cluster.segment(made[1]).data.empty());
}

TEST(Writer, LearnsWhatWasStoredWhenTheConnectionEndsBeforeTheSeal) {
    WriterWorld w{1, 1};
    w.cluster.on_append = [&](const FakeSegment& segment, const wire::Append&) {
        return segment.id == w.first() ? AppendFate::kStoreSilently : AppendFate::kStore;
    };
    w.write_round(10);
    w.world.run_for(50ms);
    w.cluster.scale({w.first()}, {{0.0, 0.25}, {0.25, 1.0}});
    w.cluster.cut_connections();
    w.write_round(10);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

TEST(Writer, KeepsTheOrderOfAKeyWhileTheSuccessorsAreAskedFor) {
    WriterWorld w{1, 1};
    w.write_round(10);
    ASSERT_TRUE(w.flush().ok());
    w.cluster.controller_delay = 500ms;
    w.cluster.scale({w.first()}, {{0.0, 0.5}, {0.5, 1.0}});
    for (int i = 0; i < 100; ++i) {
        w.write_round(10);
        w.world.run_for(10ms);
    }
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

TEST(Writer, FollowsAMergeOfSegmentsThatItNoticesOneByOne) {
    WriterWorld w{1, 2};
    const auto old = w.cluster.current();
    w.write_round(20);
    ASSERT_TRUE(w.flush().ok());
    w.cluster.prepare_scale(old, {{0.0, 1.0}});
    w.cluster.seal(old[0]);
    w.write_round(20);
    w.world.run_for(1s);
    w.write_round(20);
    w.world.run_for(1s);
    w.cluster.seal(old[1]);
    w.write_round(20);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

TEST(Writer, GoesThroughSuccessorsThatAreSealedThemselves) {
    WriterWorld w{1, 2};
    w.write_round(20);
    ASSERT_TRUE(w.flush().ok());
    auto segments = w.cluster.current();
    for (int i = 0; i < 4; ++i) {
        segments = w.cluster.scale(segments, {{0.0, 1.0}});
        segments = w.cluster.scale(segments, {{0.0, 0.3}, {0.3, 0.6}, {0.6, 1.0}});
    }
    for (int i = 0; i < 5; ++i) w.write_round(20);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
    EXPECT_EQ(w.writer->stats().acknowledged_events, 120u);
}

TEST(Writer, FailsWhatASealedStreamDoesNotTake) {
    WriterWorld w{1, 2};
    w.write_round(10);
    ASSERT_TRUE(w.flush().ok());
    w.cluster.seal_stream();
    std::size_t refused = 0;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(w.writer->write(routing_position("key" + std::to_string(i)), "late", [&](const Result<void>& stored) {
            EXPECT_TRUE(!stored.ok() && stored.error().is(ErrorCode::kSealed));
            ++refused;
        }).ok());
    }
    const auto flushed = w.flush();
    ASSERT_FALSE(flushed.ok());
    EXPECT_TRUE(flushed.error().is(ErrorCode::kSealed));
    EXPECT_EQ(refused, 10u);
    EXPECT_EQ(w.check(), "");
    const auto written = w.writer->write(0.5, "later", {});
    ASSERT_FALSE(written.ok());
    EXPECT_TRUE(written.error().is(ErrorCode::kSealed));
    EXPECT_NE(written.error().detail().find("scope/stream"), std::string::npos);
    EXPECT_EQ(w.writer->stats().outstanding_bytes, 0u);
}

TEST(Writer, IsRefusedForASealedOrMissingStream) {
    WriterWorld w{1, 1};
    const auto missing =
        w.world.run([&] { return WriterCore::open(w.client, StreamName{"scope", "other"}, WriterOptions{}); });
    ASSERT_FALSE(missing.ok());
    EXPECT_TRUE(missing.error().is(ErrorCode::kNotFound));
    EXPECT_NE(missing.error().detail().find("scope/other"), std::string::npos);
    w.cluster.seal_stream();
    const auto sealed = w.world.run([&] { return WriterCore::open(w.client, kStream, WriterOptions{}); });
    ASSERT_FALSE(sealed.ok());
    EXPECT_TRUE(sealed.error().is(ErrorCode::kSealed));
    const auto options = w.world.run([&] { return WriterCore::open(w.client, kStream, WriterOptions{.memory_bytes = 5}); });
    ASSERT_FALSE(options.ok());
    EXPECT_TRUE(options.error().is(ErrorCode::kInvalidArgument));
}

TEST(Writer, GivesUpItsFirstContactAfterTheConnectTimeout) {
    WriterWorld w{1, 1};
    w.cluster.refuse_connections = true;
    w.cluster.cut_connections();
    std::optional<Error> told;
    const MonotonicTime start = w.world.now();
    ASSERT_TRUE(w.write("a", [&](const Result<void>& stored) { told = stored.error(); }).ok());
    const auto flushed = w.flush();
    ASSERT_FALSE(flushed.ok());
    EXPECT_TRUE(flushed.error().is(ErrorCode::kUnavailable));
    EXPECT_NE(flushed.error().detail().find("10 s"), std::string::npos) << flushed.error().detail();
    EXPECT_GE(w.world.now() - start, 8s);
    EXPECT_LE(w.world.now() - start, 12s);
    EXPECT_TRUE(told.has_value());
}

TEST(Writer, ReconnectsForEverWithoutARetryTimeoutAndGivesUpWithOne) {
    for (const auto limit : {0s, 30s}) {
        WriterWorld w{1, 1, {}, true, {10s, limit}};
        ASSERT_TRUE(w.write("a").ok());
        ASSERT_TRUE(w.flush().ok());
        w.cluster.refuse_connections = true;
        w.cluster.cut_connections();
        ASSERT_TRUE(w.write("a").ok());
        w.world.run_for(10min);
        w.cluster.refuse_connections = false;
        EXPECT_EQ(w.flush().ok(), limit == 0s);
    }
}

TEST(Writer, DoesNotCountIdleTimeAsTimeSpentRetrying) {
    WriterWorld w{1, 1, {}, true, {10s, 30s}};
    ASSERT_TRUE(w.write("a").ok());
    ASSERT_TRUE(w.flush().ok());
    w.cluster.cut_connections();
    w.world.run_for(10min);
    // Not even an attempt that fails at first uses up the time.
    w.cluster.refuse_connections = true;
    ASSERT_TRUE(w.write("a").ok());
    w.world.run_for(10s);
    w.cluster.refuse_connections = false;
    const auto flushed = w.flush();
    ASSERT_TRUE(flushed.ok()) << flushed.error().to_string();
    EXPECT_EQ(w.check(), "");
}

TEST(Writer, SaysThatNobodyKnowsWhatATruncatedSegmentHadStored) {
    WriterWorld w{1, 1};
    w.cluster.on_append = [](const FakeSegment&, const wire::Append&) { return AppendFate::kStoreSilently; };
    std::vector<Error> told;
    const auto note = [&](const Result<void>& stored) { told.push_back(stored.error()); };
    ASSERT_TRUE(w.write("a", note).ok());
    w.world.run_for(10ms);
    const SegmentId old = w.cluster.current().front();
    EXPECT_EQ(w.cluster.segment(old).events().size(), 1u);
    const SegmentId next = w.cluster.scale({old}, {{0.0, 1.0}}).front();
    w.cluster.segment(old).deleted = true;
    w.cluster.refuse_connections = true;
    w.cluster.cut_connections();
    w.world.run_for(10ms);
    // Never sent.
    ASSERT_TRUE(w.write("a", note).ok());
    w.cluster.refuse_connections = false;
    const auto flushed = w.flush();
    ASSERT_FALSE(flushed.ok());
    EXPECT_TRUE(flushed.error().is(ErrorCode::kTruncated)) << flushed.error().to_string();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].fate(), Fate::kUnknown);
    EXPECT_EQ(told[1].fate(), Fate::kNotApplied);
    EXPECT_TRUE(w.cluster.segment(next).events().empty());
    EXPECT_TRUE(w.write("a").error().is(ErrorCode::kTruncated));
}

TEST(Writer, GoesOnBehindATruncatedSegmentThatHadAnsweredForEverything) {
    WriterWorld w{1, 1};
    ASSERT_TRUE(w.write("a").ok());
    ASSERT_TRUE(w.flush().ok());
    const SegmentId old = w.cluster.current().front();
    const SegmentId next = w.cluster.scale({old}, {{0.0, 1.0}}).front();
    w.cluster.segment(old).deleted = true;
    w.cluster.cut_connections();
    w.world.run_for(10ms);
    ASSERT_TRUE(w.write("a").ok());
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.cluster.segment(next).events().size(), 1u);
}

TEST(Writer, FailsWhatIsOutstandingWhenItIsAbandoned) {
    WriterWorld w{1, 1};
    w.cluster.on_append = [](const FakeSegment&, const wire::Append&) { return AppendFate::kStoreSilently; };
    std::size_t failed = 0;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(w.write("a", [&](const Result<void>& stored) {
            EXPECT_TRUE(!stored.ok() && stored.error().is(ErrorCode::kClosed));
            ++failed;
        }).ok());
        w.world.run_for(10ms);
    }
    w.world.run([&]() -> Task<bool> {
        co_await w.writer->stop();
        co_return true;
    });
    EXPECT_EQ(failed, 10u);
    EXPECT_FALSE(w.write("a").ok());
    const auto flushed = w.flush();
    ASSERT_FALSE(flushed.ok());
    EXPECT_TRUE(flushed.error().is(ErrorCode::kClosed));
}

TEST(Writer, HasNotFailedWhenItStopsWithNothingOutstanding) {
    WriterWorld w{1, 1};
    ASSERT_TRUE(w.write("a").ok());
    ASSERT_TRUE(w.flush().ok());
    w.world.run([&]() -> Task<bool> {
        co_await w.writer->stop();
        co_return true;
    });
    EXPECT_TRUE(w.flush().ok());
    EXPECT_TRUE(w.write("a").error().is(ErrorCode::kClosed));
}

TEST(Writer, NoticesAStoreThatHasVanished) {
    WriterWorld w{1, 1};
    ASSERT_TRUE(w.write("a").ok());
    ASSERT_TRUE(w.flush().ok());
    w.cluster.on_append = [&](const FakeSegment&, const wire::Append&) {
        return w.cluster.appends == 2 ? AppendFate::kStoreSilently : AppendFate::kStore;
    };
    ASSERT_TRUE(w.write("a").ok());
    w.world.run_for(1s);
    // The connection stays up but nothing comes back any more, keep-alives neither.
    w.world.network().partition("app", "store");
    w.world.run_for(2min);
    w.world.network().heal_all();
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

// Goal: whatever the network and the controller do, each event is stored once and each key in order.
// Method: writes in bursts while connections break at random, appends meet every fate and segments
// split and merge at random; then everything heals.
class WriterChaos : public sim::SeededTest {};

TEST_P(WriterChaos, StoresEachEventOnceAndEachKeyInOrder) {
    WriterWorld w{seed(), 1 + seed() % 4, {}, seed() % 2 == 0};
    Random& random = w.world.random();
    bool chaos = true;
    w.cluster.on_append = [&](const FakeSegment&, const wire::Append&) {
        if (!chaos) return AppendFate::kStore;
        switch (random.between(0, 30)) {
            case 0: return AppendFate::kBreakBefore;
            case 1: return AppendFate::kBreakAfter;
            case 2: return AppendFate::kRefuseNumber;
            case 3: return AppendFate::kWrongHost;
            default: return AppendFate::kStore;
        }
    };
    w.world.network().options().break_one_in = random.one_in(2) ? 200 : 0;
    w.cluster.controller_delay = std::chrono::milliseconds{random.between(0, 30)};
    std::vector<SegmentId> half_scaled;
    for (int step = 0; step < 150; ++step) {
        const auto keys = random.between(1, 40);
        for (std::uint64_t i = 0; i < keys; ++i) {
            const std::string key = "key" + std::to_string(random.between(0, 40));
            ASSERT_TRUE(w.write(key).ok());
        }
        w.world.run_for(std::chrono::microseconds{random.between(0, 5000)});
        if (!half_scaled.empty() && random.one_in(3)) {
            w.cluster.seal(half_scaled.back());
            half_scaled.pop_back();
        }
        if (half_scaled.empty() && random.one_in(8)) {
            // Neighbours become one to three segments.
            std::vector<SegmentId> current = w.cluster.current();
            std::sort(current.begin(), current.end(), [&](SegmentId a, SegmentId b) {
                return w.cluster.segment(a).range < w.cluster.segment(b).range;
            });
            const std::size_t from = random.between(0, current.size());
            const std::size_t to = std::min<std::size_t>(current.size(), from + random.between(1, 4));
            half_scaled.assign(current.begin() + static_cast<std::ptrdiff_t>(from),
                               current.begin() + static_cast<std::ptrdiff_t>(to));
            const double low = w.cluster.segment(half_scaled.front()).range.low;
            const double high = w.cluster.segment(half_scaled.back()).range.high;
            const std::size_t parts = random.between(1, 4);
            std::vector<KeyRange> ranges;
            double at = low;
            for (std::size_t part = 1; part <= parts; ++part) {
                const double next = part == parts ? high : low + (high - low) * static_cast<double>(part) / static_cast<double>(parts);
                ranges.push_back({at, next});
                at = next;
            }
            w.cluster.prepare_scale(half_scaled, ranges);
        }
        if (random.one_in(25)) w.cluster.cut_connections();
        w.cluster.reachable = !random.one_in(10);
    }
    chaos = false;
    w.cluster.reachable = true;
    w.world.network().options().break_one_in = 0;
    for (const SegmentId segment : half_scaled) w.cluster.seal(segment);
    ASSERT_TRUE(w.flush().ok());
    EXPECT_EQ(w.check(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, WriterChaos, sim::seeds(40), sim::seed_name);

}  // namespace
}  // namespace millrace::client::testing
