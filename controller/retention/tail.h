// SPDX-License-Identifier: Apache-2.0
//
// The end of a stream as the segment store knows it: a cut there, and how much was written before it.
// Thread rule: one executor. Lifetime: store, segments and clock outlive the calls.
#pragma once

#include <cstdint>
#include <optional>

#include "controller/segments/segments.h"
#include "controller/store/cuts.h"
#include "proto/records/controller.pb.h"

namespace millrace::controller::retention {

struct Tail {
    records::StreamCutRecord cut;  // of the current epoch's segments
    std::int64_t bytes = 0;        // as those of `since`, counted on; without that from 0
};

// `since`: a cut that was such an end before. Only what came to be after it is looked at.
// Errors: kNotFound, the stream does not have its segments (any more); those of Segments::length().
Task<Result<Tail>> find_tail(store::StreamStore& store, segments::Segments& segments, Clock& clock, StreamName name,
                             store::SharedStream stream, std::optional<records::RetentionCutRecord> since);

}  // namespace millrace::controller::retention
