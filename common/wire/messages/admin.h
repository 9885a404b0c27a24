// SPDX-License-Identifier: Apache-2.0
//
// What only the admin port takes. How a message is laid out: message.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/wire/messages/message.h"

namespace millrace::wire {

struct StorageChunk {
    std::int64_t length_in_metadata = 0;
    std::int64_t length_in_storage = 0;
    std::int64_t start_offset = 0;
    std::string name;
    bool exists_in_storage = false;

    static constexpr std::size_t kLeastBytes = 27;
    bool operator==(const StorageChunk&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("length_in_metadata", m.length_in_metadata);
        v("length_in_storage", m.length_in_storage);
        v("start_offset", m.start_offset);
        v("name", m.name);
        v("exists_in_storage", m.exists_in_storage);
    }
};

struct FlushToStorage {
    std::int32_t container_id = 0;
    std::string delegation_token;
    RequestId request_id = 0;

    static constexpr FrameType kType = FrameType::kFlushToStorage;
    bool operator==(const FlushToStorage&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("container_id", m.container_id);
        v.token("delegation_token", m.delegation_token);
        v("request_id", m.request_id);
    }
};

struct StorageFlushed {
    RequestId request_id = 0;

    static constexpr FrameType kType = FrameType::kStorageFlushed;
    bool operator==(const StorageFlushed&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
    }
};

struct ListStorageChunks {
    std::string segment;
    std::string delegation_token;
    RequestId request_id = 0;

    static constexpr FrameType kType = FrameType::kListStorageChunks;
    bool operator==(const ListStorageChunks&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("segment", m.segment);
        v.token("delegation_token", m.delegation_token);
        v("request_id", m.request_id);
    }
};

struct StorageChunksListed {
    RequestId request_id = 0;
    std::vector<StorageChunk> chunks;

    static constexpr FrameType kType = FrameType::kStorageChunksListed;
    bool operator==(const StorageChunksListed&) const = default;
    template <class V, class M>
    static void walk(V& v, M& m) {
        v("request_id", m.request_id);
        v.list("chunks", m.chunks);
    }
};

}  // namespace millrace::wire
