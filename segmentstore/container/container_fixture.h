// SPDX-License-Identifier: Apache-2.0
//
// For tests: one container on a fake log in a simulated world, re-opened at will.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "segmentstore/container/container.h"
#include "segmentstore/container/fake_log.h"
#include "tests/sim/world.h"

namespace millrace::container {

using namespace std::chrono_literals;  // NOLINT

inline WriterId writer_id(std::uint8_t n) {
    WriterId id;
    id.bytes[15] = std::byte{n};
    return id;
}

class ContainerTest : public ::testing::Test {
protected:
    static constexpr const char* kName = "scope/stream/0.#epoch.0";

    void SetUp() override { ASSERT_TRUE(open().ok()); }
    void TearDown() override {
        if (log) log->hold(false);
        close();
    }

    Result<void> open() {
        options.log_refusing = [this] { return log->refusing(); };
        caches.push_back(std::make_unique<DataCache>(16 * 1024 * 1024));
        log = std::make_unique<log::FakeLog>(disk);
        container = std::make_unique<Container>(world.executor(), world.clock(), *log, credits, *caches.back(), options,
                                                [this](Error error) { failure = std::move(error); });
        Container* const opening = container.get();
        return world.run([opening] { return opening->recover(); });
    }
    void close() {
        if (!container) return;
        Container* const closing = container.get();
        world.run([closing] { return closing->close(); });
        container.reset();
        log.reset();
    }
    // The owner dies; of what it had not been told is durable, `survivors` entries are.
    Result<void> crash(std::size_t survivors = 0) {
        const std::vector<Bytes> unacknowledged = log->unacknowledged();
        const std::vector<Bytes> durable = disk.entries;
        log->fail();
        close();
        disk.entries = durable;
        for (std::size_t i = 0; i < survivors && i < unacknowledged.size(); ++i) {
            disk.entries.push_back(unacknowledged[i]);
        }
        failure.reset();
        return open();
    }
    void settle() { world.run_for(1ms); }
    bool commits(Dependency on) {
        return world.run_until([this, on] { return container->settled(on); }, 10s);
    }
    void create(std::string_view name = kName) {
        const Outcome outcome = container->create(name, {});
        ASSERT_EQ(outcome.status, Status::kOk);
        ASSERT_TRUE(commits(outcome.depends_on));
    }
    AppendOutcome append(const WriterHandle& handle, std::int64_t number, std::string_view data) {
        const std::vector<Bytes> pieces{Bytes::copy_of(data)};
        return container->append(handle, EventNumbers::of_one_append(number, 1), pieces);
    }
    ReadOutcome read(std::int64_t offset, std::size_t length = 1 << 20, std::string name = kName) {
        Container* const reading = container.get();
        return world.run([reading, name, offset, length]() -> Task<ReadOutcome> {
            ReadWait wait;
            co_return co_await reading->read(name, offset, length, wait);
        });
    }
    // All bytes from `offset` to the end, in as many replies as it takes.
    std::string read_all(std::int64_t offset = 0, std::string name = kName, std::size_t length = 1 << 20) {
        std::string all;
        for (;;) {
            const ReadOutcome outcome = read(offset, length, name);
            EXPECT_EQ(outcome.status, ReadStatus::kData);
            if (outcome.status != ReadStatus::kData) return all;
            all += as_text(outcome.data.view());
            offset += static_cast<std::int64_t>(outcome.data.size());
            if (outcome.at_tail || outcome.end_of_segment) return all;
        }
    }
    // A read that may wait.
    struct Pending {
        ReadWait wait;
        std::optional<ReadOutcome> outcome;
    };
    std::shared_ptr<Pending> start_read(std::int64_t offset, std::string name = kName) {
        auto pending = std::make_shared<Pending>();
        Container* const reading = container.get();
        world.spawn([pending, reading, name, offset]() -> Task<void> {
            pending->outcome = co_await reading->read(name, offset, 1 << 20, pending->wait);
        });
        settle();
        return pending;
    }

    sim::World world{1};
    log::FakeLogDisk disk;
    AdmissionCredits credits{64 * 1024 * 1024};
    // One per process; handles of a dead one still point into theirs.
    std::vector<std::unique_ptr<DataCache>> caches;
    ContainerOptions options{ContainerId{5}};
    std::unique_ptr<log::FakeLog> log;
    std::unique_ptr<Container> container;
    std::optional<Error> failure;
};

}  // namespace millrace::container
