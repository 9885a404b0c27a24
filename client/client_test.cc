// SPDX-License-Identifier: Apache-2.0
//
// The public faces on a real event loop and real sockets: blocking calls, callbacks, bounds in memory
// and time, and what a wrong address or option says.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "client/client_core.h"
#include "client/reader/event_reader.h"
#include "client/streams/stream_admin.h"
#include "client/testing/fake_cluster.h"
#include "client/writer/event_writer.h"
#include "common/runtime/asio/asio_runtime.h"
#include "millrace/client.h"

namespace millrace::client::testing {
namespace {

using namespace std::chrono_literals;

const StreamName kStream{"scope", "stream"};

class ClientTest : public ::testing::Test {
protected:
    void SetUp() override {
        runtime_.start_thread("client-test");
        Home home{runtime_.executor(), {}};
        home.thread = *block_on<std::thread::id>(
            home, []() -> Task<Result<std::thread::id>> { co_return std::this_thread::get_id(); });
        cluster_ = std::make_unique<FakeCluster>(runtime_.bundle(), kStream, 2);
        core_ = std::make_unique<ClientCore>(runtime_.bundle(), home, cluster_->channel(),
                                             Endpoint{"controller", 9090}, Timeouts{connect_timeout_, 0s});
        on_loop([this]() -> Task<Result<void>> { co_return co_await cluster_->start("127.0.0.1", "127.0.0.1"); });
    }
    void TearDown() override {
        on_loop([this]() -> Task<Result<void>> {
            co_await core_->close();
            co_await cluster_->close();
            co_return ok();
        });
        runtime_.stop();
        runtime_.join();
    }

    template <class F>
    void on_loop(F start) {
        ASSERT_TRUE(block_on<void>(core_->home, std::move(start)).ok());
    }
    // Changes the cluster, or looks at it.
    template <class F>
    void with_cluster(F work) {
        on_loop([this, work]() -> Task<Result<void>> {
            work(*cluster_);
            co_return ok();
        });
    }
    std::unique_ptr<EventWriter> writer(WriterOptions options = {}) {
        auto made = make_event_writer(*core_, kStream, options);
        EXPECT_TRUE(made.ok());
        return std::move(*made);
    }
    std::unique_ptr<EventReader> reader(ReaderOptions options = {}) {
        auto made = make_event_reader(*core_, kStream, std::move(options));
        EXPECT_TRUE(made.ok());
        return std::move(*made);
    }

