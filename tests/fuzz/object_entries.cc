// SPDX-License-Identifier: Apache-2.0
//
// An object of long-term storage, read as verification reads it: header, footer, each extent, or the snapshot in it.
#include <algorithm>

#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "segmentstore/container/snapshot.h"
#include "segmentstore/inspect/object_check.h"
#include "segmentstore/tiering/object_format.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"
#include "tests/sim/world.h"

namespace millrace::fuzz {
namespace {

using tiering::kObjectHeaderBytes;
using tiering::kObjectTrailerBytes;

constexpr std::size_t kHeaderChecksumAt = 36;
constexpr std::size_t kTrailerChecksumAt = 36;
constexpr std::size_t kStoredExtentBytes = 32;

// A storage that holds the input and nothing else.
class OneObject final : public storage::ObjectStorage {
public:
    explicit OneObject(ByteView bytes) : bytes_{bytes} {}

    Task<Result<std::unique_ptr<storage::ObjectWriter>>> create(storage::ObjectName) override {
        co_return Error{ErrorCode::kAlreadyExists, "it is there"};
    }
    Task<Result<Bytes>> read(storage::ObjectName, std::uint64_t offset, std::size_t length) override {
        const std::size_t begin = std::min<std::uint64_t>(offset, bytes_.size());
        co_return own_copy(bytes_.subspan(begin, std::min(length, bytes_.size() - begin)));
    }
    Task<Result<std::uint64_t>> size(storage::ObjectName) override { co_return bytes_.size(); }
    Task<Result<void>> remove(storage::ObjectName) override { co_return ok(); }
    Task<Result<std::vector<storage::ObjectName>>> list(ContainerId) override {
        co_return std::vector<storage::ObjectName>{};
    }

private:
    ByteView bytes_;
};

std::uint32_t u32_at(ByteView bytes, std::size_t at) { return LittleEndianReader{bytes.subspan(at)}.u32(); }

void make_snapshot_fit(ByteBuffer& bytes) {
    if (bytes.size() < kObjectHeaderBytes + container::kSnapshotEndBytes) return;
    const std::size_t body_bytes = bytes.size() - kObjectHeaderBytes - container::kSnapshotEndBytes;
    const ByteBuffer end =
        container::encode_snapshot_end(body_bytes, crc32c(bytes.view().subspan(kObjectHeaderBytes, body_bytes)));
    std::ranges::copy(end, bytes.end() - container::kSnapshotEndBytes);
}

// Trailer and header keep what they say of counts; the checksums, and the lengths that follow from the size, are put
// right.
void make_data_fit(ByteBuffer& bytes) {
    if (bytes.size() < kObjectHeaderBytes + kObjectTrailerBytes) return;
    const std::size_t trailer_at = bytes.size() - kObjectTrailerBytes;
    const std::uint64_t said = LittleEndianReader{bytes.view().subspan(trailer_at + 12)}.u64();
    const std::uint64_t begin = std::clamp<std::uint64_t>(said, kObjectHeaderBytes, trailer_at);
    overwrite(bytes, trailer_at + 12, begin);
    overwrite(bytes, trailer_at + 20, static_cast<std::uint32_t>(trailer_at - begin));
    // The extents are the last thing in the footer.
    const std::uint64_t extents =
        std::min<std::uint64_t>(u32_at(bytes.view(), trailer_at + 32), (trailer_at - begin) / kStoredExtentBytes);
    for (std::uint64_t i = 1; i <= extents; ++i) {
        const std::size_t at = trailer_at - i * kStoredExtentBytes;
        const std::uint64_t position = LittleEndianReader{bytes.view().subspan(at + 16)}.u64();
        const std::uint32_t length = u32_at(bytes.view(), at + 24);
        if (position > begin || length > begin - position) continue;
        overwrite(bytes, at + 28, crc32c(bytes.view().subspan(position, length)));
    }
    overwrite(bytes, trailer_at + 24, crc32c(bytes.view().subspan(begin, trailer_at - begin)));
    overwrite(bytes, trailer_at + kTrailerChecksumAt, crc32c(bytes.view().subspan(trailer_at, kTrailerChecksumAt)));
}

void make_object_fit(ByteBuffer& bytes) {
    if (bytes.size() < kObjectHeaderBytes) return;
    overwrite(bytes, kHeaderChecksumAt, crc32c(bytes.view().first(kHeaderChecksumAt)));
    const bool snapshot = u32_at(bytes.view(), 12) == static_cast<std::uint32_t>(tiering::ObjectKind::kSnapshot);
    snapshot ? make_snapshot_fit(bytes) : make_data_fit(bytes);
}

void check_whole_object(ByteView bytes) {
    OneObject storage{bytes};
    // The name that the object gives itself, so that it is not refused for that alone.
    storage::ObjectName name;
    if (bytes.size() >= kObjectHeaderBytes) {
        if (const auto header = tiering::decode_object_header(own_buffer(bytes.first(kObjectHeaderBytes)).view())) {
            MR_CHECK(std::ranges::equal(tiering::encode_object_header(*header).view().first(kHeaderChecksumAt),
                                        bytes.first(kHeaderChecksumAt)));
            name = header->name;
        }
    }
    sim::World world{1};
    const auto checked = world.run([&] { return inspect::check_object(storage, name); });
    if (!checked) {
        MR_CHECK(checked.error().is(ErrorCode::kCorrupt) || checked.error().is(ErrorCode::kUnsupported));
        return;
    }
    if (checked->kind != tiering::ObjectKind::kData) return;
    std::uint64_t data_end = kObjectHeaderBytes;
    for (const auto& extent : checked->footer.extents) data_end += extent.length;
    const ByteBuffer end = tiering::encode_object_end(checked->footer, data_end);
    // Behind the trailer's checksum are zeros that readers do not look at.
    const std::size_t checked_bytes = end.size() - (kObjectTrailerBytes - kTrailerChecksumAt - 4);
    MR_CHECK(data_end + end.size() == bytes.size());
    MR_CHECK(std::ranges::equal(end.view().first(checked_bytes), bytes.subspan(data_end, checked_bytes)));
}

}  // namespace

void object(ByteView input) {
    const AllocationBound bound{256 * 1024 + 64 * input.size()};
    check_whole_object(input);
    ByteBuffer fitting = own_buffer(input);
    make_object_fit(fitting);
    check_whole_object(fitting.view());
}

}  // namespace millrace::fuzz
