// SPDX-License-Identifier: Apache-2.0
//
// What lies on the platters of a SimDisk, for tests that make it up or change it in ways that no crash does:
// SimDisk::load() puts it there. Copies share pages, so that thousands of images of one disk cost little. Thread rule:
// one thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "tests/sim/sim_disk.h"
#include "tests/sim/sparse_bytes.h"

namespace millrace::sim {

struct SimDisk::Image {
    std::map<std::string, SparseBytes> files;  // by full path
    std::set<std::string> directories;         // with all those above them, but not "/"
};

}  // namespace millrace::sim
