// SPDX-License-Identifier: Apache-2.0
//
// For tests: a log in memory whose completions, failures and survivors of a crash the test decides.
// Thread rule: one executor.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "common/runtime/executor.h"
#include "common/runtime/signal.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::log {

// What is on the disk; outlives the owners.
struct FakeLogDisk {
    std::vector<Bytes> entries;  // those below `first` are empty
    OwnerEpoch epoch;
    Index first{1};
    Bytes anchor;
    bool exclusive = true;
    bool fenced = false;  // every owner, from its beginning
};

class FakeLog final : public DurableLog {
public:
    explicit FakeLog(FakeLogDisk& disk) : disk_{disk} { disk_.epoch = millrace::next(disk_.epoch); }

    // While set, appends wait before they reach the disk.
    void hold(bool held) {
        held_ = held;
        turn_.notify_all();
    }
    // Lets exactly one held append through.
    void release_one() {
        ++released_;
        turn_.notify_all();
    }
    void set_full(bool full) { full_ = full; }
    // As the journal does on a full disk: everything that waits is refused now, and its callers learn
    // of it a moment later. What comes after would succeed.
    void refuse_waiting() {
        refused_before_ = next_ticket_ = last_ticket_;
        waiting_.clear();
        refusing_ = true;
        turn_.notify_all();
    }
    bool refusing() const { return refusing_; }
    void fail() {
        failed_ = true;
        turn_.notify_all();
    }
    std::size_t waiting() const { return waiting_.size(); }
    std::size_t appends() const { return appends_; }
    std::size_t reads() const { return reads_; }
    // Bodies of appends that were not completed, in order: what a crash may or may not leave.
    std::vector<Bytes> unacknowledged() const { return waiting_; }

    Index first() const override { return disk_.first; }
    Index next() const override { return Index{disk_.entries.size() + 1}; }
    OwnerEpoch epoch() const override { return disk_.epoch; }

    Task<Result<Index>> append(std::vector<Bytes> body) override {
        ByteBuffer joined;
        for (const Bytes& piece : body) joined.append(piece.view());
        MR_CHECK(!joined.empty() && joined.size() <= kMaxEntryBytes);
        const std::uint64_t ticket = last_ticket_++;
        ++appends_;
        waiting_.emplace_back(std::move(joined));
        // Even an idle log takes a turn of the loop.
        co_await yield();
        while (ticket >= refused_before_ && (next_ticket_ != ticket || (held_ && released_ == 0 && !failed_))) {
            co_await turn_.wait();
        }
        if (ticket < refused_before_) co_return Error{ErrorCode::kNoSpace, "the fake log was full"};
        if (released_ > 0) --released_;
        ++next_ticket_;
        const Bytes mine = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        turn_.notify_all();
        if (failed_) co_return Error{ErrorCode::kIo, "the fake log fails", Fate::kUnknown};
        if (full_) co_return Error{ErrorCode::kNoSpace, "the fake log is full"};
        refusing_ = false;
        disk_.entries.push_back(mine);
        co_return Index{disk_.entries.size()};
    }

    Task<Result<Bytes>> read(Index index, std::size_t offset, std::size_t length) override {
        ++reads_;
        co_await yield();
        if (index < disk_.first || index.number() > disk_.entries.size()) {
            co_return Error{ErrorCode::kNotFound, "no such entry"};
        }
        if (read_error_) co_return Error{ErrorCode::kCorrupt, "the fake log cannot read"};
        const Bytes& body = disk_.entries[index.number() - 1];
        offset = std::min(offset, body.size());
        co_return body.slice(offset, std::min(length, body.size() - offset));
    }
    Task<Result<void>> truncate(Index first_needed, Bytes anchor) override {
        MR_CHECK(first_needed >= disk_.first && first_needed <= next() && anchor.size() <= kMaxAnchorBytes);
        co_await yield();
        if (failed_) co_return Error{ErrorCode::kIo, "the fake log fails", Fate::kUnknown};
        for (std::uint64_t i = disk_.first.number(); i < first_needed.number(); ++i) disk_.entries[i - 1] = {};
        disk_.first = first_needed;
        disk_.anchor = std::move(anchor);
        co_return ok();
    }
    const Bytes& anchor() const override { return disk_.anchor; }
    Task<Result<void>> confirm_ownership() override {
        ++confirmations_;
        while (hold_confirmations_) co_await turn_.wait();
        if (fenced_) co_return Error{ErrorCode::kFenced, "the fake log was taken over"};
        if (unproven_) co_return Error{ErrorCode::kUnavailable, "the fake log has no proof"};
        co_return ok();
    }
    bool is_exclusive() const override { return disk_.exclusive; }
    void set_fenced(bool fenced) { fenced_ = fenced; }
    void set_unproven(bool unproven) { unproven_ = unproven; }
    void hold_confirmations(bool held) {
        hold_confirmations_ = held;
        turn_.notify_all();
    }
    // How often ownership was asked for.
    std::size_t confirmations() const { return confirmations_; }
    void set_read_error(bool error) { read_error_ = error; }

    Task<void> close() override {
        while (!waiting_.empty()) co_await turn_.wait();
    }

private:
    FakeLogDisk& disk_;
    std::uint64_t last_ticket_ = 0;
    std::uint64_t next_ticket_ = 0;
    bool held_ = false;
    std::uint64_t released_ = 0;
    std::uint64_t refused_before_ = 0;  // ticket
    bool refusing_ = false;
    bool full_ = false;
    bool failed_ = false;
    bool read_error_ = false;
    bool fenced_ = disk_.fenced;
    bool unproven_ = false;
    bool hold_confirmations_ = false;
    std::size_t confirmations_ = 0;
    std::size_t appends_ = 0;
    std::size_t reads_ = 0;
    std::vector<Bytes> waiting_;
    Signal turn_;
};

}  // namespace millrace::log
