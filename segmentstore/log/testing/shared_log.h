// SPDX-License-Identifier: Apache-2.0
//
// For tests: a log that several owners share, in memory and as hostile as the contract of DurableLog allows. Somebody
// may take it over while its owner lives, is paused or dead. Of the appends that were under way then, the first few
// survive, or all, or none, whatever their owner is told. A truncation is atomic. Every call takes a while on its way
// there and back. Correct users survive all of it; what they may not survive is a log with one of SharedLogMutations.
// Thread rule: one thread. Lifetime: outlives its owners; their close() has completed before they are destroyed.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>

#include "common/runtime/clock.h"
#include "common/runtime/gate.h"
#include "common/runtime/random.h"
#include "common/runtime/signal.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::log {

// Once in so many calls; 0: never.
struct SharedLogFaults {
    std::chrono::nanoseconds delay_max = std::chrono::milliseconds{1};  // each way of a call
    std::uint64_t append_unknown_in = 0;    // nobody says what became of it, nor of those behind it; the log is closed
    std::uint64_t truncate_unknown_in = 0;  // it happened, or it did not; the log stays open
    std::uint64_t unproven_in = 0;          // confirm_ownership() ends kUnavailable
    std::uint64_t no_space_in = 0;          // an append is refused, and with it all that are under way
};

// Promises that tests break, to see that their users notice.
struct SharedLogMutations {
    bool forget_promise = false;  // appends of a fenced owner are acknowledged
};

class SharedLogOwner;

class SharedLog {
public:
    SharedLog(std::uint64_t seed, SharedLogFaults faults, SharedLogMutations mutations = {});

    // Fences the owner and decides what becomes of its appends under way. Time passes on `clock`, the new owner's; so
    // it does in every call of that owner. kFenced: somebody else has come in between.
    Task<Result<std::unique_ptr<SharedLogOwner>>> take_over(Clock& clock);

    // No more faults; calls still take a while.
    void heal();

    Index first() const { return first_; }
    Index next() const { return Index{first_.number() + entries_.size()}; }
    // How often a take-over found appends under way, by what it left of them.
    struct TakeOvers {
        std::uint64_t kept_all = 0;
        std::uint64_t kept_some = 0;
        std::uint64_t kept_none = 0;
    };
    const TakeOvers& take_overs() const { return take_overs_; }

private:
    friend class SharedLogOwner;

    enum class State : std::uint8_t { kUnderWay, kStored, kSurvived, kNoSpace, kFenced };
    struct Append {
        Bytes body;
        State state = State::kUnderWay;
        Index index;
    };

    std::chrono::nanoseconds draw_delay();
    bool draw(std::uint64_t one_in) { return one_in != 0 && random_.one_in(one_in); }
    void store(Append& append, State state);

    SeededRandom random_;
    SharedLogFaults faults_;
    const SharedLogMutations mutations_;
    OwnerEpoch epoch_;  // promised: no lower one appends, truncates or confirms
    Index first_{1};
    std::deque<Bytes> entries_;  // from first_ on
    Bytes anchor_;
    std::deque<std::shared_ptr<Append>> under_way_;  // of the owner, undecided, in order
    TakeOvers take_overs_;
};

class SharedLogOwner final : public DurableLog {
public:
    SharedLogOwner(SharedLog& log, Clock& clock, OwnerEpoch epoch);

    // Whether the log was taken over by now, be it known to the owner or not.
    bool fenced() const { return log_.epoch_ != epoch_; }
    // The owner's process is dead: every call ends at once, without saying what happened, and what is under way stays
    // so.
    void die();

    Index first() const override { return first_; }
    Index next() const override { return next_; }
    OwnerEpoch epoch() const override { return epoch_; }
    Task<Result<Index>> append(std::vector<Bytes> body) override;
    Task<Result<Bytes>> read(Index index, std::size_t offset, std::size_t length) override;
    Task<Result<void>> truncate(Index first_needed, Bytes anchor) override;
    const Bytes& anchor() const override { return anchor_; }
    Task<Result<void>> confirm_ownership() override;
    bool is_exclusive() const override { return false; }
    Task<void> close() override { return gate_.close(); }

private:
    using Append = SharedLog::Append;
    using State = SharedLog::State;

    // One way of a call; ends early when the owner dies.
    Task<void> travel();
    void arrive(Append& append);
    Result<Index> answer(const Append& append);

    SharedLog& log_;
    Clock& clock_;
    const OwnerEpoch epoch_;
    Index first_;
    Index next_;
    Bytes anchor_;
    std::deque<std::shared_ptr<Append>> asked_;  // unanswered, in order
    Index next_asked_;
    std::size_t refused_ = 0;  // of asked_, for want of space: what follows them is refused as well
    bool dead_ = false;
    bool failed_ = false;   // an append has failed: the log is closed
    bool unknown_ = false;  // what is under way stays undecided until the next take-over
    Signal changed_;
    Gate gate_;
};

}  // namespace millrace::log
