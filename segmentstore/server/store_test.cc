// SPDX-License-Identifier: Apache-2.0
//
// A whole store: in a simulated machine with the real journal, and on the kernel's sockets and files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "common/runtime/asio/asio_runtime.h"
#include "common/transport/connection.h"
#include "common/transport/hello.h"
#include "common/wire/messages.h"
#include "segmentstore/server/segment_store.h"
#include "segmentstore/server/store_format.h"
#include "tests/sim/world.h"

namespace millrace::segmentstore {
namespace {

using namespace std::chrono_literals;

WriterId test_writer(std::uint32_t n) {
    WriterId id;
    std::memcpy(id.bytes.data(), &n, sizeof n);
    return id;
}

// A plain client: one request, one reply.
class TestClient {
public:
    static Task<std::unique_ptr<TestClient>> connect(Runtime runtime, Endpoint endpoint) {
        auto stream = co_await runtime.network.connect(endpoint, Deadline::after(runtime.clock, 10s));
        if (!stream) co_return nullptr;
        auto client = std::make_unique<TestClient>();
        client->connection = std::make_unique<transport::Connection>(runtime, std::move(stream).value());
        const auto hello = co_await transport::client_hello(*client->connection, Deadline::after(runtime.clock, 10s));
        if (!hello) {
            co_await client->connection->close();
            co_return nullptr;
        }
        co_return client;
    }

    template <class M>
    void send(const M& message) {
        ByteBuffer frame;
        wire::encode(message, frame);
        connection->send(std::move(frame));
    }
    // Empty once the connection is over.
    Task<std::optional<wire::Message>> receive() {
        while (next_ == frames_.size()) {
            auto frames = co_await connection->receive();
            if (!frames) co_return std::nullopt;
            frames_ = std::move(frames).value();
            next_ = 0;
        }
        auto message = wire::decode(frames_[next_++]);
        if (!message) co_return std::nullopt;
        co_return std::move(message).value();
    }
    template <class Reply, class M>
    Task<std::optional<Reply>> call(M message) {
        send(message);
        auto reply = co_await receive();
        if (!reply || !std::holds_alternative<Reply>(*reply)) co_return std::nullopt;
        co_return std::get<Reply>(std::move(*reply));
    }
    Task<void> close() { return connection->close(); }

    std::unique_ptr<transport::Connection> connection;

private:
    std::vector<wire::Frame> frames_;
    std::size_t next_ = 0;
};

std::string segment_of(std::uint32_t n) { return "scope/stream/" + std::to_string(n) + ".#epoch.0"; }

wire::AppendBlockEnd block(WriterId writer, std::int64_t number, std::int32_t count, std::string_view data) {
    return {writer, static_cast<std::int32_t>(data.size()), Bytes::copy_of(data), count, number, 7};
}

// Reads to the end of what is there.
Task<std::string> read_all(TestClient& client, std::string segment) {
    const auto info = co_await client.call<wire::StreamSegmentInfo>(wire::GetStreamSegmentInfo{1, segment, ""});
    std::string all;
    while (info && static_cast<std::int64_t>(all.size()) < info->write_offset) {
        const auto offset = static_cast<std::int64_t>(all.size());
        const auto reply = co_await client.call<wire::SegmentRead>(wire::ReadSegment{segment, offset, 1 << 20, "", 1});
        if (!reply || reply->data.empty() || reply->offset != offset) break;
        all += as_text(reply->data.view());
    }
    co_return all;
}

SegmentStoreOptions test_options(std::string directory) {
    SegmentStoreOptions options;
    options.data_directory = std::move(directory);
    options.listen = {"127.0.0.1", 0};
    options.containers = 4;
    options.cache_bytes = 16 * 1024 * 1024;
    options.journal_file_bytes = 8 * 1024 * 1024;
    return options;
}

TEST(StoreFormat, RefusesAnotherCountANewerVersionAndDamage) {
    const ByteBuffer good = encode_store_format({16, {}, {}});
    ASSERT_TRUE(decode_store_format(good.view()).ok());
    EXPECT_EQ(decode_store_format(good.view())->containers, 16u);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        ByteBuffer damaged = good;
        damaged[bit / 8] ^= std::byte{1} << (bit % 8);
        EXPECT_FALSE(decode_store_format(damaged.view()).ok());
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
        ByteBuffer cut;  // of its own size: a step beyond it is seen
        cut.append(good.view().first(size));
        cut.shrink_to_fit();
        EXPECT_FALSE(decode_store_format(cut.view()).ok());
    }
    const auto before_journals = decode_store_format(
        from_hex("6d722d73746f7265 02000000 10000000 000102030405060708090a0b0c0d0e0f f4e9a02d").view());
    ASSERT_TRUE(before_journals.ok());
    EXPECT_EQ(before_journals->containers, 16u);
    EXPECT_FALSE(before_journals->journal.has_value());
    sim::World world{1};
    sim::Node& node = world.add_node("a");
    const auto open = [&](std::uint32_t containers) {
        return world.run([&node, containers] { return open_store(node.runtime(), "/data", "/lts", containers); });
    };
    ASSERT_TRUE(world.run([&node] { return node.runtime().disk.create_directories("/data"); }).ok());
    ASSERT_TRUE(open(8).ok());
    node.crash();
    ASSERT_TRUE(open(8).ok());
    const auto other = open(16);
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().detail(),
              "'/data' was formatted with 8 containers, which cannot change; it was opened with 16");
    ByteBuffer newer = good;
    newer[8] = std::byte{9};
    node.disk().overwrite("/data/segmentstore.format", 0, newer.view());
    const auto refused = open(16);
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ErrorCode::kUnsupported)) << refused.error().to_string();
    node.disk().remove("/data/segmentstore.format");
    ASSERT_TRUE(world.run([&node] { return node.runtime().disk.create_directories("/data/journal"); }).ok());
    ASSERT_TRUE(open(8).ok());
}

