// SPDX-License-Identifier: Apache-2.0
//
// The seams on Boost.Asio and the kernel: one shard (an event loop on one thread), its clock,
// network and chance, and threads for disk and other blocking calls. A server has one per shard, a
// client one of its own; several live in one process.
// Lifetime: what was made from it (streams, files, locks) and what waits on it (Signals, Gates) ends first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/runtime/runtime.h"

namespace millrace {

struct AsioRuntimeOptions {
    // Threads start when first needed. The disk's are its own, so that slow calls on the blocking
    // pool never delay the journal; three let a sync pass a zero_fill and a long read.
    std::size_t disk_threads = 3;
    std::size_t blocking_threads = 2;
    // Of Runtime::remote_disk.
    std::size_t remote_disk_threads = 4;
    // Of Runtime::random; from the kernel when absent.
    std::optional<std::uint64_t> seed;
};

class AsioRuntime {
public:
    explicit AsioRuntime(AsioRuntimeOptions options = {});
    AsioRuntime(const AsioRuntime&) = delete;
    AsioRuntime& operator=(const AsioRuntime&) = delete;
    // Stops and joins, lets blocking calls finish, then destroys coroutines that still wait.
    ~AsioRuntime();

    // Any thread; the bundle's parts as their headers say.
    Runtime bundle();
    Executor executor();

    // Runs the shard on the calling thread until stop().
    void run();
    // Runs `main` on the shard, on the calling thread; returns its result once it has ended.
    int run_main(UniqueFunction<Task<int>()> main);
    // Runs the shard on a thread of its own until stop(). `name` has at most 15 characters.
    void start_thread(std::string name);
    // Nothing runs on the shard once what runs now has ended. Any thread; not reversible. Close what
    // runs on the shard first: stopping abandons it.
    void stop();
    // Waits for the end of the thread that start_thread() made. Not on the shard.
    void join();

private:
    friend class TerminationSignals;
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

// Catches SIGTERM and SIGINT for as long as it lives; at most one object in a process.
// Thread rule: the runtime's executor.
class TerminationSignals {
public:
    explicit TerminationSignals(AsioRuntime& runtime);
    ~TerminationSignals();

    // The number of the next signal; empty after cancel(), also for calls that begin after it.
    Task<std::optional<int>> wait();
    void cancel();

private:
    struct Set;
    std::unique_ptr<Set> set_;
};

}  // namespace millrace
