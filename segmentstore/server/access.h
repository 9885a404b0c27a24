// SPDX-License-Identifier: Apache-2.0
//
// What each frame of the data port asks to be allowed, whether or not anybody checks. What changes a segment
// needs kReadUpdate; why that is stricter than others are: docs/design/0017-access.md. Constants.
#pragma once

#include <cstdint>

#include "common/model/permission.h"
#include "common/wire/catalogue.h"

namespace millrace::segmentstore {

enum class Resource : std::uint8_t {
    kConnection,  // nothing beyond the connection itself
    kWriter,      // the segment for which its writer was set up, checked then
    kSegment,     // the segment that it names
    kMerge,       // the target and the sources that it names
    kStore,       // the store as a whole
};

struct Access {
    Resource resource = Resource::kConnection;
    Permission permission = Permission::kNone;
};

// Frames that only servers send ask for nothing: they are refused as such.
constexpr Access access_of(wire::FrameType type) {
    using enum wire::FrameType;
    constexpr Access kReads{Resource::kSegment, Permission::kRead};
    constexpr Access kChanges{Resource::kSegment, Permission::kReadUpdate};
    switch (type) {
        case kHello:
        case kPadding:
        case kKeepAlive: return {};

        case kAppendBlock:
        case kAppendBlockEnd:
        case kConditionalAppend:
        case kConditionalBlockEnd: return {Resource::kWriter, Permission::kNone};

        case kReadSegment:
        case kGetStreamSegmentInfo:
        case kGetSegmentAttribute:
        case kLocateOffset:
        case kGetTableSegmentInfo:
        case kReadTable:
        case kReadTableKeys:
        case kReadTableEntries:
        case kReadTableEntriesDelta: return kReads;

        case kSetupAppend:
        case kCreateSegment:
        case kSealSegment:
        case kTruncateSegment:
        case kDeleteSegment:
        case kUpdateSegmentPolicy:
        case kUpdateSegmentAttribute:
        case kCreateTransientSegment:
        case kCreateTableSegment:
        case kDeleteTableSegment:
        case kUpdateTableEntries:
        case kRemoveTableKeys: return kChanges;

        case kMergeSegments:
        case kMergeSegmentsBatch: return {Resource::kMerge, Permission::kReadUpdate};

        case kListStorageChunks: return {Resource::kStore, Permission::kRead};
        case kFlushToStorage: return {Resource::kStore, Permission::kReadUpdate};

        default: return {};
    }
}

}  // namespace millrace::segmentstore
