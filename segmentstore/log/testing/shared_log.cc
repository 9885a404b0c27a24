// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/testing/shared_log.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace millrace::log {

namespace {

Error shared_log_dead() { return {ErrorCode::kClosed, "the process is dead", Fate::kUnknown}; }
Error shared_log_fenced(Fate fate) { return {ErrorCode::kFenced, "the log was taken over", fate}; }

}  // namespace

SharedLog::SharedLog(std::uint64_t seed, SharedLogFaults faults, SharedLogMutations mutations)
    : random_{seed}, faults_{faults}, mutations_{mutations} {}

void SharedLog::heal() { faults_ = {.delay_max = faults_.delay_max}; }

std::chrono::nanoseconds SharedLog::draw_delay() {
    return std::chrono::nanoseconds{random_.between(0, static_cast<std::uint64_t>(faults_.delay_max.count()) + 1)};
}

void SharedLog::store(Append& append, State state) {
    append.state = state;
    append.index = next();
    entries_.push_back(append.body);
}

Task<Result<std::unique_ptr<SharedLogOwner>>> SharedLog::take_over(Clock& clock) {
    co_await sleep_for(clock, draw_delay());
    epoch_ = millrace::next(epoch_);
    const OwnerEpoch mine = epoch_;
    const std::size_t count = under_way_.size();
    std::size_t kept = 0;
    if (count > 0) {
        const std::uint64_t outcome = random_.between(0, 3);
        kept = outcome == 0 ? 0 : outcome == 1 ? count : random_.between(0, count + 1);
        ++(kept == 0 ? take_overs_.kept_none : kept == count ? take_overs_.kept_all : take_overs_.kept_some);
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (i < kept)
            store(*under_way_[i], State::kSurvived);
        else
            under_way_[i]->state = State::kFenced;
    }
    under_way_.clear();
    co_await sleep_for(clock, draw_delay());
    if (epoch_ != mine) co_return shared_log_fenced(Fate::kNotApplied);
    co_return std::make_unique<SharedLogOwner>(*this, clock, mine);
}

SharedLogOwner::SharedLogOwner(SharedLog& log, Clock& clock, OwnerEpoch epoch)
    : log_{log},
      clock_{clock},
      epoch_{epoch},
      first_{log.first_},
      next_{log.next()},
      anchor_{log.anchor_},
      next_asked_{next_} {}

void SharedLogOwner::die() {
    dead_ = true;
    changed_.notify_all();
}

Task<void> SharedLogOwner::travel() {
    const MonotonicTime arrival = clock_.now() + log_.draw_delay();
    while (!dead_ && clock_.now() < arrival) co_await changed_.wait_until(clock_, arrival);
}

Task<Result<Index>> SharedLogOwner::append(std::vector<Bytes> body) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    if (failed_ || dead_) co_return Error{ErrorCode::kClosed, "an append has failed"};
    ByteBuffer joined;
    for (const Bytes& piece : body) joined.append(piece.view());
    if (joined.empty() || joined.size() > kMaxEntryBytes) co_return Error{ErrorCode::kTooLarge, "not 1 B to 1 MiB"};
    const auto append = std::make_shared<Append>(Append{Bytes{std::move(joined)}, State::kUnderWay, next_asked_});
    asked_.push_back(append);
    if (fenced()) {
        append->state = State::kFenced;
    } else if (refused_ > 0) {
        append->state = State::kNoSpace;
        ++refused_;
    } else {
        next_asked_ = millrace::next(next_asked_);
        log_.under_way_.push_back(append);
    }
    co_await travel();
    // They arrive in order.
    const auto waits = [&] { return append->state == State::kUnderWay && !dead_ && !unknown_; };
    while (waits() && log_.under_way_.front() != append) co_await changed_.wait();
    if (waits()) arrive(*append);
    changed_.notify_all();
    co_await travel();
    // And are answered in order.
    while (asked_.front() != append) co_await changed_.wait();
    asked_.pop_front();
    if (append->state == State::kNoSpace) --refused_;
    Result<Index> answered = answer(*append);
    changed_.notify_all();
    co_return answered;
}