TEST(StoreFormat, BelongsToOneStorage) {
    sim::World world{1};
    sim::Node& node = world.add_node("a");
    Disk& disk = node.runtime().disk;
    const auto open = [&](std::string directory, std::string storage) {
        return world.run([&node, directory, storage] { return open_store(node.runtime(), directory, storage, 4); });
    };
    for (const char* directory : {"/a", "/b", "/c"}) {
        ASSERT_TRUE(world.run([&disk, directory] { return disk.create_directories(directory); }).ok());
    }
    ASSERT_TRUE(open("/a", "/lts-a").ok());
    ASSERT_TRUE(open("/b", "/lts-b").ok());
    const auto swapped = open("/a", "/lts-b");
    ASSERT_FALSE(swapped.ok());
    EXPECT_EQ(swapped.error().detail(), "'/lts-b' is the long-term storage of another store than '/a'");
    const auto unmounted = open("/a", "/mnt");
    ASSERT_FALSE(unmounted.ok());
    EXPECT_EQ(unmounted.error().code(), ErrorCode::kNotFound);
    ASSERT_TRUE(world.run([&disk] { return disk.create_directories("/lts-b/00000000"); }).ok());
    const auto used = open("/c", "/lts-b");
    ASSERT_FALSE(used.ok());
    EXPECT_EQ(used.error().detail(), "'/lts-b' is the long-term storage of another store: give each its own directory");
}

class SimStore : public ::testing::Test {
protected:
    SimStore() {
        const auto made = world_.run([this] { return node_.runtime().disk.create_directories("/data"); });
        EXPECT_TRUE(made.ok());
    }
    Result<void> start(SegmentStoreOptions options = test_options("/data")) {
        auto started = world_.run([this, options] { return SegmentStore::start(node_.runtime(), options); });
        if (!started) return std::move(started).error();
        store_ = std::move(started).value();
        return ok();
    }
    void stop() {
        if (!store_) return;
        world_.run([this] { return store_->close(); });
        store_.reset();
    }
    ~SimStore() override { stop(); }
    // Runs a client's coroutine against the store.
    template <class F>
    void with_client(F body) {
        const bool served = world_.run([this, body]() -> Task<bool> {
            auto client = co_await TestClient::connect(client_node_.runtime(), {"store", store_->local().port});
            if (!client) co_return false;
            co_await body(*client);
            co_await client->close();
            co_return true;
        });
        EXPECT_TRUE(served);
    }

    sim::World world_{7};
    sim::Node& node_ = world_.add_node("store");
    sim::Node& client_node_ = world_.add_node("client");
    std::unique_ptr<SegmentStore> store_;
    std::int64_t acknowledged_ = 0;
};

