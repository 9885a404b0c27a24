// SPDX-License-Identifier: Apache-2.0
//
// One container's write-ahead log: ordered, durable, one writer at a time.
// Bytes: docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <memory>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/base/strong_id.h"
#include "common/model/ids.h"
#include "common/runtime/task.h"

namespace millrace::log {

// Position of an entry in its log. Dense: the first entry is Index{1}.
using Index = StrongId<std::uint64_t, struct IndexTag>;

// Threading: call every method on the container's executor. Nothing here blocks a thread.
// Lifetime: destroy only after close() has completed.
// Failure: an append that ends in an error closes the log; later appends answer kClosed.
class DurableLog {
public:
    // An entry's body is 1 .. kMaxEntryBytes.
    static constexpr std::size_t kMaxEntryBytes = 1024 * 1024;

    virtual ~DurableLog() = default;

    // Largest anchor: what a container needs to find its newest snapshot again.
    static constexpr std::size_t kMaxAnchorBytes = 256;

    // The first and the next index: entries [first, next) are readable and durable. `next` rises as
    // appends complete, `first` as truncations do.
    virtual Index first() const = 0;
    virtual Index next() const = 0;
    // The epoch that this owner's entries carry.
    virtual OwnerEpoch epoch() const = 0;

    // Appends one entry; completes when it is on stable storage. Entries take positions in the
    // order the calls are made, and complete in that order. `body` is given in pieces that are
    // stored one after the other; they are shared, not copied, until written.
    // Errors: kTooLarge [not applied], kNoSpace [not applied; the log stays open], kIo [unknown],
    // kFenced [not applied; unknown when it was under way as the log was taken over], kClosed [not applied].
    virtual Task<Result<Index>> append(std::vector<Bytes> body) = 0;

    // Reads a part of an entry: fewer bytes than `length` only at the end of the body. The body's
    // checksum has been verified. Errors: kNotFound, kCorrupt (names file and offset), kIo.
    virtual Task<Result<Bytes>> read(Index index, std::size_t offset, std::size_t length) = 0;

    // Declares what lies below `first_needed` garbage and stores `anchor` with that, in one durable
    // step: who takes the log over next finds both or neither. Never refused because entries fill
    // the disk, as long as truncations free something now and then.
    // REQUIRES: calls one after the other; `first_needed` in [first(), next()].
    // Errors: kInvalidArgument, kTooLarge (the anchor), kNoSpace [not applied], kFenced [not applied],
    // kIo [unknown], kClosed [not applied].
    virtual Task<Result<void>> truncate(Index first_needed, Bytes anchor) = 0;
    // The anchor of the newest truncation; empty before the first.
    virtual const Bytes& anchor() const = 0;

    // Completes when it is proven that nobody had taken the log over when the call was made: then
    // what the caller knew at that moment was true. Errors: kFenced, kUnavailable (no proof), kClosed.
    virtual Task<Result<void>> confirm_ownership() = 0;
    // Whether nobody can take the log over while this owner lives: then nothing needs that proof.
    virtual bool is_exclusive() const = 0;

    // Waits for outstanding appends, then closes.
    virtual Task<void> close() = 0;
};

}  // namespace millrace::log
