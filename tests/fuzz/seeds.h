// SPDX-License-Identifier: Apache-2.0
//
// The inputs that the fuzzers start from: one of each kind of thing that a peer may rightly send, or a disk hold.
// make_corpus.cc writes them below tests/fuzz/corpus, where they are kept; a test sees to it that
// what is kept is what is made here.
// Thread rule: pure.
#pragma once

#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace millrace::fuzz {

struct Seed {
    std::string entry;  // of entries.h; the folder
    std::string name;   // the file
    ByteBuffer bytes;
};

std::vector<Seed> wire_seeds();
std::vector<Seed> disk_seeds();

}  // namespace millrace::fuzz
