// SPDX-License-Identifier: Apache-2.0
//
// The embedded metadata store of one simulated process: what completed is durable; a write takes effect at one instant
// between its call and its completion, and the process may die before and after it.
// The tree belongs to the machine and outlives the processes. Thread rule: the world's thread.
#pragma once

#include <memory>

#include "common/metadata/testing/memory_metadata_store.h"
#include "common/runtime/random.h"
#include "common/runtime/runtime.h"

namespace millrace::testing {

class EmbeddedMetadata final : public metadata::MetadataStore {
public:
    EmbeddedMetadata(Runtime runtime, std::shared_ptr<metadata::MemoryEnsemble> machine, std::uint64_t seed);

    // The process is dead: nothing takes effect any more, every call ends in kClosed.
    void die() { dead_ = true; }

    metadata::Nonce new_nonce() override { return inner_.new_nonce(); }
    Task<Result<std::optional<metadata::ChangeId>>> fate_of(metadata::Nonce nonce) override;
    metadata::SessionId session() const override { return inner_.session(); }
    metadata::SessionState state() const override { return inner_.state(); }
    Task<metadata::SessionState> state_changed(metadata::SessionState seen, Deadline deadline) override {
        return inner_.state_changed(seen, deadline);
    }

private:
    Task<Result<metadata::Node>> do_get(std::string path, metadata::ReadOptions options) override;
    Task<Result<std::optional<metadata::Stat>>> do_stat(std::string path, metadata::ReadOptions options) override;
    Task<Result<std::vector<std::string>>> do_children(std::string path, metadata::ReadOptions options) override;
    Task<Result<metadata::ChangeId>> do_multi(std::vector<metadata::Operation> operations, metadata::Nonce nonce) override;

    std::chrono::nanoseconds a_while(std::uint64_t most_us) { return std::chrono::microseconds{random_.between(1, most_us + 1)}; }
    // Writes take effect one after the other, in the order of their calls.
    Task<Result<void>> wait_for_turn();
    // kClosed once the process is dead.
    Result<void> alive(Fate fate) const;

    Runtime runtime_;
    SeededRandom random_;
    metadata::MemoryMetadataStore inner_;
    MonotonicTime last_turn_;
    bool dead_ = false;
};

}  // namespace millrace::testing
