// SPDX-License-Identifier: Apache-2.0
//
// Short lives of a journal, played in the simulator and written down: what reached the disk in which order, and what
// was promised when. They are small, so that every crash that a part of them may meet can be tried.
// Thread rule: one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "segmentstore/log/journal/journal.h"
#include "tests/crash/crash_point.h"
#include "tests/crash/disk_trace.h"
#include "tests/crash/log_history.h"

namespace millrace::crash {

struct JournalLife {
    std::string name;
    DiskTrace trace;
    Histories histories;
    std::vector<CrashPoint> points;  // of the trace

    Bounds bounds_at(std::size_t point) const { return crash::bounds_at(histories, point); }
};

// The lives that images are made of:
//   start     the first start of all: small entries, alone and together, a witness, an orderly end
//   again     a start after a crash that left entries which nothing proves; more entries
//   files     entries that fill files, truncations, files that get another life and are filled again
//   recycled  a start after a crash in a file with a former life; more of the same
// With a broken rule some start may fail; that life is left out.
std::vector<JournalLife> record_lives(const log::JournalMutations& mutations);

// A start on this image and nothing more; its past is that of a crash. Empty when the start fails.
std::optional<JournalLife> record_start(const sim::SimDisk::Image& image, Histories past,
                                        const log::JournalMutations& mutations);

}  // namespace millrace::crash
