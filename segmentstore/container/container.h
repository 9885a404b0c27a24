// SPDX-License-Identifier: Apache-2.0
//
// A container: the segments of some hash slots, on one durable log (docs/formats/container.md).
// Admission is synchronous and runs ahead of the log: it decides on the newest admitted state, gives
// out offsets and queues the operation. Every outcome, positive, negative or informational, carries
// what it depends on: an LSN that must be committed and, for what is answered from memory, proof that
// no other owner has taken the log over. It may leave the process when that is settled(), not before.
// Readers see committed bytes only.
// Thread rule: everything on one executor. Lifetime: close() must have completed before destruction;
// log, credits and cache outlive the container.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/fifo.h"
#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/runtime/clock.h"
#include "common/runtime/gate.h"
#include "segmentstore/container/admission.h"
#include "segmentstore/container/container_metrics.h"
#include "segmentstore/container/container_mutations.h"
#include "segmentstore/container/data_cache.h"
#include "segmentstore/container/extent_loader.h"
#include "segmentstore/container/log_writer.h"
#include "segmentstore/container/object_table.h"
#include "segmentstore/container/ownership.h"
#include "segmentstore/container/segment.h"
#include "segmentstore/container/snapshot.h"
#include "segmentstore/log/durable_log.h"
#include "segmentstore/storage/object_storage.h"

namespace millrace::container {

enum class Status : std::uint8_t {
    kOk,
    kAlreadyExists,
    kNoSuchSegment,
    kSealed,
    kInvalidEventNumber,  // the writer's number was overtaken, or another connection set up this writer
    kInvalidArgument,     // a name or size that can never be right
    kConditionFailed,     // the segment's length or the attribute's value is not the expected one
    kTruncated,           // the offset lies outside of what the segment has
    kFull,                // the disk is full; nothing new is admitted
    kStopped,             // the log failed or the container closes
};

// What must be so before an outcome may leave: see Container::settled().
struct Dependency {
    Dependency() = default;
    Dependency(Lsn needed, OwnershipCheck proof = {}) : lsn{needed}, check{proof} {}

    Lsn lsn;               // committed
    OwnershipCheck check;  // passed; of an outcome that adds nothing to the log, whose commit would prove as much
    bool operator==(const Dependency&) const = default;
};

inline Dependency both(const Dependency& a, const Dependency& b) {
    return {std::max(a.lsn, b.lsn), std::max(a.check, b.check)};
}

// For create, seal, delete.
struct Outcome {
    Status status = Status::kStopped;
    Dependency depends_on;
};

// A writer's right to append to a segment; void as soon as the same writer is set up again.
class WriterHandle {
public:
    WriterHandle() = default;
    explicit operator bool() const { return segment_ != nullptr; }

private:
    friend class Container;
    std::shared_ptr<Segment> segment_;
    WriterId writer_;
    std::uint64_t owner_ = 0;
};

struct SetupOutcome {
    Status status = Status::kStopped;
    Dependency depends_on;
    std::int64_t last_event_number = kNoEventNumber;
    WriterHandle handle;
};

// Of what is appended as one. An append has the number of its last event; where several of a writer are stored as one,
// `first` is the number of the first of them.
struct EventNumbers {
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int32_t count = 0;  // of events

