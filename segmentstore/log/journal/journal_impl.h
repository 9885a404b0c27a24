// SPDX-License-Identifier: Apache-2.0
//
// The journal at work. One loop takes what is queued, writes and syncs one batch, publishes it and
// completes its appends in order; it is also the only one that writes to files in use, so between two
// batches everything on disk is known. Thread rule: the journal's executor.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "segmentstore/log/journal/batch.h"
#include "segmentstore/log/journal/entry_index.h"
#include "segmentstore/log/journal/entry_reader.h"
#include "segmentstore/log/journal/journal.h"
#include "segmentstore/log/journal/journal_file.h"
#include "segmentstore/log/journal/journal_metrics.h"
#include "segmentstore/log/journal/recovery.h"
#include "segmentstore/log/journal/sealed_file.h"

namespace millrace::log {

// One log as the journal sees it.
struct LogSlot {
    ContainerId id;
    std::uint64_t epoch = 0;  // durable
    EntryIndex entries;       // durable, and not truncated
    Bytes anchor;             // durable
    bool owned = false;
};

// A record on its way. Shared: the loop still holds it when its caller has gone.
struct Pending {
    LogSlot* slot = nullptr;
    RecordType type = RecordType::kEntry;
    std::vector<Bytes> pieces;
    std::size_t bytes = 0;
    std::uint32_t crc = 0;        // of all pieces; computed when they come, for then the disk is busy
    Index first_needed;           // of a truncation
    OneShot<Result<Index>> done;  // only entries get a meaningful index
};
using PendingPtr = std::shared_ptr<Pending>;

class JournalImpl final : public Journal {
public:
    JournalImpl(Runtime runtime, JournalOptions options);
    ~JournalImpl() override = default;

    // For Journal::open(), in this order; nothing else may be called before.
    Task<Result<void>> recover_and_start();

    Task<Result<std::unique_ptr<DurableLog>>> take_over(ContainerId log) override;
    const StoreUuid& store() const override { return store_; }
    Task<void> close() override;
    std::uint64_t room() const override;
    std::uint64_t disk_room() const override;
    void ask_for_truncation() override;
    Stats stats() const override;

    // For SingleLog. `slot` belongs to this journal.
    // Puts an entry into the queue; who wants to know awaits the record's `done`.
    Result<PendingPtr> append(LogSlot& slot, std::vector<Bytes> pieces);
    Result<PendingPtr> truncate(LogSlot& slot, Index first_needed, Bytes anchor);
    Task<Result<Bytes>> read(LogSlot& slot, Index index, std::size_t offset, std::size_t length);

private:
    struct OpenFile {
        std::shared_ptr<File> file;
        FileHeader header;
        std::uint64_t end = 0;  // where the next batch goes
        std::uint32_t previous_crc = 0;
        std::uint64_t last_batch = 0;
        FileUse use;
    };

    // journal.cc
    Result<PendingPtr> submit(LogSlot& slot, RecordType type, std::vector<Bytes> pieces,
                              std::size_t bytes);
    Task<void> commit_loop();
    Task<void> commit_some();
    std::vector<PendingPtr> take_batch();
    bool fits(std::uint64_t batch, std::uint64_t kept_back = kBlockBytes) const;
    std::uint64_t entry_reserve() const;
    bool head_fits() const;
    enum class Sync : std::uint8_t { kNone, kOnDiskThread, kHere };
    Task<Result<void>> write_batch(ByteView batch, Sync sync);
    bool worth_waiting_here(std::size_t entries, std::size_t bytes);
    void publish(const std::vector<PendingPtr>& batch, const std::vector<EntryLocation>& locations);
    void publish_entry(Pending& pending, EntryLocation location);
    Task<void> write_witness(bool sync);
    void refuse_queued(const Error& error, bool entries_only);
    void fail(const Error& error);

    // rotation.cc
    Task<Result<void>> start_first_file(Recovered& recovered);
    Task<Result<void>> begin_file(OpenFile next, std::vector<SealedFile> older, std::vector<TailRecord> tail);
    Task<void> tidy_up(Recovered& recovered);
    void tell_of_room();
    Task<Result<void>> rotate();
    Task<Result<void>> prepare_file();
    void prepare_in_background();
    std::uint64_t room_with_files(std::uint64_t bytes) const;
    bool disk_takes_a_file() const { return disk_free_ >= options_.file_bytes + options_.keep_free_bytes; }
    Task<Result<void>> look_at_disk();
    Task<void> watch_full_disk();
    FileHeader new_header(std::uint64_t file_bytes, std::uint64_t previous_seq);
    BatchHeader next_batch_header() const;
    std::vector<LogStateItem> log_states() const;
    std::vector<SealedFile> files_with_active() const;

    // retirement.cc
    void retire_dead_files();
    void dispose_of_retired(ByteView body);
    Task<void> dispose_of(SealedFile file);
    Task<Result<void>> recycle(std::string& name, OpenFile& next);

    // Constant after recover_and_start().
    Runtime runtime_;
    JournalOptions options_;
    StoreUuid store_{};
    std::size_t entry_bytes_max_;
    std::size_t batch_bytes_max_;

    std::map<ContainerId, std::unique_ptr<LogSlot>> slots_;
    EntryReader reader_;

    std::deque<PendingPtr> queue_;
    std::size_t queue_bytes_ = 0;
    Signal wake_;
    bool closing_ = false;
    std::optional<Error> failure_;

    // Of the loop.
    BatchBuilder builder_;
    OpenFile active_;
    std::vector<SealedFile> sealed_;  // older files, oldest first
    bool retiring_ = false;           // a list of dead files is on its way
    std::uint64_t next_batch_ = 1;
    std::uint64_t synced_through_ = 0;
    bool witness_due_ = false;
    static constexpr std::size_t kHereBytesMax = 64 * 1024;
    static constexpr std::size_t kLoneBatches = 8;
    static constexpr std::chrono::microseconds kHereCommitMax{400};
    static constexpr std::chrono::microseconds kHereStep{20};
    static constexpr std::size_t kHereTrialEvery = 64;
    std::size_t lone_batches_ = 0;  // in a row
    // What a commit here takes: half take longer. A step up or down each time, so that a disk's rare stall does not count
    // for more than it is.
    std::chrono::nanoseconds typical_here_{kHereCommitMax / 2};

    // Files that wait for their turn, in the order of their numbers, and whether one is being made.
    std::deque<OpenFile> ready_;
    bool preparing_ = false;
    bool prepare_failed_ = false;  // not tried again before somebody needs it
    Signal prepared_changed_;
    FillPace pace_;
    std::uint64_t next_file_seq_ = 1;
    std::uint64_t total_bytes_ = 0;
    std::uint64_t disk_free_ = 0;  // bytes, when last looked at
    bool watching_disk_ = false;

    Stats stats_;
    JournalMetrics metrics_;
    Gate gate_;
};

}  // namespace millrace::log
