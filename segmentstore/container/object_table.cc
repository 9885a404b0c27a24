// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/object_table.h"

#include <algorithm>

#include "common/base/check.h"

namespace millrace::container {

void ObjectTable::plan(ObjectId id, bool snapshot, Lsn lsn) {
    if (snapshot) {
        // Each snapshot replaces those before it; it counts only once it is anchored, and so do their deaths.
        for (auto& [other, object] : objects_) {
            if (object.snapshot && object.dead_since == Lsn{}) object.dead_since = lsn;
        }
    } else {
        // One at a time: what this owner planned before and did not write has failed.
        for (auto& [other, object] : objects_) {
            const bool failed = other.epoch == id.epoch && !object.snapshot && !object.written;
            if (failed && object.dead_since == Lsn{}) object.dead_since = lsn;
        }
    }
    objects_[id] = {id, snapshot, false, 0, Lsn{}};
}

void ObjectTable::written(ObjectId id, std::uint64_t live_extents, Lsn lsn) {
    Object& object = objects_[id];
    object.id = id;
    object.written = true;
    object.live_extents = live_extents;
    object.dead_since = live_extents == 0 && !object.snapshot ? lsn : Lsn{};
}

void ObjectTable::none_written(Lsn lsn) {
    for (auto& [id, object] : objects_) {
        if (!object.snapshot && !object.written && object.dead_since == Lsn{}) object.dead_since = lsn;
    }
}

void ObjectTable::release(ObjectId id, Lsn lsn) {
    const auto found = objects_.find(id);
    if (found == objects_.end()) return;
    MR_CHECK(found->second.live_extents > 0);
    if (--found->second.live_extents == 0) found->second.dead_since = lsn;
}

void ObjectTable::take_over(OwnerEpoch epoch, ObjectId anchored, Lsn lsn) {
    for (auto& [id, object] : objects_) {
        if (id.epoch >= epoch || object.written || object.dead_since != Lsn{} || id == anchored) continue;
        object.dead_since = lsn;
    }
}

std::vector<ObjectId> ObjectTable::dead(Lsn anchored_lsn, ObjectId anchored) const {
    std::vector<ObjectId> found;
    for (const auto& [id, object] : objects_) {
        const bool proven = object.dead_since != Lsn{} && object.dead_since <= anchored_lsn;
        if (proven && id != anchored) found.push_back(id);
    }
    return found;
}

bool ObjectTable::awaits_proof(Lsn anchored_lsn) const {
    return std::any_of(objects_.begin(), objects_.end(),
                       [&](const auto& one) { return one.second.dead_since > anchored_lsn; });
}

}  // namespace millrace::container
