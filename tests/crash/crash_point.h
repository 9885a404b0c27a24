// SPDX-License-Identifier: Apache-2.0
//
// A moment at which the power may fail: what is on the platters for certain, and what was changed since and may be
// there too, each change by itself. Names belong to one directory. Thread rule: pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/crash/disk_trace.h"

namespace millrace::crash {

// A part of an unsynced change that survives by itself: a piece of a write of so many bytes at most, or the whole of
// what has no pieces (a size; zeros).
struct Piece {
    std::size_t event = 0;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

struct CrashPoint {
    std::vector<sim::SparseBytes> contents;    // by a file's number
    std::map<std::string, std::size_t> names;  // that are durable
    std::vector<std::size_t> unsynced;         // events, in order
    std::vector<std::size_t> unsynced_names;
};

// After each number of events, from none to all of them.
std::vector<CrashPoint> crash_points(const DiskTrace& trace);

// The pieces of the unsynced changes, in order. `bytes` is a power of two.
std::vector<Piece> pieces_of(const DiskTrace& trace, const CrashPoint& point, std::uint64_t bytes);

// The platters at a point while pieces and names are added. The trace outlives it.
class ImageBuilder {
public:
    ImageBuilder(const DiskTrace& trace, CrashPoint point) : trace_{trace}, point_{std::move(point)} {}

    void survive(const Piece& piece) { write(piece, {}); }
    // The piece's place got something else. REQUIRES: of a write; `instead` has the piece's length.
    void garble(const Piece& piece, ByteView instead) { write(piece, instead); }
    // An event of unsynced_names.
    void survive_name(std::size_t event);
    sim::SimDisk::Image image() const;

private:
    void write(const Piece& piece, ByteView instead);

    const DiskTrace& trace_;
    CrashPoint point_;
};

}  // namespace millrace::crash