TEST_F(SimStore, ServesAndKeepsWhatItAcknowledgedThroughACrash) {
    ASSERT_TRUE(start().ok());
    EXPECT_EQ(store_->health(), SegmentStore::Health::kServing);
    with_client([](TestClient& client) -> Task<void> {
        for (std::uint32_t s = 0; s < 20; ++s) {
            const auto created = co_await client.call<wire::SegmentCreated>(wire::CreateSegment{s, segment_of(s), 0, 0, "", 0});
            EXPECT_TRUE(created.has_value());
            const auto set_up = co_await client.call<wire::AppendSetup>(wire::SetupAppend{1, test_writer(s), segment_of(s), ""});
            EXPECT_TRUE(set_up.has_value());
            const auto ack = co_await client.call<wire::DataAppended>(
                block(test_writer(s), 10, 10, std::string(1000 * (s + 1), static_cast<char>('a' + s))));
            EXPECT_TRUE(ack.has_value());
            if (ack) EXPECT_EQ(ack->event_number, 10);
        }
    });
    node_.crash();
    stop();
    ASSERT_TRUE(start().ok());
    with_client([](TestClient& client) -> Task<void> {
        for (std::uint32_t s = 0; s < 20; ++s) {
            const std::string all = co_await read_all(client, segment_of(s));
            EXPECT_TRUE(all == std::string(1000 * (s + 1), static_cast<char>('a' + s)));
            const auto set_up = co_await client.call<wire::AppendSetup>(wire::SetupAppend{1, test_writer(s), segment_of(s), ""});
            EXPECT_TRUE(set_up.has_value());
            if (set_up) EXPECT_EQ(set_up->last_event_number, 10);
        }
    });
}

