// SPDX-License-Identifier: Apache-2.0
//
// For tests: a container that one owner after the other takes over, on a log and a long-term storage that they share.
// The owner before may be dead, alive or paused in the middle of something; when it wakes up it does not know that it
// was replaced, and goes on. What any owner answered must be so for all that come after it; who was replaced tells
// nothing but committed bytes, removes and overwrites nothing; and what dead owners left in long-term storage goes in
// the end. Thread rule: the world's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "segmentstore/container/container_client.h"
#include "segmentstore/container/tiering_gaps.h"
#include "segmentstore/log/testing/shared_log.h"
#include "segmentstore/storage/testing/shared_storage.h"
#include "tests/sim/world.h"

namespace millrace::container {

struct OwnersMutations {
    ContainerMutations container{};
    log::SharedLogMutations log{};
};

class OwnersWorkload {
public:
    explicit OwnersWorkload(std::uint64_t seed, OwnersMutations mutations = {});
    ~OwnersWorkload();

    // The first violation, or nothing.
    std::string run();

    struct Counts {
        std::uint64_t owners = 0;
        std::uint64_t operations = 0;
        std::uint64_t lost_unanswered = 0;
        std::uint64_t survived_unanswered = 0;
        std::uint64_t zombies = 0;  // owners that lived on after they had been replaced
        std::uint64_t windows = 0;
        std::uint64_t snapshots = 0;
        std::uint64_t from_snapshots = 0;  // owners that began with one
        TieringGaps gaps;
    };
    const Counts& counts() const { return counts_; }
    std::uint64_t digest() const { return world_.digest(); }

private:
    class Owner;
    using OwnerPtr = std::shared_ptr<Owner>;

    static constexpr ContainerId kContainer{7};

    void violation(std::string what);
    std::chrono::microseconds some_time(std::uint64_t microseconds_max);

    // Becomes the owner, or not: `recovered` says.
    Task<void> open(OwnerPtr owner);
    void succeed(Owner& owner);
    // Null after a violation.
    OwnerPtr open_on(sim::Node& node, bool may_crash);
    Task<void> work(OwnerPtr owner);
    void crash(Owner& owner);
    void end(OwnerPtr owner);
    OwnerPtr hand_over(OwnerPtr owner);
    void must_notice(const OwnerPtr& zombie);
    void finish(OwnerPtr owner);
    // What lies in long-term storage and is of no use to this owner; empty: nothing.
    std::string garbage(const Owner& owner) const;
    sim::Node& other(const sim::Node& node) { return &node == nodes_[0] ? *nodes_[1] : *nodes_[0]; }

    sim::World world_;
    const OwnersMutations mutations_;
    std::array<sim::Node*, 2> nodes_{};
    TieringOptions tiering_;
    ContainerClient::Options client_;
    std::uint64_t pause_one_in_ = 10;
    std::optional<log::SharedLog> log_;
    std::optional<storage::SharedStorage> storage_;
    ContainerClient::Supply supply_;
    std::vector<OwnerPtr> owners_;  // that were not ended
    OwnerPtr newest_;               // that came up
    std::string violation_;
    Counts counts_;
};

}  // namespace millrace::container
