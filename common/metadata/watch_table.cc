// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/watch_table.h"

#include <utility>

namespace millrace::metadata {

void WatchTable::add(Kind kind, const std::string& path, Watcher watcher) {
    if (!watcher) return;
    (kind == Kind::kNode ? node_ : children_)[path].push_back(std::move(watcher));
}

void WatchTable::take(Watchers& watchers, const std::string& path, std::vector<Watcher>& into) {
    const auto found = watchers.find(path);
    if (found == watchers.end()) return;
    for (Watcher& watcher : found->second) into.push_back(std::move(watcher));
    watchers.erase(found);
}

std::vector<Watcher> WatchTable::take(EventKind kind, const std::string& path) {
    std::vector<Watcher> concerned;
    if (kind != EventKind::kChildrenChanged) take(node_, path, concerned);
    if (kind == EventKind::kChildrenChanged || kind == EventKind::kDeleted) take(children_, path, concerned);
    return concerned;
}

void WatchTable::tell(EventKind kind, const std::string& path) {
    std::vector<Watcher> concerned = take(kind, path);
    for (Watcher& watcher : concerned) watcher(WatchEvent{kind, path});
}

void WatchTable::lose_all() {
    // Who is told may not set watches any more: the session is over.
    for (Watchers* watchers : {&node_, &children_}) {
        Watchers lost = std::exchange(*watchers, {});
        for (auto& [path, each] : lost) {
            for (Watcher& watcher : each) watcher(WatchEvent{EventKind::kSessionLost, path});
        }
    }
}

std::vector<std::string> WatchTable::paths(Kind kind) const {
    std::vector<std::string> paths;
    for (const auto& [path, watchers] : kind == Kind::kNode ? node_ : children_) paths.push_back(path);
    return paths;
}

}  // namespace millrace::metadata
