// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/single_log.h"

#include "segmentstore/log/journal/journal_impl.h"

namespace millrace::log {

SingleLog::SingleLog(JournalImpl& journal, LogSlot& slot)
    : journal_{journal}, slot_{slot}, epoch_{slot.epoch} {}

Index SingleLog::first() const { return slot_.entries.first(); }
Index SingleLog::next() const { return slot_.entries.next(); }

Task<Result<Index>> SingleLog::append(std::vector<Bytes> body) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    if (failed_)
        co_return Error{ErrorCode::kClosed,
                        "log " + to_string(slot_.id) + " is closed: an append has failed"};
    // kTooLarge says nothing about the log, all else that is refused at the door does.
    const Result<PendingPtr> pending = journal_.append(slot_, std::move(body));
    if (!pending) {
        failed_ = failed_ || !pending.error().is(ErrorCode::kTooLarge);
        co_return pending.error();
    }
    Result<Index> appended = co_await (*pending)->done.wait();
    if (!appended) failed_ = failed_ || !appended.error().is(ErrorCode::kNoSpace);
    co_return appended;
}

Task<Result<void>> SingleLog::truncate(Index first_needed, Bytes anchor) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    MR_CO_TRY(const PendingPtr pending, journal_.truncate(slot_, first_needed, std::move(anchor)));
    const Result<Index> durable = co_await pending->done.wait();
    if (!durable) co_return durable.error();
    co_return ok();
}

const Bytes& SingleLog::anchor() const { return slot_.anchor; }

// One process holds the directory's lock, and one owner a log: nobody else can have taken it over.
Task<Result<void>> SingleLog::confirm_ownership() {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    co_return ok();
}

Task<Result<Bytes>> SingleLog::read(Index index, std::size_t offset, std::size_t length) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    co_return co_await journal_.read(slot_, index, offset, length);
}

}  // namespace millrace::log
