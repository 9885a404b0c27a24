// SPDX-License-Identifier: Apache-2.0
//
// The fake disk of one machine: what is on the platters, what is only in the page cache, and the
// names of files likewise. Every call takes a random virtual time and takes effect at some instant
// inside it.
//
// Faults that correct code must survive without losing what it called durable:
// - crash: each write since the last sync that covers it survives wholly, in pieces (4 KiB, or 512
//   bytes with tear_bytes), or not at all, each on its own, so also in another order; likewise a
//   size, and a name that was made, renamed or removed since the last sync_directory(). With corrupt_one_in a
//   piece of such a write may also survive with bits flipped, never a byte beside what was being written;
// - kill: the page cache stays, but what was under way happens in part; a later crash may take it
//   back;
// - a call that was never answered may have happened;
// - a slow disk: every call slower for a while (slow_factor), or none answered for seconds (stall());
// - a full disk: kNoSpace, nothing changed; also at any moment (fill_up());
// - kIo of a write: it happened in part. kIo of a sync: each unsynced write is on the platters or not,
//   for good: the cache goes on showing it and no later sync helps. kIo of a read: nothing was read.
// Faults that must only be noticed, by an error instead of wrong data: flipped bits, lost, shortened,
// swapped and foreign files (flip(), remove(), cut(), swap(), overwrite()).
// A fault that nobody can survive alone: a disk that lies about a sync (lie_about_sync_in). For tests
// that have copies elsewhere and opt in; what it called durable may then be gone after a crash, as if never written.
// Thread rule: the world's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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
    // Every call takes so many times as long.
    std::uint32_t slow_factor = 1;
    // One surviving piece in so many of an unsynced write has bits flipped after a crash. 0: never.
    std::uint32_t corrupt_one_in = 0;
};

struct DiskFaults {
    // The n-th call from now fails with kIo (1: the next; 0: none). Counts down, fires once.
    std::uint64_t fail_write_in = 0;
    std::uint64_t fail_sync_in = 0;
    std::uint64_t fail_read_in = 0;
    // The n-th sync from now is reported as done and does nothing.
    std::uint64_t lie_about_sync_in = 0;
    // One call in so many fails with kIo. 0: never.
    std::uint32_t fail_write_one_in = 0;
    std::uint32_t fail_sync_one_in = 0;
    std::uint32_t fail_read_one_in = 0;
    // One call in so many is answered only after up to stall_max. 0: never.
    std::uint32_t stall_one_in = 0;
    std::chrono::milliseconds stall_max{5000};
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
    struct Image;  // the platters, to come back to: sim_disk_image.h
    class Impl;

    SimDisk(Seams seams, std::string name, DiskOptions options);
    ~SimDisk();

    DiskOptions& options();
    DiskFaults& faults();

    // No call made from now on has an effect or an answer until `duration` has passed.
    void stall(std::chrono::nanoseconds duration);
    // From now on there is room for so much more only; make_room() gives back what the disk had.
    void fill_up(std::uint64_t leave_bytes = 0);
    void make_room();

    // For the node.
    std::unique_ptr<DiskSession> attach();
    void lose_power();

    // The rest is for tests; it acts at once on platters and cache alike. REQUIRES: the files
    // exist.
    std::vector<std::string> files() const;  // full paths, sorted
    std::uint64_t used_bytes() const;
    ByteBuffer contents(const std::string& path) const;
    // What a crash now would leave at least; empty when the name itself is not durable.
    std::optional<ByteBuffer> durable_contents(const std::string& path) const;
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
