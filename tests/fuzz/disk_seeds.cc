// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "common/base/binary.h"
#include "common/base/crc32c.h"
#include "common/metadata/embedded/rows.h"
#include "controller/store/records.h"
#include "controller/stream/scale.h"
#include "proto/controller/controller.pb.h"
#include "proto/controller/methods.h"
#include "segmentstore/container/entry.h"
#include "segmentstore/container/snapshot.h"
#include "segmentstore/log/journal/batch.h"
#include "segmentstore/server/store_format.h"
#include "segmentstore/tiering/object_format.h"
#include "tests/fuzz/seeds.h"

namespace millrace::fuzz {
namespace {

using namespace container;

ByteBuffer bytes_of(ByteView bytes) {
    ByteBuffer copy;
    copy.append(bytes);
    return copy;
}

WriterId writer() {
    WriterId id;
    id.bytes.back() = std::byte{7};
    return id;
}

// ---- Containers ----

ByteBuffer operation(decltype(Operation::what) what, std::string_view data = {}) {
    ByteBuffer bytes;
    const std::vector<Bytes> pieces{Bytes::copy_of(data)};
    encode_operation(Operation{1234, std::move(what)}, pieces, bytes);
    bytes.append(as_bytes(data));
    return bytes;
}

std::vector<std::pair<std::string, ByteBuffer>> operations() {
    const ObjectId object{OwnerEpoch{2}, 3};
    std::vector<std::pair<std::string, ByteBuffer>> all;
    all.emplace_back("create", operation(CreateSegment{SegmentKey{1}, "s/t/0.#epoch.0", {5, 1, 9}}));
    all.emplace_back("append", operation(Append{SegmentKey{1}, 0, writer(), 3, 4}, "hello, world"));
    all.emplace_back("append-nothing", operation(Append{SegmentKey{1}, 12, writer(), 4, 1}));
    all.emplace_back("seal", operation(SealSegment{SegmentKey{1}, 12}));
    all.emplace_back("delete", operation(DeleteSegment{SegmentKey{1}}));
    all.emplace_back("truncate", operation(TruncateSegment{SegmentKey{1}, 6}));
    all.emplace_back("attribute", operation(SetAttribute{SegmentKey{1}, writer(), -1}));
    all.emplace_back("planned", operation(ObjectPlanned{object, true}));
    all.emplace_back(
        "tiered", operation(WindowTiered{object, {log::Index{9}, Lsn{8}}, {{SegmentKey{1}, 0, 64, 12, 0xAABBCCDD}}}));
    return all;
}

void add_containers(std::vector<Seed>& seeds) {
    ByteBuffer stream;
    for (auto& [name, bytes] : operations()) {
        stream.append(bytes.view());
        seeds.push_back({"container_operation", name, std::move(bytes)});
    }
    // Entries of a log, each with its length before it; the second goes on with what the first began.
    ByteBuffer entries = from_hex("00");
    const std::size_t cut = stream.size() / 2 + 3;
    std::size_t end = 0;  // of the operation that is cut
    for (const auto& [name, bytes] : operations()) {
        if (end < cut) end += bytes.size();
    }
    LittleEndianWriter out{entries};
    for (const auto& [begin, size, continuing] :
         {std::tuple{std::size_t{0}, cut, std::size_t{0}}, std::tuple{cut, stream.size() - cut, end - cut}}) {
        out.u16(static_cast<std::uint16_t>(kEntryHeaderBytes + size));
        encode_entry_header({begin == 0, static_cast<std::uint32_t>(continuing)}, entries);
        entries.append(stream.view().subspan(begin, size));
    }
    seeds.push_back({"container_entries", "two-entries", std::move(entries)});
    // A stream of operations, and the size of the entries that it is cut into.
    for (const unsigned step : {2u, 16u, 63u, 254u}) {
        ByteBuffer cut_stream = bytes_of(stream.view());
        cut_stream.push_back(static_cast<std::byte>(step));
        seeds.push_back({"container_entries", "stream-" + std::to_string(step), std::move(cut_stream)});
    }
}

// ---- Objects and snapshots ----

ByteBuffer snapshot_body() {
    ByteBuffer body;
    encode_snapshot_head({Lsn{40}, {log::Index{7}, Lsn{38}}, 1234, 2, 1}, body);
    SnapshotSegment segment{
        SegmentKey{1}, "s/t/0.#epoch.0", {5, 1, 9}, true, 30, 4, 1200, Lsn{39}, 20, {{writer(), 3}}, {}};
    segment.extents.push_back({{OwnerEpoch{3}, 1}, 4, 64, 16, 0x01020304});
    encode_snapshot_segment(segment, body);
    encode_snapshot_segment({SegmentKey{2}, "s/t/1.#epoch.0", {}, false, 0, 0, 1, Lsn{2}, 0, {}, {}}, body);
    encode_snapshot_object({{OwnerEpoch{3}, 1}, false, true, 1, Lsn{}}, body);
    return body;
}

void add_objects(std::vector<Seed>& seeds) {
    using namespace tiering;
    const storage::ObjectName name{ContainerId{1}, OwnerEpoch{2}, 3};
    ByteBuffer data = encode_object_header({ObjectKind::kData, name});
    ByteBuffer empty = bytes_of(data.view());
    ObjectFooter footer;
    footer.segments = {{1, "s/t/0.#epoch.0"}, {5, "s/t/1.#epoch.0"}};
    for (const auto& [segment, offset, text] :
         {std::tuple{1ull, 10, "hello"}, std::tuple{1ull, 15, ", world"}, std::tuple{5ull, 0, "x"}}) {
        const ByteView bytes = as_bytes(text);
        footer.extents.push_back(
            {segment, offset, data.size(), static_cast<std::uint32_t>(bytes.size()), crc32c(bytes)});
        data.append(bytes);
    }
    data.append(encode_object_end(footer, data.size()).view());
    seeds.push_back({"object", "data", std::move(data)});
    empty.append(encode_object_end({}, empty.size()).view());
    seeds.push_back({"object", "data-empty", std::move(empty)});
    ByteBuffer body = snapshot_body();
    ByteBuffer object = encode_object_header({ObjectKind::kSnapshot, name});
    object.append(body.view());
    object.append(encode_snapshot_end(body.size(), crc32c(body.view())).view());
    seeds.push_back({"object", "snapshot", std::move(object)});

    seeds.push_back({"snapshot", "end", encode_snapshot_end(body.size(), crc32c(body.view()))});
    seeds.push_back({"snapshot", "body", std::move(body)});
    seeds.push_back(
        {"snapshot", "anchor", bytes_of(encode_anchor({{OwnerEpoch{3}, 9}, Lsn{40}, 300, 0xAABBCCDD}).view())});
}

void add_marks(std::vector<Seed>& seeds) {
    storage::StorageId id;
    for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(i);
    seeds.push_back({"marks", "store", segmentstore::encode_store_format({16, id, id})});
    seeds.push_back({"marks", "storage", storage::encode_storage_mark(id)});
    seeds.push_back({"marks", "object-name",
                     bytes_of(as_bytes(storage::ObjectName{ContainerId{1}, OwnerEpoch{2}, 3}.to_string()))});
    seeds.push_back({"marks", "journal-name", bytes_of(as_bytes(log::file_name(26)))});
}

// ---- Journal ----

ByteBuffer after_kind(std::uint8_t kind, ByteView bytes) {
    ByteBuffer all;
    all.push_back(static_cast<std::byte>(kind));
    all.append(bytes);
    return all;
}

void add_journal_records(std::vector<Seed>& seeds) {
    using namespace log;
    constexpr std::size_t kFileFields = 64;  // the rest is zeros, which the entry adds
    ByteBuffer block(kBlockBytes);
    FileHeader file;
    file.file_seq = 26;
    file.salt = 0x1122334455667788;
    file.previous_seq = 25;
    file.file_bytes = 1 << 20;
    encode_file_header(file, block.mutable_view());
    seeds.push_back({"journal_records", "file-header", after_kind(0, block.view().first(kFileFields))});

    BatchBuilder builder;
    builder.start(2, 6);
    for (const std::string_view body : {"hello", "!"}) {
        RecordHeader record;
        record.log = 3;
        record.epoch = 2;
        record.index = body.size();
        builder.add(record, as_bytes(body));
    }
    BatchHeader header;
    header.file_seq = 26;
    header.batch_seq = 7;
    header.synced_through = 6;
    const ByteView batch = builder.finish(header, file.salt);
    ByteBuffer salted;
    LittleEndianWriter{salted}.u64(file.salt);
    salted.append(batch.first(BatchHeader::kBytes + header.records_bytes));
    seeds.push_back({"journal_records", "batch", after_kind(1, salted.view())});

    ByteBuffer states;
    encode_log_states({{3, 2, 90, 102, "first"}, {4, 1, 1, 1, ""}}, states);
    seeds.push_back({"journal_records", "log-states", after_kind(2, states.view())});
    ByteBuffer list;
    encode_file_list({{24, 0x98, 8192, 5}, {25, 0x99, 12288, 6}}, list);
    seeds.push_back({"journal_records", "file-list", after_kind(3, list.view())});
    ByteBuffer retired;
    encode_retired({23, 24}, retired);
    seeds.push_back({"journal_records", "retired", after_kind(4, retired.view())});
}

// In the language of described_journal.h. A file: traits, number of batches, the batches, blocks behind them, what they
// are full of. A batch: traits, number of records, the records: 0 entry (log, length), 2 promise (log), 3 truncation
// (log, by how much, length of the anchor), 4 retired (file), 5 anything, 6 log states, 7 list of files.
void add_journal_directories(std::vector<Seed>& seeds) {
    const auto add = [&](const char* name, std::string_view hex) {
        seeds.push_back({"journal_directory", name, from_hex(hex)});
    };
    // One file: two logs taken over, entries, the witness.
    add("one-file", "00  00 03  00 03 0200 0201 000005  00 02 000020 000103  00 00  00 00");
    // Three files, in the first of them two logs; a truncation with an anchor, and the first file retired.
    add("three-files",
        "02"
        "00 03  00 02 0200 0201  00 02 000005 0001ff  00 00  00 00"
        "00 03  00 01 000010  00 02 03000205 03010103  00 00  01 00"
        "00 04  00 01 000010  00 01 0401  00 02 000001 000102  00 00  02 00");
    // Prepared files behind the newest: one empty, one full of another life's bytes.
    add("ready-files", "02  00 02  00 02 0200 000005  00 00  00 00   00 00 03 00   00 00 03 ab");
    // Nothing proves the last two batches durable.
    add("unproven-tail", "00  00 03  00 02 0200 000005  01 01 01 000020  01 02 02 0200 0300 0104  00 00");
    // The same, with an entry of a log that nobody took over.
    add("unproven-tail-without-owner", "00  00 02  00 00  00 01 000000  00 00");
    // A batch in the middle is overwritten: offset 8,300 of the first file.
    add("damage", "00  00 03  00 02 0200 000005  00 01 000020  00 00  00 00  00 6c20 00 01");
    // The newest file says that there is a newer one, and one that was not finished.
    add("continued", "01  00 02  00 02 0200 000005  04 00  01 00   40 00 00 00");
    // Anything: records, states and lists with numbers out of nowhere.
    add("anything",
        "00  00 04  00 01 0200"
        "  00 01 05 01 00000000 0100000000000000 ffffffffffffffff 02 6162"
        "  00 01 06 00 0200000000000000 0100000000000000 ffffffffffffffff"
        "  00 01 07 01 0102030405060708 0020000000000000 0100000000000000  00 00");
}

// ---- Metadata ----

void add_metadata(std::vector<Seed>& seeds) {
    using namespace metadata;
    const std::string stat = embedded::encode_stat({Version{1}, 1, SessionId{}, ChangeId{1}, ChangeId{2}, ChangeId{3}});
    const std::string ephemeral =
        embedded::encode_stat({Version{0}, 0, SessionId{5}, ChangeId{4}, ChangeId{4}, ChangeId{4}});
    seeds.push_back({"metadata_rows", "stat", bytes_of(as_bytes(stat))});
    seeds.push_back({"metadata_rows", "position", bytes_of(as_bytes(embedded::encode_position(ChangeId{7})))});
    ByteBuffer store;
    const auto row = [&store](const std::string& key, const std::string& value) {
        for (const std::string& text : {key, value}) {
            store.push_back(static_cast<std::byte>(text.size()));
            store.append(as_bytes(text));
        }
    };
    row(embedded::stat_key("/"), stat);
    row(embedded::stat_key("/a"), stat);
    row(embedded::value_key("/a"), "value");
    row(embedded::stat_key("/a/b"), ephemeral);
    row(embedded::value_key("/a/b"), "");
    row(embedded::ephemeral_key("/a/b"), "");
    seeds.push_back({"metadata_rows", "store", std::move(store)});
}

// ---- Controller ----

void add_controller(std::vector<Seed>& seeds) {
    using namespace controller;
    using records::StreamRecord;
    const stream::Epoch first = stream::first_epoch(2, 0, 5);
    StreamRecord stream;
    stream.set_version(1);
    stream.set_state(StreamRecord::ACTIVE);
    stream.set_created_ms(5);
    stream.mutable_config()->set_min_segments(1);
    stream.set_next_number(2);
    *stream.mutable_current() = store::to_record(first, {});
    const auto add = [&](const char* name, const StreamRecord& record) {
        ByteBuffer bytes;
        const std::string text = record.SerializeAsString();
        LittleEndianWriter{bytes}.u16(static_cast<std::uint16_t>(text.size()));
        bytes.append(as_bytes(text));
        bytes.append(as_bytes(store::to_record(first, {}).SerializeAsString()));
        seeds.push_back({"controller_records", name, std::move(bytes)});
    };
    add("active", stream);
    StreamRecord creating = stream;
    creating.set_state(StreamRecord::CREATING);
    add("creating", creating);
    StreamRecord scaling = stream;
    scaling.set_state(StreamRecord::SCALING);
    scaling.mutable_scale()->add_sealed(first.segments[0].id.value);
    stream::Segment successor{SegmentId::of(2, StreamEpoch{1}), first.segments[0].range};
    *scaling.mutable_scale()->add_created() = store::to_record(successor);
    add("scaling", scaling);
    scaling.mutable_scale()->set_published(true);
    add("scaling-published", scaling);
    StreamRecord later = stream;
    *later.mutable_current() =
        store::to_record(stream::epoch_after(first, {first.segments[0].id}, {successor}, 9), {first.segments[0].id});
    add("second-epoch", later);
    StreamRecord truncating = later;
    truncating.set_state(StreamRecord::TRUNCATING);
    truncating.mutable_truncate();
    for (const auto& [segment, offset] : {std::pair{first.segments[1].id, 7}, {successor.id, 0}}) {
        truncating.mutable_head()->add_segments(segment.value);
        truncating.mutable_head()->add_offsets(offset);
    }
    add("truncating", truncating);
    StreamRecord updating = stream;
    updating.set_state(StreamRecord::UPDATING);
    updating.mutable_update();
    updating.mutable_config()->set_min_segments(3);
    add("updating", updating);
    StreamRecord sealing = stream;
    sealing.set_state(StreamRecord::SEALING);
    sealing.mutable_seal();
    add("sealing", sealing);
    StreamRecord going = stream;
    going.set_state(StreamRecord::SEALED);
    going.mutable_remove();
    add("deleting", going);
}

// Of a call: its place in the table of calls, and a request that is answered with a success.
void add_controller_requests(std::vector<Seed>& seeds) {
    namespace pb = io::pravega::controller::stream::api::grpc::v1;
    const auto add = [&](std::string_view call, const google::protobuf::Message& request) {
        for (std::size_t row = 0; row < proto::kControllerMethods.size(); ++row) {
            if (proto::kControllerMethods[row].name != call) continue;
            ByteBuffer bytes;
            bytes.push_back(static_cast<std::byte>(row));
            bytes.append(as_bytes(request.SerializeAsString()));
            seeds.push_back({"controller_requests", std::string{call}, std::move(bytes)});
        }
    };
    const std::int64_t left = (std::int64_t{1} << 32) + 1;
    pb::ScopeInfo scope;
    scope.set_scope("t");
    add("createScope", scope);
    add("deleteScope", scope);
    pb::StreamInfo stream;
    stream.set_scope("s");
    stream.set_stream("x");
    for (const char* call : {"getCurrentSegments", "getStreamConfiguration", "checkStreamExists", "sealStream", "deleteStream",
                             "getDelegationToken"}) {
        add(call, stream);
    }
    pb::StreamsInScopeRequest list;
    list.mutable_scope()->set_scope("s");
    add("listStreamsInScope", list);
    pb::StreamConfig config;
    *config.mutable_streaminfo() = stream;
    config.mutable_scalingpolicy()->set_minnumsegments(3);
    config.mutable_retentionpolicy()->set_retentiontype(pb::RetentionPolicy::TIME);
    config.mutable_tags()->add_tag("tag");
    add("updateStream", config);
    config.mutable_streaminfo()->set_stream("y");
    add("createStream", config);
    pb::StreamCut cut;
    *cut.mutable_streaminfo() = stream;
    (*cut.mutable_cut())[0] = 0;
    add("truncateStream", cut);
    add("isStreamCutValid", cut);
    pb::StreamCutRange range;
    *range.mutable_streaminfo() = stream;
    (*range.mutable_from())[0] = 0;
    (*range.mutable_to())[left] = 0;
    add("getSegmentsBetween", range);
    pb::ScaleRequest scale;
    *scale.mutable_streaminfo() = stream;
    scale.add_sealedsegments(left);
    scale.add_newkeyranges()->set_end(0.5);
    add("scale", scale);
    pb::SegmentId segment;
    *segment.mutable_streaminfo() = stream;
    add("getSegmentsImmediatelyFollowing", segment);
    pb::ReaderGroupConfiguration group;
    group.set_scope("s");
    group.set_readergroupname("g");
    group.set_readergroupid("00000000-0000-4000-8000-000000000001");
    group.set_maxoutstandingcheckpointrequest(1);
    *group.add_startingstreamcuts() = cut;
    add("updateReaderGroup", group);
    group.set_readergroupname("h");
    add("createReaderGroup", group);
    pb::ReaderGroupInfo info;
    info.set_scope("s");
    info.set_readergroup("g");
    info.set_readergroupid("00000000-0000-4000-8000-000000000001");
    add("getReaderGroupConfig", info);
    add("deleteReaderGroup", info);
}

}  // namespace

std::vector<Seed> disk_seeds() {
    std::vector<Seed> all;
    add_containers(all);
    add_objects(all);
    add_marks(all);
    add_journal_records(all);
    add_journal_directories(all);
    add_metadata(all);
    add_controller(all);
    add_controller_requests(all);
    return all;
}

}  // namespace millrace::fuzz
