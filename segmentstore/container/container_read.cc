// SPDX-License-Identifier: Apache-2.0
//
// Reads of committed bytes: from the cache, from the log by extent, or waiting at the tail.
#include <algorithm>
#include <iterator>

#include "segmentstore/container/container.h"
#include "segmentstore/tiering/object_writer.h"

namespace millrace::container {

namespace {

// Entries read back for one reply at most; the reader asks again for more.
constexpr std::size_t kMaxEntriesPerRead = 16;
// So much of an extent is a reply as it is, though more was asked for: what follows comes uncopied as well then.
constexpr std::size_t kReplyAsItIs = 64 * 1024;

// Keeps a signal among a segment's waiting readers.
class WaitingReader {
public:
    WaitingReader(std::shared_ptr<Segment> segment, Signal& signal)
        : segment_{std::move(segment)},
          place_{segment_->waiting_readers.insert(segment_->waiting_readers.end(), &signal)} {}
    WaitingReader(const WaitingReader&) = delete;
    WaitingReader& operator=(const WaitingReader&) = delete;
    ~WaitingReader() { segment_->waiting_readers.erase(place_); }

private:
    const std::shared_ptr<Segment> segment_;
    const std::list<Signal*>::iterator place_;
};

ReadOutcome read_status(ReadStatus status) {
    ReadOutcome outcome;
    outcome.status = status;
    return outcome;
}

ReadOutcome read_truncated(const Segment::Committed& committed) {
    ReadOutcome outcome = read_status(ReadStatus::kTruncated);
    outcome.start_offset = committed.start_offset;
    return outcome;
}

// The part of an extent that answers a read without being copied; empty when it is too little of what was asked for, or
// would keep much more in memory than it is.
Bytes whole_reply(const TieredExtent& extent, const Bytes& body, std::int64_t offset, std::size_t length) {
    const auto skip = static_cast<std::size_t>(offset - extent.offset);
    const std::size_t size = std::min(body.size() - skip, length);
    if (size < std::min(length, kReplyAsItIs) || size < body.size() / 2) return {};
    return body.slice(skip, size);
}

ReadOutcome read_data(const Segment::Committed& committed, std::int64_t offset, Bytes data) {
    ReadOutcome outcome;
    outcome.status = ReadStatus::kData;
    const bool reaches_end = offset + static_cast<std::int64_t>(data.size()) == committed.length;
    outcome.at_tail = reaches_end && !committed.sealed;
    outcome.end_of_segment = reaches_end && committed.sealed;
    outcome.data = std::move(data);
    return outcome;
}

}  // namespace

ReadCursor Container::open_read(std::string_view name, std::int64_t offset) const {
    ReadCursor cursor;
    cursor.segment_ = find(name);
    cursor.offset_ = offset;
    return cursor;
}

ReadOutcome Container::read_no_segment() const {
    ReadOutcome outcome = read_status(ReadStatus::kNoSuchSegment);
    outcome.depends_on = fact(Lsn{});
    return outcome;
}

ReadOutcome Container::read_now(ReadCursor& cursor, std::size_t length) {
    if (closing_) return read_status(ReadStatus::kStopped);
    if (!cursor.segment_) return read_no_segment();
    if (cursor.offset_ < 0) return read_status(ReadStatus::kIllegalOffset);
    const Segment& segment = *cursor.segment_;
    const Segment::Committed& committed = segment.committed;
    if (committed.deleted) return read_no_segment();
    if (cursor.offset_ < committed.start_offset) return read_truncated(committed);
    if (cursor.offset_ < committed.length) {
        Bytes data = segment.cache.find(cursor.offset_, length);
        if (data.empty()) return read_status(ReadStatus::kNotCached);
        metrics_.read_bytes_cache.add(data.size());
        return read_data(committed, cursor.offset_, std::move(data));
    }
    if (!committed.sealed) return read_status(ReadStatus::kNotYet);
    if (cursor.waited_) return read_status(ReadStatus::kSealedWhileWaiting);
    if (cursor.offset_ == committed.length) return read_data(committed, cursor.offset_, Bytes{});
    return read_status(ReadStatus::kIllegalOffset);
}

Task<void> Container::wait_readable(ReadCursor& cursor, ReadWait& wait) {
    auto pass = gate_.enter();
    if (!pass || !cursor.segment_) co_return;
    const WaitingReader waiting{cursor.segment_, wait.changed_};
    const auto nothing_yet = [&] {
        const Segment::Committed& committed = cursor.segment_->committed;
        return !closing_ && !wait.cancelled() && !committed.deleted && !committed.sealed &&
               cursor.offset_ >= committed.length;  // and so not before the start
    };
    while (nothing_yet()) {
        cursor.waited_ = true;
        co_await wait.changed_.wait();
    }
}

Task<Result<Bytes>> Container::load_entry(log::Index index) {
    const DataCache::ReadKey key{options_.id, OwnerEpoch{}, index.number(), 0};
    Bytes body = cache_.find_read(key);
    if (!body.empty()) co_return body;
    MR_CO_TRY(body, co_await log_.read(index, 0, kMaxEntryBytes));
    cache_.keep_read(key, body);
    co_return body;
}

Task<ReadOutcome> Container::read_back(ReadCursor& cursor, std::size_t length) {
    auto pass = gate_.enter();
    if (!pass) co_return read_status(ReadStatus::kStopped);
    ReadOutcome at_once = read_now(cursor, length);
    if (at_once.status != ReadStatus::kNotCached) co_return at_once;

    const Permits::Permit permit = co_await cache_.loads().take();
    const std::shared_ptr<Segment> segment = cursor.segment_;
    ByteBuffer out;
    Bytes as_it_is;  // in place of it
    std::size_t loads = 0;
    while (out.size() < length) {
        // The world may have changed while an entry was read.
        if (closing_) co_return read_status(ReadStatus::kStopped);
        if (segment->committed.deleted) co_return read_no_segment();
        if (cursor.offset_ < segment->committed.start_offset) co_return read_truncated(segment->committed);
        const std::int64_t at = cursor.offset_ + static_cast<std::int64_t>(out.size());
        const auto left = static_cast<std::size_t>(segment->committed.length - at);
        if (left == 0) break;
        const auto add = [&](ByteView bytes) {
            if (out.capacity() == 0) out.reserve(std::min(length, left));
            out.append(bytes);
        };
        const Bytes cached = segment->cache.find(at, length - out.size());
        if (!cached.empty()) {
            metrics_.read_bytes_cache.add(cached.size());
            add(cached.view());
            continue;
        }
        if (loads == kMaxEntriesPerRead) break;
        ++loads;
        const std::size_t before = out.size();
        const auto take = [&](std::int64_t offset, const Bytes& piece) {
            const std::int64_t wanted = cursor.offset_ + static_cast<std::int64_t>(out.size());
            if (offset + static_cast<std::int64_t>(piece.size()) <= wanted || out.size() == length) return;
            const auto skip = static_cast<std::size_t>(wanted - offset);
            add(piece.view().subspan(skip, std::min(piece.size() - skip, length - out.size())));
        };
        Result<void> walked = ok();
        telemetry::Counter* source = &metrics_.read_bytes_log;
        if (const TieredExtent* stored = segment->tiered.find(at)) {
            source = &metrics_.read_bytes_storage;
            const TieredExtent extent = *stored;
            Result<Bytes> body = co_await extent_loader_.load(segment->tiered, extent);
            if (body && out.empty()) as_it_is = whole_reply(extent, *body, cursor.offset_, length);
            if (!as_it_is.empty()) break;
            if (body) take(extent.offset, *body);
            else walked = std::move(body).error();
        } else if (const Extent* logged = segment->extents.find(at)) {
            const Extent extent = *logged;
            Result<Bytes> body = co_await load_entry(extent.entry);
            if (body) walked = walk_run(extent, segment->key, *body, take);
            else walked = std::move(body).error();
        } else {
            walked = Error{ErrorCode::kInternal, "no place is known for offset " + std::to_string(at) +
                                                     "; long-term storage has it up to " +
                                                     std::to_string(segment->tiered.end()) + ", the log from " +
                                                     std::to_string(segment->extents.begin()) + " on"};
        }
        // It may have moved from the log to long-term storage, or been truncated, while it was read.
        if (!walked && walked.error().is(ErrorCode::kNotFound) && loads < kMaxEntriesPerRead) continue;
        if (walked && out.size() == before) walked = Error{ErrorCode::kInternal, "an extent gave no bytes"};
        if (!walked) {
            if (before > 0) break;  // what is there is right; the next read meets the error
            // A successor moves log and objects on under who does not know of it yet.
            if (walked.error().is(ErrorCode::kNotFound) && !co_await wait_settled(fact(Lsn{}))) {
                co_return read_status(ReadStatus::kStopped);
            }
            ReadOutcome failed = read_status(ReadStatus::kFailed);
            failed.error = std::move(walked).error().while_doing("read back segment '" + segment->name + "'");
            co_return failed;
        }
        source->add(out.size() - before);
    }
    if (closing_) co_return read_status(ReadStatus::kStopped);
    if (segment->committed.deleted) co_return read_no_segment();
    if (cursor.offset_ < segment->committed.start_offset) co_return read_truncated(segment->committed);
    metrics_.read_bytes_storage.add(as_it_is.size());
    co_return read_data(segment->committed, cursor.offset_, as_it_is.empty() ? Bytes{std::move(out)} : std::move(as_it_is));
}

Task<ReadOutcome> Container::read(std::string name, std::int64_t offset, std::size_t length, ReadWait& wait) {
    ReadCursor cursor = open_read(name, offset);
    for (;;) {
        ReadOutcome outcome = read_now(cursor, length);
        if (outcome.status == ReadStatus::kNotCached) outcome = co_await read_back(cursor, length);
        if (outcome.status != ReadStatus::kNotYet) co_return outcome;
        co_await wait_readable(cursor, wait);
        if (wait.cancelled()) co_return read_status(ReadStatus::kCancelled);
    }
}

}  // namespace millrace::container
