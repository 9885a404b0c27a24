// SPDX-License-Identifier: Apache-2.0
//
// The fakes of this room as the conformance suite sees them. Thread rule: see harness.h.
#pragma once

#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "common/metadata/testing/harness.h"
#include "common/metadata/testing/memory_metadata_store.h"
#include "common/metadata/testing/simulated_ensemble.h"
#include "tests/sim/world.h"

namespace millrace::metadata {

class MemoryHarness final : public ConformanceHarness {
public:
    MetadataStore& store() override { return store_; }
    Executor executor() override { return world_.executor(); }
    Clock& clock() override { return world_.clock(); }
    void run(UniqueFunction<Task<void>()> body) override { world_.run(std::move(body)); }
    bool reopen() override { return false; }
    bool has_sessions() const override { return true; }
    Task<MetadataStore*> open_session() override {
        co_return &others_.emplace_back(world_.clock(), ensemble_);
    }
    Task<void> end_session(MetadataStore& store, bool) override {
        static_cast<MemoryMetadataStore&>(store).expire();
        ended_[store.session()] = ensemble_->last_change;
        co_return;
    }
    std::optional<ChangeId> ended(SessionId session) const override {
        const auto found = ended_.find(session);
        return found == ended_.end() ? std::nullopt : std::optional{found->second};
    }

private:
    sim::World world_{1};
    std::shared_ptr<MemoryEnsemble> ensemble_ = std::make_shared<MemoryEnsemble>();
    MemoryMetadataStore store_{world_.clock(), ensemble_};
    std::list<MemoryMetadataStore> others_;
    std::map<SessionId, ChangeId> ended_;
};

// Every session on a node of its own.
class SimulatedHarness final : public ConformanceHarness {
public:
    explicit SimulatedHarness(std::uint64_t seed, Defect defect = Defect::kNone)
        : world_{seed}, ensemble_{world_.executor(), world_.clock(), world_.fork_seed(), {.defect = defect}} {
        store_ = world_.run([this]() -> Task<SimulatedMetadataStore*> { co_return co_await open(); });
        MR_CHECK(store_ != nullptr);
    }
    ~SimulatedHarness() override {
        ensemble_.calm();
        world_.run([this]() -> Task<void> {
            for (const auto& session : sessions_) co_await session->close();
        });
    }

    MetadataStore& store() override { return *store_; }
    Executor executor() override { return world_.executor(); }
    Clock& clock() override { return world_.clock(); }
    void run(UniqueFunction<Task<void>()> body) override { world_.run(std::move(body)); }
    bool reopen() override {
        world_.run([this]() -> Task<void> {
            co_await store_->close();
            store_ = co_await open();
        });
        return store_ != nullptr;
    }

    bool has_sessions() const override { return true; }
    Task<MetadataStore*> open_session() override { co_return co_await open(); }
    Task<void> end_session(MetadataStore& store, bool orderly) override {
        if (orderly) co_await static_cast<SimulatedMetadataStore&>(store).close();
        else ensemble_.expire(store.session(), std::chrono::milliseconds{world_.random().between(0, 300)});
    }
    void trouble() override {
        const Defect defect = ensemble_.options().defect;
        ensemble_.options() = SimulatedOptions::hostile(world_.random(), true);
        ensemble_.options().defect = defect;
    }
    void calm() override {
        // Others still need their trouble; the last one calms everybody.
        if (++calm_ == 3) ensemble_.calm();
    }
    std::optional<ChangeId> applied(Nonce nonce) const override { return ensemble_.applied(nonce); }
    std::optional<ChangeId> ended(SessionId session) const override { return ensemble_.ended(session); }

    sim::World& world() { return world_; }
    SimulatedEnsemble& ensemble() { return ensemble_; }

private:
    Task<SimulatedMetadataStore*> open() {
        sim::Node& node = world_.add_node("client" + std::to_string(sessions_.size()));
        auto opened = co_await ensemble_.open(node.runtime());
        if (!opened) co_return nullptr;
        sessions_.push_back(std::move(*opened));
        co_return sessions_.back().get();
    }

    sim::World world_;
    SimulatedEnsemble ensemble_;
    std::vector<std::unique_ptr<SimulatedMetadataStore>> sessions_;
    SimulatedMetadataStore* store_ = nullptr;
    int calm_ = 0;
};

}  // namespace millrace::metadata
