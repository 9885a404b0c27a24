// SPDX-License-Identifier: Apache-2.0
//
// Sessions that do anything to a small tree at once, and keep a history of it.
// Thread rule: the harness' executor. Lifetime: the harness outlives run().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/metadata/testing/harness.h"
#include "common/metadata/testing/history.h"

namespace millrace::metadata {

struct WorkloadOptions {
    std::size_t sessions = 3;  // where the harness has them
    std::size_t rounds = 2;    // of each: a session that ends is followed by another
    std::size_t fibers = 2;    // that call at once in one session
    std::size_t calls = 20;    // of each
};

class Workload {
public:
    Workload(ConformanceHarness& harness, std::uint64_t seed, WorkloadOptions options = {})
        : harness_{harness}, random_{seed}, options_{options} {}

    // Ends when all calls have, and every session that lives has heard what it must.
    Task<void> run();
    const History& history() const { return *history_; }

private:
    Task<void> one_session();
    Task<void> one_fiber(MetadataStore& store);
    Task<void> read(MetadataStore& store, History::ReadKind kind, std::string path, bool latest, bool watch);
    Task<void> write(MetadataStore& store, std::vector<Operation> operations);
    Operation random_operation();
    Version random_version(const std::string& path);
    Task<void> all(std::vector<UniqueFunction<Task<void>()>> bodies);
    Task<void> note_suspensions(MetadataStore& store, std::shared_ptr<bool> watched);
    Task<void> hear_everything(MetadataStore& store);
    void resolve();

    ConformanceHarness& harness_;
    SeededRandom random_;
    WorkloadOptions options_;
    std::shared_ptr<History> history_ = std::make_shared<History>();
    std::map<std::string, Version> versions_;  // as last read by anybody
    std::uint64_t values_ = 0;
};

}  // namespace millrace::metadata
