// SPDX-License-Identifier: Apache-2.0
//
// The reader in a simulated network against a scripted segment store and controller: every event
// once, keys in order, positions that can be gone on from at every event.
#include <gtest/gtest.h>

#include <thread>

#include "client/reader/consumer.h"
#include "client/reader/reader_core.h"
#include "client/streams/stream_admin.h"
#include "client/testing/fake_cluster.h"
#include "common/model/routing_hash.h"
#include "tests/sim/seeded_test.h"
#include "tests/sim/world.h"

namespace millrace::client::testing {
namespace {

using namespace std::chrono_literals;
using Next = EventReader::Next;
using Outcome = EventReader::Outcome;

const StreamName kStream{"scope", "stream"};

// A reader as a simulation can use it.
class SimReader {
public:
    SimReader(sim::World& world, std::shared_ptr<ReaderCore> core)
        : world_{world},
          core_{std::move(core)},
          consumer_{core_->handover(), core_->start_position(), [this] { core_->resume(); }} {}
    ~SimReader() { stop(); }

    Result<Next> next(std::chrono::nanoseconds timeout = 1min) {
        return world_.run([this, timeout]() -> Task<Result<Next>> {
            const MonotonicTime end = world_.now() + timeout;
            while (true) {
                if (auto next = consumer_.poll()) co_return std::move(*next);
                if (world_.now() >= end) co_return Next{};
                co_await core_->wait_arrived(end);
            }
        });
    }
    std::string next_text(std::chrono::nanoseconds timeout = 1min) {
        const auto next = this->next(timeout);
        if (!next) return next.error().to_string();
        if (next->outcome == Outcome::kTimedOut) return "(timed out)";
        if (next->outcome == Outcome::kEndOfStream) return "(end)";
        return std::string{as_text(next->event.payload)};
    }
    // Payloads up to the end of the stream, or until nothing comes for a while.
    std::vector<std::string> rest(std::chrono::nanoseconds timeout = 1min) {
        std::vector<std::string> payloads;
        while (true) {
            std::string payload = next_text(timeout);
            if (payload.starts_with("(")) return payloads;
            payloads.push_back(std::move(payload));
        }
    }
    const Position& position() const { return consumer_.position(); }
    void stop() {
        world_.run([this]() -> Task<bool> {
            co_await core_->stop();
            co_return true;
        });
    }

private:
    sim::World& world_;
    std::shared_ptr<ReaderCore> core_;
    Consumer consumer_;
};

class ReaderWorld {
public:
    explicit ReaderWorld(std::uint64_t seed, std::size_t segments, Timeouts timeouts = {10s, 0s})
        : world{seed},
          cluster{world.add_node("store").runtime(), kStream, segments},
          client{world.add_node("app").runtime(), Home{world.executor(), std::this_thread::get_id()}, cluster.channel(),
                 Endpoint{"controller", 9090}, timeouts} {
        EXPECT_TRUE(world.run([this] { return cluster.start("store", "0.0.0.0"); }).ok());
    }
    ~ReaderWorld() {
        world.run([this]() -> Task<bool> {
            co_await client.close();
            co_await cluster.close();
            co_return true;
        });
    }

    Result<std::unique_ptr<SimReader>> open(ReaderOptions options) {
        MR_TRY(auto core, world.run([&] { return ReaderCore::open(client, kStream, options); }));
        return std::make_unique<SimReader>(world, std::move(core));
    }
    std::unique_ptr<SimReader> read(ReaderOptions options = {}) {
        auto reader = open(std::move(options));
        EXPECT_TRUE(reader.ok());
        return std::move(*reader);
    }

    // The key's next event, into the current segment that has the key.
    void put(const std::string& key) {
        const double position = routing_position(key);
        for (const SegmentId id : cluster.current()) {
            if (!cluster.segment(id).range.contains(position)) continue;
            cluster.put(id, key + "#" + std::to_string(written[key]++));
            return;
        }
        FAIL() << "no segment has the key";
    }
    void put_round(std::size_t keys) {
        for (std::size_t k = 0; k < keys; ++k) put("key" + std::to_string(k));
    }
    Position tail() {
        StreamAdmin admin{client};
        auto position = world.run([&] { return admin.tail(kStream); });
        EXPECT_TRUE(position.ok());
        return *position;
    }

