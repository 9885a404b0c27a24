// SPDX-License-Identifier: Apache-2.0
//
// The state behind SimDisk, shared with the files and locks that processes hold.
// Thread rule: the world's thread.
#pragma once

#include <list>
#include <set>

#include "common/runtime/random.h"
#include "tests/sim/sim_disk_image.h"

namespace millrace::sim {

// One step of changing a file's contents, not yet known to be on the platters.
struct Change {
    enum class Kind : std::uint8_t { kWrite, kZero, kResize };
    Kind kind = Kind::kWrite;
    std::uint64_t offset = 0;  // kResize: the new size
    std::uint64_t length = 0;
    ByteBuffer bytes;          // kWrite
    std::uint64_t number = 0;  // order of taking effect
};

struct Inode {
    SparseBytes cached;   // what reads see
    SparseBytes durable;  // what a crash leaves at least
    std::list<Change> unsynced;
};
using InodePtr = std::shared_ptr<Inode>;

// A name made, moved or removed, not yet known to be durable.
struct NameChange {
    std::string from;  // empty: a creation
    std::string to;    // empty: a removal
    InodePtr inode;
    std::uint64_t number = 0;
};

struct SessionState {
    bool alive = true;
    std::set<std::string> locks;
    // Writes that were asked for and have not taken effect yet.
    std::list<std::pair<InodePtr, const Change*>> under_way;
};

class SimDisk::Impl {
public:
    Impl(Seams seams, std::string name, DiskOptions options)
        : clock{seams.clock},
          trace{seams.trace},
          name{std::move(name)},
          random{seams.seed},
          options{options} {}

    std::chrono::nanoseconds latency(std::uint64_t bytes = 0);
    void note(std::string_view what, const std::string& path, std::uint64_t a = 0,
              std::uint64_t b = 0);

    InodePtr find(const std::string& path) const;
    std::uint64_t used() const;
    bool is_directory(const std::string& path) const {
        return path == "/" || directories.contains(path);
    }

    // REQUIRES: it is a directory.
    bool is_empty(const std::string& directory) const;

    // Counts one call down; true when this is the one that fails, or chance says so.
    bool strikes(std::uint64_t& countdown, std::uint32_t one_in = 0) {
        if (countdown > 0 && --countdown == 0) return true;
        return one_in > 0 && random.one_in(one_in);
    }

    // Puts a change into the cache and remembers it as unsynced.
    void take_effect(Inode& inode, Change change);
    // Applies a change wholly.
    static void apply(SparseBytes& to, const Change& change);
    // Applies what chance lets survive of it, after a crash with bits flipped here and there. False: nothing did.
    bool apply_in_part(SparseBytes& to, const Change& change, bool crashed);
    void flip_bits(SparseBytes& in, std::uint64_t begin, std::uint64_t end);
    void apply_name(std::map<std::string, InodePtr>& names, const NameChange& change);

    void end_session(SessionState& session);
    void lose_power();

    SimClock& clock;
    Trace& trace;
    std::string name;
    SeededRandom random;
    DiskOptions options;
    DiskFaults faults;

    std::map<std::string, InodePtr> cached_names;
    std::map<std::string, InodePtr> durable_names;
    std::list<NameChange> unsynced_names;
    std::set<std::string> directories;
    // Directories that were ever locked; the LOCK file in them shows in listings only.
    std::set<std::string> lock_files;
    std::uint64_t last_change = 0;
    MonotonicTime stalled_until{};
    std::optional<std::uint64_t> capacity_before_fill_up;
};

// Without doubled or trailing slashes and dots.
std::string clean_path(const std::string& path);
std::string parent_of(const std::string& path);

}  // namespace millrace::sim
