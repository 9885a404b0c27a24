// SPDX-License-Identifier: Apache-2.0
//
// Every frame of the data port, once: its name, its type code and who sends it. Enumerators, names,
// the Message variant, the decoder's switch and the tests' lists are made from this table.
// Codes are wire facts and never change; those between that are missing (6, 13, 14, 22 to 27, 54,
// 72, 73) belonged to frames of old releases and are not used again.
#pragma once

#include <cstdint>

namespace millrace::wire {

enum class Sender : std::uint8_t {
    kClient,  // a client or a controller
    kServer,
    kBoth,
    kNested,  // never a frame of its own: at the end of an AppendBlock
};

// X(name, code, sender). `name` is a struct of messages/*.h and, with a k in front, a FrameType.
#define MR_WIRE_MESSAGES(X)                     \
    X(Hello, -127, kBoth)                       \
    X(StorageChunksListed, -6, kServer)         \
    X(ListStorageChunks, -5, kClient)           \
    X(StorageFlushed, -4, kServer)              \
    X(FlushToStorage, -3, kClient)              \
    X(PartialEvent, -2, kNested)                \
    X(Padding, -1, kClient)                     \
    X(SetupAppend, 1, kClient)                  \
    X(AppendSetup, 2, kServer)                  \
    X(AppendBlock, 3, kClient)                  \
    X(AppendBlockEnd, 4, kClient)               \
    X(ConditionalAppend, 5, kClient)            \
    X(DataAppended, 7, kServer)                 \
    X(ConditionalCheckFailed, 8, kServer)       \
    X(ReadSegment, 9, kClient)                  \
    X(SegmentRead, 10, kServer)                 \
    X(GetStreamSegmentInfo, 11, kClient)        \
    X(StreamSegmentInfo, 12, kServer)           \
    X(CreateSegment, 20, kClient)               \
    X(SegmentCreated, 21, kServer)              \
    X(SealSegment, 28, kClient)                 \
    X(SegmentSealed, 29, kServer)               \
    X(DeleteSegment, 30, kClient)               \
    X(SegmentDeleted, 31, kServer)              \
    X(UpdateSegmentPolicy, 32, kClient)         \
    X(SegmentPolicyUpdated, 33, kServer)        \
    X(GetSegmentAttribute, 34, kClient)         \
    X(SegmentAttribute, 35, kServer)            \
    X(UpdateSegmentAttribute, 36, kClient)      \
    X(SegmentAttributeUpdated, 37, kServer)     \
    X(TruncateSegment, 38, kClient)             \
    X(SegmentTruncated, 39, kServer)            \
    X(CreateTransientSegment, 40, kClient)      \
    X(LocateOffset, 41, kClient)                \
    X(OffsetLocated, 42, kServer)               \
    X(WrongHost, 50, kServer)                   \
    X(SegmentIsSealed, 51, kServer)             \
    X(SegmentAlreadyExists, 52, kServer)        \
    X(NoSuchSegment, 53, kServer)               \
    X(InvalidEventNumber, 55, kServer)          \
    X(SegmentIsTruncated, 56, kServer)          \
    X(OperationUnsupported, 57, kServer)        \
    X(MergeSegments, 58, kClient)               \
    X(SegmentsMerged, 59, kServer)              \
    X(AuthTokenCheckFailed, 60, kServer)        \
    X(ErrorMessage, 61, kServer)                \
    X(GetTableSegmentInfo, 68, kClient)         \
    X(TableSegmentInfo, 69, kServer)            \
    X(CreateTableSegment, 70, kClient)          \
    X(DeleteTableSegment, 71, kClient)          \
    X(UpdateTableEntries, 74, kClient)          \
    X(TableEntriesUpdated, 75, kServer)         \
    X(RemoveTableKeys, 76, kClient)             \
    X(TableKeysRemoved, 77, kServer)            \
    X(ReadTable, 78, kClient)                   \
    X(TableRead, 79, kServer)                   \
    X(TableSegmentNotEmpty, 80, kServer)        \
    X(TableKeyDoesNotExist, 81, kServer)        \
    X(TableKeyBadVersion, 82, kServer)          \
    X(ReadTableKeys, 83, kClient)               \
    X(TableKeysRead, 84, kServer)               \
    X(ReadTableEntries, 85, kClient)            \
    X(TableEntriesRead, 86, kServer)            \
    X(TableEntriesDeltaRead, 87, kServer)       \
    X(ReadTableEntriesDelta, 88, kClient)       \
    X(ConditionalBlockEnd, 89, kClient)         \
    X(MergeSegmentsBatch, 90, kClient)          \
    X(SegmentsBatchMerged, 91, kServer)         \
    X(KeepAlive, 100, kBoth)

enum class FrameType : std::int32_t {
    kEvent = 0,  // only inside an AppendBlock, and in segments
#define MR_WIRE_ENUMERATOR(name, code, sender) k##name = code,
    MR_WIRE_MESSAGES(MR_WIRE_ENUMERATOR)
#undef MR_WIRE_ENUMERATOR
};

// Of a code that we know; kNested for others.
constexpr Sender sender_of(FrameType type) {
    switch (type) {
        case FrameType::kEvent: return Sender::kNested;
#define MR_WIRE_SENDER(name, code, sender) \
    case FrameType::k##name: return Sender::sender;
            MR_WIRE_MESSAGES(MR_WIRE_SENDER)
#undef MR_WIRE_SENDER
    }
    return Sender::kNested;
}

// Frames of the admin port; on the data port they end the connection.
constexpr bool is_admin(FrameType type) { return type >= FrameType::kStorageChunksListed && type <= FrameType::kFlushToStorage; }

}  // namespace millrace::wire
