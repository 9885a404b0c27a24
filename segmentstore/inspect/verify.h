// SPDX-License-Identifier: Apache-2.0
//
// Everything that a store has on disk, against its checksums and against what refers to it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/runtime/runtime.h"
#include "segmentstore/inspect/store_view.h"

namespace millrace::inspect {

struct VerifyReport {
    // Whether the journal could be read, so that what is not said to be damaged is not.
    bool looked_at_all = false;
    // What cannot be trusted, or is missing: names file or object, and offset.
    std::vector<std::string> damage;
    // Nothing is lost, but somebody may want to know.
    std::vector<std::string> remarks;
    std::uint64_t containers = 0;
    std::uint64_t segments = 0;
    std::uint64_t log_entries = 0;
    std::uint64_t objects = 0;
    std::uint64_t object_bytes = 0;

    bool clean() const { return damage.empty(); }
};

// Goes on after damage, as far as something is left to look at. Reads all of the journal and of long-term storage.
Task<VerifyReport> verify(Runtime runtime, StorePlace place);

}  // namespace millrace::inspect
