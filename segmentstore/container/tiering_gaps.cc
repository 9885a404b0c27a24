// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/tiering_gaps.h"

#include "common/runtime/rare.h"

namespace millrace::container {

void TieringGaps::note_crash(TieringStep after) {
    ++crashed[static_cast<std::size_t>(after)];
    switch (after) {
        case TieringStep::kIdle: MR_PROBE("container.crashed_idle"); break;
        case TieringStep::kDataPlanned: MR_PROBE("container.crashed_with_data_planned"); break;
        case TieringStep::kDataStored: MR_PROBE("container.crashed_with_data_stored"); break;
        case TieringStep::kWindowCommitted: MR_PROBE("container.crashed_with_window_committed"); break;
        case TieringStep::kSnapshotPlanned: MR_PROBE("container.crashed_with_snapshot_planned"); break;
        case TieringStep::kSnapshotStored: MR_PROBE("container.crashed_with_snapshot_stored"); break;
        case TieringStep::kAnchored: MR_PROBE("container.crashed_with_snapshot_anchored"); break;
        case TieringStep::kRemoving: MR_PROBE("container.crashed_while_removing"); break;
    }
}

void TieringGaps::note_replacement(TieringStep after) {
    ++replaced[static_cast<std::size_t>(after)];
    switch (after) {
        case TieringStep::kIdle: MR_PROBE("container.replaced_idle"); break;
        case TieringStep::kDataPlanned: MR_PROBE("container.replaced_with_data_planned"); break;
        case TieringStep::kDataStored: MR_PROBE("container.replaced_with_data_stored"); break;
        case TieringStep::kWindowCommitted: MR_PROBE("container.replaced_with_window_committed"); break;
        case TieringStep::kSnapshotPlanned: MR_PROBE("container.replaced_with_snapshot_planned"); break;
        case TieringStep::kSnapshotStored: MR_PROBE("container.replaced_with_snapshot_stored"); break;
        case TieringStep::kAnchored: MR_PROBE("container.replaced_with_snapshot_anchored"); break;
        case TieringStep::kRemoving: MR_PROBE("container.replaced_while_removing"); break;
    }
}

TieringGaps& TieringGaps::operator+=(const TieringGaps& other) {
    for (std::size_t step = 0; step < kSteps; ++step) {
        crashed[step] += other.crashed[step];
        replaced[step] += other.replaced[step];
    }
    return *this;
}

}  // namespace millrace::container
