// SPDX-License-Identifier: Apache-2.0
//
// For tests: a container as simple as can be: the list of its operations in LSN order, and what follows from them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "segmentstore/container/operation.h"

namespace millrace::container {

// Segments, writers and attributes are numbers here.
struct ModelOperation {
    std::uint64_t lsn = 0;
    OperationType type{};
    std::size_t name = 0;
    std::int32_t incarnation = 0;
    std::size_t writer = 0;         // or attribute
    std::int64_t event_number = 0;  // or value, or start offset
    std::string data;
};

// What a segment is according to the operations so far.
struct ModelSegment {
    std::int32_t incarnation = 0;
    bool sealed = false;
    std::string bytes;
    std::vector<std::pair<std::int64_t, std::uint64_t>> appended;  // (end, LSN), for readers
    std::map<std::size_t, std::int64_t> writers;                   // last event numbers
    std::int64_t start = 0;
    std::map<std::size_t, std::int64_t> attributes;
    std::uint64_t newest = 0;  // LSN
};

struct ContainerModel {
    std::vector<ModelOperation> operations;  // by LSN; the container's own have some too
    std::map<std::size_t, ModelSegment> segments;
    std::map<std::size_t, std::uint64_t> deleted_at;  // LSN of a name's last deletion
    std::uint64_t must_survive = 0;                   // LSN: what was answered

    void apply(ModelOperation operation, std::uint64_t lsn);
    // The container came back with the operations up to this LSN.
    void rebuild(std::uint64_t survivors);
    // LSN of the last operation on this name; 0: none.
    std::uint64_t newest(std::size_t name) const;
};

}  // namespace millrace::container
