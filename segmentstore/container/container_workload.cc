// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/container_workload.h"

#include <algorithm>

namespace millrace::container {

namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kWorkloadMiB = 1024 * 1024;

}  // namespace

ContainerWorkload::ContainerWorkload(std::uint64_t seed, ContainerMutations mutations) : world_{seed}, mutations_{mutations} {
    Random& random = world_.random();
    sim::DiskOptions disk;
    disk.tear_bytes = random.one_in(4) ? 512 : 4096;
    disk.slow_one_in = random.one_in(2) ? 50 : 0;
    tight_disk_ = random.one_in(4);
    if (tight_disk_) disk.capacity_bytes = random.between(5, 10) * kWorkloadMiB;
    if (random.one_in(4)) eio_one_in_ = 2;
    node_ = &world_.add_node("a", disk);
    world_.enable_rare();
    cache_bytes_ = random.one_in(2) ? 64 * 1024 : 8 * kWorkloadMiB;
    large_one_in_ = tight_disk_ ? 30 : random.one_in(2) ? 60 : 1000;
    tiers_ = !random.one_in(3);
    tiering_.window_bytes = random.between(4, 400) * 1024;
    tiering_.max_age = std::chrono::milliseconds{random.between(1, 40)};
    tiering_.retry = std::chrono::milliseconds{random.between(1, 10)};
    pause_one_in_ = static_cast<std::uint32_t>(random.between(2, 30));
}

ContainerWorkload::~ContainerWorkload() = default;

void ContainerWorkload::violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
}