// Long-term storage lies on the same disk here: nothing but space helps.
TEST_F(SimStore, HoldsWritersBackWhileTheDiskIsFullAndTakesDeletions) {
    ASSERT_TRUE(start().ok());
    constexpr int kAppends = 200;
    world_.spawn([this]() -> Task<void> {
        auto client = co_await TestClient::connect(client_node_.runtime(), {"store", store_->local().port});
        EXPECT_TRUE(client != nullptr);
        if (!client) co_return;
        for (std::uint32_t s = 0; s < 2; ++s) {
            (void)co_await client->call<wire::SegmentCreated>(wire::CreateSegment{1, segment_of(s), 0, 0, "", 0});
        }
        (void)co_await client->call<wire::AppendSetup>(wire::SetupAppend{1, test_writer(0), segment_of(0), ""});
        node_.disk().fill_up();
        for (int i = 1; i <= kAppends; ++i) client->send(block(test_writer(0), i, 1, std::string(100'000, 'x')));
        while (acknowledged_ < kAppends) {
            const auto message = co_await client->receive();
            const auto* ack = message ? std::get_if<wire::DataAppended>(&*message) : nullptr;
            EXPECT_TRUE(ack != nullptr) << "a writer is held back, not refused";
            if (ack == nullptr) break;
            acknowledged_ = ack->event_number;
        }
        co_await client->close();
    });
    world_.run_for(2min);
    EXPECT_GT(acknowledged_, 10);
    EXPECT_LT(acknowledged_, 100);
    EXPECT_EQ(store_->health(), SegmentStore::Health::kShort);
    with_client([](TestClient& client) -> Task<void> {
        EXPECT_TRUE(co_await client.call<wire::StreamSegmentInfo>(wire::GetStreamSegmentInfo{1, segment_of(0), ""}));
        EXPECT_TRUE(co_await client.call<wire::SegmentSealed>(wire::SealSegment{2, segment_of(1), ""}));
        EXPECT_TRUE(co_await client.call<wire::SegmentDeleted>(wire::DeleteSegment{3, segment_of(1), ""}));
    });
    node_.disk().make_room();
    EXPECT_TRUE(world_.run_until([this] { return acknowledged_ == kAppends; }, 1min));
    EXPECT_EQ(store_->health(), SegmentStore::Health::kServing);
}

TEST_F(SimStore, CloseAnswersWhatWasAdmitted) {
    ASSERT_TRUE(start().ok());
    world_.run([this]() -> Task<void> {
        auto client = co_await TestClient::connect(client_node_.runtime(), {"store", store_->local().port});
        EXPECT_TRUE(client != nullptr);
        if (!client) co_return;
        (void)co_await client->call<wire::SegmentCreated>(wire::CreateSegment{1, segment_of(0), 0, 0, "", 0});
        (void)co_await client->call<wire::AppendSetup>(wire::SetupAppend{1, test_writer(0), segment_of(0), ""});
        for (int i = 1; i <= 50; ++i) client->send(block(test_writer(0), i, 1, "x"));
        const auto first = co_await client->receive();
        EXPECT_TRUE(first.has_value());
        co_await store_->close();
        store_.reset();
        std::int64_t acknowledged = 0;
        auto message = first;
        while (message) {
            if (const auto* ack = std::get_if<wire::DataAppended>(&*message)) acknowledged = ack->event_number;
            message = co_await client->receive();
        }
        co_await client->close();
        acknowledged_ = acknowledged;
    });
    ASSERT_TRUE(start().ok());
    with_client([this](TestClient& client) -> Task<void> {
        const auto info = co_await client.call<wire::StreamSegmentInfo>(wire::GetStreamSegmentInfo{1, segment_of(0), ""});
        EXPECT_TRUE(info.has_value());
        if (info) EXPECT_EQ(info->write_offset, acknowledged_);
    });
}

TEST_F(SimStore, RefusesToStartWithoutItsJournal) {
    const auto journal_files = [this] {
        std::vector<std::string> files = node_.disk().files();
        std::erase_if(files, [](const std::string& file) { return !file.starts_with("/data/journal/"); });
        return files;
    };
    constexpr const char* kFormatFile = "/data/segmentstore.format";
    const auto format_now = [&] { return *decode_store_format(node_.disk().contents(kFormatFile).view()); };
    ASSERT_TRUE(start().ok());
    stop();
    StoreFormat format = format_now();
    ASSERT_TRUE(format.journal.has_value());

    (*format.journal)[3] ^= std::byte{1};
    node_.disk().overwrite(kFormatFile, 0, encode_store_format(format).view());
    EXPECT_EQ(start().error().detail(), "start the segment store: '/data/journal' holds the journal of another store");

    for (const std::string& file : journal_files()) node_.disk().remove(file);
    const auto gone = start();
    EXPECT_EQ(gone.error().detail(), "start the segment store: '/data/journal' holds no journal, but there was one; is it mounted?");
    EXPECT_TRUE(gone.error().is(ErrorCode::kNotFound));
    EXPECT_TRUE(journal_files().empty());

    // A first start that came no further than the format file, and one of an older version.
    format.journal.reset();
    node_.disk().overwrite(kFormatFile, 0, encode_store_format(format).view());
    ASSERT_TRUE(start().ok());
    stop();
    EXPECT_TRUE(format_now().journal.has_value());
}

TEST_F(SimStore, ADiskThatFailsStopsTheStore) {
    ASSERT_TRUE(start().ok());
    auto failure = std::make_shared<std::optional<Error>>();
    world_.spawn([this, failure]() -> Task<void> { *failure = co_await store_->failed(); });
    with_client([this](TestClient& client) -> Task<void> {
        (void)co_await client.call<wire::SegmentCreated>(wire::CreateSegment{1, segment_of(0), 0, 0, "", 0});
        node_.disk().faults().fail_sync_in = 1;
        const auto created = co_await client.call<wire::SegmentCreated>(wire::CreateSegment{2, segment_of(1), 0, 0, "", 0});
        EXPECT_FALSE(created.has_value());
    });
    ASSERT_TRUE(world_.run_until([failure] { return failure->has_value(); }, 10s));
    EXPECT_EQ(store_->health(), SegmentStore::Health::kFailed);
    EXPECT_TRUE((*failure)->is(ErrorCode::kIo));
    node_.kill();
    stop();
    ASSERT_TRUE(start().ok());
    with_client([](TestClient& client) -> Task<void> {
        const auto exists =
            co_await client.call<wire::SegmentAlreadyExists>(wire::CreateSegment{1, segment_of(0), 0, 0, "", 0});
        EXPECT_TRUE(exists.has_value());
    });
}

TEST_F(SimStore, RefusesOptionsThatCannotWork) {
    auto options = test_options("/data");
    options.containers = 0;
    EXPECT_TRUE(start(options).error().is(ErrorCode::kInvalidArgument));
    options = test_options("/data");
    options.cache_bytes = 1;
    EXPECT_TRUE(start(options).error().is(ErrorCode::kInvalidArgument));
    options = test_options("/data");
    options.journal_file_bytes = 1024 * 1024;
    EXPECT_TRUE(start(options).error().is(ErrorCode::kInvalidArgument));
    ASSERT_TRUE(start().ok());
    stop();
    options = test_options("/data");
    options.containers = 8;
    const auto other = start(options);
    ASSERT_FALSE(other.ok());
    EXPECT_TRUE(other.error().is(ErrorCode::kFailedPrecondition));
    options = test_options("/data");
    ASSERT_TRUE(start().ok());
}

// On the kernel: sockets, files, real time.
template <class Body>
void on_real_machine(Body body) {
    char directory[] = "/tmp/millrace-store-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    {
        AsioRuntime runtime;
        runtime.run_main([&runtime, &body, &directory]() -> Task<int> {
            auto store = co_await SegmentStore::start(runtime.bundle(), test_options(directory));
            EXPECT_TRUE(store.ok()) << (store ? "" : store.error().to_string());
            if (store) {
                co_await body(runtime.bundle(), *store.value());
                co_await store.value()->close();
            }
            co_return 0;
        });
    }
    std::filesystem::remove_all(directory);
}

TEST(RealStore, ServesTwoHundredConnections) {
    on_real_machine([](Runtime runtime, SegmentStore& store) -> Task<void> {
        constexpr std::uint32_t kConnections = 200;
        Gate clients;
        std::uint32_t done = 0;
        for (std::uint32_t n = 0; n < kConnections; ++n) {
            clients.spawn(runtime.executor, [&store, &done, runtime, n]() -> Task<void> {
                auto client = co_await TestClient::connect(runtime, store.local());
                EXPECT_TRUE(client != nullptr);
                if (!client) co_return;
                const std::string segment = segment_of(n % 10);
                client->send(wire::CreateSegment{1, segment, 0, 0, "", 0});
                (void)co_await client->receive();  // made, or made by another already
                const auto set_up = co_await client->call<wire::AppendSetup>(wire::SetupAppend{1, test_writer(n), segment, ""});
                EXPECT_TRUE(set_up.has_value());
                for (int i = 1; i <= 20; ++i) client->send(block(test_writer(n), i, 1, std::string(100, 'x')));
                std::int64_t acknowledged = kNoEventNumber;
                while (acknowledged < 20) {
                    const auto reply = co_await client->receive();
                    const auto* ack = reply ? std::get_if<wire::DataAppended>(&*reply) : nullptr;
                    EXPECT_TRUE(ack != nullptr && ack->previous_event_number == acknowledged);
                    if (ack == nullptr) break;
                    acknowledged = ack->event_number;
                }
                if (acknowledged == 20) ++done;
                co_await client->close();
            });
        }
        co_await clients.close();
        EXPECT_EQ(done, kConnections);
        auto client = co_await TestClient::connect(runtime, store.local());
        EXPECT_TRUE(client != nullptr);
        if (!client) co_return;
        for (std::uint32_t s = 0; s < 10; ++s) {
            const std::string all = co_await read_all(*client, segment_of(s));
            EXPECT_EQ(all.size(), kConnections / 10 * 20 * 100u);
        }
        co_await client->close();
    });
}

TEST(RealStore, GarbageAndSilenceHarmNobody) {
    on_real_machine([](Runtime runtime, SegmentStore& store) -> Task<void> {
        auto good = co_await TestClient::connect(runtime, store.local());
        EXPECT_TRUE(good != nullptr);
        if (!good) co_return;
        (void)co_await good->call<wire::SegmentCreated>(wire::CreateSegment{1, segment_of(0), 0, 0, "", 0});
        (void)co_await good->call<wire::AppendSetup>(wire::SetupAppend{1, test_writer(1), segment_of(0), ""});
        const std::string data(1'000'000, 'd');
        const auto large = co_await good->call<wire::DataAppended>(block(test_writer(1), 1, 1, data));
        EXPECT_TRUE(large.has_value());

        // One that asks for 200 MB and never reads.
        auto silent = co_await TestClient::connect(runtime, store.local());
        EXPECT_TRUE(silent != nullptr);
        if (!silent) co_return;
        for (int i = 0; i < 200; ++i) silent->send(wire::ReadSegment{segment_of(0), 0, 1 << 20, "", 1});
        // And ones that send nonsense.
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            auto stream = co_await runtime.network.connect(store.local(), Deadline::after(runtime.clock, 10s));
            EXPECT_TRUE(stream.ok());
            if (!stream) co_return;
            SeededRandom random{seed};
            std::vector<std::byte> garbage(random.between(20, 5000));
            random.fill(garbage);
            garbage[0] = std::byte{0x7f};  // surely no frame type that we know
            const std::vector<ByteView> pieces{ByteView{garbage}};
            (void)co_await stream.value()->write(pieces);
            std::byte answer[16];
            const auto count = co_await stream.value()->read_some(answer);
            EXPECT_TRUE(!count.ok() || *count == 0);
        }
        for (int i = 2; i <= 20; ++i) {
            const auto ack = co_await good->call<wire::DataAppended>(block(test_writer(1), i, 1, "still here"));
            EXPECT_TRUE(ack.has_value());
        }
        const std::string all = co_await read_all(*good, segment_of(0));
        EXPECT_EQ(all.size(), data.size() + 19 * 10);
        co_await silent->close();
        co_await good->close();
    });
}

}  // namespace
}  // namespace millrace::segmentstore
