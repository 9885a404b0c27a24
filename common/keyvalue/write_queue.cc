// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/write_queue.h"

#include <string>
#include <utility>

namespace millrace::keyvalue {

namespace {

constexpr std::size_t kGroupBatchesMax = 1000;
constexpr std::size_t kGroupBytesMax = 4 * 1024 * 1024;

std::size_t weight(const WriteBatch& batch) { return batch.bytes() + 16 * batch.count(); }

Error too_large(const char* what, std::size_t bytes, std::size_t most) {
    return {ErrorCode::kTooLarge, std::string{what} + " of " + std::to_string(bytes) + " bytes; at most " +
                                      std::to_string(most) + " are allowed"};
}

}  // namespace

Result<void> check_key(std::string_view key) {
    if (key.size() > kKeyBytesMax) return too_large("a key", key.size(), kKeyBytesMax);
    return ok();
}

Result<void> check_batch(const WriteBatch& batch) {
    if (batch.key_bytes_most() > kKeyBytesMax) return too_large("a key", batch.key_bytes_most(), kKeyBytesMax);
    if (batch.value_bytes_most() > kValueBytesMax) return too_large("a value", batch.value_bytes_most(), kValueBytesMax);
    if (weight(batch) > kBatchBytesMax) return too_large("a batch", weight(batch), kBatchBytesMax);
    return ok();
}

Result<void> check_limit(const PageLimit& limit) {
    if (limit.rows > 0 && limit.bytes > 0) return ok();
    return Error{ErrorCode::kInvalidArgument, "a page of at most 0 rows or bytes"};
}

Result<void> check_multi_get(const std::vector<std::string>& keys) {
    if (keys.size() > kMultiGetKeysMax) {
        return Error{ErrorCode::kTooLarge, std::to_string(keys.size()) + " keys at once; at most " +
                                               std::to_string(kMultiGetKeysMax) + " are allowed"};
    }
    for (const std::string& key : keys) MR_TRY_VOID(check_key(key));
    return ok();
}

Task<Result<void>> WriteQueue::write(WriteBatch batch, Durability durability) {
    MR_CO_TRY_VOID(check_batch(batch));
    const std::size_t bytes = weight(batch);
    if (!waiting_.empty() && (waiting_.size() >= kQueuedBatchesMax || waiting_bytes_ + bytes > kQueuedBytesMax)) {
        co_return Error{ErrorCode::kUnavailable, std::to_string(waiting_.size()) + " batches of " +
                                                     std::to_string(waiting_bytes_) + " bytes wait to be written already"};
    }
    auto mine = std::make_shared<Waiting>();
    mine->batch = std::move(batch);
    mine->synced = durability == Durability::kSynced;
    waiting_.push_back(mine);
    waiting_bytes_ += bytes;
    ++taken_;
    if (!writing_) {
        writing_ = true;
        // Ends before the write that started it, or a later one, returns.
        spawn(executor_, [this]() -> Task<void> { return write_groups(); });
    }
    co_return co_await mine->done.wait();
}

Task<void> WriteQueue::write_groups() {
    while (!waiting_.empty()) {
        auto group = std::make_shared<Group>();
        std::vector<std::shared_ptr<Waiting>> members;
        for (std::size_t bytes = 0; !waiting_.empty() && members.size() < kGroupBatchesMax;) {
            const std::size_t next = weight(waiting_.front()->batch);
            if (!members.empty() && bytes + next > kGroupBytesMax) break;
            bytes += next;
            waiting_bytes_ -= next;
            group->synced = group->synced || waiting_.front()->synced;
            group->batches.push_back(std::move(waiting_.front()->batch));
            members.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
        }
        const Result<void> result = co_await write_group_(std::move(group));
        ++groups_;
        done_ += members.size();
        if (waiting_.empty()) writing_ = false;
        // Wakes, later, who may destroy this queue: nothing of it is touched after the last.
        const bool last = !writing_;
        for (const auto& member : members) member->done.set(result);
        progressed_.notify_all();
        if (last) co_return;
    }
}

Task<void> WriteQueue::settled() {
    const std::uint64_t target = taken_;
    while (done_ < target) co_await progressed_.wait();
}

}  // namespace millrace::keyvalue