std::string ContainerWorkload::run() {
    const std::uint64_t lives = world_.random().between(3, 7);
    for (std::uint64_t i = 0; i <= lives && violation_.empty(); ++i) {
        const bool peace = i == lives;  // in the end, it must come up and serve
        sim::DiskFaults& faults = node_->disk().faults();
        faults = {};
        if (!peace && eio_one_in_ != 0 && world_.random().one_in(eio_one_in_)) {
            (world_.random().one_in(2) ? faults.fail_write_in : faults.fail_sync_in) = world_.random().between(1, 60);
        }
        const LifePtr life = start();
        if (!life) {
            if (peace) violation("does not come up in peace");
            continue;
        }
        auto done = std::make_shared<bool>(false);
        world_.spawn([this, life, done] { return work(life, done); });
        if (peace || world_.random().one_in(4)) {
            if (!world_.run_until([done] { return *done; }, 10min)) violation("the workload does not end");
            node_->disk().options().capacity_bytes = 1ull << 40;
            const auto all_committed = [life] {
                return std::all_of(life->containers.begin(), life->containers.end(),
                                   [](const auto& c) { return c->stopped() || c->committed(c->admitted()); });
            };
            if (!world_.run_until(all_committed, 1min)) violation("what was admitted is never committed");
            end(life);
            if (world_.random().one_in(2)) node_->crash();
            else node_->kill();
            continue;
        }
        world_.run_until([done] { return *done; }, std::chrono::microseconds{world_.random().between(0, 60'000)});
        life->dead = true;
        for (const auto& client : life->clients) client->die();
        world_.run([this, life]() -> Task<void> {
            for (const auto& container : life->containers) gaps_.note_crash(container->tiering_step());
            co_return;
        });
        if (world_.random().one_in(3)) node_->kill();
        else node_->crash();
        if (!world_.run_until([done] { return *done; }, 10min)) violation("the workload does not end after a crash");
        end(life);
    }
    return violation_;
}

ContainerWorkload::LifePtr ContainerWorkload::start() {
    for (int attempt = 0; attempt < 5 && violation_.empty(); ++attempt) {
        auto life = std::make_shared<Life>();
        const bool opened = world_.run([this, life] { return open(life); });
        if (opened) {
            world_.run([this, life] { return check_recovered(life); });
            return life;
        }
        end(life);
        // A fault or a full disk at the start: the operator does something about it.
        node_->disk().faults() = {};
        node_->disk().options().capacity_bytes += 8 * kWorkloadMiB;
        node_->kill();
    }
    return nullptr;
}

Task<bool> ContainerWorkload::open(LifePtr life) {
    log::JournalOptions options;
    options.directory = "/data/journal";
    options.file_bytes = 4 * kWorkloadMiB;
    options.keep_free_bytes = 64 * 1024;
    const Runtime runtime = node_->runtime();
    auto journal = co_await log::Journal::open(runtime, options);
    if (!journal) {
        if (journal.error().is(ErrorCode::kCorrupt)) violation("open: " + journal.error().to_string());
        co_return false;
    }
    life->journal = std::move(journal).value();
    life->cache = std::make_unique<DataCache>(cache_bytes_);
    if (tiers_) {
        auto storage = co_await storage::FileStorage::open(runtime, "/lts");
        if (!storage && storage.error().is(ErrorCode::kNotFound)) {
            if (!co_await storage::FileStorage::format(runtime, "/lts")) co_return false;
            storage = co_await storage::FileStorage::open(runtime, "/lts");
        }
        if (!storage) co_return false;
        life->storage = std::move(*storage);
    }
    for (std::uint32_t i = 0; i < kContainers; ++i) {
        auto log = co_await life->journal->take_over(ContainerId{i});
        if (!log) co_return false;
        life->logs.push_back(std::move(log).value());
        ContainerOptions container_options;
        container_options.id = ContainerId{i};
        container_options.log_refusing = [journal = life->journal.get()] { return journal->stats().full; };
        container_options.storage = life->storage.get();
        container_options.tiering = tiering_;
        container_options.mutations = mutations_;
        life->containers.push_back(std::make_unique<Container>(
            runtime.executor, runtime.clock, *life->logs.back(), life->credits, *life->cache,
            std::move(container_options), [life = life.get()](Error) { life->failed = true; }));
        const auto recovered = co_await life->containers.back()->recover();
        if (!recovered) {
            if (recovered.error().is(ErrorCode::kCorrupt)) violation("recover: " + recovered.error().to_string());
            co_return false;
        }
        life->recovered.push_back(life->containers.back()->committed().number());
        ContainerClient::Options client;
        client.large_one_in = large_one_in_;
        for (std::size_t name = i; name < kNames; name += kContainers) client.names.push_back(name);
        life->clients.push_back(std::make_unique<ContainerClient>(world_.executor(), world_.clock(), world_.random(),
                                                                  *life->containers.back(), models_[i], supply_, judges_[i],
                                                                  std::move(client)));
    }
    co_return true;
}

void ContainerWorkload::end(const LifePtr& life) {
    world_.run([this, life] { return close(life); });
}

Task<void> ContainerWorkload::close(LifePtr life) {
    for (const auto& container : life->containers) co_await container->close();
    for (const auto& client : life->clients) co_await client->close();
    if (life->credits.taken() != 0) violation(std::to_string(life->credits.taken()) + " credits were not returned");
    for (const auto& log : life->logs) co_await log->close();
    if (life->journal) co_await life->journal->close();
    for (const auto& client : life->clients) {
        operations_ += client->counts().operations;
        cold_reads_ += client->counts().cold_reads;
    }
    life->clients.clear();
    for (const auto& container : life->containers) {
        windows_ += container->counts().windows;
        snapshots_ += container->counts().snapshots;
    }
    life->containers.clear();
    life->logs.clear();
    life->journal.reset();
}

Task<void> ContainerWorkload::check_recovered(LifePtr life) {
    for (std::uint32_t i = 0; i < kContainers; ++i) {
        ContainerModel& model = models_[i];
        const std::uint64_t survivors = life->recovered[i];
        const std::string where = "container " + std::to_string(i) + ": ";
        if (survivors < model.must_survive) {
            violation(where + "operation " + std::to_string(model.must_survive) + " was answered, but only " +
                      std::to_string(survivors) + " survived");
            co_return;
        }
        for (const ModelOperation& operation : model.operations) {
            if (operation.lsn > survivors) {
                ++lost_unanswered_;
            } else if (operation.lsn > model.must_survive) {
                ++survived_unanswered_;
            }
        }
        model.rebuild(survivors);
        model.must_survive = survivors;
    }
    for (const auto& client : life->clients) {
        if (violation_.empty()) co_await client->check();
    }
    for (std::uint32_t i = 0; i < kContainers && violation_.empty(); ++i) co_await check_objects(life, i);
}

// Whatever lies in long-term storage, the container knows of: nothing leaks.
Task<void> ContainerWorkload::check_objects(LifePtr life, std::uint32_t number) {
    if (!life->storage) co_return;
    Container& container = *life->containers[number];
    if (container.anchored_snapshot()) ++recoveries_from_snapshots_;
    const auto listed = co_await life->storage->list(ContainerId{number});
    if (!listed) co_return;
    for (const storage::ObjectName& name : *listed) {
        if (container.objects().find({name.epoch, name.sequence}) != nullptr) continue;
        // It may just have been removed.
        const auto again = co_await life->storage->list(ContainerId{number});
        if (again && std::find(again->begin(), again->end(), name) != again->end()) {
            violation("nobody knows object " + name.to_string());
        }
    }
}

Task<void> ContainerWorkload::work(LifePtr life, std::shared_ptr<bool> done) {
    Clock& clock = world_.clock();
    Random& random = world_.random();
    const std::uint64_t steps = random.between(20, 300);
    for (std::uint64_t i = 0; i < steps && !life->dead && !life->failed && violation_.empty(); ++i) {
        life->clients[random.between(0, kContainers)]->step();
        if (random.one_in(pause_one_in_)) {
            co_await sleep_for(clock, std::chrono::microseconds{random.between(0, 2'000)});
        }
        const bool full = std::any_of(life->containers.begin(), life->containers.end(),
                                      [](const auto& container) { return container->full(); });
        if (full && !life->dead) {
            ++full_disks_;
            co_await sleep_for(clock, 300ms);
            node_->disk().options().capacity_bytes += 8 * kWorkloadMiB;
            while (!life->dead && !life->failed && std::any_of(life->containers.begin(), life->containers.end(), [](const auto& container) {
                       return container->full();
                   })) {
                co_await sleep_for(clock, 50ms);
            }
        }
    }
    *done = true;
}

}  // namespace millrace::container
