// SPDX-License-Identifier: Apache-2.0
#include "controller/retention/tail.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/store/records.h"
#include "controller/workflow/for_all.h"

namespace millrace::controller::retention {

namespace {

constexpr std::chrono::seconds kLengthTimeout{30};

struct Measured {
    SegmentId id;
    std::int64_t counted = 0;  // bytes that `since` has before it
    bool current = false;
    std::int64_t length = 0;
};

// By name.
using Measures = std::map<std::string, Measured>;

Task<Result<void>> measure(segments::Segments& segments, Clock& clock, std::shared_ptr<Measures> measures) {
    std::vector<std::string> names;
    for (const auto& [name, measured] : *measures) names.push_back(name);
    co_return co_await workflow::for_all(
        std::move(names), [&segments, &clock, measures](std::string segment) -> Task<Result<void>> {
            Measured& measured = measures->at(segment);
            const Result<std::int64_t> length =
                co_await segments.length(segment, Deadline::after(clock, kLengthTimeout));
            if (length) {
                measured.length = std::max(*length, measured.counted);
                co_return ok();
            }
            if (measured.current || !length.error().is(ErrorCode::kNotFound)) co_return length.error();
            // Somebody truncated the stream behind it, and so behind every cut that it could make a difference to.
            measured.length = measured.counted;
            co_return ok();
        });
}

}  // namespace

Task<Result<Tail>> find_tail(store::StreamStore& store, segments::Segments& segments, Clock& clock, StreamName name,
                             store::SharedStream stream, std::optional<records::RetentionCutRecord> since) {
    auto measures = std::make_shared<Measures>();
    const stream::Epoch current = store::to_epoch(stream->record.current());
    for (const stream::Segment& segment : current.segments) {
        (*measures)[segment_name(name, segment.id)] = {.id = segment.id, .current = true};
    }
    if (since) {
        std::int32_t epoch = 0;
        for (int i = 0; i < since->cut().segments_size(); ++i) {
            const SegmentId id{since->cut().segments(i)};
            epoch = std::max(epoch, id.epoch().number());
            Measured& measured = (*measures)[segment_name(name, id)];
            measured.id = id;
            measured.counted = since->cut().offsets(i);
        }
        // What came and went between the two.
        for (++epoch; epoch < current.epoch.number(); ++epoch) {
            MR_CO_TRY(const std::vector<stream::Segment> created, co_await store::created_in_epoch(store, name, stream, epoch));
            for (const stream::Segment& segment : created) (*measures)[segment_name(name, segment.id)].id = segment.id;
        }
    }
    MR_CO_TRY_VOID(co_await measure(segments, clock, measures));

    Tail tail;
    if (since) {
        tail.bytes = since->bytes();
        for (const auto& [segment, measured] : *measures) tail.bytes += measured.length - measured.counted;
    }
    std::map<SegmentId, std::int64_t> offsets;
    for (const auto& [segment, measured] : *measures) {
        if (measured.current) offsets.emplace(measured.id, measured.length);
    }
    for (const auto& [id, offset] : offsets) {
        tail.cut.add_segments(id.value);
        tail.cut.add_offsets(offset);
    }
    co_return tail;
}

}  // namespace millrace::controller::retention
