// SPDX-License-Identifier: Apache-2.0
//
// A metadata store in memory, for tests: forgets nothing until it is destroyed, and can be told to
// misbehave as a real one may. Thread rule: one executor.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/metadata/metadata_store.h"

namespace millrace::metadata {

class MemoryMetadataStore final : public MetadataStore {
public:
    // What happens to a multi.
    enum class Outcome : std::uint8_t {
        kNormal,
        kLost,            // not applied; the caller hears kUnavailable with unknown fate
        kAppliedUnheard,  // applied; the caller hears the same
        kRefused,         // not applied; kUnavailable, certainly not applied
    };

    // Asked for every multi, with its number from 0. Default: all normal.
    void set_fate(std::function<Outcome(std::uint64_t)> fate) { fate_ = std::move(fate); }
    // From now on every call fails like a lost connection, as after a crash of the caller's process.
    void cut_off(bool value) { cut_off_ = value; }

    std::uint64_t multis() const { return multis_; }
    std::size_t nodes() const { return nodes_.size(); }
    // Every path, in order; for messages and invariants.
    std::vector<std::string> paths() const;
    // Null: no such node. Past every misbehaviour.
    const Node* peek(const std::string& path) const;

    Task<Result<Node>> get(std::string path) override;
    Task<Result<std::vector<std::string>>> children(std::string path) override;
    Task<Result<void>> multi(std::vector<Operation> operations) override;

private:
    class Reader;

    std::map<std::string, Node> nodes_;
    std::function<Outcome(std::uint64_t)> fate_;
    bool cut_off_ = false;
    std::uint64_t multis_ = 0;
};

}  // namespace millrace::metadata
