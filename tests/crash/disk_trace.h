// SPDX-License-Identifier: Apache-2.0
//
// What one process did to a disk, in the order in which it took effect, and a Disk that writes that down. From it
// follows what a crash at any moment may leave (crash_point.h). A write counts from when it was asked for, a sync from
// when it was answered, and then for what was complete when it was asked for. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/runtime/disk.h"
#include "tests/sim/sim_disk_image.h"

namespace millrace::crash {

struct DiskEvent {
    enum class Kind : std::uint8_t { kWrite, kZero, kResize, kSync, kName, kSyncDirectory };
    Kind kind = Kind::kWrite;
    std::size_t file = 0;      // of contents and names: a number that a file keeps when its name changes
    std::uint64_t offset = 0;  // kResize: the new size
    std::uint64_t length = 0;
    ByteBuffer bytes = {};   // kWrite
    std::string from = {};   // kName; empty: the file is made
    std::string to = {};     // kName; empty: the name goes
    std::size_t covers = 0;  // of a sync: the events before this one
};

struct DiskTrace {
    // Files that are there from the beginning have the first numbers, in the order of their names.
    explicit DiskTrace(const sim::SimDisk::Image& image);

    sim::SimDisk::Image before;
    std::vector<DiskEvent> events;
    std::map<std::string, std::size_t> names;  // as the process sees them
    std::size_t files = 0;
};

// Does on `disk` what it is asked for and adds it to `trace`. Both outlive it and its files.
class RecordingDisk final : public Disk {
public:
    RecordingDisk(Disk& disk, DiskTrace& trace) : disk_{disk}, trace_{trace} {}

    Task<Result<std::unique_ptr<File>>> open(std::string path, OpenOptions options) override;
    Task<Result<std::vector<std::string>>> list(std::string directory) override {
        return disk_.list(std::move(directory));
    }
    // Durable on return, and there from the beginning in every image.
    Task<Result<void>> create_directories(std::string path) override {
        return disk_.create_directories(std::move(path));
    }
    Task<Result<void>> rename(std::string from, std::string to) override;
    Task<Result<void>> remove(std::string path) override;
    Task<Result<void>> sync_directory(std::string path) override;
    Task<Result<std::uint64_t>> free_bytes(std::string path) override { return disk_.free_bytes(std::move(path)); }
    Task<Result<std::unique_ptr<DirectoryLock>>> lock_directory(std::string directory) override {
        return disk_.lock_directory(std::move(directory));
    }

private:
    void change_name(std::size_t file, std::string from, std::string to);

    Disk& disk_;
    DiskTrace& trace_;
};

}  // namespace millrace::crash
