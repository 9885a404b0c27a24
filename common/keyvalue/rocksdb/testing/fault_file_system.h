// SPDX-License-Identifier: Apache-2.0
//
// A file system for RocksDB whose power can be cut. What lies in a real directory is the page cache; this notes what of
// it was synced: bytes of each file, and names by the sync of their directory. A crash then changes the real files: of
// bytes written since, some pages stay, some become zeros, the end is cut off anywhere; of names made, renamed and removed
// since, in each directory the first few are kept.
// Thread rule: any thread.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "common/runtime/random.h"

namespace millrace::keyvalue {

// Outlives the file systems on it.
class FaultDisk {
public:
    enum class Fault : std::uint8_t { kIo, kNoSpace };

    // `graveyard` is a directory on the same file system, for what was removed but may come back.
    FaultDisk(std::uint64_t seed, std::string graveyard) : random_{seed}, graveyard_{std::move(graveyard)} {}

    // Counted are calls that change something. The n-th from now (1: the next) fails, as do all after it if `for_good`.
    void fail_in(std::uint64_t calls, Fault fault, bool for_good = false);
    // The n-th from now is the last; it may happen in part.
    void die_in(std::uint64_t calls);
    // Calls that make or write files named so wait until release(). Empty: none.
    void hold(std::string name_ends_with);
    void release();

    // Cuts the power: what the present generation of file systems does from now on has no effect, then the loss.
    void crash();
    std::uint64_t changes() const;

private:
    friend class FaultFileSystem;
    friend class FaultWritableFile;
    friend class FaultDirectory;

    struct Tracked {
        std::uint64_t written = 0;
        std::uint64_t synced = 0;
    };
    struct NameChange {
        enum class Kind : std::uint8_t { kMade, kMadeDirectory, kRenamed, kRemoved } kind;
        std::string path;    // now (of a removed one: before)
        std::string before;  // of a renamed one
        std::string kept;    // in the graveyard: what was removed or replaced; may be empty
    };

    // While one lives, no power is cut. Waits for release() first.
    class Call {
    public:
        Call(FaultDisk& disk, std::uint64_t generation, const std::string& path);

    private:
        std::shared_lock<std::shared_mutex> under_way_;
    };

    // One call that changes something in this generation, within a Call: what it must answer, ok to go on.
    rocksdb::IOStatus change(std::uint64_t generation, const std::string& path, bool* partly = nullptr);
    bool dead(std::uint64_t generation) const;
    std::string bury(const std::string& path);
    void note(NameChange change);
    void lose_bytes(const std::string& path, const Tracked& file);
    void undo(const NameChange& change);

    std::shared_mutex calls_;  // before mutex_
    mutable std::mutex mutex_;
    std::condition_variable released_;
    SeededRandom random_;
    const std::string graveyard_;
    std::uint64_t generation_ = 0;
    std::uint64_t changes_ = 0;
    std::uint64_t fail_at_ = 0;
    std::uint64_t die_at_ = 0;
    bool fail_for_good_ = false;
    Fault fault_ = Fault::kIo;
    std::string held_;
    std::uint64_t buried_ = 0;
    std::map<std::string, Tracked> files_;
    std::map<std::string, std::vector<NameChange>> names_;  // by directory, since its sync
};

// What a process sees until the next crash().
std::shared_ptr<rocksdb::FileSystem> make_fault_file_system(FaultDisk& disk);

}  // namespace millrace::keyvalue