    static EventNumbers of_one_append(std::int64_t number, std::int32_t count) { return {number, number, count}; }
};

struct AppendOutcome {
    Status status = Status::kStopped;
    Dependency depends_on;
    std::int64_t length_after = 0;  // of the segment; as it is, when the condition failed
};

struct TruncateOutcome {
    Status status = Status::kStopped;
    Dependency depends_on;
    std::int64_t start_offset = 0;  // of the segment, afterwards
};

struct AttributeOutcome {
    Status status = Status::kStopped;
    Dependency depends_on;
    std::int64_t value = kNoAttributeValue;  // afterwards
};

struct InfoOutcome {
    Status status = Status::kStopped;
    Dependency depends_on;
    bool sealed = false;
    std::int64_t length = 0;
    std::int64_t start_offset = 0;
    std::int64_t last_modified_ms = 0;
    ScalePolicy policy;
};

// Lets the owner of a waiting read give up on it.
class ReadWait {
public:
    void cancel() {
        cancelled_ = true;
        changed_.notify_all();
    }
    bool cancelled() const { return cancelled_; }

private:
    friend class Container;
    bool cancelled_ = false;
    Signal changed_;
};

enum class ReadStatus : std::uint8_t {
    kData,            // `data` is empty only with end_of_segment
    kNoSuchSegment,
    kTruncated,       // the offset lies before `start_offset`
    kSealedWhileWaiting,
    kIllegalOffset,   // negative, or beyond the end of a sealed segment
    kNotYet,          // no byte at this offset yet: wait_readable()
    kNotCached,       // read_back() has it
    kFailed,          // the log could not give it; see `error`
    kCancelled,
    kStopped,
};

struct ReadOutcome {
    ReadStatus status = ReadStatus::kStopped;
    Dependency depends_on;  // of kNoSuchSegment; everything else a reader may be told at once
    Bytes data;
    bool at_tail = false;
    bool end_of_segment = false;
    std::int64_t start_offset = 0;  // of the segment; with kTruncated only
    std::optional<Error> error;
};

// A position in one particular segment, whatever becomes of its name.
class ReadCursor {
public:
    std::int64_t offset() const { return offset_; }

private:
    friend class Container;
    std::shared_ptr<Segment> segment_;  // empty: there is no such segment
    std::int64_t offset_ = 0;
    bool waited_ = false;
};

// Told when replies that wait may go. Called on the executor, not inside an admission.
class CommitListener {
public:
    // Everything up to `committed` is, or ownership was confirmed. Returns whether it waits for more.
    virtual bool on_committed(ContainerId container, Lsn committed) = 0;
    // What waits will not commit soon: the disk has been full for Container::kFullGiveUp.
    virtual void on_full(ContainerId container) = 0;
    // What waits will never be acknowledged by this process.
    virtual void on_stopped(ContainerId container) = 0;

protected:
    ~CommitListener() = default;
};

// How far a container has come on the way of a window to long-term storage: each step is durable before the next begins.
enum class TieringStep : std::uint8_t {
    kIdle,
    kDataPlanned,      // the log names the object of a window
    kDataStored,       // the object is there
    kWindowCommitted,  // the log says what is in it
    kSnapshotPlanned,  // the log names the object of a snapshot
    kSnapshotStored,   // the object is there
    kAnchored,         // the log begins at the cursor and names the snapshot
    kRemoving,         // some of the objects that the snapshot proves dead are gone
};

// When segments' bytes move from the log to long-term storage, and state follows.
struct TieringOptions {
    // A window is closed at this many bytes of operations. 4 KiB .. 1 GiB.
    std::uint64_t window_bytes = 64ull * 1024 * 1024;
    // However little there is, it moves after so long.
    std::chrono::nanoseconds max_age = std::chrono::minutes{5};
    // What a replaced owner had planned is looked for once more after so long, for it may have been about to write. An
    // object that appears even later is garbage that nobody removes.
    std::chrono::nanoseconds late_objects = std::chrono::minutes{10};
    // After a failure, this is waited first, then twice as long each time up to thirty times.
    std::chrono::nanoseconds retry = std::chrono::seconds{1};
    // A storage that hangs fails nothing; this long after its last answer it is told of.
    std::chrono::nanoseconds stuck_after = std::chrono::seconds{30};
};

struct ContainerOptions {
    ContainerId id;
    // Long-term storage; none: everything stays in the log.
    storage::ObjectStorage* storage = nullptr;
    TieringOptions tiering{};
    // See LogWriter::Events::refusing.
    std::function<bool()> log_refusing{};
    // For looking at what there is: nothing is admitted, and nothing moves to long-term storage.
    bool read_only = false;
    ContainerMutations mutations{};
};

class Container {
public:
    // A disk that is full for less is a hiccup, such as a file that could not be made at once: five
    // retries of the log writer. Who has something to add waits for so long, and is refused after it.
    static constexpr std::chrono::seconds kFullPatience{1};
    // What was admitted commits as soon as there is space again, so replies that wait for it are
    // given up only after so long without any progress: 25 retries, and still an answer within
    // seconds for who waits in front of a disk that is really full.
    static constexpr std::chrono::seconds kFullGiveUp{5};

