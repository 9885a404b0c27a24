// SPDX-License-Identifier: Apache-2.0
#include "controller/retention/keeper.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/metadata/tree_rules.h"
#include "common/telemetry/log.h"
#include "controller/retention/tail.h"
#include "controller/store/records.h"

namespace millrace::controller::retention {

namespace {

using records::RetentionCutRecord;
using records::StreamRecord;
using stream::CutMark;
using stream::RetentionPolicy;

// A segment of a cut is an id, below 2^48 as epochs end at 64,000, and an offset: varints of 7 and 9 bytes at most.
static_assert(kCutSegmentsMax * (7 + 9) + kCutsMax * 64 <= metadata::kMaxValueBytes);

CutMark mark_of(const RetentionCutRecord& cut) { return {.time_ms = cut.time_ms(), .bytes = cut.bytes()}; }

std::vector<CutMark> marks_of(const std::vector<RetentionCutRecord>& cuts) {
    std::vector<CutMark> marks;
    for (const RetentionCutRecord& cut : cuts) marks.push_back(mark_of(cut));
    return marks;
}

bool same_place(const records::StreamCutRecord& a, const records::StreamCutRecord& b) {
    return std::equal(a.segments().begin(), a.segments().end(), b.segments().begin(), b.segments().end()) &&
           std::equal(a.offsets().begin(), a.offsets().end(), b.offsets().begin(), b.offsets().end());
}

void thin_out(const RetentionPolicy& policy, std::vector<RetentionCutRecord>& cuts) {
    std::size_t segments = 0;
    for (const RetentionCutRecord& cut : cuts) segments += static_cast<std::size_t>(cut.cut().segments_size());
    while (cuts.size() > 2 && (cuts.size() > kCutsMax || segments > kCutSegmentsMax)) {
        const auto missed = cuts.begin() + static_cast<std::ptrdiff_t>(stream::least_missed(policy, marks_of(cuts)));
        segments -= static_cast<std::size_t>(missed->cut().segments_size());
        cuts.erase(missed);
    }
}

// The stream was changed or deleted meanwhile.
bool meant_another(const Error& error) {
    return error.is(ErrorCode::kVersionMismatch) || error.is(ErrorCode::kNotFound);
}

}  // namespace

Task<Result<void>> Keeper::keep(StreamName name) {
    Result<store::StoredRetention> set = co_await store_.retention(name);
    if (!set) {
        if (set.error().is(ErrorCode::kNotFound)) co_return ok();
        co_return std::move(set).error();
    }
    Result<store::StoredStream> stream = co_await store_.load(name);
    if (!stream) {
        if (stream.error().is(ErrorCode::kNotFound)) co_return ok();
        co_return std::move(stream).error();
    }
    if (!store::has_retention(stream->record) || stream->record.state() == StreamRecord::CREATING) co_return ok();
    const metadata::Version version = stream->version;
    const auto shared = std::make_shared<const store::StoredStream>(std::move(*stream));
    Result<void> kept = co_await keep_listed(name, std::move(*set), shared);
    if (kept || !kept.error().is(ErrorCode::kNotFound)) co_return kept;
    // Segments that a change has taken away under us are no failure.
    const Result<store::StoredStream> now = co_await store_.load(name);
    if (now ? now->version != version : now.error().is(ErrorCode::kNotFound)) co_return ok();
    co_return kept;
}

Task<Result<void>> Keeper::keep_listed(StreamName name, store::StoredRetention set, store::SharedStream stream) {
    const RetentionPolicy policy = *store::retention_policy(stream->record.config());
    const std::uint64_t nonce = stream->record.nonce();
    auto cuts = std::make_shared<Cuts>();
    // After a race of a deletion with us a new stream may find cuts of the old one.
    if (set.record.stream() == nonce) cuts->assign(set.record.cuts().begin(), set.record.cuts().end());
    MR_CO_TRY(const std::size_t behind, co_await before_head(name, stream, cuts));
    cuts->erase(cuts->begin(), cuts->begin() + static_cast<std::ptrdiff_t>(behind));

    const std::optional<RetentionCutRecord> newest =
        cuts->empty() ? std::nullopt : std::optional<RetentionCutRecord>{cuts->back()};
    const std::optional<CutMark> newest_mark = newest ? std::optional{mark_of(*newest)} : std::nullopt;
    const auto now_ms = [this] { return static_cast<std::int64_t>(runtime_.clock.wall_now().time_since_epoch().count()); };
    CutMark end{.time_ms = now_ms(), .bytes = newest ? newest->bytes() : 0};
    // By time a stream that is written to need not be looked at most of the time.
    bool recorded = false;
    if (policy.by == RetentionPolicy::By::kSize || stream::worth_a_cut(policy, newest_mark, end)) {
        MR_CO_TRY(Tail tail, co_await find_tail(store_, segments_, runtime_.clock, name, stream, newest));
        // Not before the answers came: what they count was written by now.
        end = {.time_ms = now_ms(), .bytes = tail.bytes};
        // While nothing is written the newest cut stays the end's, with the time since when nothing was.
        const bool moved = !newest || !same_place(newest->cut(), tail.cut);
        if (moved && stream::worth_a_cut(policy, newest_mark, end)) {
            RetentionCutRecord& cut = cuts->emplace_back();
            // A clock that is behind makes nothing old: when it is right again, what was written meanwhile is new.
            cut.set_time_ms(std::max(end.time_ms, newest ? newest->time_ms() : std::int64_t{0}));
            cut.set_bytes(end.bytes);
            *cut.mutable_cut() = std::move(tail.cut);
            thin_out(policy, *cuts);
            recorded = true;
        }
    }
    if (recorded || behind > 0) {
        records::RetentionSetRecord now = store::no_cuts(stream->record);
        for (const RetentionCutRecord& cut : *cuts) *now.add_cuts() = cut;
        const Result<void> updated = co_await store_.update_retention(name, std::move(set), std::move(now));
        if (!updated) {
            if (meant_another(updated.error())) co_return ok();
            co_return updated;
        }
        if (recorded) metrics_.cuts.add();
    }
    const std::optional<std::size_t> chosen = stream::choose_cut(policy, marks_of(*cuts), end);
    if (!chosen) co_return ok();
    co_return co_await begin_truncation(name, nonce, policy, (*cuts)[*chosen].cut());
}

Task<Result<std::size_t>> Keeper::before_head(StreamName name, store::SharedStream stream, std::shared_ptr<const Cuts> cuts) {
    if (stream->record.head().segments_size() == 0) co_return std::size_t{0};
    MR_CO_TRY(const stream::Cut head, co_await store::accepted_cut(store_, name, stream, stream->record.head()));
    std::size_t first = 0;
    std::size_t count = cuts->size();
    while (count > 0) {
        const std::size_t half = count / 2;
        MR_CO_TRY(const stream::Cut cut, co_await store::accepted_cut(store_, name, stream, (*cuts)[first + half].cut()));
        if (cut.at_or_after(head)) {
            count = half;
        } else {
            first += half + 1;
            count -= half + 1;
        }
    }
    co_return first;
}

Task<Result<void>> Keeper::begin_truncation(StreamName name, std::uint64_t nonce, RetentionPolicy policy,
                                            records::StreamCutRecord cut) {
    // Looked at again: others ran while the segment store was asked.
    Result<store::StoredStream> stream = co_await store_.load(name);
    if (!stream) {
        if (stream.error().is(ErrorCode::kNotFound)) co_return ok();
        co_return std::move(stream).error();
    }
    const StreamRecord& record = stream->record;
    // Whatever is going on, the next period comes.
    // Who was told that more stays from now on has it.
    if (record.nonce() != nonce || !store::has_retention(record) || *store::retention_policy(record.config()) != policy) co_return ok();
    if (record.state() != StreamRecord::ACTIVE || record.intent_case() != StreamRecord::INTENT_NOT_SET) co_return ok();
    if (same_place(record.head(), cut)) co_return ok();
    const auto shared = std::make_shared<const store::StoredStream>(*stream);
    MR_CO_TRY(const stream::Cut head, co_await store::accepted_cut(store_, name, shared, record.head()));
    MR_CO_TRY(const stream::Cut wanted, co_await store::accepted_cut(store_, name, shared, cut));
    if (!wanted.at_or_after(head)) co_return ok();

    StreamRecord now = record;
    store::begin_truncation(now, std::move(cut));
    now.mutable_truncate()->set_by_policy(true);
    const Result<void> updated =
        co_await store_.update(name, std::move(*stream), std::move(now), store::StreamStore::Intent::kBegins);
    if (!updated) {
        if (meant_another(updated.error())) co_return ok();
        co_return updated;
    }
    engine_.kick(name);
    metrics_.truncations.add();
    MR_LOG_DEBUG("stream is being truncated by its policy", {"stream", name.to_string()});
    co_return ok();
}

}  // namespace millrace::controller::retention
