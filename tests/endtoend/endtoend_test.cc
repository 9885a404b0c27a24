// SPDX-License-Identifier: Apache-2.0
//
// The whole way of an event, with the real parts: written by the client library, durable in the
// journal, found through the controller, read back. What needs a killed process is in tests/system.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "millrace/client.h"
#include "tests/endtoend/local_cluster.h"

namespace millrace {
namespace {

using namespace std::chrono_literals;

ReaderOptions tail_options() {
    ReaderOptions options;
    options.from = ReaderOptions::From::kTail;
    return options;
}

ReaderOptions from_to(std::optional<Position> from, Position to) {
    ReaderOptions options;
    options.position = std::move(from);
    options.until = std::move(to);
    return options;
}

class EndToEnd : public ::testing::Test {
protected:
    EndToEnd() {
        cluster_.start();
        client_ = Client::create({.controller = cluster_.controller()}).value();
        EXPECT_TRUE(client_->streams().create_scope("scope").value());
    }

    StreamName make_stream(const std::string& name, std::int32_t segments) {
        const StreamName stream{"scope", name};
        EXPECT_TRUE(client_->streams().create_stream(stream, {.min_segments = segments}).value());
        return stream;
    }

    // Everything up to the end of the stream or, when it is not sealed, up to `until`.
    std::vector<Event> read_all(const StreamName& stream, ReaderOptions options = {}) {
        if (!options.until) options.until = client_->streams().tail(stream).value();
        auto reader = client_->create_reader(stream, std::move(options)).value();
        std::vector<Event> events;
        for (;;) {
            auto next = reader->next(30s);
            if (!next) {
                ADD_FAILURE() << next.error().to_string();
                break;
            }
            if (next->outcome == EventReader::Outcome::kTimedOut) {
                ADD_FAILURE() << "no event within 30 s after " << events.size() << " events, at "
                              << reader->position().to_string();
                break;
            }
            if (next->outcome == EventReader::Outcome::kEndOfStream) break;
            events.push_back(std::move(next->event));
        }
        return events;
    }

    // Payloads are "<key> <sequence>": every sequence of every key once, rising.
    static void expect_exactly_once_in_order(const std::vector<Event>& events, int keys, int events_per_key) {
        std::map<std::string, int> last;
        for (const Event& event : events) {
            const std::string text{as_text(event.payload)};
            const auto blank = text.find(' ');
            const std::string key = text.substr(0, blank);
            const int sequence = std::stoi(text.substr(blank + 1));
            ASSERT_EQ(sequence, ++last[key]) << "key " << key << " in segment " << event.segment.value << " at "
                                             << event.offset;
        }
        ASSERT_EQ(static_cast<int>(last.size()), keys);
        for (const auto& [key, sequence] : last) ASSERT_EQ(sequence, events_per_key) << key;
    }

    void write_round(EventWriter& writer, int keys, int sequence) {
        for (int key = 0; key < keys; ++key) {
            const std::string name = "key" + std::to_string(key);
            const auto written = writer.write(name, name + " " + std::to_string(sequence));
            ASSERT_TRUE(written) << written.error().to_string();
        }
    }