    struct Counts {
        std::uint64_t appended_events = 0;  // committed by this process
        std::uint64_t appended_bytes = 0;
        std::size_t segments = 0;
        std::uint64_t windows = 0;    // moved to long-term storage by this process
        std::uint64_t snapshots = 0;  // anchored by this process
    };

    // `on_failed` is called once when the log fails for good.
    Container(Executor executor, Clock& clock, log::DurableLog& log, AdmissionCredits& credits, DataCache& cache,
              ContainerOptions options, std::function<void(Error)> on_failed);
    ~Container();

    // Replays the log; before anything else. kCorrupt, kUnsupported: the detail names the log entry. kFenced: somebody else
    // has taken the log over meanwhile.
    Task<Result<void>> recover();
    // Commits what was admitted (unless the disk is full), ends waiting reads. Does not close the log.
    Task<void> close();

    Outcome create(std::string_view name, const ScalePolicy& policy);
    Outcome seal(std::string_view name);
    Outcome remove(std::string_view name);
    // While the disk is full: as committed, depending on no LSN.
    InfoOutcome info(std::string_view name) const;

    // Takes the (segment, writer) over: an earlier handle of the same writer is void from now on.
    SetupOutcome setup_append(std::string_view name, WriterId writer);
    // Whether this handle is still the newest of its writer.
    bool owns(const WriterHandle& handle) const;
    // Pieces below this are copied; larger ones keep alive what they are slices of.
    static constexpr std::size_t kCopiedBelow = LogWriter::kCopiedBelow;
    // Appends all pieces as one: wholly or not at all, contiguous. The numbers must be above every one admitted for this
    // writer before. With an `expected_offset` only if the segment has exactly that length: otherwise kConditionFailed, and
    // the numbers are not used up.
    AppendOutcome append(const WriterHandle& handle, const EventNumbers& events, std::span<const Bytes> pieces,
                         std::optional<std::int64_t> expected_offset = {});
    // Forgets the bytes before `offset`, which is one of [start offset, length]; sealed segments too.
    TruncateOutcome truncate(std::string_view name, std::int64_t offset);
    // kNoAttributeValue for one that was never set.
    AttributeOutcome attribute(std::string_view name, AttributeId id) const;
    // Sets the attribute if its value is `expected`; kConditionFailed otherwise.
    AttributeOutcome set_attribute(std::string_view name, AttributeId id, std::int64_t value, std::int64_t expected);
    // The connection of this handle is gone.
    void release(WriterHandle& handle);

    // Reads, in steps, so that the caller decides where waiting and memory belong.
    ReadCursor open_read(std::string_view name, std::int64_t offset) const;
    // At most `length` bytes. Never waits: kNotYet and kNotCached say what to wait for.
    ReadOutcome read_now(ReadCursor& cursor, std::size_t length);
    // Until read_now() would answer something else than kNotYet, or `wait` is cancelled.
    Task<void> wait_readable(ReadCursor& cursor, ReadWait& wait);
    // As read_now(), reading the log where the cache does not help. `cursor` outlives the call.
    Task<ReadOutcome> read_back(ReadCursor& cursor, std::size_t length);
    // All of it in one. `wait` outlives the call.
    Task<ReadOutcome> read(std::string name, std::int64_t offset, std::size_t length, ReadWait& wait);

    // Whether an outcome with this dependency may leave.
    bool settled(const Dependency& on) const {
        return on.lsn <= committed_ && (on.check == OwnershipCheck{} || ownership_->passed(on.check));
    }
    bool committed(Lsn lsn) const { return lsn <= committed_; }
    Lsn committed() const { return committed_; }

