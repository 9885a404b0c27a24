// SPDX-License-Identifier: Apache-2.0
//
// How operations are cut into log entries (docs/formats/container.md). An operation exists iff all
// its bytes are committed; the first entry of an epoch starts a new operation, and what was
// unfinished before it is void. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "segmentstore/container/container_mutations.h"
#include "segmentstore/container/extent_map.h"
#include "segmentstore/container/operation.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::container {

inline constexpr std::uint8_t kContainerFormat = 1;
inline constexpr std::size_t kEntryHeaderBytes = 8;
inline constexpr std::size_t kMaxEntryBytes = log::DurableLog::kMaxEntryBytes;

struct EntryHeader {
    bool first_of_epoch = false;
    std::uint32_t continuing_bytes = 0;  // of the operation that began in an earlier entry
};

void encode_entry_header(const EntryHeader& header, ByteBuffer& out);
// kCorrupt; kUnsupported for a newer format.
Result<EntryHeader> decode_entry_header(ByteView body);

// Where the parts of one operation lie: consecutive, all but the last reaching the end of their entry.
struct OperationPart {
    log::Index entry;
    std::uint32_t position = 0;  // in the entry's body
    std::uint32_t length = 0;
};

// The extents of an Append's data, given where the whole operation lies.
void append_extents(const Append& append, std::span<const OperationPart> parts, std::vector<Extent>& out);

struct ReplayedOperation {
    DecodedOperation decoded;
    std::vector<OperationPart> parts;
    std::size_t data_bytes = 0;
};

// Puts operations together from entries given in order.
class OperationAssembler {
public:
    // `inside_epoch`: the first entry given is not the first of its log.
    explicit OperationAssembler(bool inside_epoch = false, ContainerMutations mutations = {})
        : mutations_{mutations}, any_entry_{inside_epoch} {}

    // The operations that end in this entry, appended to `out`. Errors name the entry.
    Result<void> feed(log::Index index, ByteView body, std::vector<ReplayedOperation>& out);

    bool inside_operation() const { return expected_ > 0; }
    // Operations that a change of owner left unfinished.
    std::uint64_t void_operations() const { return void_operations_; }

private:
    Result<void> feed_entry(log::Index index, ByteView body, std::vector<ReplayedOperation>& out);

    const ContainerMutations mutations_;
    ByteBuffer partial_;                  // of the operation that continues in the next entry
    std::vector<OperationPart> parts_;    // of the same
    std::size_t expected_ = 0;            // its total length; kUnknownLength before its header is whole
    bool any_entry_ = false;
    std::uint64_t void_operations_ = 0;
};

// Collects a segment's bytes out of an entry: calls `piece(segment offset, bytes)` for each append
// of the run that `extent` describes, in order. kCorrupt when the entry does not hold it.
template <class F>
Result<void> walk_run(const Extent& extent, SegmentKey segment, const Bytes& body, F&& piece);

}  // namespace millrace::container

#include "segmentstore/container/entry_walk.h"
