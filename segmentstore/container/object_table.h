// SPDX-License-Identifier: Apache-2.0
//
// The objects of a container: which are planned, how much of each is in use, and which are dead, with the evidence: the
// LSN at which the last reference went. A dead object may be removed when the anchored snapshot is newer than that.
// Changed by committed operations only, so that every replay comes to the same table. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "segmentstore/container/operation.h"
#include "segmentstore/container/tiered_map.h"

namespace millrace::container {

class ObjectTable {
public:
    struct Object {
        ObjectId id;
        bool snapshot = false;
        bool written = false;            // not only planned
        std::uint64_t live_extents = 0;  // of segment data
        Lsn dead_since;                  // Lsn{}: alive
        bool operator==(const Object&) const = default;
    };

    // An owner is about to write it.
    void plan(ObjectId id, bool snapshot, Lsn lsn);
    // It is written, and so many of its extents are in use. REQUIRES: planned.
    void written(ObjectId id, std::uint64_t live_extents, Lsn lsn);
    // A window was tiered that needed no object: what was planned for it and failed is not tried again.
    void none_written(Lsn lsn);
    // One extent is used no more. Unknown objects are ignored: they were removed.
    void release(ObjectId id, Lsn lsn);
    // A new owner: what earlier ones planned and did not write, nobody will refer to. `anchored` is the snapshot in use.
    void take_over(OwnerEpoch epoch, ObjectId anchored, Lsn lsn);
    // Dead ones that a snapshot of `anchored_lsn` proves.
    std::vector<ObjectId> dead(Lsn anchored_lsn, ObjectId anchored) const;
    // Whether a snapshot newer than the one of `anchored_lsn` would prove more of them dead.
    bool awaits_proof(Lsn anchored_lsn) const;
    // It is removed from storage.
    void forget(ObjectId id) { objects_.erase(id); }
    void put(Object object) { objects_[object.id] = object; }

    const std::map<ObjectId, Object>& objects() const { return objects_; }
    const Object* find(ObjectId id) const {
        const auto found = objects_.find(id);
        return found == objects_.end() ? nullptr : &found->second;
    }

private:
    std::map<ObjectId, Object> objects_;
};

}  // namespace millrace::container
