// SPDX-License-Identifier: Apache-2.0
//
// For tests: two containers on a journal on a simulated machine that crashes, driven at random and
// compared step by step with a model that is as simple as can be: the list of operations in LSN
// order. What was answered must survive; what survives must be exactly a prefix of that list.
// Thread rule: the world's thread.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "segmentstore/container/container.h"
#include "segmentstore/container/container_client.h"
#include "segmentstore/container/tiering_gaps.h"
#include "segmentstore/log/journal/journal.h"
#include "segmentstore/storage/file/file_storage.h"
#include "tests/sim/world.h"

namespace millrace::container {

class ContainerWorkload {
public:
    explicit ContainerWorkload(std::uint64_t seed, ContainerMutations mutations = {});
    ~ContainerWorkload();

    // The first violation, or nothing.
    std::string run();

    std::uint64_t digest() const { return world_.digest(); }
    std::uint64_t operations_survived_unanswered() const { return survived_unanswered_; }
    std::uint64_t operations_lost_unanswered() const { return lost_unanswered_; }
    std::uint64_t operations() const { return operations_; }
    std::uint64_t full_disks() const { return full_disks_; }
    std::uint64_t cold_reads() const { return cold_reads_; }
    std::uint64_t windows() const { return windows_; }
    std::uint64_t snapshots() const { return snapshots_; }
    std::uint64_t recoveries_from_snapshots() const { return recoveries_from_snapshots_; }
    const TieringGaps& gaps() const { return gaps_; }

private:
    static constexpr std::uint32_t kContainers = 2;
    static constexpr std::size_t kNames = 5;

    // What a client of one container saw.
    class Judge final : public ContainerJudge {
    public:
        Judge(ContainerWorkload& workload, ContainerModel& model) : workload_{workload}, model_{model} {}
        void violation(std::string what) override { workload_.violation(std::move(what)); }
        void answered(std::uint64_t fact, bool) override { model_.must_survive = std::max(model_.must_survive, fact); }
        void read_failed(const Error&) override {}  // disks fail

    private:
        ContainerWorkload& workload_;
        ContainerModel& model_;
    };
    struct Life {
        std::unique_ptr<log::Journal> journal;
        AdmissionCredits credits{64 * 1024 * 1024};
        std::unique_ptr<storage::FileStorage> storage;
        std::unique_ptr<DataCache> cache;
        std::vector<std::unique_ptr<log::DurableLog>> logs;
        std::vector<std::unique_ptr<Container>> containers;
        std::vector<std::uint64_t> recovered;  // LSN that each container came back with
        std::vector<std::unique_ptr<ContainerClient>> clients;  // one a container
        bool failed = false;
        bool dead = false;
    };
    using LifePtr = std::shared_ptr<Life>;

    void violation(std::string what);

    LifePtr start();
    Task<bool> open(LifePtr life);
    void end(const LifePtr& life);
    Task<void> close(LifePtr life);
    Task<void> check_recovered(LifePtr life);
    Task<void> check_objects(LifePtr life, std::uint32_t container);
    Task<void> work(LifePtr life, std::shared_ptr<bool> done);

    sim::World world_;
    sim::Node* node_ = nullptr;
    const ContainerMutations mutations_;
    std::size_t cache_bytes_ = 0;
    bool tight_disk_ = false;
    std::uint32_t large_one_in_ = 0;
    std::uint32_t pause_one_in_ = 10;
    std::uint64_t eio_one_in_ = 0;

    ContainerModel models_[kContainers];
    Judge judges_[kContainers] = {{*this, models_[0]}, {*this, models_[1]}};
    ContainerClient::Supply supply_;
    std::string violation_;
    std::uint64_t survived_unanswered_ = 0;
    std::uint64_t lost_unanswered_ = 0;
    std::uint64_t operations_ = 0;
    std::uint64_t full_disks_ = 0;
    std::uint64_t cold_reads_ = 0;
    std::uint64_t windows_ = 0;
    std::uint64_t snapshots_ = 0;
    std::uint64_t recoveries_from_snapshots_ = 0;
    TieringGaps gaps_;
    bool tiers_ = false;
    TieringOptions tiering_;
};

}  // namespace millrace::container