    // The log needs room: whatever there is moves to long-term storage soon, also when it is little.
    void tier_now();
    Lsn admitted() const { return admitted_; }
    bool full() const { return writer_ && writer_->full(); }
    // When a full disk stops being a hiccup; empty when it is not full.
    std::optional<MonotonicTime> refuses_from() const;
    // Full, and no hiccup.
    bool refuses() const { return full() && clock_.now() >= *refuses_from(); }
    bool stopped() const { return stopped_; }
    // Why nothing moves to long-term storage: the last attempt failed, or this one has come no further for
    // TieringOptions::stuck_after. Empty: all is well.
    std::string tiering_trouble() const;
    ContainerId id() const { return options_.id; }
    Counts counts() const;
    // Committed ones, sorted by key.
    std::vector<std::shared_ptr<const Segment>> segments() const;
    // What the committed state knows of long-term storage.
    const ObjectTable& objects() const { return objects_; }
    TieringStep tiering_step() const { return tiering_step_; }
    // From here on the log is needed.
    const LogPosition& cursor() const { return cursor_; }
    std::optional<ObjectId> anchored_snapshot() const {
        return anchored_ ? std::optional{anchored_->snapshot} : std::nullopt;
    }

    // `listener` hears of every commit until its on_committed() says that it waits no more, it is
    // removed, or on_stopped() was called. REQUIRES: it is not listening already.
    void add_listener(CommitListener& listener);
    void remove_listener(CommitListener& listener);
    // Whether it is settled in the end; false when the container stops first.
    Task<bool> wait_settled(Dependency on);

private:
    struct PendingOperation {
        Lsn lsn;
        std::shared_ptr<Segment> segment;
        OperationType type{};
        std::int32_t event_count = 0;
        std::size_t bytes = 0;          // of the whole operation, as taken from the credits
        std::size_t pieces = 0;         // of an append, in pending_data_
        std::size_t extents = 0;        // likewise, in pending_extents_
        std::int64_t start_offset = 0;  // of a truncation
        AttributeId attribute;          // set, by an append or directly
        std::int64_t value = 0;
        std::unique_ptr<Operation> of_storage;  // ObjectPlanned and WindowTiered, as they are
        MonotonicTime admitted_at;
        std::int64_t wall_ms = 0;
    };
    struct NameHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
    };
    using Names = std::unordered_map<std::string, std::shared_ptr<Segment>, NameHash, std::equal_to<>>;

    std::shared_ptr<Segment> find(std::string_view name) const;
    // What an outcome carries whose operation has this LSN.
    Dependency done(Lsn lsn) const { return options_.mutations.reply_without_waiting ? Lsn{} : lsn; }
    // What an outcome carries that tells what is so since that LSN.
    Dependency fact(Lsn lsn) const {
        const bool alone = !ownership_ || options_.mutations.answer_without_proof;
        return {done(lsn).lsn, alone ? OwnershipCheck{} : ownership_->ask()};
    }
    std::optional<Status> refusal() const;
    std::int64_t wall_ms(MonotonicTime now);
    Lsn admit(OperationType type, const std::shared_ptr<Segment>& segment, Operation::What what,
              std::span<const Bytes> data, std::int32_t event_count);

    void on_committed(Lsn lsn, std::optional<LogPosition> boundary);
    void apply(PendingOperation& operation, MonotonicTime now);
    void apply_append(PendingOperation& operation, MonotonicTime now);
    void apply_deleted(Segment& segment, Lsn lsn);
    void apply_truncated(Segment& segment, std::int64_t start_offset, Lsn lsn);
    void tell_committed();
    void on_full(bool full);
    // After each change of full() or stopped().
    void tell_trouble();
    void give_up_replies();
    void forget_give_up();
    void on_failed(Error error);
    void stop();

    class Replay;
    Task<Result<void>> replay_log();
    Result<void> apply_replayed(Replay& replay, ReplayedOperation& operation);
    Result<void> locate_replayed(ReplayedOperation& operation);

    ReadOutcome read_no_segment() const;
    Task<Result<Bytes>> load_entry(log::Index index);