    sim::World world;
    FakeCluster cluster;
    ClientCore client;
    std::map<std::string, std::uint64_t> written;
};

ReaderOptions from(Position position) {
    ReaderOptions options;
    options.position = std::move(position);
    return options;
}
ReaderOptions up_to(Position position) {
    ReaderOptions options;
    options.until = std::move(position);
    return options;
}

// Splits the first segment, merges its second half with the next one, writing in between.
void scale_twice(ReaderWorld& w) {
    const auto first = w.cluster.current();
    w.put_round(20);
    const auto halves = w.cluster.scale({first[0]}, {{0.0, 0.25}, {0.25, 0.5}});
    w.put_round(20);
    w.cluster.scale({halves[1], first[1]}, {{0.25, 1.0}});
    w.put_round(20);
}

TEST(Reader, ReadsAllSegmentsFromTheHead) {
    ReaderWorld w{1, 4};
    for (int i = 0; i < 50; ++i) w.put_round(20);
    auto reader = w.read();
    EXPECT_EQ(check_order(reader->rest(1s), w.written), "");
}

TEST(Reader, ReadsHundredsOfSegmentsAtOnce) {
    ReaderWorld w{1, 300};
    w.put_round(1000);
    auto reader = w.read();
    EXPECT_EQ(check_order(reader->rest(1s), w.written), "");
    EXPECT_EQ(w.cluster.connections_made, 1u);
    EXPECT_EQ(w.cluster.uri_calls, 300u);
}

TEST(Reader, WaitsAtMoreSegmentsThanAStoreTakesReadsOnOneConnection) {
    ReaderWorld w{1, 1200};
    auto reader = w.read();
    ASSERT_TRUE(w.world.run_until([&] { return w.cluster.waiting_reads() == 1200; }, 1s));
    EXPECT_EQ(w.cluster.connections_made, 3u);
    w.put_round(20);
    EXPECT_EQ(check_order(reader->rest(1s), w.written), "");
    EXPECT_EQ(w.cluster.connections_made, 3u);
}

TEST(Reader, TellsWhereEachEventIs) {
    ReaderWorld w{1, 1};
    w.put("a");
    w.put("b");
    auto reader = w.read();
    const auto first = reader->next();
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(first->event.offset, 0);
    EXPECT_EQ(first->event.segment, w.cluster.current().front());
    EXPECT_EQ(reader->position().to_string(), "scope/stream:0.0@11");
    EXPECT_EQ(reader->next()->event.offset, 11);
}

TEST(Reader, WaitsAtTheTailAsLongAsItTakes) {
    ReaderWorld w{1, 2};
    auto reader = w.read();
    EXPECT_EQ(reader->next_text(0ns), "(timed out)");
    EXPECT_EQ(reader->next_text(1h), "(timed out)");
    w.put("a");
    EXPECT_EQ(reader->next_text(), "a#0");
    EXPECT_EQ(reader->next_text(10min), "(timed out)");
    w.put("a");
    EXPECT_EQ(reader->next_text(), "a#1");
    EXPECT_EQ(w.cluster.connections_made, 1u);
}

TEST(Reader, BeginsAtTheTailWhenAsked) {
    ReaderWorld w{1, 2};
    w.put_round(10);
    ReaderOptions options;
    options.from = ReaderOptions::From::kTail;
    auto reader = w.read(options);
    EXPECT_EQ(reader->next_text(1s), "(timed out)");
    w.put("new");
    EXPECT_EQ(reader->next_text(), "new#0");
}

TEST(Reader, EndsWithASealedStream) {
    ReaderWorld w{1, 3};
    scale_twice(w);
    w.cluster.seal_stream();
    auto reader = w.read();
    EXPECT_EQ(check_order(reader->rest(), w.written), "");
    EXPECT_EQ(reader->next_text(), "(end)");
    EXPECT_EQ(reader->next_text(), "(end)");
    // Whoever goes on from there is at the end too, and so is who begins at the tail.
    EXPECT_EQ(w.read(from(reader->position()))->next_text(), "(end)");
    ReaderOptions tail;
    tail.from = ReaderOptions::From::kTail;
    EXPECT_EQ(w.read(tail)->next_text(), "(end)");
}

TEST(Reader, EndsWhileItWaitsWhenTheStreamIsSealed) {
    ReaderWorld w{1, 2};
    auto reader = w.read();
    EXPECT_EQ(reader->next_text(1s), "(timed out)");
    w.cluster.seal_stream();
    EXPECT_EQ(reader->next_text(), "(end)");
}

TEST(Reader, FollowsSplitsAndMergesInKeyOrder) {
    ReaderWorld w{1, 2};
    scale_twice(w);
    auto reader = w.read();
    EXPECT_EQ(check_order(reader->rest(1s), w.written), "");
    // Once more while it waits at the tail.
    w.cluster.scale(w.cluster.current(), {{0.0, 1.0}});
    w.put_round(20);
    w.cluster.scale(w.cluster.current(), {{0.0, 0.3}, {0.3, 0.7}, {0.7, 1.0}});
    w.put_round(20);
    std::size_t more = 0;
    while (reader->next_text(1s) != "(timed out)") ++more;
    EXPECT_EQ(more, 40u);
    EXPECT_EQ(reader->position().offsets.size(), 3u);
}

TEST(Reader, CanBeGoneOnFromAfterEveryEvent) {
    ReaderWorld w{1, 2};
    scale_twice(w);
    w.cluster.scale(w.cluster.current(), {{0.0, 0.6}, {0.6, 1.0}});
    w.put_round(20);
    w.cluster.seal_stream();
    std::vector<std::string> before;
    auto reader = w.read();
    while (true) {
        auto text = Position::parse(reader->position().to_string());
        ASSERT_TRUE(text.ok());
        auto second = w.read(from(*text));
        std::vector<std::string> all = before;
        for (std::string& event : second->rest()) all.push_back(std::move(event));
        ASSERT_EQ(check_order(all, w.written), "") << reader->position().to_string();
        std::string event = reader->next_text();
        if (event == "(end)") break;
        before.push_back(std::move(event));
    }
    EXPECT_EQ(before.size(), 80u);
}

TEST(Reader, StopsAtAnEndThatWasGiven) {
    ReaderWorld w{1, 2};
    std::vector<std::pair<Position, std::map<std::string, std::uint64_t>>> ends;
    const auto mark = [&] { ends.emplace_back(w.tail(), w.written); };
    mark();
    const auto first = w.cluster.current();
    w.put_round(20);
    mark();
    const auto halves = w.cluster.scale({first[0]}, {{0.0, 0.25}, {0.25, 0.5}});
    mark();
    w.put_round(20);
    mark();
    w.cluster.scale({halves[1], first[1]}, {{0.25, 1.0}});
    w.put_round(20);
    mark();
    w.cluster.seal_stream();
    mark();
    for (const auto& [end, written] : ends) {
        auto reader = w.read(up_to(end));
        EXPECT_EQ(check_order(reader->rest(), written), "") << end.to_string();
        EXPECT_EQ(reader->next_text(), "(end)");
    }
}

TEST(Reader, StopsAtEveryPositionThatAReaderWasAt) {
    ReaderWorld w{1, 2};
    scale_twice(w);
    w.cluster.seal_stream();
    auto reader = w.read();
    std::multiset<std::string> read;
    while (true) {
        auto bounded = w.read(up_to(reader->position()));
        const auto events = bounded->rest();
        ASSERT_EQ(std::multiset<std::string>(events.begin(), events.end()), read) << reader->position().to_string();
        std::string event = reader->next_text();
        if (event == "(end)") break;
        read.insert(std::move(event));
    }
}

TEST(Reader, ReadsNothingBetweenAPositionAndItself) {
    ReaderWorld w{1, 2};
    w.put_round(5);
    ReaderOptions options = from(w.tail());
    options.until = options.position;
    w.put_round(5);
    EXPECT_EQ(w.read(options)->next_text(), "(end)");
}

TEST(Reader, JoinsEventsThatSpanReads) {
    ReaderWorld w{1, 1};
    w.cluster.read_limit = [&] { return w.world.random().between(1, 20); };
    for (int i = 0; i < 20; ++i) w.put_round(5);
    auto reader = w.read();
    EXPECT_EQ(check_order(reader->rest(1s), w.written), "");
}

TEST(Reader, ReadsAnEventLargerThanItsMemory) {
    ReaderWorld w{1, 1};
    const std::string large(8 * 1024 * 1024, 'x');
    w.cluster.put(w.cluster.current().front(), large);
    w.put("a");
    ReaderOptions options;
    options.memory_bytes = 1024 * 1024;
    auto reader = w.read(options);
    EXPECT_EQ(reader->next_text(), large);
    EXPECT_EQ(reader->next_text(), "a#0");
}

TEST(Reader, ReadsAheadOnlyAsFarAsItsMemoryGoes) {
    ReaderWorld w{1, 2};
    const std::string payload(10'000, 'x');
    for (int i = 0; i < 1000; ++i) w.cluster.put(w.cluster.current()[static_cast<std::size_t>(i % 2)], payload);
    std::size_t brought = 0;
    w.cluster.read_limit = [&] {
        ++brought;
        return 100'000;
    };
    ReaderOptions options;
    options.memory_bytes = 1024 * 1024;
    auto reader = w.read(options);
    w.world.run_for(1min);
    EXPECT_GE(brought, 4u);
    EXPECT_LE(brought, 11u);
    EXPECT_EQ(reader->rest(1s).size(), 1000u);
}

TEST(Reader, ReconnectsAndAsksAgain) {
    ReaderWorld w{1, 3};
    std::size_t reads = 0;
    w.cluster.break_read = [&] { return ++reads % 5 == 0; };
    w.cluster.read_limit = [] { return 100; };
    for (int i = 0; i < 20; ++i) w.put_round(20);
    auto reader = w.read();
    EXPECT_EQ(check_order(reader->rest(5s), w.written), "");
    EXPECT_GT(w.cluster.connections_made, 5u);
}

TEST(Reader, SaysWhatWasTruncatedAndGoesOnBehindIt) {
    ReaderWorld w{1, 1};
    for (int i = 0; i < 10; ++i) w.put("a");
    const Position start = *Position::parse("scope/stream:0.0@0");
    w.cluster.truncate(w.cluster.current().front(), 5 * 11);
    auto reader = w.read(from(start));
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_TRUE(next.error().is(ErrorCode::kTruncated));
    EXPECT_EQ(reader->position().to_string(), "scope/stream:0.0@55");
    EXPECT_EQ(reader->next_text(), "a#5");
    // The head is behind it from the beginning.
    EXPECT_EQ(w.read()->next_text(), "a#5");
}

TEST(Reader, GoesOnBehindASegmentThatIsGone) {
    ReaderWorld w{1, 1};
    const SegmentId first = w.cluster.current().front();
    w.put("a");
    w.cluster.scale({first}, {{0.0, 1.0}});
    w.put("a");
    w.cluster.segment(first).deleted = true;
    auto reader = w.read(from(*Position::parse("scope/stream:0.0@0")));
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_TRUE(next.error().is(ErrorCode::kTruncated));
    EXPECT_EQ(reader->next_text(), "a#1");
    EXPECT_EQ(reader->position().to_string(), "scope/stream:1.1@11");
}

TEST(Reader, FailsOnAPositionThatNamesASegmentTheStreamNeverHad) {
    ReaderWorld w{1, 1};
    auto reader = w.read(from(*Position::parse("scope/stream:0.7@0")));
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_TRUE(next.error().is(ErrorCode::kNotFound)) << next.error().to_string();
    EXPECT_NE(next.error().detail().find("7.#epoch.0"), std::string::npos);
}

TEST(Reader, FailsWhenTheStreamIsDeleted) {
    ReaderWorld w{1, 2};
    auto reader = w.read();
    EXPECT_EQ(reader->next_text(1s), "(timed out)");
    w.cluster.delete_stream();
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_TRUE(next.error().is(ErrorCode::kNotFound)) << next.error().to_string();
    EXPECT_FALSE(reader->next().ok());
}

TEST(Reader, FailsOnBytesThatAreNoEvents) {
    ReaderWorld w{1, 1};
    w.put("a");
    w.cluster.segment(w.cluster.current().front()).data.append(as_bytes("garbage!garbage!"));
    auto reader = w.read();
    EXPECT_EQ(reader->next_text(), "a#0");
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_TRUE(next.error().is(ErrorCode::kCorrupt));
    EXPECT_NE(next.error().detail().find("scope/stream/0.#epoch.0"), std::string::npos);
}

TEST(Reader, FailsOnASegmentThatEndsInsideAnEvent) {
    // The end is known with the last bytes, or only when the reader already waits behind them.
    for (const bool waiting : {false, true}) {
        ReaderWorld w{1, 1};
        w.put("a");
        const auto segment = w.cluster.current().front();
        w.cluster.segment(segment).data.append(from_hex("00000000 0000000a 616263"));
        if (!waiting) w.cluster.seal_stream();
        auto reader = w.read();
        EXPECT_EQ(reader->next_text(), "a#0");
        if (waiting) {
            EXPECT_EQ(reader->next_text(1s), "(timed out)");
            w.cluster.seal_stream();
        }
        const auto next = reader->next();
        ASSERT_FALSE(next.ok()) << waiting;
        EXPECT_TRUE(next.error().is(ErrorCode::kCorrupt)) << next.error().to_string();
        EXPECT_NE(next.error().detail().find("ends inside an event"), std::string::npos);
    }
}

TEST(Reader, RefusesPositionsOfOtherStreamsAndBadOptions) {
    ReaderWorld w{1, 1};
    for (const char* text : {"scope/other:0.0@0", "other/stream:0.0@0"}) {
        const auto refused = w.open(from(*Position::parse(text)));
        ASSERT_FALSE(refused.ok());
        EXPECT_TRUE(refused.error().is(ErrorCode::kInvalidArgument));
        EXPECT_FALSE(w.open(up_to(*Position::parse(text))).ok());
    }
    EXPECT_FALSE(w.open(from(Position{kStream, {}})).ok());
    ReaderOptions options;
    options.memory_bytes = 1;
    EXPECT_FALSE(w.open(options).ok());
    w.cluster.seal_stream();
    w.put_round(0);
    // Beyond the end of a sealed segment there is nothing that could come.
    auto reader = w.read(from(*Position::parse("scope/stream:0.0@1000")));
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_TRUE(next.error().is(ErrorCode::kInvalidArgument));
}

TEST(Reader, GivesUpItsFirstContactAfterTheConnectTimeout) {
    ReaderWorld w{1, 1};
    w.cluster.refuse_connections = true;
    auto reader = w.read();
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_TRUE(next.error().is(ErrorCode::kUnavailable));
    EXPECT_NE(next.error().detail().find("10 s"), std::string::npos);
}

// Waiting at the tail is not trying: however long it was, one break leaves the whole retry time.
TEST(Reader, ReconnectsAfterALongQuietWait) {
    for (const bool has_read : {false, true}) {
        for (const auto retry : {0s, 5s}) {
            SCOPED_TRACE(std::to_string(has_read) + " " + std::to_string(retry.count()) + " s");
            ReaderWorld w{1, 2, {10s, retry}};
            auto reader = w.read();
            if (has_read) {
                w.put("a");
                EXPECT_EQ(reader->next_text(), "a#0");
            }
            // For about as long as a silent store is given; for less, again and again; for hours.
            for (const auto quiet : {65s, 40s, 40s, 0s, std::chrono::seconds{2h}, 50s}) {
                EXPECT_EQ(reader->next_text(quiet), "(timed out)");
                w.cluster.cut_connections();
                EXPECT_EQ(reader->next_text(100ms), "(timed out)");
            }
            w.put("b");
            EXPECT_EQ(reader->next_text(), "b#0");
        }
    }
}

TEST(Reader, RetriesForItsTimeFromTheBreakOn) {
    for (const auto quiet : {std::chrono::seconds{1h}, 3s}) {
        ReaderWorld w{1, 1, {10s, 5s}};
        w.put("a");
        auto reader = w.read();
        EXPECT_EQ(reader->next_text(), "a#0");
        EXPECT_EQ(reader->next_text(quiet), "(timed out)");
        w.cluster.refuse_connections = true;
        w.cluster.cut_connections();
        const MonotonicTime broken = w.world.now();
        const auto next = reader->next();
        ASSERT_FALSE(next.ok());
        EXPECT_TRUE(next.error().is(ErrorCode::kUnavailable));
        EXPECT_NE(next.error().detail().find("did not work for 5 s"), std::string::npos) << next.error().to_string();
        EXPECT_GE(w.world.now() - broken, 3s);
        EXPECT_LE(w.world.now() - broken, 6s);
    }
}

TEST(Reader, EndsWhenEachNewConnectionBreaksAtOnce) {
    ReaderWorld w{1, 1, {10s, 5s}};
    w.put("a");
    auto reader = w.read();
    EXPECT_EQ(reader->next_text(), "a#0");
    EXPECT_EQ(reader->next_text(1h), "(timed out)");
    w.cluster.break_read = [] { return true; };
    w.cluster.cut_connections();
    const MonotonicTime broken = w.world.now();
    const std::size_t before = w.cluster.connections_made;
    const auto next = reader->next();
    ASSERT_FALSE(next.ok());
    EXPECT_GE(w.cluster.connections_made, before + 4);
    EXPECT_LE(w.world.now() - broken, 7s);
}

// What nobody answers is trying, even if somebody takes the connection.
TEST(Reader, EndsWhenTheStoreTakesConnectionsAndSaysNothing) {
    ReaderWorld w{1, 1, {10s, 5s}};
    w.put("a");
    auto reader = w.read();
    EXPECT_EQ(reader->next_text(), "a#0");
    EXPECT_EQ(reader->next_text(1h), "(timed out)");
    w.cluster.mute = true;
    const auto next = reader->next(5min);
    ASSERT_FALSE(next.ok());
    EXPECT_NE(next.error().detail().find("did not work for 5 s"), std::string::npos) << next.error().to_string();
    EXPECT_EQ(w.cluster.connections_made, 2u);
}

TEST(Reader, StopsWhileItWaits) {
    ReaderWorld w{1, 3};
    auto reader = w.read();
    EXPECT_EQ(reader->next_text(1s), "(timed out)");
    EXPECT_EQ(w.cluster.waiting_reads(), 3u);
    reader->stop();
    w.world.run_for(1s);
    EXPECT_EQ(w.cluster.waiting_reads(), 0u);
}

// Goal: whatever breaks and however the stream scales, a reader, and one that goes on from a position
// saved anywhere, return each event once and each key in order.
class ReaderChaos : public sim::SeededTest {};

TEST_P(ReaderChaos, ReturnsEachEventOnceAndEachKeyInOrder) {
    ReaderWorld w{seed(), 1 + seed() % 4};
    Random& random = w.world.random();
    w.cluster.controller_delay = std::chrono::milliseconds{random.between(0, 20)};
    // Short replies, or all that was asked for, which is little now and then.
    if (random.one_in(2)) w.cluster.read_limit = [&] { return random.between(1, 2000); };
    else w.world.enable_rare();
    bool chaos = true;
    w.cluster.break_read = [&] { return chaos && random.one_in(20); };
    auto reader = w.read();
    std::vector<std::string> events;
    for (int step = 0; step < 80; ++step) {
        const auto keys = random.between(1, 30);
        for (std::uint64_t i = 0; i < keys; ++i) w.put("key" + std::to_string(random.between(0, 30)));
        if (random.one_in(4)) {
            std::vector<SegmentId> current = w.cluster.current();
            std::sort(current.begin(), current.end(), [&](SegmentId a, SegmentId b) {
                return w.cluster.segment(a).range < w.cluster.segment(b).range;
            });
            const std::size_t begin = random.between(0, current.size());
            const std::size_t end = std::min<std::size_t>(current.size(), begin + random.between(1, 4));
            const std::vector<SegmentId> old(current.begin() + static_cast<std::ptrdiff_t>(begin),
                                             current.begin() + static_cast<std::ptrdiff_t>(end));
            const double low = w.cluster.segment(old.front()).range.low;
            const double high = w.cluster.segment(old.back()).range.high;
            const double middle = low + (high - low) * 0.5;
            if (random.one_in(2)) w.cluster.scale(old, {{low, high}});
            else w.cluster.scale(old, {{low, middle}, {middle, high}});
        }
        if (random.one_in(3)) w.world.run_for(std::chrono::milliseconds{random.between(0, 50)});
        for (std::uint64_t i = random.between(0, 30); i > 0; --i) {
            std::string event = reader->next_text(1ms);
            if (event != "(timed out)") events.push_back(std::move(event));
        }
        if (random.one_in(6)) {
            // Another process goes on.
            const auto position = Position::parse(reader->position().to_string());
            ASSERT_TRUE(position.ok());
            reader = w.read(from(*position));
        }
    }
    chaos = false;
    w.cluster.seal_stream();
    for (std::string& event : reader->rest()) events.push_back(std::move(event));
    EXPECT_EQ(reader->next_text(), "(end)");
    EXPECT_EQ(check_order(events, w.written), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReaderChaos, sim::seeds(40), sim::seed_name);

}  // namespace
}  // namespace millrace::client::testing
