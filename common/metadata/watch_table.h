// SPDX-License-Identifier: Apache-2.0
//
// The watches of one session, by path. Thread rule: the session's executor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/metadata/metadata_store.h"

namespace millrace::metadata {

class WatchTable {
public:
    enum class Kind : std::uint8_t { kNode, kChildren };

    void add(Kind kind, const std::string& path, Watcher watcher);
    // Forgets everybody whom the event concerns; who took them calls them.
    std::vector<Watcher> take(EventKind kind, const std::string& path);
    // Calls them. They may set watches meanwhile, which this event does not reach.
    void tell(EventKind kind, const std::string& path);
    // Tells everybody that the session is lost.
    void lose_all();

    // With a watch, sorted.
    std::vector<std::string> paths(Kind kind) const;

private:
    using Watchers = std::map<std::string, std::vector<Watcher>>;
    static void take(Watchers& watchers, const std::string& path, std::vector<Watcher>& into);

    Watchers node_;
    Watchers children_;
};

}  // namespace millrace::metadata
