// SPDX-License-Identifier: Apache-2.0
//
// What the ways between hosts are like now, for streams and messages alike: each direction on its own can be
// blocked, clogged until some instant, or slow; a host can be without power.
// Thread rule: the world's thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "common/runtime/clock.h"
#include "common/runtime/signal.h"

namespace millrace::sim {

class Conditions {
public:
    // Nothing passes from `from` to `to`.
    void block(const std::string& from, const std::string& to) { blocked_.emplace(from, to); }
    void unblock(const std::string& from, const std::string& to) { blocked_.erase({from, to}); }
    void set_down(const std::string& host, bool down) {
        if (down) down_.insert(host);
        else down_.erase(host);
    }
    // Nothing leaves `from` for `to` before `until`; it waits in the sender's buffer.
    void clog(const std::string& from, const std::string& to, MonotonicTime until) {
        MonotonicTime& end = clogged_[{from, to}];
        end = std::max(end, until);
    }
    // Everything takes so much longer; zero ends it.
    void slow(const std::string& from, const std::string& to, std::chrono::nanoseconds by) {
        if (by.count() == 0) slow_.erase({from, to});
        else slow_[{from, to}] = by;
    }
    // All but hosts without power.
    void clear() {
        blocked_.clear();
        clogged_.clear();
        slow_.clear();
    }

    bool blocked(const std::string& from, const std::string& to) const {
        return blocked_.contains({from, to}) || (from != to && (down_.contains(from) || down_.contains(to)));
    }
    // In the past when it is not clogged.
    MonotonicTime clogged_until(const std::string& from, const std::string& to) const {
        const auto found = clogged_.find({from, to});
        return found == clogged_.end() ? MonotonicTime{} : found->second;
    }
    std::chrono::nanoseconds slowness(const std::string& from, const std::string& to) const {
        const auto found = slow_.find({from, to});
        return found == slow_.end() ? std::chrono::nanoseconds{0} : found->second;
    }

private:
    using Way = std::pair<std::string, std::string>;
    std::set<Way> blocked_;
    std::set<std::string> down_;
    std::map<Way, MonotonicTime> clogged_;
    std::map<Way, std::chrono::nanoseconds> slow_;
};

}  // namespace millrace::sim
