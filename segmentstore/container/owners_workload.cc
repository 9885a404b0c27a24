// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/owners_workload.h"

#include <algorithm>

namespace millrace::container {

using namespace std::chrono_literals;

// One process that has, or had, the container.
class OwnersWorkload::Owner final : public ContainerJudge, public std::enable_shared_from_this<Owner> {
public:
    Owner(OwnersWorkload& workload, sim::Node& node, std::uint64_t owner_number)
        : workload_{workload},
          number{owner_number},
          node{node},
          runtime{node.runtime()},
          storage{workload.storage_->open(runtime.clock)} {}

    void violation(std::string what) override {
        workload_.violation("owner " + std::to_string(number) + ": " + std::move(what));
    }
    bool replaced() const override { return log->fenced(); }
    void answered(std::uint64_t fact, bool asked_late) override {
        if (asked_late) violation("it was replaced before it was asked, and answered all the same");
        if (history_end && fact > *history_end) {
            violation("it answered operation " + std::to_string(fact) + "; its successor has " +
                      std::to_string(*history_end));
        }
        model.must_survive = std::max(model.must_survive, fact);
    }
    void read_failed(const Error& error) override {
        if (error.is(ErrorCode::kUnavailable) || error.is(ErrorCode::kClosed)) return;
        violation("a read failed: " + error.to_string());
    }
    void die() {
        dead = true;
        if (log) log->die();
        if (client) client->die();
        storage->die();
    }

private:
    OwnersWorkload& workload_;

public:
    const std::uint64_t number;
    sim::Node& node;
    const Runtime runtime;
    std::unique_ptr<log::SharedLogOwner> log;
    std::unique_ptr<storage::SharedStorage::Client> storage;
    AdmissionCredits credits{256 * 1024};
    DataCache cache{512 * 1024};
    ContainerModel model;
    std::unique_ptr<Container> container;
    std::unique_ptr<ContainerClient> client;
    std::optional<std::uint64_t> history_end;  // LSN: what its successor found
    bool recovered = false;
    bool working = false;
    bool stop_working = false;
    bool dead = false;
};

OwnersWorkload::OwnersWorkload(std::uint64_t seed, OwnersMutations mutations) : world_{seed}, mutations_{mutations} {
    Random& random = world_.random();
    nodes_ = {&world_.add_node("a"), &world_.add_node("b")};
    nodes_[1]->jump_wall_clock(std::chrono::milliseconds{static_cast<std::int64_t>(random.between(0, 10'000)) - 5'000});
    world_.enable_rare();
    const auto now_and_then = [&](std::uint64_t one_in) { return random.one_in(3) ? one_in : 0; };
    log_.emplace(world_.fork_seed(),
                 log::SharedLogFaults{.delay_max = std::chrono::microseconds{random.between(10, 2'000)},
                                      .append_unknown_in = now_and_then(200),
                                      .truncate_unknown_in = now_and_then(4),
                                      .unproven_in = now_and_then(4),
                                      .no_space_in = now_and_then(100)},
                 mutations.log);
    storage_.emplace(world_.fork_seed(),
                     storage::SharedStorageFaults{.delay_max = std::chrono::microseconds{random.between(10, 2'000)},
                                                  .unavailable_in = now_and_then(20),
                                                  .finish_unknown_in = now_and_then(5)});
    tiering_.window_bytes = random.between(4, 400) * 1024;
    tiering_.max_age = std::chrono::milliseconds{random.between(1, 40)};
    tiering_.retry = std::chrono::milliseconds{random.between(1, 10)};
    tiering_.late_objects = 3s;  // nobody is paused for longer
    client_.names = {0, 1, 2, 3};
    client_.large_one_in = random.one_in(2) ? 40 : 1000;
    client_.large_bytes_max = 3'000'000;
    pause_one_in_ = random.between(2, 30);
}

OwnersWorkload::~OwnersWorkload() = default;

void OwnersWorkload::violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
}

std::chrono::microseconds OwnersWorkload::some_time(std::uint64_t microseconds_max) {
    return std::chrono::microseconds{world_.random().between(0, microseconds_max)};
}

std::string OwnersWorkload::run() {
    OwnerPtr owner = open_on(*nodes_[0], false);
    const std::uint64_t hand_overs = world_.random().between(2, 6);
    for (std::uint64_t i = 0; i < hand_overs && owner; ++i) {
        world_.run_for(some_time(60'000));
        owner = hand_over(owner);
    }
    if (owner) finish(owner);
    // After a violation some are left.
    for (sim::Node* node : nodes_) node->resume();
    while (!owners_.empty()) end(owners_.back());
    return violation_;
}

OwnersWorkload::OwnerPtr OwnersWorkload::open_on(sim::Node& node, bool may_crash) {
    for (int attempt = 0; attempt < 20 && violation_.empty(); ++attempt) {
        const auto owner = std::make_shared<Owner>(*this, node, ++counts_.owners);
        owners_.push_back(owner);
        auto done = std::make_shared<bool>(false);
        world_.spawn_on(node, [this, owner, done]() -> Task<void> {
            co_await open(owner);
            *done = true;
        });
        if (may_crash && world_.random().one_in(5)) {
            world_.run_until([done] { return *done; }, some_time(8'000));
            crash(*owner);
        }
        if (!world_.run_until([done] { return *done; }, 1min)) violation("an owner neither comes up nor gives up");
        if (owner->recovered && !owner->dead) {
            owner->working = true;
            world_.spawn_on(node, [this, owner] { return work(owner); });
            return owner;
        }
        end(owner);
    }
    violation("nobody can take the container over");
    return nullptr;
}

Task<void> OwnersWorkload::open(OwnerPtr owner) {
    auto log = co_await log_->take_over(owner->runtime.clock);
    if (!log) co_return;
    if (newest_ && newest_->container && !newest_->dead)
        counts_.gaps.note_replacement(newest_->container->tiering_step());
    owner->log = std::move(*log);
    if (owner->dead) owner->log->die();
    ContainerOptions options;
    options.id = kContainer;
    options.storage = owner->storage.get();
    options.tiering = tiering_;
    options.mutations = mutations_.container;
    owner->container = std::make_unique<Container>(owner->runtime.executor, owner->runtime.clock, *owner->log,
                                                   owner->credits, owner->cache, std::move(options), nullptr);
    const auto recovered = co_await owner->container->recover();
    if (!recovered) {
        // Its process died, or storage was away.
        const bool excused = recovered.error().is(ErrorCode::kClosed) || recovered.error().is(ErrorCode::kUnavailable);
        if (!excused) owner->violation("does not come up: " + recovered.error().to_string());
        co_return;
    }
    owner->recovered = true;
    succeed(*owner);
    co_await owner->client->check();
}

// The world as the new owner found it, compared with what those before it have said.
void OwnersWorkload::succeed(Owner& owner) {
    const std::uint64_t survivors = owner.container->committed().number();
    if (newest_) {
        const std::uint64_t answered = newest_->model.must_survive;
        if (survivors < answered) {
            owner.violation("operation " + std::to_string(answered) + " was answered, but only " +
                            std::to_string(survivors) + " survived");
        }
        newest_->history_end = survivors;
        owner.model = newest_->model;
        for (const ModelOperation& operation : owner.model.operations) {
            if (operation.lsn > survivors)
                ++counts_.lost_unanswered;
            else if (operation.lsn > answered)
                ++counts_.survived_unanswered;
        }
        owner.model.rebuild(survivors);
    }
    owner.model.must_survive = survivors;
    owner.client = std::make_unique<ContainerClient>(owner.runtime.executor, owner.runtime.clock, world_.random(),
                                                     *owner.container, owner.model, supply_, owner, client_);
    if (owner.dead) owner.client->die();
    newest_ = owner.shared_from_this();
    if (owner.container->anchored_snapshot()) ++counts_.from_snapshots;
    // Whatever lies in long-term storage is known: nothing leaks.
    for (const auto& [name, bytes] : storage_->objects()) {
        if (owner.container->objects().find({name.epoch, name.sequence}) == nullptr) {
            owner.violation("nobody knows object " + name.to_string());
        }
    }
}

Task<void> OwnersWorkload::work(OwnerPtr owner) {
    Random& random = world_.random();
    while (!owner->stop_working && !owner->dead && !owner->container->stopped() && violation_.empty()) {
        if (!owner->credits.available()) {
            co_await owner->credits.changed().wait();
            continue;
        }
        owner->client->step();
        if (random.one_in(pause_one_in_)) co_await sleep_for(owner->runtime.clock, some_time(2'000));
    }
    owner->working = false;
}

void OwnersWorkload::crash(Owner& owner) {
    owner.die();
    if (world_.random().one_in(2))
        owner.node.kill();
    else
        owner.node.crash();
}

void OwnersWorkload::end(OwnerPtr owner) {
    owner->stop_working = true;
    if (owner->container) {
        world_.run([owner]() -> Task<void> { return owner->container->close(); });
        if (!world_.run_until([owner] { return !owner->working; }, 1min)) violation("a client does not end");
    }
    if (owner->client) world_.run([owner]() -> Task<void> { return owner->client->close(); });
    if (owner->log) world_.run([owner]() -> Task<void> { return owner->log->close(); });
    if (owner->credits.taken() != 0) {
        owner->violation(std::to_string(owner->credits.taken()) + " credits were not returned");
    }
    if (owner->client) counts_.operations += owner->client->counts().operations;
    if (owner->container) {
        counts_.windows += owner->container->counts().windows;
        counts_.snapshots += owner->container->counts().snapshots;
    }
    owner->client.reset();
    owner->container.reset();
    std::erase(owners_, owner);
}

OwnersWorkload::OwnerPtr OwnersWorkload::hand_over(OwnerPtr owner) {
    enum class How : std::uint8_t { kCrash, kAlive, kPaused, kClosed };
    Random& random = world_.random();
    const std::uint64_t drawn = random.between(0, 10);
    const How how = drawn < 3 ? How::kCrash : drawn < 6 ? How::kAlive : drawn < 9 ? How::kPaused : How::kClosed;
    if (how == How::kCrash) {
        world_.run([this, owner]() -> Task<void> {
            counts_.gaps.note_crash(owner->container->tiering_step());
            co_return;
        });
        crash(*owner);
    }
    if (how == How::kCrash || how == How::kClosed) end(owner);
    if (how == How::kPaused) owner->node.pause();
    const OwnerPtr successor = open_on(other(owner->node), true);
    if (successor && how == How::kPaused) world_.run_for(some_time(random.one_in(4) ? 1'500'000 : 100'000));
    if (how == How::kPaused) owner->node.resume();
    if (how == How::kPaused || how == How::kAlive) {
        ++counts_.zombies;
        world_.run_for(some_time(20'000));
        if (successor) must_notice(owner);
        end(owner);
    }
    return violation_.empty() ? successor : nullptr;
}

// Whatever it is asked for, who was replaced finds out.
void OwnersWorkload::must_notice(const OwnerPtr& zombie) {
    const bool adds = world_.random().one_in(2);
    world_.spawn_on(zombie->node, [zombie, adds]() -> Task<void> {
        if (adds)
            (void)zombie->container->create("scope/poke/0.#epoch.0", {});
        else
            (void)zombie->container->info("scope/poke/0.#epoch.0");
        co_return;
    });
    if (!world_.run_until([zombie] { return zombie->container->stopped(); }, 1min)) {
        zombie->violation("it does not notice that it was replaced");
    }
}

std::string OwnersWorkload::garbage(const Owner& owner) const {
    for (const auto& [name, bytes] : storage_->objects()) {
        const ObjectId id{name.epoch, name.sequence};
        const ObjectTable::Object* const known = owner.container->objects().find(id);
        if (owner.container->anchored_snapshot() == id || (known != nullptr && known->live_extents > 0)) continue;
        if (known == nullptr) return name.to_string() + ", unknown";
        return name.to_string() + (known->snapshot ? ", a snapshot" : ", data") +
               (known->written ? ", written" : ", planned") + ", dead since operation " + to_string(known->dead_since);
    }
    return "";
}

// In the end there are no more faults: everything admitted is committed, and only what is in use lies in long-term
// storage.
void OwnersWorkload::finish(OwnerPtr owner) {
    log_->heal();
    storage_->heal();
    // What went wrong before, an owner may learn only now.
    world_.run_for(100ms);
    if (owner->container->stopped()) {
        end(owner);
        owner = open_on(owner->node, false);
        if (!owner) return;
    }
    world_.run_for(some_time(20'000));
    owner->stop_working = true;
    const auto idle = [owner] { return !owner->working && owner->container->committed(owner->container->admitted()); };
    if (!world_.run_until(idle, 1min)) {
        owner->violation(owner->container->stopped() ? "it stopped though nothing was wrong"
                                                     : "what was admitted is never committed");
    }
    for (int i = 0; i < 30 && !garbage(*owner).empty() && violation_.empty(); ++i) {
        world_.run([owner]() -> Task<void> {
            for (int steps = 0; steps < 40; ++steps) owner->client->step();
            owner->container->tier_now();
            co_return;
        });
        world_.run_until([&] { return garbage(*owner).empty(); }, 1s);
    }
    if (owner->container->stopped()) owner->violation("it stopped though nothing was wrong");
    if (const std::string left = garbage(*owner); !left.empty())
        violation("object " + left + " is of no use and stays");
    end(owner);
    // And once more, from what lies there.
    if (const OwnerPtr last = open_on(other(owner->node), false)) end(last);
}

}  // namespace millrace::container