    // container_tiering.cc
    struct Boundary {
        LogPosition position;
        std::uint64_t bytes = 0;  // of operations committed before it, ever
    };
    storage::ObjectName object_name(ObjectId id) const { return {options_.id, id.epoch, id.sequence}; }
    void note_untiered(const std::shared_ptr<Segment>& segment);
    void note_boundary(LogPosition position);
    // After each change of committed_bytes_ or cursor_bytes_ that ends at a boundary.
    void tell_untiered_bytes();
    void apply_tiered(const WindowTiered& tiered, Lsn lsn);
    std::optional<Boundary> due_window() const;
    Task<void> tier_loop();
    Task<Result<void>> tier_window(Boundary end);
    bool is_urgent(const DataCache::Move& move) const;
    Task<void> pause(const DataCache::Move& move, std::size_t bytes);
    Task<Result<void>> write_runs(ObjectId object, LogPosition end, DataCache::Move& move,
                                  std::vector<WindowTiered::Run>& runs);
    Task<Result<void>> take_snapshot();
    // Durably says that an object will be written, which this owner may try more than once.
    Task<Result<ObjectId>> plan_object(bool snapshot);
    // Some of the dead objects go; whether there are more.
    Task<Result<bool>> remove_dead();
    Task<Result<bool>> tier_once();
    // Notes that a step is done. `linger`: stays there a while, as a slow process would.
    Task<Result<void>> reached(TieringStep step, bool linger);
    // Before an object becomes visible: whoever was replaced leaves none.
    Task<Result<void>> still_owner();
    Task<Result<bool>> commit_operation(OperationType type, Operation::What what);
    ByteBuffer encode_state(SnapshotHead& head) const;
    bool may_appear_late(ObjectId id) const;
    Task<Result<void>> load_snapshot();

    const Executor executor_;
    Clock& clock_;
    log::DurableLog& log_;
    AdmissionCredits& credits_;
    DataCache& cache_;
    const ContainerOptions options_;
    const std::function<void(Error)> report_failure_;
    ContainerMetrics metrics_;

    std::unique_ptr<LogWriter> writer_;  // after recover()
    std::unique_ptr<Ownership> ownership_;  // likewise, where somebody else might take the log over
    Names names_;  // admitted; a deleted segment stays until its deletion is committed
    std::unordered_map<SegmentKey, std::shared_ptr<Segment>> by_key_;  // committed, and not deleted
    Lsn admitted_;
    Lsn committed_;
    Fifo<PendingOperation> pending_;
    // Of the appends among them, one after the other: what was appended, and where it will lie.
    Fifo<Bytes> pending_data_;
    Fifo<Extent> pending_extents_;
    std::int64_t wall_ms_ = 0;
    MonotonicTime wall_read_at_;
    // Memory of admit(), made once.
    ByteBuffer head_;
    std::vector<OperationPart> parts_;
    std::vector<Extent> extents_;
    std::uint64_t last_owner_ = 0;
    Counts counts_;

    // Of the committed state, for long-term storage.
    ObjectTable objects_;
    LogPosition cursor_;
    std::deque<Boundary> boundaries_;  // after the cursor
    Boundary last_boundary_;
    bool tier_now_ = false;
    bool hurried_ = false;  // the window under way was asked for
    LogPosition window_end_;           // of the last window begun
    std::uint64_t committed_bytes_ = 0;  // of operations on segments, ever
    std::uint64_t cursor_bytes_ = 0;     // of those before the cursor
    std::uint64_t untiered_bytes_ = 0;   // as the cache knows it
    std::vector<std::shared_ptr<Segment>> untiered_;
    MonotonicTime untiered_since_;
    bool snapshot_due_ = false;           // the cursor has moved since the anchored snapshot
    std::optional<Anchor> anchored_;
    std::uint64_t next_object_ = 1;  // of this epoch
    Signal tier_wake_;
    std::string tiering_trouble_;
    std::optional<MonotonicTime> tiering_progress_;  // the last, of the attempt under way
    // Planned, and certainly not there yet.
    std::optional<ObjectId> planned_data_;
    std::optional<ObjectId> planned_snapshot_;
    bool removals_due_ = false;
    TieringStep tiering_step_ = TieringStep::kIdle;
    // Planned by an earlier owner, never seen; removed once, and again when its owner cannot write any more.
    std::set<ObjectId> removed_early_;
    MonotonicTime late_objects_end_;

    std::vector<CommitListener*> listeners_;
    Signal committed_changed_;
    MonotonicTime full_since_;  // while full(): when the log's last progress ended
    std::optional<Clock::TimerId> give_up_timer_;
    bool failed_ = false;    // and has said so
    bool stopped_ = false;   // admits nothing
    bool troubled_ = false;  // as the credits know it
    bool closing_ = false;   // serves nothing
    Gate gate_;
    ExtentLoader extent_loader_;
};

}  // namespace millrace::container
