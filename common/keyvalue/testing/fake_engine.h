// SPDX-License-Identifier: Apache-2.0
//
// The engine of simulations: rows in memory, and what was flushed in files of the runtime's Disk. So a node's crash, full
// disk, I/O errors, damage and latency are those of its SimDisk, by the seed. Without a log a batch reaches the disk only
// at a flush, or when the fake, at a random moment, flushes up to a random batch; a crash drops the rest.
// Thread rule: the executor of the runtime.
#pragma once

#include <cstdint>
#include <memory>

#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

// Planted bugs: what a suite for stores, or for what is built on them, must catch.
struct FakeBugs {
    bool keeps_dropped_batch = false;  // a flush in the background leaves out a batch and takes the one behind it
    bool splits_batch = false;         // a flush in the background takes half of its last batch
    bool flushes_later = false;        // flush() returns at once and flushes in the background
};

struct FakeOptions {
    // A write begins to flush in the background once in so many, up to a random batch. 0: never by chance.
    std::uint64_t flush_one_in = 8;
    // Files above which the fake writes everything into one.
    std::size_t files_most = 6;
    FakeBugs bugs;
};

std::shared_ptr<Engine> make_fake_engine(FakeOptions options = {});

}  // namespace millrace::keyvalue
