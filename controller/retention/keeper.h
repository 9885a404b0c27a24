// SPDX-License-Identifier: Apache-2.0
//
// Sees to the retention of one stream: takes a cut at its end when it has got on enough, records it, and begins a truncation
// at a recorded cut when the policy says so. The workflow that every truncation is (controller/workflow) carries it out.
// A crash between any two steps leaves what the next call goes on from: cuts that the head has passed are found by that.
// Thread rule: one executor. Lifetime: store, segments and engine outlive it and its calls.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/runtime/runtime.h"
#include "controller/retention/retention_metrics.h"
#include "controller/segments/segments.h"
#include "controller/store/cuts.h"
#include "controller/stream/retention.h"
#include "controller/workflow/engine.h"

namespace millrace::controller::retention {

// Cuts of one stream, and segments named in all of them: what a record has room for.
inline constexpr std::size_t kCutsMax = 128;
inline constexpr std::size_t kCutSegmentsMax = 30'000;

class Keeper {
public:
    Keeper(Runtime runtime, store::StreamStore& store, segments::Segments& segments, workflow::Engine& engine)
        : runtime_{runtime}, store_{store}, segments_{segments}, engine_{engine} {}

    // A stream that is gone, has no policy any more, or was changed meanwhile is none of its business until the next time.
    Task<Result<void>> keep(StreamName name);

private:
    using Cuts = std::vector<records::RetentionCutRecord>;

    Task<Result<void>> keep_listed(StreamName name, store::StoredRetention set, store::SharedStream stream);
    // How many of the cuts lie before the stream's head.
    Task<Result<std::size_t>> before_head(StreamName name, store::SharedStream stream, std::shared_ptr<const Cuts> cuts);
    Task<Result<void>> begin_truncation(StreamName name, std::uint64_t nonce, stream::RetentionPolicy policy,
                                        records::StreamCutRecord cut);

    Runtime runtime_;
    store::StreamStore& store_;
    segments::Segments& segments_;
    workflow::Engine& engine_;
    RetentionMetrics metrics_;
};

}  // namespace millrace::controller::retention
