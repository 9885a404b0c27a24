// SPDX-License-Identifier: Apache-2.0
//
// Segments that are tables. How a message is laid out: message.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

// Versions of a key besides those that a table gave, which are >= 0.
inline constexpr std::int64_t kNoTableKeyVersion = INT64_MIN;  // unconditional
inline constexpr std::int64_t kTableKeyNotExists = -1;         // must be absent

// An empty key travels without its version and comes with kNoTableKeyVersion.
struct TableKey {
    Bytes key;
    std::int64_t version = kNoTableKeyVersion;

    static constexpr std::size_t kLeastBytes = 8;
    bool operator==(const TableKey&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v.table_key(m.key, m.version);
    }
};

struct TableEntry {
    TableKey key;
    Bytes value;

    static constexpr std::size_t kLeastBytes = 16;
    bool operator==(const TableEntry&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        TableKey::walk(v, m.key);
        v.table_value(m.value);
    }
};

// Where an iteration goes on (a token that the table gave), or which keys it covers, both ends
// included: only for tables with keys of one length.
struct TableIteratorArgs {
    Bytes continuation_token;
    Bytes from_key;  // since 12
    Bytes to_key;    // since 12

    bool operator==(const TableIteratorArgs&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("continuation_token", m.continuation_token);
        if (v.since(10)) v.unused_blob();  // once a prefix of keys
        if (v.since(12)) v("from_key", m.from_key);
        if (v.since(12)) v("to_key", m.to_key);
    }
};

struct CreateTableSegment {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    bool sorted_deprecated = false;  // since 10
    std::int32_t key_length = 0;  // since 12; 0: keys of any length, hashed
    std::int64_t rollover_size_bytes = 0;  // since 14

    static constexpr FrameType kType = FrameType::kCreateTableSegment;
    bool operator==(const CreateTableSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        if (v.since(10)) v("sorted_deprecated", m.sorted_deprecated);
        if (v.since(12)) v("key_length", m.key_length);
        if (v.since(14)) v("rollover_size_bytes", m.rollover_size_bytes);
    }
};

struct DeleteTableSegment {
    RequestId request_id = 0;
    std::string segment;
    bool must_be_empty = false;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kDeleteTableSegment;
    bool operator==(const DeleteTableSegment&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("must_be_empty", m.must_be_empty);
        v.token("delegation_token", m.delegation_token);
    }
};

struct GetTableSegmentInfo {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;

    static constexpr FrameType kType = FrameType::kGetTableSegmentInfo;
    bool operator==(const GetTableSegmentInfo&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
    }
};

struct TableSegmentInfo {
    RequestId request_id = 0;
    std::string segment;
    std::int64_t start_offset = 0;
    std::int64_t length = 0;
    std::int64_t entry_count = 0;
    std::int32_t key_length = 0;

    static constexpr FrameType kType = FrameType::kTableSegmentInfo;
    bool operator==(const TableSegmentInfo&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v("start_offset", m.start_offset);
        v("length", m.length);
        v("entry_count", m.entry_count);
        v("key_length", m.key_length);
    }
};

struct UpdateTableEntries {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    std::vector<TableEntry> entries;
    std::int64_t table_segment_offset = -1;  // since 10

    static constexpr FrameType kType = FrameType::kUpdateTableEntries;
    bool operator==(const UpdateTableEntries&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        v.list("entries", m.entries);
        if (v.since(10)) v("table_segment_offset", m.table_segment_offset);
    }
};

struct TableEntriesUpdated {
    RequestId request_id = 0;
    std::vector<std::int64_t> versions;  // as the entries came

    static constexpr FrameType kType = FrameType::kTableEntriesUpdated;
    bool operator==(const TableEntriesUpdated&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v.list("versions", m.versions);
    }
};

struct RemoveTableKeys {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    std::vector<TableKey> keys;
    std::int64_t table_segment_offset = -1;  // since 10

    static constexpr FrameType kType = FrameType::kRemoveTableKeys;
    bool operator==(const RemoveTableKeys&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        v.list("keys", m.keys);
        if (v.since(10)) v("table_segment_offset", m.table_segment_offset);
    }
};

struct TableKeysRemoved {
    RequestId request_id = 0;
    std::string segment;

    static constexpr FrameType kType = FrameType::kTableKeysRemoved;
    bool operator==(const TableKeysRemoved&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
    }
};

// The keys' versions mean nothing.
struct ReadTable {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    std::vector<TableKey> keys;

    static constexpr FrameType kType = FrameType::kReadTable;
    bool operator==(const ReadTable&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        v.list("keys", m.keys);
    }
};

struct TableRead {
    RequestId request_id = 0;
    std::string segment;
    std::vector<TableEntry> entries;

    static constexpr FrameType kType = FrameType::kTableRead;
    bool operator==(const TableRead&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.list("entries", m.entries);
    }
};

struct ReadTableKeys {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    std::int32_t suggested_key_count = 0;
    TableIteratorArgs args;

    static constexpr FrameType kType = FrameType::kReadTableKeys;
    bool operator==(const ReadTableKeys&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        v("suggested_key_count", m.suggested_key_count);
        TableIteratorArgs::walk(v, m.args);
    }
};

struct TableKeysRead {
    RequestId request_id = 0;
    std::string segment;
    std::vector<TableKey> keys;
    Bytes continuation_token;

    static constexpr FrameType kType = FrameType::kTableKeysRead;
    bool operator==(const TableKeysRead&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.list("keys", m.keys);
        v("continuation_token", m.continuation_token);
    }
};

struct ReadTableEntries {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    std::int32_t suggested_entry_count = 0;
    TableIteratorArgs args;

    static constexpr FrameType kType = FrameType::kReadTableEntries;
    bool operator==(const ReadTableEntries&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        v("suggested_entry_count", m.suggested_entry_count);
        TableIteratorArgs::walk(v, m.args);
    }
};

struct TableEntriesRead {
    RequestId request_id = 0;
    std::string segment;
    std::vector<TableEntry> entries;
    Bytes continuation_token;

    static constexpr FrameType kType = FrameType::kTableEntriesRead;
    bool operator==(const TableEntriesRead&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.list("entries", m.entries);
        v("continuation_token", m.continuation_token);
    }
};

struct ReadTableEntriesDelta {
    RequestId request_id = 0;
    std::string segment;
    std::string delegation_token;
    std::int64_t from_position = 0;
    std::int32_t suggested_entry_count = 0;

    static constexpr FrameType kType = FrameType::kReadTableEntriesDelta;
    bool operator==(const ReadTableEntriesDelta&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        v("from_position", m.from_position);
        v("suggested_entry_count", m.suggested_entry_count);
    }
};

struct TableEntriesDeltaRead {
    RequestId request_id = 0;
    std::string segment;
    std::vector<TableEntry> entries;
    bool should_clear = false;
    bool reached_end = false;
    std::int64_t last_position = 0;

    static constexpr FrameType kType = FrameType::kTableEntriesDeltaRead;
    bool operator==(const TableEntriesDeltaRead&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v("segment", m.segment);
        v.list("entries", m.entries);
        v("should_clear", m.should_clear);
        v("reached_end", m.reached_end);
        v("last_position", m.last_position);
    }
};

}  // namespace millrace::wire
