// SPDX-License-Identifier: Apache-2.0
//
// Where the application's threads leave events and the client's executor fetches them: the routing
// table, the blocks being filled for each segment, and the account of what is outstanding.
// Thread rule: any thread, except where a method says otherwise. A lock is held for one event or one
// block at a time, and while a sealed segment's events are dealt out to its successors.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "client/bridge/mutex.h"
#include "client/control/controller_client.h"
#include "client/writer/block.h"
#include "common/base/result.h"
#include "common/model/key_range.h"
#include "common/runtime/random.h"

namespace millrace::client {

using BlockPtr = std::shared_ptr<Block>;

class Staging {
public:
    Staging(std::size_t memory_bytes, std::uint64_t seed, const std::vector<SegmentRange>& segments);

    // ---- The application's side ----

    struct Written {
        SegmentId segment;  // that the event was staged for
        bool wake = false;  // the executor does not know yet that it has something to do
        bool taken = true;
    };
    // What happens while the memory is used up.
    enum class WhenFull : std::uint8_t {
        kWait,
        kTakeAnyway,  // a callback that answers an acknowledgement must not wait for one
        kLeave,       // the event is not taken
    };
    // Stages an event; without a position, for a random key. Errors: what fail() said, or else refuse().
    Result<Written> write(std::optional<double> position, std::string_view payload, Block::Acknowledged acknowledged,
                          WhenFull when_full);

    // Begins a flush: its number, to ask flushed() with or to wait for.
    std::uint64_t begin_flush();
    // Waits until everything staged before begin_flush() is settled. The error that the writer has
    // failed with, if it has; that it refuses writes is none.
    Result<void> wait_flushed(std::uint64_t flush);
    bool flushed(std::uint64_t flush);
    std::optional<Error> failure();

    struct Totals {
        std::uint64_t acknowledged_events = 0;
        std::uint64_t outstanding_bytes = 0;
    };
    Totals totals();

    // ---- The executor's side ----

    // The segments that write() asked to be woken for since the last call.
    std::vector<SegmentId> take_woken();

    // The next block to send for a segment, if there is one worth sending: with few blocks on their
    // way anything is, later only full ones, so that blocks grow when the store is busy. Also notes
    // from when on write() has to wake the executor.
    struct OnTheWay {
        std::size_t blocks = 0;
        std::size_t bytes = 0;
    };
    BlockPtr take(SegmentId segment, OnTheWay on_the_way);
    // The segment has no connection that a block could be sent on. `wake`: but it would like to know
    // when there is something to send. True when there is already.
    bool not_ready(SegmentId segment, bool wake);

    // These blocks' events are stored (or their failure is known); callbacks have been called.
    void settle(std::deque<BlockPtr> blocks, bool acknowledged);

    // Replaces a sealed segment by its successors in one step: its keys go to them from now on,
    // behind `unacknowledged` and what was still staged, which is dealt out in order.
    // Returns the successors that have something to send. REQUIRES: the successors cover its keys.
    std::vector<SegmentId> replace(SegmentId sealed, std::deque<BlockPtr> unacknowledged,
                                   const std::vector<SegmentRange>& successors);

    // write() fails from now on; what is staged still counts on being stored. The first error stays.
    void refuse(Error error);
    // The writer has failed: write() and every flush say so. The first error stays.
    void fail(Error error);
    // What is staged for the segment, now the caller's to fail.
    std::deque<BlockPtr> surrender(SegmentId segment);

private:
    struct Slot {
        std::deque<BlockPtr> staged;
        std::size_t staged_bytes = 0;
        std::size_t wake_at = 0;  // write() wakes the executor when this much is staged
        bool woken = false;
    };
    struct Entry {
        double high;
        SegmentId segment;
        Slot* slot;
    };

    Slot& slot_of(SegmentId segment) MR_REQUIRES(mutex_);
    Entry& route(double position) MR_REQUIRES(mutex_);
    Block& room_for(Slot& slot, std::size_t framed, std::uint64_t generation) MR_REQUIRES(mutex_);
    bool flushed_locked(std::uint64_t flush) MR_REQUIRES(mutex_);

    const std::size_t memory_bytes_;

    Mutex mutex_;
    Condition space_;
    Condition settled_;
    std::size_t waiting_for_space_ MR_GUARDED_BY(mutex_) = 0;
    std::size_t waiting_for_flush_ MR_GUARDED_BY(mutex_) = 0;
    // By the upper end of key ranges; a key belongs to the first entry whose end is not below it.
    std::vector<Entry> table_ MR_GUARDED_BY(mutex_);
    std::map<SegmentId, std::unique_ptr<Slot>> slots_ MR_GUARDED_BY(mutex_);
    std::vector<SegmentId> woken_ MR_GUARDED_BY(mutex_);
    bool wake_posted_ MR_GUARDED_BY(mutex_) = false;
    SeededRandom random_ MR_GUARDED_BY(mutex_);

    std::uint64_t outstanding_bytes_ MR_GUARDED_BY(mutex_) = 0;
    std::uint64_t acknowledged_events_ MR_GUARDED_BY(mutex_) = 0;
    // Events not settled, by generation; a flush begins a new generation.
    std::map<std::uint64_t, std::uint64_t> unsettled_ MR_GUARDED_BY(mutex_);
    std::uint64_t generation_ MR_GUARDED_BY(mutex_) = 1;
    std::uint64_t* current_ MR_GUARDED_BY(mutex_) = nullptr;  // into unsettled_
    std::optional<Error> refusal_ MR_GUARDED_BY(mutex_);  // no more writes, which is no failure
    std::optional<Error> failure_ MR_GUARDED_BY(mutex_);
    // Blocks to use again, with their memory.
    std::vector<BlockPtr> spare_ MR_GUARDED_BY(mutex_);
};

}  // namespace millrace::client
