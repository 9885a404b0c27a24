// SPDX-License-Identifier: Apache-2.0
//
// The embedded metadata store's rows. The key-value store below has checksums of its own, so that what is wrong here
// was written wrongly, or by somebody else.
#include <string>
#include <vector>

#include "common/base/binary.h"
#include "common/keyvalue/testing/fake_engine.h"
#include "common/metadata/embedded/embedded_metadata_store.h"
#include "common/metadata/embedded/rows.h"
#include "tests/fuzz/allocation_bound.h"
#include "tests/fuzz/entries.h"
#include "tests/fuzz/input.h"
#include "tests/sim/world.h"

namespace millrace::fuzz {
namespace {

namespace embedded = metadata::embedded;

const std::string kMetadataDirectory = "/data/metadata";
constexpr std::size_t kRowsMax = 64;
constexpr std::size_t kStoreMemoryBytes = 16 * 1024 * 1024;

void check_row(ByteView row) {
    const ByteBuffer own = own_buffer(row);
    const std::string_view text = as_text(own.view());
    if (const auto stat = embedded::decode_stat("/a", text)) {
        MR_CHECK(embedded::encode_stat(*stat) == text);
    } else {
        check_refusal(stat.error());
    }
    if (const auto position = embedded::decode_position(text)) {
        MR_CHECK(embedded::encode_position(*position) == text);
    } else {
        check_refusal(position.error());
    }
}

keyvalue::WriteBatch rows_in(ByteView input) {
    LittleEndianReader in{input};
    keyvalue::WriteBatch batch;
    // So that most inputs are a store at all; later rows win.
    batch.put(embedded::kFormatKey, embedded::kFormatValue);
    batch.put(embedded::kPositionKey, embedded::encode_position(metadata::ChangeId{7}));
    for (std::size_t i = 0; i < kRowsMax && in.remaining() > 0; ++i) {
        const auto text = [&] {
            const std::size_t size = in.u8();
            return std::string{as_text(in.bytes(std::min(size, in.remaining())))};
        };
        const std::string key = text();
        batch.put(key, text());
    }
    return batch;
}

// What was wrong is said by the call that meets it; the others go on.
Task<void> use(metadata::MetadataStore& store) {
    for (const std::string path : {"/", "/a", "/a/b", "/c"}) {
        const auto node = co_await store.get(path);
        const auto stat = co_await store.stat(path);
        MR_CHECK(!node || (stat && stat->has_value() && **stat == node->stat));
        const auto children = co_await store.children(path);
        MR_CHECK(!children || (stat && stat->has_value() && children->size() == (*stat)->children));
        (void)co_await store.create(path == "/" ? "/d" : path + "/d", "value");
        (void)co_await store.remove(path);
    }
}

Task<void> check_store(Runtime runtime, keyvalue::WriteBatch rows) {
    std::shared_ptr<keyvalue::Engine> engine = keyvalue::make_fake_engine();
    keyvalue::StoreOptions options;
    options.directory = kMetadataDirectory;
    options.log = true;
    {
        auto store = co_await engine->open(runtime, options);
        MR_CHECK(store.ok());
        MR_CHECK((co_await (*store)->write(std::move(rows), keyvalue::Durability::kSynced)).ok());
        co_await (*store)->close();
    }
    for (int start = 0; start < 2; ++start) {
        auto store = co_await metadata::EmbeddedMetadataStore::open(runtime, engine, {kMetadataDirectory, 0});
        if (!store) {
            check_refusal(store.error());
            co_return;
        }
        co_await use(**store);
        co_await (*store)->close();
    }
}

}  // namespace

void metadata_rows(ByteView input) {
    const AllocationBound bound{kStoreMemoryBytes};
    check_row(input);
    sim::World world{1};
    sim::Node& node = world.add_node("a");
    world.run([&] { return check_store(node.runtime(), rows_in(input)); });
}

}  // namespace millrace::fuzz
