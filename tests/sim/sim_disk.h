// SPDX-License-Identifier: Apache-2.0
//
// The fake disk of one machine: what is on the platters, what is only in the page cache, and the
// names of files likewise. Every call takes a random virtual time and takes effect at some instant
// inside it.
//
// Faults that correct code must survive without losing what it called durable:
// - crash: each write since the last sync that covers it survives wholly, in pieces (4 KiB, or 512
//   bytes with tear_bytes), or not at all, each on its own, so also in another order; likewise a
//   size, and a name that was made, renamed or removed since the last sync_directory();
// - kill: the page cache stays, but what was under way happens in part; a later crash may take it
// back;
// - a call that was never answered may have happened;
// - a full disk: kNoSpace, nothing changed;
// - kIo of a write: it happened in part. kIo of a sync: each unsynced write is on the platters or
// not,
//   for good: the cache goes on showing it and no later sync helps.
// Faults that must be noticed: flipped bits, lost, shortened, swapped and foreign files (flip(),
// remove(), cut(), swap(), overwrite()).
// Not simulated: a disk that lies about a sync it reported as done.
// Thread rule: the world's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/runtime/disk.h"
#include "tests/sim/sim_clock.h"

namespace millrace::sim {

struct DiskOptions {
    // Sum of the sizes of all files.
    std::uint64_t capacity_bytes = 1ull << 40;
    // What a write tears into; 512 is what a disk's own power loss can do.
    std::uint32_t tear_bytes = 4096;
    bool grants_direct = true;
    std::chrono::microseconds latency_min{20};
    std::chrono::microseconds latency_max{400};
    // One call in so many takes a hundred times as long. 0: never.
    std::uint32_t slow_one_in = 200;
};

// The n-th call from now fails with kIo (1: the next; 0: none). Counts down, fires once.
struct DiskFaults {
    std::uint64_t fail_write_in = 0;
    std::uint64_t fail_sync_in = 0;
    std::uint64_t fail_read_in = 0;
};

// The Disk of one process. After die() every call ends in kClosed and changes nothing.
class DiskSession : public Disk {
public:
    virtual void die() = 0;
};

class SimDisk {
public:
    struct Seams {
        SimClock& clock;
        Trace& trace;
        std::uint64_t seed;
    };
    struct Image;  // the platters, to come back to
    class Impl;

    SimDisk(Seams seams, std::string name, DiskOptions options);
    ~SimDisk();

    DiskOptions& options();
    DiskFaults& faults();

    // For the node.
    std::unique_ptr<DiskSession> attach();
    void lose_power();

    // The rest is for tests; it acts at once on platters and cache alike. REQUIRES: the files
    // exist.
    std::vector<std::string> files() const;  // full paths, sorted
    std::uint64_t used_bytes() const;
    ByteBuffer contents(const std::string& path) const;
    void overwrite(const std::string& path, std::uint64_t offset, ByteView bytes);
    void flip(const std::string& path, std::uint64_t offset, std::uint8_t mask);
    void cut(const std::string& path, std::uint64_t length);
    void remove(const std::string& path);
    void swap(const std::string& a, const std::string& b);
    // REQUIRES for load(): no process uses the disk, as right after crash().
    std::shared_ptr<const Image> image() const;
    void load(const Image& image);

private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::sim
