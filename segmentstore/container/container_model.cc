// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/container_model.h"

namespace millrace::container {

void ContainerModel::apply(ModelOperation operation, std::uint64_t lsn) {
    operation.lsn = lsn;
    switch (operation.type) {
        case OperationType::kCreateSegment: {
            ModelSegment segment;
            segment.incarnation = operation.incarnation;
            segments[operation.name] = std::move(segment);
            break;
        }
        case OperationType::kAppend: {
            ModelSegment& segment = segments.at(operation.name);
            segment.bytes += operation.data;
            segment.appended.emplace_back(static_cast<std::int64_t>(segment.bytes.size()), lsn);
            segment.writers[operation.writer] = operation.event_number;
            break;
        }
        case OperationType::kSealSegment:
            segments.at(operation.name).sealed = true;
            break;
        case OperationType::kDeleteSegment:
            segments.erase(operation.name);
            deleted_at[operation.name] = lsn;
            break;
        case OperationType::kTruncateSegment:
            segments.at(operation.name).start = operation.event_number;
            break;
        case OperationType::kObjectPlanned:
        case OperationType::kWindowTiered:
            break;  // the container's own business
        case OperationType::kSetAttribute:
            segments.at(operation.name).attributes[operation.writer] = operation.event_number;
            break;
    }
    const auto segment = segments.find(operation.name);
    if (segment != segments.end()) segment->second.newest = lsn;
    operations.push_back(std::move(operation));
}

void ContainerModel::rebuild(std::uint64_t survivors) {
    std::vector<ModelOperation> kept = std::move(operations);
    std::erase_if(kept, [&](const ModelOperation& operation) { return operation.lsn > survivors; });
    operations.clear();
    segments.clear();
    deleted_at.clear();
    for (ModelOperation& operation : kept) {
        const std::uint64_t lsn = operation.lsn;
        apply(std::move(operation), lsn);
    }
}

std::uint64_t ContainerModel::newest(std::size_t name) const {
    const auto segment = segments.find(name);
    if (segment != segments.end()) return segment->second.newest;
    const auto deleted = deleted_at.find(name);
    return deleted == deleted_at.end() ? 0 : deleted->second;
}

}  // namespace millrace::container
