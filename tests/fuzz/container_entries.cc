// SPDX-License-Identifier: Apache-2.0
//
// What a container's log says. Only one form of each operation is accepted, so encoding gives the same bytes again.
#include <algorithm>
#include <variant>
#include <vector>

#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "segmentstore/container/entry.h"
#include "segmentstore/container/operation.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"

namespace millrace::fuzz {
namespace {

using container::Append;
using container::DecodedOperation;
using container::Operation;
using container::OperationAssembler;
using container::ReplayedOperation;

constexpr std::size_t kOperationLengthAt = 1;
constexpr std::size_t kOperationChecksumAt = 5;

// Length and checksum as they would be for these bytes.
void make_operation_fit(ByteBuffer& operation) {
    if (operation.size() < container::kOperationHeaderBytes) return;
    overwrite(operation, kOperationLengthAt, static_cast<std::uint32_t>(operation.size()));
    const ByteView view = operation.view();
    overwrite(operation, kOperationChecksumAt,
              crc32c(view.subspan(container::kOperationHeaderBytes), crc32c(view.first(kOperationChecksumAt))));
}

void check_operation(ByteView bytes) {
    const Bytes own = own_copy(bytes);
    const auto decoded = container::decode_operation(own.view());
    if (!decoded) {
        check_refusal(decoded.error());
        return;
    }
    MR_CHECK(decoded->data_begin <= own.size());
    const std::vector<Bytes> data{own.slice(decoded->data_begin)};
    ByteBuffer encoded;
    container::encode_operation(decoded->operation, data, encoded);
    encoded.append(data.front().view());
    MR_CHECK(std::ranges::equal(encoded, own.view()));
    const auto* append = std::get_if<Append>(&decoded->operation.what);
    const auto head = container::peek_append(own.view());
    MR_CHECK((append != nullptr) == head.has_value());
    if (append == nullptr) return;
    MR_CHECK(head->segment == append->segment && head->offset == append->offset && head->total_bytes == own.size());
}

// What an append's extents give is its data, wherever the operation was cut.
void check_extents(const ReplayedOperation& replayed, const std::vector<Bytes>& entries, ByteView data) {
    const auto* append = std::get_if<Append>(&replayed.decoded.operation.what);
    if (append == nullptr || append->offset < 0 || append->offset > INT64_MAX / 2) return;
    std::vector<container::Extent> extents;
    container::append_extents(*append, replayed.parts, extents);
    ByteBuffer found;
    std::int64_t next = append->offset;
    for (const container::Extent& extent : extents) {
        const Bytes& body = entries.at(extent.entry.number() - 1);
        const Result<void> walked =
            container::walk_run(extent, append->segment, body, [&](std::int64_t offset, const Bytes& piece) {
                MR_CHECK(offset == next);
                next += static_cast<std::int64_t>(piece.size());
                found.append(piece.view());
            });
        MR_CHECK(walked.ok());
    }
    MR_CHECK(std::ranges::equal(found, data));
}

// Cut into entries of `step` bytes of operations each; what comes out is what went in.
void check_cut(const std::vector<ByteBuffer>& operations, std::size_t step) {
    ByteBuffer stream;
    std::vector<std::size_t> ends;
    for (const ByteBuffer& operation : operations) {
        stream.append(operation.view());
        ends.push_back(stream.size());
    }
    std::vector<Bytes> entries;
    for (std::size_t at = 0; at < stream.size() || at == 0; at += step) {
        const std::size_t size = std::min(step, stream.size() - at);
        // The end of the operation that this entry goes on with.
        const auto begins_here = at == 0 || std::ranges::find(ends, at) != ends.end();
        const auto end = std::ranges::upper_bound(ends, at);
        container::EntryHeader header;
        header.first_of_epoch = at == 0;
        if (!begins_here) header.continuing_bytes = static_cast<std::uint32_t>(std::min(*end - at, size));
        ByteBuffer body;
        container::encode_entry_header(header, body);
        body.append(stream.view().subspan(at, size));
        entries.push_back(own_copy(body.view()));
    }
    OperationAssembler assembler;
    std::vector<ReplayedOperation> replayed;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        MR_CHECK(assembler.feed(log::Index{i + 1}, entries[i].view(), replayed).ok());
    }
    MR_CHECK(!assembler.inside_operation() && assembler.void_operations() == 0);
    MR_CHECK(replayed.size() == operations.size());
    for (std::size_t i = 0; i < replayed.size(); ++i) {
        const auto alone = container::decode_operation(operations[i].view());
        MR_CHECK(alone.ok() && alone->operation == replayed[i].decoded.operation);
        const ByteView data = operations[i].view().subspan(alone->data_begin);
        MR_CHECK(replayed[i].data_bytes == data.size());
        check_extents(replayed[i], entries, data);
    }
}

// As a log would give them: each with its length before it. The first byte says whether the log begins here.
void feed_entries(ByteView input) {
    LittleEndianReader in{input};
    OperationAssembler assembler{(in.u8() & 1) != 0};
    for (std::uint64_t index = 1; in.remaining() > 0; ++index) {
        const std::size_t size = in.u16();
        const Bytes body = own_copy(in.bytes(std::min(size, in.remaining())));
        std::vector<ReplayedOperation> replayed;
        const Result<void> fed = assembler.feed(log::Index{index}, body.view(), replayed);
        for (const ReplayedOperation& operation : replayed) {
            std::size_t bytes = 0;
            for (const container::OperationPart& part : operation.parts) bytes += part.length;
            MR_CHECK(bytes == operation.decoded.data_begin + operation.data_bytes);
        }
        if (fed) continue;
        check_refusal(fed.error());
        return;
    }
}

// Operations of the input that decode once their checksums fit: what their headers say is their length, or all the
// rest.
std::vector<ByteBuffer> operations_in(ByteView input) {
    std::vector<ByteBuffer> operations;
    while (input.size() >= container::kOperationHeaderBytes) {
        const auto header = container::decode_operation_header(input);
        const std::size_t size = header ? std::min<std::size_t>(header->total_bytes, input.size()) : input.size();
        ByteBuffer operation = own_buffer(input.first(size));
        make_operation_fit(operation);
        if (container::decode_operation(operation.view())) operations.push_back(std::move(operation));
        input = input.subspan(size);
    }
    return operations;
}

}  // namespace

void container_operation(ByteView input) {
    const AllocationBound bound{4096 + 16 * input.size()};
    check_operation(input);
    ByteBuffer fitting = own_buffer(input);
    make_operation_fit(fitting);
    check_operation(fitting.view());
}

void container_entries(ByteView input) {
    const AllocationBound bound{64 * 1024 + 256 * input.size()};
    feed_entries(input);
    if (input.size() < 2) return;
    const std::size_t step = 1 + static_cast<std::size_t>(input.back());
    const auto operations = operations_in(input.first(input.size() - 1));
    if (!operations.empty()) check_cut(operations, step);
}

}  // namespace millrace::fuzz
