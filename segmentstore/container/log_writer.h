// SPDX-License-Identifier: Apache-2.0
//
// Cuts operations into entries and keeps the log busy: an entry closes when the log has nothing
// waiting (latency) or when it is full (throughput); several are in flight. A full disk delays: the
// entries stay queued, in order, and are tried again. Any other failure is final.
// Thread rule: the container's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/fifo.h"
#include "common/base/result.h"
#include "common/runtime/clock.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "segmentstore/container/container_mutations.h"
#include "segmentstore/container/entry.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::container {

class LogWriter {
public:
    static constexpr std::size_t kMaxInFlight = 4;
    // Entries that are not full are sent only while fewer than this are in flight: one being
    // written, one queued behind it. More would only make more, smaller entries.
    static constexpr std::size_t kMaxSmallInFlight = 2;
    static constexpr std::chrono::milliseconds kFullRetry{200};
    // After so many full entries that each end inside an operation, the next operation begins in an entry of its own,
    // so that windows of long-term storage find boundaries however busy the log is.
    static constexpr std::size_t kMaxCutEntries = 4;

    // Called from the writer's coroutines, never inside add().
    struct Events {
        // Everything up to here is durable. `boundary`: the newest entry so far before which all operations had ended.
        std::function<void(Lsn, std::optional<LogPosition> boundary)> committed;
        std::function<void(bool)> full;      // the disk became full, or has room again
        std::function<void(Error)> failed;   // at most once; nothing is committed any more
        // Whether the log refused an append that we may not have heard of yet. Sending another now
        // could let it overtake. May be empty: then the log itself never lets that happen.
        std::function<bool()> refusing;
    };

    LogWriter(Executor executor, Clock& clock, log::DurableLog& log, Events events, ContainerMutations mutations = {});
    ~LogWriter();

    void start();
    // Commits what was added, unless the log fails or is full; then stops.
    Task<void> close();

    // Smaller pieces of data are copied, so that a run of them is one piece and keeps nothing else in memory.
    static constexpr std::size_t kCopiedBelow = 64 * 1024;

    // Queues one operation: its head, then its data. Where the parts will lie is appended to `parts`, the data as they
    // are held in memory until then to `held`. REQUIRES: LSNs rise; `parts` is empty; not stopped().
    void add(Lsn lsn, ByteView head, std::span<const Bytes> data, std::vector<OperationPart>& parts, Fifo<Bytes>& held);

    bool full() const { return full_; }
    bool stopped() const { return failed_; }

private:
    static constexpr std::size_t kChunkBytes = 64 * 1024;

    enum class State : std::uint8_t { kOpen, kReady, kSending, kDone };
    struct Entry {
        log::Index index;
        State state = State::kOpen;
        std::vector<Bytes> pieces;
        std::size_t bytes = 0;
        Lsn last_lsn;  // of the last operation that ends here; Lsn{} when none does
        bool cut = false;  // an operation goes on in the next entry
    };

    // The entry that is being filled; a new one starts with `continuing_bytes` of the operation under way.
    Entry& open_entry(std::size_t continuing_bytes);
    // Into the chunk; where the copy lies is appended to `held`, if that is wanted.
    void copy_in(Entry& entry, ByteView bytes, Fifo<Bytes>* held);
    void close_run(Entry& entry);
    void close_entry(Entry& entry);
    Entry* next_to_send();
    void wake();
    Task<void> send_loop();
    void completed(Entry& entry, Result<log::Index> result);
    void enter_full();
    void fail(Error error);

    const Executor executor_;
    Clock& clock_;
    log::DurableLog& log_;
    const Events events_;
    const ContainerMutations mutations_;

    std::deque<Entry> entries_;  // not committed; only the last may be open
    log::Index next_index_;
    Lsn last_committed_;
    bool first_of_epoch_ = true;
    std::size_t cut_entries_ = 0;  // closed one after the other, each inside an operation
    std::size_t sending_ = 0;

    std::shared_ptr<std::byte[]> chunk_;
    std::size_t chunk_used_ = kChunkBytes;
    std::size_t run_begin_ = 0;  // the bytes of chunk_ that the open entry has not yet as a piece
    std::size_t run_end_ = 0;

    bool full_ = false;
    bool retry_due_ = false;
    std::optional<Clock::TimerId> retry_timer_;
    bool failed_ = false;
    bool woken_ = false;
    Signal work_;
    Signal progress_;
    Gate gate_;
};

}  // namespace millrace::container
