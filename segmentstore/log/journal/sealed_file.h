// SPDX-License-Identifier: Apache-2.0
//
// A file that is written no more, and what it is kept for: the last entry that it holds of each log. It is dead when
// all of them lie below what their logs still need; nothing else in a file outlives the next file's first batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include "segmentstore/log/journal/format.h"

namespace millrace::log {

class FileUse {
public:
    void add(std::uint32_t log, std::uint64_t index) {
        std::uint64_t& last = last_[log];
        last = std::max(last, index);
    }
    // `first_needed(log)` is the log's first needed index.
    template <class F>
    bool dead(F&& first_needed) const {
        return std::all_of(last_.begin(), last_.end(),
                           [&](const auto& one) { return one.second < first_needed(one.first); });
    }

    // Adds the logs that keep the file alive.
    template <class F>
    void holders(F&& first_needed, std::set<std::uint32_t>& logs) const {
        for (const auto& [log, last] : last_) {
            if (last >= first_needed(log)) logs.insert(log);
        }
    }

private:
    std::map<std::uint32_t, std::uint64_t> last_;
};

struct SealedFile {
    FileListItem item;
    std::uint64_t disk_bytes = 0;
    FileUse use;
    // A cut that failed may have happened, or happen at the next crash: the file gets no other life.
    bool cut_failed = false;
};

}  // namespace millrace::log
