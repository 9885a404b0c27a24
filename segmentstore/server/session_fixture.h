// SPDX-License-Identifier: Apache-2.0
//
// One connection against one container whose log the test holds and releases, byte for byte.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/base/binary.h"
#include "common/model/segment_name.h"
#include "common/transport/testing/fake_stream.h"
#include "common/wire/messages.h"
#include "segmentstore/container/fake_log.h"
#include "segmentstore/server/session.h"
#include "tests/sim/world.h"

namespace millrace::segmentstore {

using namespace std::chrono_literals;
using transport::testing::FakePeer;
using transport::testing::FakeStream;

inline constexpr const char* kSegment = "s/t/0.#epoch.0";

inline WriterId id_of(std::string_view hex) {
    const ByteBuffer bytes = from_hex(hex);
    WriterId id;
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
    return id;
}
inline const WriterId kWriter = id_of("112233445566778899aabbccddeeff00");
inline const WriterId kOther = id_of("00000000000000000000000000000001");
inline constexpr wire::RequestId kRequest = std::int64_t{1} << 32;

class SessionTest : public ::testing::Test {
protected:
    struct Connected {
        std::shared_ptr<FakePeer> peer = std::make_shared<FakePeer>();
        std::unique_ptr<Session> session;
        std::size_t parsed = 0;
        bool ended = false;
    };

    // `exclusive`: nobody can take the container's log over.
    explicit SessionTest(bool exclusive = true) {
        disk_.exclusive = exclusive;
        container::ContainerOptions options;
        options.id = ContainerId{0};
        container_ = std::make_unique<container::Container>(world_.executor(), world_.clock(), log_, credits_, cache_,
                                                            options, nullptr);
        const auto recovered = world_.run([this] { return container_->recover(); });
        EXPECT_TRUE(recovered.ok());
        shared_ = std::make_unique<SessionShared>(SessionShared{
            node_.runtime(), {container_.get()}, credits_, metrics_,
            [this](const std::string&, const Error& reason) { bad_peers_.push_back(reason.to_string()); },
            [this](const Error& reason) { bad_reads_.push_back(reason.to_string()); }});
    }

    ~SessionTest() override {
        log_.hold(false);
        for (const auto& connected : connections_) connected->peer->end();
        settle();
        for (const auto& connected : connections_) EXPECT_TRUE(connected->ended);
        connections_.clear();
        world_.run([this] { return container_->close(); });
    }

    Connected& connect() {
        Connected& connected = *connections_.emplace_back(std::make_unique<Connected>());
        connected.session = std::make_unique<Session>(*shared_, std::make_unique<FakeStream>(connected.peer));
        world_.spawn([&connected]() -> Task<void> {
            co_await connected.session->run();
            connected.ended = true;
        });
        return connected;
    }
    void settle() { world_.run_for(1ms); }

    static void arrive(Connected& to, std::string_view hex) { to.peer->arrive(from_hex(hex).view()); }
    template <class... M>
    static void send(Connected& to, const M&... messages) {
        ByteBuffer bytes;
        (wire::encode(messages, bytes), ...);
        to.peer->arrive(bytes.view());
    }
    // Everything that was sent to the peer since the last call, as hex.
    std::string taken_hex(Connected& from) {
        settle();
        const std::string hex = to_hex(from.peer->taken.view().subspan(from.parsed));
        from.parsed = from.peer->taken.size();
        return hex;
    }
    std::vector<wire::Message> taken(Connected& from) {
        settle();
        std::vector<wire::Message> messages;
        while (from.peer->taken.size() - from.parsed >= wire::kFrameHeaderBytes) {
            const ByteView rest = from.peer->taken.view().subspan(from.parsed);
            const wire::FrameHeader header = wire::read_frame_header(rest);
            const auto length = static_cast<std::size_t>(header.length);
            if (rest.size() < wire::kFrameHeaderBytes + length) break;
            auto message = wire::decode({header.type, Bytes::copy_of(rest.subspan(wire::kFrameHeaderBytes, length))});
            EXPECT_TRUE(message.ok());
            if (message) messages.push_back(std::move(message).value());
            from.parsed += wire::kFrameHeaderBytes + length;
        }
        return messages;
    }
    template <class M>
    M take_one(Connected& from) {
        const auto messages = taken(from);
        EXPECT_EQ(messages.size(), 1u);
        if (messages.size() != 1 || !std::holds_alternative<M>(messages[0])) {
            for (const auto& m : messages) ADD_FAILURE() << wire::to_string(wire::type_of(m));
            return {};
        }
        return std::get<M>(messages[0]);
    }

    static wire::SetupAppend setup(WriterId writer = kWriter, std::string segment = kSegment) {
        return {kRequest, writer, std::move(segment), ""};
    }
    static wire::AppendBlockEnd append(std::int64_t number, std::string_view data, WriterId writer = kWriter) {
        return {writer, static_cast<std::int32_t>(data.size()), Bytes::copy_of(data), 1, number, kRequest};
    }
    static wire::ReadSegment read(std::int64_t offset, std::int32_t length = 1 << 20, std::string segment = kSegment) {
        return {std::move(segment), offset, length, "", kRequest};
    }
    void create_segment(std::string segment = kSegment) {
        const auto outcome = container_->create(segment, {});
        ASSERT_EQ(outcome.status, container::Status::kOk);
        settle();
    }
    void set_up(Connected& c, WriterId writer = kWriter) {
        send(c, setup(writer));
        (void)take_one<wire::AppendSetup>(c);
    }
    std::string stored(std::string segment = kSegment) {
        return world_.run([this, segment]() -> Task<std::string> {
            std::string all;
            const auto length = static_cast<std::size_t>(container_->info(segment).length);
            while (all.size() < length) {
                container::ReadWait wait;
                const auto outcome = co_await container_->read(segment, static_cast<std::int64_t>(all.size()), 1 << 20, wait);
                if (outcome.data.empty()) break;
                all += as_text(outcome.data.view());
            }
            co_return all;
        });
    }

    sim::World world_{1};
    sim::Node& node_ = world_.add_node("a");
    log::FakeLogDisk disk_;
    log::FakeLog log_{disk_};
    container::AdmissionCredits credits_{1024 * 1024};
    container::DataCache cache_{8 * 1024 * 1024};
    ServerMetrics metrics_;
    std::unique_ptr<container::Container> container_;
    std::unique_ptr<SessionShared> shared_;
    std::vector<std::unique_ptr<Connected>> connections_;
    std::vector<std::string> bad_peers_;
    std::vector<std::string> bad_reads_;
};

}  // namespace millrace::segmentstore
