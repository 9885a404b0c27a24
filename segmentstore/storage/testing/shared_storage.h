// SPDX-License-Identifier: Apache-2.0
//
// For tests: long-term storage that the processes of several owners share, in memory. An object appears whole, in one
// step, if its name is free at that moment. Calls take a while, may fail, and finish() may fail having succeeded.
// Thread rule: one thread. Lifetime: outlives its clients, and they their writers and calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>

#include "common/runtime/clock.h"
#include "common/runtime/random.h"
#include "segmentstore/storage/object_storage.h"

namespace millrace::storage {

// Once in so many calls; 0: never.
struct SharedStorageFaults {
    std::chrono::nanoseconds delay_max = std::chrono::milliseconds{1};
    std::uint64_t unavailable_in = 0;     // without effect
    std::uint64_t finish_unknown_in = 0;  // it happened, or it did not
};

class SharedStorage {
public:
    SharedStorage(std::uint64_t seed, SharedStorageFaults faults) : random_{seed}, faults_{faults} {}

    class Client;
    // What one process sees. Time passes on `clock`.
    std::unique_ptr<Client> open(Clock& clock) { return std::make_unique<Client>(*this, clock); }

    // No more faults; calls still take a while.
    void heal() { faults_ = {.delay_max = faults_.delay_max}; }
    const std::map<ObjectName, Bytes>& objects() const { return objects_; }

private:
    class Writer;

    std::chrono::nanoseconds draw_delay();
    bool draw(std::uint64_t one_in) { return one_in != 0 && random_.one_in(one_in); }

    SeededRandom random_;
    SharedStorageFaults faults_;
    std::map<ObjectName, Bytes> objects_;
};

class SharedStorage::Client final : public ObjectStorage {
public:
    Client(SharedStorage& storage, Clock& clock) : storage_{storage}, clock_{clock} {}

    // The process is dead: nothing it still does has any effect.
    void die() { dead_ = true; }

    Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectName name) override;
    Task<Result<Bytes>> read(ObjectName name, std::uint64_t offset, std::size_t length) override;
    Task<Result<std::uint64_t>> size(ObjectName name) override;
    Task<Result<void>> remove(ObjectName name) override;
    Task<Result<std::vector<ObjectName>>> list(ContainerId container) override;

private:
    friend class SharedStorage::Writer;

    // The way there: an error when nothing will happen.
    Task<Result<void>> call();

    SharedStorage& storage_;
    Clock& clock_;
    bool dead_ = false;
};

}  // namespace millrace::storage