void SharedLogOwner::arrive(Append& append) {
    if (log_.draw(log_.faults_.append_unknown_in)) {
        unknown_ = true;
        return;
    }
    if (log_.draw(log_.faults_.no_space_in)) {
        for (const auto& refused : log_.under_way_) refused->state = State::kNoSpace;
        refused_ += log_.under_way_.size();
        log_.under_way_.clear();
        next_asked_ = log_.next();
        return;
    }
    log_.under_way_.pop_front();
    log_.store(append, State::kStored);
}

Result<Index> SharedLogOwner::answer(const Append& append) {
    if (dead_) return shared_log_dead();
    if (failed_) return Error{ErrorCode::kClosed, "an append before this one has failed", Fate::kUnknown};
    switch (append.state) {
        case State::kStored:
            next_ = millrace::next(append.index);
            return append.index;
        case State::kNoSpace:
            return Error{ErrorCode::kNoSpace, "the log is full"};
        case State::kSurvived:
            // Its acknowledgement may be on the way to us still.
            if (log_.random_.one_in(2)) {
                next_ = millrace::next(append.index);
                return append.index;
            }
            failed_ = true;
            return shared_log_fenced(Fate::kUnknown);
        case State::kFenced:
            if (log_.mutations_.forget_promise) {
                next_ = millrace::next(next_);
                return Index{next_.number() - 1};
            }
            failed_ = true;
            return shared_log_fenced(Fate::kUnknown);
        case State::kUnderWay:
            failed_ = true;
            return Error{ErrorCode::kIo, "nobody says what became of it", Fate::kUnknown};
    }
    return shared_log_dead();
}

Task<Result<Bytes>> SharedLogOwner::read(Index index, std::size_t offset, std::size_t length) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    co_await travel();
    if (dead_) co_return shared_log_dead();
    if (index < log_.first_ || index >= std::min(next_, log_.next()))
        co_return Error{ErrorCode::kNotFound, "log entry " + to_string(index)};
    const Bytes body = log_.entries_[index.number() - log_.first_.number()];
    co_await travel();
    if (dead_) co_return shared_log_dead();
    offset = std::min(offset, body.size());
    co_return body.slice(offset, std::min(length, body.size() - offset));
}

Task<Result<void>> SharedLogOwner::truncate(Index first_needed, Bytes anchor) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    MR_CHECK(first_needed >= first_ && first_needed <= next_ && anchor.size() <= kMaxAnchorBytes);
    co_await travel();
    if (dead_) co_return shared_log_dead();
    if (fenced()) co_return shared_log_fenced(Fate::kNotApplied);
    const bool unknown = log_.draw(log_.faults_.truncate_unknown_in);
    if (!unknown || log_.random_.one_in(2)) {
        while (log_.first_ < first_needed) {
            log_.entries_.pop_front();
            log_.first_ = millrace::next(log_.first_);
        }
        log_.anchor_ = anchor;
    }
    co_await travel();
    if (dead_) co_return shared_log_dead();
    if (unknown) co_return Error{ErrorCode::kIo, "nobody says whether it was truncated", Fate::kUnknown};
    first_ = first_needed;
    anchor_ = std::move(anchor);
    co_return ok();
}

Task<Result<void>> SharedLogOwner::confirm_ownership() {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    co_await travel();
    if (dead_) co_return shared_log_dead();
    const bool lost = fenced();
    const bool unproven = log_.draw(log_.faults_.unproven_in);
    co_await travel();
    if (dead_) co_return shared_log_dead();
    if (unproven) co_return Error{ErrorCode::kUnavailable, "not enough replicas answered"};
    if (lost) co_return shared_log_fenced(Fate::kNotApplied);
    co_return ok();
}

}  // namespace millrace::log
