// SPDX-License-Identifier: Apache-2.0
//
// A metadata store in memory, for tests: well-behaved, forgets nothing until it is destroyed, and can be told to misbehave
// at a chosen call. (simulated_ensemble.h misbehaves by chance.) Stores that share a tree are sessions of one ensemble.
// Thread rule: one executor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/metadata/metadata_store.h"
#include "common/metadata/testing/memory_tree.h"
#include "common/metadata/watch_table.h"
#include "common/runtime/signal.h"

namespace millrace::metadata {

// What the sessions of one ensemble have in common. They outlive each call of theirs, not each other.
struct MemoryEnsemble {
    MemoryTree tree;
    ChangeId last_change;
    SessionId last_session;
    std::map<SessionId, WatchTable*> watches;

    void apply(const TreeTransaction& transaction);
};

class MemoryMetadataStore final : public MetadataStore {
public:
    // What happens to a multi.
    enum class Outcome : std::uint8_t {
        kNormal,
        kLost,            // not applied; the caller hears kUnavailable with unknown fate
        kAppliedUnheard,  // applied; the caller hears the same
        kRefused,         // not applied; kUnavailable, certainly not applied
    };

    explicit MemoryMetadataStore(Clock& clock,
                                 std::shared_ptr<MemoryEnsemble> ensemble = std::make_shared<MemoryEnsemble>());
    ~MemoryMetadataStore() override;

    // Asked for every multi, with its number from 0. Default: all normal.
    void set_fate(std::function<Outcome(std::uint64_t)> fate) { fate_ = std::move(fate); }
    // From now on every call fails like a lost connection, as after a crash of the caller's process.
    void cut_off(bool value);
    // The session ends; for good.
    void expire();

    std::uint64_t multis() const { return multis_; }
    std::size_t nodes() const { return ensemble_->tree.paths().size(); }
    // Every path, in order; for messages and invariants.
    std::vector<std::string> paths() const { return ensemble_->tree.paths(); }
    // Null: no such node. Past every misbehaviour.
    const Node* peek(const std::string& path) const { return ensemble_->tree.find(path); }

    Nonce new_nonce() override;
    Task<Result<std::optional<ChangeId>>> fate_of(Nonce nonce) override;
    SessionId session() const override { return session_; }
    SessionState state() const override { return state_; }
    Task<SessionState> state_changed(SessionState seen, Deadline deadline) override;

private:
    Task<Result<Node>> do_get(std::string path, ReadOptions options) override;
    Task<Result<std::optional<Stat>>> do_stat(std::string path, ReadOptions options) override;
    Task<Result<std::vector<std::string>>> do_children(std::string path, ReadOptions options) override;
    Task<Result<ChangeId>> do_multi(std::vector<Operation> operations, Nonce nonce) override;

    Result<void> check_connected(Fate fate) const;
    void change_state(SessionState state);

    Clock& clock_;
    std::shared_ptr<MemoryEnsemble> ensemble_;
    SessionId session_;
    SessionState state_ = SessionState::kConnected;
    Signal state_changed_;
    WatchTable watches_;
    std::function<Outcome(std::uint64_t)> fate_;
    std::uint64_t multis_ = 0;
    std::uint64_t nonces_ = 0;
    std::map<Nonce, std::optional<ChangeId>> unsettled_;
};

}  // namespace millrace::metadata