    std::chrono::nanoseconds connect_timeout_ = 5s;
    AsioRuntime runtime_;
    std::unique_ptr<FakeCluster> cluster_;
    std::unique_ptr<ClientCore> core_;
};

TEST_F(ClientTest, WritesFromManyThreadsAndReadsItAllBack) {
    auto writer = this->writer();
    std::map<std::string, std::uint64_t> written;
    std::vector<std::thread> threads;
    constexpr std::uint64_t kEach = 20'000;
    for (int t = 0; t < 3; ++t) {
        written["key" + std::to_string(t)] = kEach;
        threads.emplace_back([&writer, t] {
            const std::string key = "key" + std::to_string(t);
            for (std::uint64_t i = 0; i < kEach; ++i) {
                ASSERT_TRUE(writer->write(key, key + "#" + std::to_string(i)).ok());
            }
        });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_TRUE(writer->flush().ok());
    EXPECT_EQ(writer->stats().acknowledged_events, 3 * kEach);
    ASSERT_TRUE(writer->close().ok());
    const auto closed = writer->write("key", "more");
    ASSERT_FALSE(closed.ok());
    EXPECT_TRUE(closed.error().is(ErrorCode::kClosed));
    ASSERT_TRUE(writer->close().ok());

    with_cluster([&](FakeCluster& cluster) { EXPECT_EQ(check_stored(cluster, written), ""); });
    auto reader = this->reader();
    std::vector<std::string> events;
    while (events.size() < 3 * kEach) {
        const auto next = reader->next(10s);
        ASSERT_TRUE(next.ok());
        ASSERT_EQ(next->outcome, EventReader::Outcome::kEvent);
        events.emplace_back(as_text(next->event.payload));
    }
    EXPECT_EQ(check_order(events, written), "");
    EXPECT_EQ(reader->next(0ms)->outcome, EventReader::Outcome::kTimedOut);
    EXPECT_EQ(reader->next(5ms)->outcome, EventReader::Outcome::kTimedOut);
}

TEST_F(ClientTest, WaitsAtTheMemoryBoundForAcknowledgements) {
    auto writer = this->writer(WriterOptions{.memory_bytes = 1024 * 1024});
    std::atomic<std::size_t> silent_bytes = 0;
    with_cluster([&](FakeCluster& cluster) {
        cluster.on_append = [&](const FakeSegment&, const wire::Append& append) {
            silent_bytes += append.data.size();
            return AppendFate::kStoreSilently;
        };
    });
    std::atomic<std::size_t> written = 0;
    std::thread application{[&] {
        const std::string payload(9992, 'x');
        for (int i = 0; i < 300; ++i) {
            ASSERT_TRUE(writer->write("key", payload).ok());
            ++written;
        }
    }};
    // The bound is reached, and nothing more than it gets out however often we look.
    while (writer->stats().outstanding_bytes < 1024 * 1024) std::this_thread::yield();
    EXPECT_LE(written, 106u);
    EXPECT_LE(writer->stats().outstanding_bytes, 1024u * 1024 + 10'000);
    with_cluster([&](FakeCluster& cluster) {
        EXPECT_LE(silent_bytes, 1024u * 1024 + 10'000);
        cluster.on_append = nullptr;
        cluster.release();
    });
    application.join();
    ASSERT_TRUE(writer->flush().ok());
    EXPECT_EQ(writer->stats().outstanding_bytes, 0u);
}

TEST_F(ClientTest, LeavesWhatHasNoRoomWhenItIsOnlyTried) {
    auto writer = this->writer(WriterOptions{.memory_bytes = 1024 * 1024});
    with_cluster([](FakeCluster& cluster) {
        cluster.on_append = [](const FakeSegment&, const wire::Append&) { return AppendFate::kStoreSilently; };
    });
    const std::string payload(9992, 'x');
    std::uint64_t taken = 0;
    while (*writer->try_write("key", payload, [](const Result<void>& stored) { EXPECT_TRUE(stored.ok()); })) ++taken;
    EXPECT_EQ(taken, 105u);
    EXPECT_FALSE(*writer->try_write("key", "", [](const Result<void>&) { FAIL() << "it was not taken"; }));
    with_cluster([](FakeCluster& cluster) {
        cluster.on_append = nullptr;
        cluster.release();
    });
    ASSERT_TRUE(writer->flush().ok());
    EXPECT_EQ(writer->stats().acknowledged_events, taken);
    EXPECT_TRUE(*writer->try_write("key", payload));
    EXPECT_TRUE(writer->try_write("key", std::string(kMaxEventBytes + 1, 'x')).error().is(ErrorCode::kTooLarge));
    ASSERT_TRUE(writer->close().ok());
    EXPECT_TRUE(writer->try_write("key", payload).error().is(ErrorCode::kClosed));
}

TEST_F(ClientTest, WaitsForASingleEvent) {
    auto writer = this->writer();
    ASSERT_TRUE(writer->write_and_wait("key", "a#0").ok());
    with_cluster([](FakeCluster& cluster) { EXPECT_EQ(check_stored(cluster, {{"a", 1}}), ""); });
    std::atomic<bool> told = false;
    ASSERT_TRUE(writer->write("key", "a#1", [&](const Result<void>&) {
        EXPECT_TRUE(writer->write_and_wait("key", "x").error().is(ErrorCode::kFailedPrecondition));
        told = true;
    }).ok());
    while (!told) std::this_thread::yield();
    with_cluster([](FakeCluster& cluster) { cluster.seal_stream(); });
    EXPECT_TRUE(writer->write_and_wait("key", "x").error().is(ErrorCode::kSealed));
}

TEST_F(ClientTest, TellsOfAFlushWithoutWaiting) {
    auto writer = this->writer();
    with_cluster([](FakeCluster& cluster) {
        cluster.on_append = [](const FakeSegment&, const wire::Append&) { return AppendFate::kStoreSilently; };
    });
    std::atomic<int> stored = 0;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(writer->write("key", "x", [&](const Result<void>& s) { stored += s.ok(); }).ok());
    }
    std::atomic<int> flushed = 0;
    writer->flush([&](const Result<void>& outcome) {
        EXPECT_TRUE(outcome.ok());
        EXPECT_EQ(stored, 10);
        ++flushed;
    });
    with_cluster([&](FakeCluster& cluster) {
        EXPECT_EQ(flushed, 0);
        cluster.on_append = nullptr;
        cluster.release();
    });
    while (flushed < 1) std::this_thread::yield();
    // Of a writer that goes before.
    with_cluster([](FakeCluster& cluster) {
        cluster.on_append = [](const FakeSegment&, const wire::Append&) { return AppendFate::kStoreSilently; };
    });
    ASSERT_TRUE(writer->write("key", "x").ok());
    writer->flush([&](const Result<void>& outcome) {
        EXPECT_TRUE(!outcome.ok() && outcome.error().is(ErrorCode::kClosed));
        ++flushed;
    });
    writer.reset();
    while (flushed < 2) std::this_thread::yield();
}

TEST_F(ClientTest, NeverWaitsInACallbackEvenAtTheMemoryBound) {
    auto writer = this->writer(WriterOptions{.memory_bytes = 1024 * 1024});
    std::atomic<std::size_t> stored = 0;
    ASSERT_TRUE(writer->write("key", "first", [&](const Result<void>&) {
        const std::string payload(100'000, 'x');
        for (int i = 0; i < 50; ++i) {
            EXPECT_TRUE(writer->write("key", payload, [&](const Result<void>& s) { stored += s.ok(); }).ok());
        }
        const auto flushed = writer->flush();
        EXPECT_TRUE(!flushed.ok() && flushed.error().is(ErrorCode::kFailedPrecondition));
        EXPECT_FALSE(writer->close().ok());
        EXPECT_FALSE(make_event_writer(*core_, kStream, {}).ok());
    }).ok());
    ASSERT_TRUE(writer->flush().ok());
    ASSERT_TRUE(writer->flush().ok());
    EXPECT_EQ(stored, 50u);
}

TEST_F(ClientTest, AnswersEachWriteFromACallbackWithOneAppend) {
    auto writer = this->writer();
    std::atomic<int> left = 200;
    EventWriter::Acknowledged next = [&](const Result<void>&) {
        if (--left > 0) {
            EXPECT_TRUE(writer->write("key", "x", next).ok());
        }
    };
    ASSERT_TRUE(writer->write("key", "x", next).ok());
    while (left > 0) std::this_thread::yield();
    with_cluster([](FakeCluster& cluster) { EXPECT_EQ(cluster.appends, 200u); });
}

TEST_F(ClientTest, LetsGoOfAWriterWithEventsOutstanding) {
    std::atomic<int> failed = 0;
    with_cluster([](FakeCluster& cluster) {
        cluster.on_append = [](const FakeSegment&, const wire::Append&) { return AppendFate::kStoreSilently; };
    });
    {
        auto writer = this->writer();
        for (int i = 0; i < 100; ++i) {
            ASSERT_TRUE(writer->write("key", "x", [&](const Result<void>& s) { failed += !s.ok(); }).ok());
        }
    }
    EXPECT_EQ(failed, 100);
}

class ClientOfShortPatienceTest : public ClientTest {
protected:
    ClientOfShortPatienceTest() { connect_timeout_ = 300ms; }
};

TEST_F(ClientOfShortPatienceTest, HearsFromCloseThatEventsAreLost) {
    with_cluster([](FakeCluster& cluster) { cluster.refuse_connections = true; });
    auto writer = this->writer();
    ASSERT_TRUE(writer->write("key", "x").ok());
    const auto closed = writer->close();
    ASSERT_FALSE(closed.ok());
    EXPECT_TRUE(closed.error().is(ErrorCode::kUnavailable)) << closed.error().to_string();
    EXPECT_EQ(writer->stats().acknowledged_events, 0u);
    // However often it is asked.
    EXPECT_FALSE(writer->close().ok());
    EXPECT_FALSE(writer->flush().ok());
}

TEST_F(ClientTest, HearsFromCloseThatASealedStreamTookNothing) {
    auto writer = this->writer();
    with_cluster([](FakeCluster& cluster) { cluster.seal_stream(); });
    ASSERT_TRUE(writer->write("key", "x").ok());
    const auto closed = writer->close();
    ASSERT_FALSE(closed.ok());
    EXPECT_TRUE(closed.error().is(ErrorCode::kSealed)) << closed.error().to_string();
}

TEST_F(ClientTest, MayDestroyAWriterInItsCallback) {
    auto writer = this->writer();
    std::atomic<bool> gone = false;
    ASSERT_TRUE(writer->write("key", "x", [&](const Result<void>&) {
        writer.reset();
        gone = true;
    }).ok());
    while (!gone) std::this_thread::yield();
}

TEST_F(ClientTest, WakesAReaderThatWaitsForTheNextEvent) {
    auto reader = this->reader();
    auto writer = this->writer();
    std::thread application{[&] { ASSERT_TRUE(writer->write("key", "now").ok()); }};
    const auto next = reader->next(1min);
    application.join();
    ASSERT_TRUE(next.ok());
    EXPECT_EQ(as_text(next->event.payload), "now");
    EXPECT_EQ(reader->next(std::chrono::milliseconds{-5})->outcome, EventReader::Outcome::kTimedOut);
}

TEST_F(ClientTest, WritesWithoutAKeyToAllSegments) {
    auto writer = this->writer();
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(writer->write_unkeyed("x").ok());
    ASSERT_TRUE(writer->close().ok());
    with_cluster([](FakeCluster& cluster) {
        for (const auto& [id, segment] : cluster.segments()) {
            EXPECT_GT(segment.events().size(), 400u);
            EXPECT_LT(segment.events().size(), 600u);
        }
    });
}

TEST_F(ClientTest, DescribesAndScalesAStream) {
    auto streams = make_stream_manager(*core_);
    auto writer = this->writer();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(writer->write("key" + std::to_string(i), "12345678").ok());
    ASSERT_TRUE(writer->flush().ok());
    auto before = streams->describe(kStream);
    ASSERT_TRUE(before.ok());
    ASSERT_EQ(before->segments.size(), 2u);
    EXPECT_EQ(before->segments[0].length + before->segments[1].length, 1600);
    EXPECT_EQ(before->epoch, StreamEpoch{0});
    EXPECT_FALSE(before->sealed);

    const SegmentId low = before->segments[0].id;
    for (const std::vector<KeyRange>& ranges :
         std::vector<std::vector<KeyRange>>{{}, {{0.0, 0.4}}, {{0.0, 0.3}, {0.2, 0.5}}, {{0.0, 0.25}, {0.3, 0.5}}, {{0.5, 0.0}}}) {
        const auto refused = streams->scale(kStream, {low}, ranges);
        ASSERT_FALSE(refused.ok());
        EXPECT_TRUE(refused.error().is(ErrorCode::kInvalidArgument));
    }
    const auto stranger = streams->scale(kStream, {SegmentId::of(77, StreamEpoch{0})}, {{0.0, 0.5}});
    ASSERT_FALSE(stranger.ok());
    EXPECT_TRUE(stranger.error().is(ErrorCode::kFailedPrecondition));
    EXPECT_NE(stranger.error().detail().find("77"), std::string::npos);

    ASSERT_TRUE(streams->scale(kStream, {low}, {{0.0, 0.25}, {0.25, 0.5}}).ok());
    const auto after = streams->describe(kStream);
    ASSERT_TRUE(after.ok());
    EXPECT_EQ(after->segments.size(), 3u);
    EXPECT_EQ(after->epoch, StreamEpoch{1});
    EXPECT_EQ(streams->tail(kStream)->offsets.size(), 3u);
    EXPECT_EQ(streams->head(kStream)->offsets.size(), 2u);

    with_cluster([](FakeCluster& cluster) { cluster.seal_stream(); });
    const auto sealed = streams->describe(kStream);
    ASSERT_TRUE(sealed.ok());
    EXPECT_TRUE(sealed->sealed);
    EXPECT_TRUE(sealed->segments.empty());
    EXPECT_EQ(streams->tail(kStream)->offsets.size(), 3u);
    const auto late = streams->scale(kStream, {low}, {{0.0, 0.5}});
    ASSERT_FALSE(late.ok());
    EXPECT_TRUE(late.error().is(ErrorCode::kSealed));
}

TEST_F(ClientTest, TruncatesWhereAReaderIsBetweenSegments) {
    auto streams = make_stream_manager(*core_);
    SegmentId a, b, c, d, e;
    with_cluster([&](FakeCluster& cluster) {
        a = cluster.current()[0];
        b = cluster.current()[1];
        const auto second = cluster.scale({a, b}, {{0.0, 0.3}, {0.3, 1.0}});
        c = second[0];
        d = second[1];
        e = cluster.scale({c}, {{0.0, 0.3}}).front();
    });
    using Cut = std::map<SegmentId, std::int64_t>;
    const auto cut_at = [&](Cut place) {
        EXPECT_TRUE(streams->truncate(kStream, {kStream, std::move(place)}).ok());
        Cut asked;
        with_cluster([&](FakeCluster& cluster) { asked = cluster.asked_cut; });
        return asked;
    };
    EXPECT_EQ(cut_at({{a, 7}, {b, 5}}), (Cut{{a, 7}, {b, 5}}));
    EXPECT_EQ(cut_at({{e, 1}, {d, 2}}), (Cut{{e, 1}, {d, 2}}));
    // The first segment is read and only its second successor waits, for the other one.
    EXPECT_EQ(cut_at({{a, 7}, {b, 5}, {c, 3}}), (Cut{{b, 5}, {c, 3}, {d, -1}}));
    EXPECT_EQ(cut_at({{a, 7}, {b, 5}, {e, 1}}), (Cut{{b, 5}, {e, 1}, {d, -1}}));
    // So it is where a reader began behind the first.
    EXPECT_EQ(cut_at({{b, 5}, {c, 3}}), (Cut{{b, 5}, {c, 3}, {d, -1}}));
}

TEST_F(ClientTest, ListsTheEpochsOfAStream) {
    auto streams = make_stream_manager(*core_);
    const SegmentId low = SegmentId::of(0, StreamEpoch{0});
    const SegmentId high = SegmentId::of(1, StreamEpoch{0});
    const SegmentId first = SegmentId::of(2, StreamEpoch{1});
    const SegmentId second = SegmentId::of(3, StreamEpoch{1});
    const SegmentId merged = SegmentId::of(4, StreamEpoch{2});
    ASSERT_TRUE(streams->scale(kStream, {low}, {{0.0, 0.25}, {0.25, 0.5}}).ok());
    ASSERT_TRUE(streams->scale(kStream, {second, high}, {{0.25, 1.0}}).ok());
    const std::vector<EpochDescription> expected{
        {StreamEpoch{0}, {{low, {0.0, 0.5}}, {high, {0.5, 1.0}}}},
        {StreamEpoch{1}, {{first, {0.0, 0.25}}, {second, {0.25, 0.5}}, {high, {0.5, 1.0}}}},
        {StreamEpoch{2}, {{first, {0.0, 0.25}}, {merged, {0.25, 1.0}}}}};
    EXPECT_EQ(*streams->epochs(kStream), expected);
    EXPECT_EQ(*streams->epochs(kStream, 2), std::vector(expected.begin() + 1, expected.end()));
    with_cluster([](FakeCluster& cluster) { cluster.seal_stream(); });
    EXPECT_EQ(*streams->epochs(kStream), expected) << "a sealed stream has them, too";
    EXPECT_TRUE(streams->epochs({"scope", "other"}).error().is(ErrorCode::kNotFound));
}

TEST_F(ClientTest, RefusesIllegalNamesBeforeAnybodyIsAsked) {
    auto streams = make_stream_manager(*core_);
    for (const char* name : {"", "a b", "_internal", "a/b"}) {
        const auto scope = streams->create_scope(name);
        ASSERT_FALSE(scope.ok()) << name;
        EXPECT_TRUE(scope.error().is(ErrorCode::kInvalidArgument));
        EXPECT_TRUE(streams->create_stream({"scope", name}, {}).error().is(ErrorCode::kInvalidArgument));
    }
    EXPECT_TRUE(streams->delete_scope("_internal").error().is(ErrorCode::kInvalidArgument));
}

TEST_F(ClientTest, RefusesConfigurationsAndPositionsNamingTheCulprit) {
    auto streams = make_stream_manager(*core_);
    const auto by_rate = [](std::int32_t rate, std::int32_t split) {
        return StreamConfig{.scaling = {ScalingPolicy::By::kEvents, rate, split}};
    };
    const auto kept = [](std::int64_t least, std::int64_t most) {
        return StreamConfig{.retention = {RetentionPolicy::By::kBytes, least, most}};
    };
    for (const auto& [config, culprit] : std::vector<std::pair<StreamConfig, std::string>>{
             {{.min_segments = 0}, "min_segments is 0"},
             {{.min_segments = 10'001}, "min_segments is 10001"},
             {by_rate(0, 2), "target_rate is 0"},
             {by_rate(1, 0), "split_max is 0"},
             {kept(-1, 0), "least -1"},
             {kept(0, -1), "most -1"},
             {kept(10, 9), "most is 9"}}) {
        for (const auto& error : {streams->create_stream({"scope", "s"}, config).error(),
                                  streams->update_configuration(kStream, config).error()}) {
            EXPECT_TRUE(error.is(ErrorCode::kInvalidArgument));
            EXPECT_NE(error.detail().find(culprit), std::string::npos) << error.detail();
        }
    }
    const SegmentId first = SegmentId::of(0, StreamEpoch{0});
    for (const Position& position : {Position{{"scope", "other"}, {{first, 0}}}, Position{kStream, {}},
                                     Position{kStream, {{first, -1}}}, Position{kStream, {{SegmentId{-1}, 0}}}}) {
        const auto refused = streams->truncate(kStream, position);
        ASSERT_FALSE(refused.ok());
        EXPECT_TRUE(refused.error().is(ErrorCode::kInvalidArgument));
        EXPECT_NE(refused.error().detail().find("the position to truncate at"), std::string::npos);
    }
}

TEST(Client, ChecksItsOptions) {
    for (const char* controller : {"", "nohost", "host:", "host:0", "host:70000", ":9090"}) {
        ClientOptions options;
        options.controller = controller;
        const auto client = Client::create(options);
        ASSERT_FALSE(client.ok()) << controller;
        EXPECT_TRUE(client.error().is(ErrorCode::kInvalidArgument));
    }
    ClientOptions options;
    options.connect_timeout = 0ms;
    EXPECT_FALSE(Client::create(options).ok());
    options = {};
    options.retry_timeout = 2h;
    EXPECT_FALSE(Client::create(options).ok());
}

TEST(Client, SaysWhichControllerItCouldNotReachAndForHowLong) {
    // A port that was free a moment ago: nobody listens there.
    AsioRuntime runtime;
    std::string address;
    runtime.run_main([&]() -> Task<int> {
        auto listener = co_await runtime.bundle().network.listen(Endpoint{"127.0.0.1", 0});
        address = (*listener)->local().to_string();
        co_return 0;
    });
    ClientOptions options;
    options.controller = address;
    options.connect_timeout = 300ms;
    auto client = Client::create(options);
    ASSERT_TRUE(client.ok());
    const auto scopes = (*client)->streams().list_scopes();
    ASSERT_FALSE(scopes.ok());
    EXPECT_TRUE(scopes.error().is(ErrorCode::kUnavailable));
    EXPECT_NE(scopes.error().detail().find(address), std::string::npos) << scopes.error().detail();
    EXPECT_NE(scopes.error().detail().find("300 ms"), std::string::npos) << scopes.error().detail();
    EXPECT_FALSE((*client)->create_writer({"scope", "stream"}).ok());
    EXPECT_FALSE((*client)->create_reader({"scope", "stream"}).ok());
}

}  // namespace
}  // namespace millrace::client::testing