    testing::LocalCluster cluster_;
    std::unique_ptr<Client> client_;
};

TEST_F(EndToEnd, WritesAndReadsBackInKeyOrder) {
    const StreamName stream = make_stream("plain", 4);
    auto writer = client_->create_writer(stream).value();
    for (int sequence = 1; sequence <= 500; ++sequence) write_round(*writer, 20, sequence);
    ASSERT_TRUE(writer->close());
    EXPECT_EQ(writer->stats().acknowledged_events, 10'000u);
    expect_exactly_once_in_order(read_all(stream), 20, 500);
}

TEST_F(EndToEnd, FollowsSplitsAndMergesWhileWriting) {
    const StreamName stream = make_stream("scaled", 2);
    auto writer = client_->create_writer(stream).value();
    int sequence = 0;
    const auto write_some = [&] {
        for (int i = 0; i < 100; ++i) write_round(*writer, 20, ++sequence);
    };
    write_some();
    // 0: [0, 0.5)  1: [0.5, 1.0]
    ASSERT_TRUE(client_->streams().scale(stream, {SegmentId{0}}, {{0.0, 0.25}, {0.25, 0.5}}));
    write_some();
    auto described = client_->streams().describe(stream).value();
    ASSERT_EQ(described.segments.size(), 3u);
    ASSERT_TRUE(client_->streams().scale(stream, {described.segments[1].id, described.segments[2].id}, {{0.25, 1.0}}));
    write_some();
    ASSERT_TRUE(writer->close());

    described = client_->streams().describe(stream).value();
    ASSERT_EQ(described.segments.size(), 2u);
    EXPECT_EQ(described.epoch, StreamEpoch{2});
    EXPECT_EQ(described.segments[0].range, (KeyRange{0.0, 0.25}));
    EXPECT_EQ(described.segments[1].range, (KeyRange{0.25, 1.0}));
    expect_exactly_once_in_order(read_all(stream), 20, sequence);
}

TEST_F(EndToEnd, WriterAndReaderSurviveARestartOfTheServer) {
    const StreamName stream = make_stream("restarted", 3);
    auto writer = client_->create_writer(stream).value();
    auto reader = client_->create_reader(stream).value();
    int sequence = 0;
    std::vector<Event> events;
    for (int restart = 0; restart < 3; ++restart) {
        for (int i = 0; i < 50; ++i) write_round(*writer, 10, ++sequence);
        if (restart > 0) {
            cluster_.stop();
            for (int i = 0; i < 10; ++i) write_round(*writer, 10, ++sequence);
            cluster_.start();
        }
        ASSERT_TRUE(writer->flush());
        while (static_cast<int>(events.size()) < sequence * 10) {
            auto next = reader->next(30s);
            ASSERT_TRUE(next) << next.error().to_string();
            ASSERT_EQ(next->outcome, EventReader::Outcome::kEvent) << reader->position().to_string();
            events.push_back(std::move(next->event));
        }
    }
    ASSERT_TRUE(writer->close());
    expect_exactly_once_in_order(events, 10, sequence);
    expect_exactly_once_in_order(read_all(stream), 10, sequence);
}

TEST_F(EndToEnd, ReaderGoesOnFromASavedPositionAcrossAScale) {
    const StreamName stream = make_stream("resumed", 2);
    auto writer = client_->create_writer(stream).value();
    for (int sequence = 1; sequence <= 100; ++sequence) write_round(*writer, 10, sequence);
    ASSERT_TRUE(writer->flush());
    ASSERT_TRUE(client_->streams().scale(stream, {SegmentId{0}, SegmentId{1}}, {{0.0, 0.25}, {0.25, 1.0}}));
    for (int sequence = 101; sequence <= 200; ++sequence) write_round(*writer, 10, sequence);
    ASSERT_TRUE(writer->close());

    const Position end = client_->streams().tail(stream).value();
    std::vector<Event> events;
    std::optional<Position> position;
    for (bool more = true; more;) {
        auto reader = client_->create_reader(stream, from_to(position, end)).value();
        for (int i = 0; i < 333 && more; ++i) {
            auto next = reader->next(30s);
            ASSERT_TRUE(next) << next.error().to_string();
            ASSERT_NE(next->outcome, EventReader::Outcome::kTimedOut) << reader->position().to_string();
            more = next->outcome == EventReader::Outcome::kEvent;
            if (more) events.push_back(std::move(next->event));
        }
        position = Position::parse(reader->position().to_string()).value();
    }
    expect_exactly_once_in_order(events, 10, 200);
}

TEST_F(EndToEnd, TailReaderSeesWhatIsWrittenLater) {
    const StreamName stream = make_stream("tail", 1);
    auto writer = client_->create_writer(stream).value();
    ASSERT_TRUE(writer->write("k", "before"));
    ASSERT_TRUE(writer->flush());
    auto reader = client_->create_reader(stream, tail_options()).value();
    EXPECT_EQ(reader->next(50ms).value().outcome, EventReader::Outcome::kTimedOut);
    ASSERT_TRUE(writer->write("k", "after"));
    const auto next = reader->next(30s).value();
    ASSERT_EQ(next.outcome, EventReader::Outcome::kEvent);
    EXPECT_EQ(as_text(next.event.payload), "after");
    ASSERT_TRUE(writer->close());
}

TEST_F(EndToEnd, EventsOfEverySizeComeBack) {
    const StreamName stream = make_stream("sizes", 1);
    auto writer = client_->create_writer(stream).value();
    const std::vector<std::size_t> sizes{0, 1, 7, 4096, 65'536, 1'048'577, 3'000'000, kMaxEventBytes};
    for (const std::size_t size : sizes) {
        ASSERT_TRUE(writer->write("k", std::string(size, static_cast<char>('a' + size % 26))));
    }
    EXPECT_TRUE(writer->write("k", std::string(kMaxEventBytes + 1, 'x')).error().is(ErrorCode::kTooLarge));
    ASSERT_TRUE(writer->close());
    const auto events = read_all(stream);
    ASSERT_EQ(events.size(), sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        ASSERT_EQ(events[i].payload.size(), sizes[i]);
        if (sizes[i] > 0) {
            EXPECT_EQ(as_text(events[i].payload).back(), static_cast<char>('a' + sizes[i] % 26));
        }
    }
}

TEST_F(EndToEnd, SealedStreamRefusesWritersAndEndsReaders) {
    const StreamName stream = make_stream("sealed", 2);
    auto writer = client_->create_writer(stream).value();
    write_round(*writer, 10, 1);
    ASSERT_TRUE(writer->flush());
    auto reader = client_->create_reader(stream).value();
    ASSERT_TRUE(client_->streams().seal(stream));
    ASSERT_TRUE(client_->streams().seal(stream)) << "sealing again is fine";

    std::atomic<bool> refused = false;
    (void)writer->write("key1", "late", [&](const Result<void>& outcome) {
        refused = !outcome && outcome.error().is(ErrorCode::kSealed);
    });
    const auto flushed = writer->flush();
    ASSERT_FALSE(flushed);
    EXPECT_TRUE(flushed.error().is(ErrorCode::kSealed)) << flushed.error().to_string();
    EXPECT_TRUE(refused);

    int events = 0;
    for (;;) {
        auto next = reader->next(30s);
        ASSERT_TRUE(next) << next.error().to_string();
        ASSERT_NE(next->outcome, EventReader::Outcome::kTimedOut);
        if (next->outcome == EventReader::Outcome::kEndOfStream) break;
        ++events;
    }
    EXPECT_EQ(events, 10);
    const auto described = client_->streams().describe(stream).value();
    EXPECT_TRUE(described.sealed);
    EXPECT_TRUE(described.segments.empty());

    writer.reset();
    reader.reset();
    ASSERT_TRUE(client_->streams().remove(stream));
    EXPECT_TRUE(client_->streams().describe(stream).error().is(ErrorCode::kNotFound));
}

TEST_F(EndToEnd, CloseReportsEventsThatAreNotStored) {
    const StreamName stream = make_stream("lost", 1);
    auto writer = client_->create_writer(stream).value();
    ASSERT_TRUE(client_->streams().seal(stream));
    (void)writer->write("key", "late");
    const auto closed = writer->close();
    ASSERT_FALSE(closed);
    EXPECT_TRUE(closed.error().is(ErrorCode::kSealed)) << closed.error().to_string();
    EXPECT_EQ(writer->stats().acknowledged_events, 0u);
}

TEST_F(EndToEnd, RecreatedStreamHasNothingOfTheOldOne) {
    const StreamName stream = make_stream("again", 2);
    {
        auto writer = client_->create_writer(stream).value();
        write_round(*writer, 10, 1);
        ASSERT_TRUE(writer->close());
    }
    EXPECT_TRUE(client_->streams().remove(stream).error().is(ErrorCode::kFailedPrecondition));
    ASSERT_TRUE(client_->streams().seal(stream));
    ASSERT_TRUE(client_->streams().remove(stream));
    ASSERT_TRUE(client_->streams().create_stream(stream, {.min_segments = 2}).value());
    EXPECT_TRUE(read_all(stream).empty());
    const StreamDescription described = client_->streams().describe(stream).value();
    for (const auto& segment : described.segments) {
        EXPECT_GE(segment.id.number(), 2) << "segment numbers are never used again";
    }
    auto writer = client_->create_writer(stream).value();
    write_round(*writer, 10, 1);
    ASSERT_TRUE(writer->close());
    expect_exactly_once_in_order(read_all(stream), 10, 1);
}

TEST_F(EndToEnd, StreamsAndScopesAreListed) {
    make_stream("b", 1);
    make_stream("a", 1);
    EXPECT_THAT(client_->streams().list_streams("scope").value(), ::testing::ElementsAre("a", "b"));
    EXPECT_THAT(client_->streams().list_scopes().value(), ::testing::Contains("scope"));
    EXPECT_FALSE(client_->streams().create_scope("scope").value());
    EXPECT_FALSE(client_->streams().create_stream({"scope", "a"}, {.min_segments = 7}).value());
    EXPECT_EQ(client_->streams().configuration({"scope", "a"}).value().min_segments, 1);
    EXPECT_TRUE(client_->streams().create_stream({"nowhere", "a"}, {}).error().is(ErrorCode::kNotFound));
    EXPECT_TRUE(client_->streams().create_scope("bad name").error().is(ErrorCode::kInvalidArgument));
    EXPECT_TRUE(client_->create_writer({"scope", "missing"}).error().is(ErrorCode::kNotFound));
}

TEST_F(EndToEnd, ATruncatedStreamBeginsWhereItWasCut) {
    const StreamName stream = make_stream("cut", 2);
    auto& streams = client_->streams();
    auto writer = client_->create_writer(stream).value();
    constexpr int kKeys = 10;
    for (int sequence = 1; sequence <= 50; ++sequence) write_round(*writer, kKeys, sequence);
    ASSERT_TRUE(writer->flush().ok());
    const Position middle = streams.tail(stream).value();
    auto behind = client_->create_reader(stream).value();
    ASSERT_EQ(behind->next(30s)->outcome, EventReader::Outcome::kEvent);
    for (int sequence = 51; sequence <= 60; ++sequence) write_round(*writer, kKeys, sequence);
    ASSERT_TRUE(writer->flush().ok());

    Position beyond = streams.tail(stream).value();
    beyond.offsets.begin()->second += 1'000'000;
    EXPECT_TRUE(streams.truncate(stream, beyond).error().is(ErrorCode::kFailedPrecondition));
    const Position head = streams.head(stream).value();
    const Result<void> cut = streams.truncate(stream, middle);
    ASSERT_TRUE(cut.ok()) << cut.error().to_string();
    EXPECT_TRUE(streams.truncate(stream, middle).ok()) << "again";
    EXPECT_TRUE(streams.truncate(stream, head).error().is(ErrorCode::kFailedPrecondition));
    EXPECT_TRUE(streams.truncate({"scope", "nothing"}, {{"scope", "nothing"}, head.offsets}).error().is(ErrorCode::kNotFound));
    EXPECT_EQ(streams.head(stream).value(), middle);
    std::set<std::string> left;
    for (const Event& event : read_all(stream)) left.emplace(as_text(event.payload));
    EXPECT_EQ(left.size(), 10u * kKeys);
    EXPECT_EQ(left.count("key0 50"), 0u);
    EXPECT_EQ(left.count("key0 51"), 1u);
    // Who begins at a position that is gone hears so once for each segment, and goes on behind it.
    auto late = client_->create_reader(stream, from_to(head, streams.tail(stream).value())).value();
    int truncated = 0;
    std::size_t events = 0;
    for (;;) {
        const auto next = late->next(30s);
        if (!next) {
            ASSERT_TRUE(next.error().is(ErrorCode::kTruncated)) << next.error().to_string();
            ++truncated;
            continue;
        }
        if (next->outcome != EventReader::Outcome::kEvent) break;
        ++events;
    }
    EXPECT_EQ(truncated, 2);
    EXPECT_EQ(events, left.size());

    ASSERT_TRUE(streams.seal(stream).ok());
    EXPECT_TRUE(streams.truncate(stream, streams.tail(stream).value()).error().is(ErrorCode::kSealed));
}

TEST_F(EndToEnd, ConfigurationsAreChangedAndKept) {
    const StreamName stream = make_stream("configured", 1);
    auto& streams = client_->streams();
    const StreamConfig wanted{.min_segments = 3,
                              .scaling = {ScalingPolicy::By::kKibibytes, 100, 2},
                              .retention = {RetentionPolicy::By::kMilliseconds, 60'000, 120'000}};
    const Result<void> updated = streams.update_configuration(stream, wanted);
    ASSERT_TRUE(updated.ok()) << updated.error().to_string();
    EXPECT_EQ(streams.configuration(stream).value(), wanted);
    EXPECT_EQ(streams.describe(stream).value().config, wanted);
    EXPECT_GE(streams.describe(stream).value().segments.size(), 3u);
    EXPECT_TRUE(streams.update_configuration({"scope", "nothing"}, wanted).error().is(ErrorCode::kNotFound));
    ASSERT_TRUE(streams.seal(stream).ok());
    EXPECT_TRUE(streams.update_configuration(stream, {}).error().is(ErrorCode::kSealed));
}

TEST_F(EndToEnd, OnlyEmptyScopesAreDeleted) {
    auto& streams = client_->streams();
    const StreamName stream = make_stream("last", 1);
    EXPECT_TRUE(streams.delete_scope("scope").error().is(ErrorCode::kFailedPrecondition));
    EXPECT_TRUE(streams.delete_scope("nothing").error().is(ErrorCode::kNotFound));
    ASSERT_TRUE(streams.seal(stream).ok());
    ASSERT_TRUE(streams.remove(stream).ok());
    const Result<void> gone = streams.delete_scope("scope");
    ASSERT_TRUE(gone.ok()) << gone.error().to_string();
    EXPECT_THAT(streams.list_scopes().value(), ::testing::Not(::testing::Contains("scope")));
}

TEST_F(EndToEnd, ScaleRefusesWhatDoesNotFit) {
    const StreamName stream = make_stream("misfit", 2);
    auto& streams = client_->streams();
    EXPECT_TRUE(streams.scale(stream, {SegmentId{0}}, {{0.0, 0.4}}).error().is(ErrorCode::kInvalidArgument));
    EXPECT_TRUE(streams.scale(stream, {SegmentId{9}}, {{0.0, 0.5}}).error().is(ErrorCode::kFailedPrecondition));
    EXPECT_TRUE(
        streams.scale(stream, {SegmentId{0}, SegmentId{1}}, {{0.0, 1.0}}).error().is(ErrorCode::kFailedPrecondition));
    EXPECT_EQ(streams.describe(stream).value().segments.size(), 2u);
}

TEST(EndToEndWithoutServer, AnAbsentControllerIsNamedWithTheTimeTried) {
    auto client = Client::create({.controller = "127.0.0.1:1", .connect_timeout = 200ms}).value();
    const auto scopes = client->streams().list_scopes();
    ASSERT_FALSE(scopes);
    EXPECT_TRUE(scopes.error().is(ErrorCode::kUnavailable)) << scopes.error().to_string();
    EXPECT_THAT(scopes.error().to_string(), ::testing::HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace millrace
