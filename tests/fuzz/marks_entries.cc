// SPDX-License-Identifier: Apache-2.0
//
// Small files and names that say whose the others are. Only one form of each is accepted, in the newest format.
#include <algorithm>

#include "common/base/crc32c.h"
#include "segmentstore/log/journal/format.h"
#include "segmentstore/server/store_format.h"
#include "segmentstore/storage/file/file_storage.h"
#include "segmentstore/storage/object_name.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"

namespace millrace::fuzz {
namespace {

// The checksum is the last four bytes of each.
void check_marks(ByteView bytes) {
    const ByteBuffer own = own_buffer(bytes);
    if (const auto format = segmentstore::decode_store_format(own.view())) {
        const ByteBuffer again = segmentstore::encode_store_format(*format);
        // An older format comes back as the newest, with the same in it.
        MR_CHECK(own.size() < again.size() || std::ranges::equal(again, own));
        const auto same = segmentstore::decode_store_format(again.view());
        MR_CHECK(same.ok() && same->containers == format->containers && same->storage == format->storage &&
                 same->journal == format->journal);
    } else {
        check_refusal(format.error());
    }
    if (const auto id = storage::decode_storage_mark(own.view())) {
        MR_CHECK(std::ranges::equal(storage::encode_storage_mark(*id), own));
    } else {
        check_refusal(id.error());
    }
}

void check_names(ByteView bytes) {
    const ByteBuffer own = own_buffer(bytes);
    const std::string_view name = as_text(own.view());
    if (const auto object = storage::ObjectName::parse(name)) MR_CHECK(object->to_string() == name);
    if (const std::uint64_t number = log::file_seq_of(name)) MR_CHECK(log::file_name(number) == name);
}

}  // namespace

void marks(ByteView input) {
    const AllocationBound bound{4096 + 16 * input.size()};
    check_marks(input);
    check_names(input);
    if (input.size() < 4) return;
    ByteBuffer fitting = own_buffer(input);
    overwrite(fitting, fitting.size() - 4, crc32c(fitting.view().first(fitting.size() - 4)));
    check_marks(fitting.view());
}

}  // namespace millrace::fuzz
