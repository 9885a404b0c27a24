// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/journal_session.h"

#include <algorithm>

namespace millrace::crash {
namespace {

constexpr std::uint64_t kFileBytes = 1024 * 1024;  // the smallest

}  // namespace

JournalSession::JournalSession(sim::World& world, Runtime runtime, const log::JournalMutations& mutations)
    : world_{world}, runtime_{runtime} {
    options_.directory = kJournalDirectory;
    options_.file_bytes = kFileBytes;
    options_.keep_free_bytes = 0;
    options_.mutations = mutations;
}

Result<void> JournalSession::open(const Bounds& logs) {
    return world_.run([this, &logs]() -> Task<Result<void>> {
        MR_CO_TRY(journal_, co_await log::Journal::open(runtime_, options_));
        for (const auto& [id, bounds] : logs) {
            MR_CO_TRY(logs_[id], co_await journal_->take_over(id));
        }
        co_return ok();
    });
}

std::string JournalSession::check(const Bounds& bounds, const Losses& losses,
                                  const std::optional<UnreadableEntry>& unreadable) {
    for (const auto& [id, log] : bounds) {
        const auto loss = losses.find(id);
        const Loss may_lose = loss == losses.end() ? Loss{} : loss->second;
        std::string wrong = world_.run([&]() -> Task<std::string> { return check_log(id, log, may_lose, unreadable); });
        if (!wrong.empty()) return "log " + to_string(id) + " " + wrong;
    }
    return {};
}

Task<std::string> JournalSession::check_log(ContainerId id, LogBounds bounds, Loss loss,
                                            std::optional<UnreadableEntry> unreadable) {
    log::DurableLog& log = *logs_.at(id);
    const std::uint64_t first = log.first().number();
    const std::uint64_t count = log.next().number() - 1;
    if (log.epoch().number() < bounds.epoch + (loss.owner ? 0 : 1)) {
        co_return "is in epoch " + to_string(log.epoch()) + " again";
    }
    const std::uint64_t promised = std::min<std::uint64_t>(bounds.promised, loss.entries_from - 1);
    if (count < promised) {
        co_return "has entries up to " + std::to_string(count) + ", but " + std::to_string(bounds.promised) +
            " were acknowledged";
    }
    if (count > bounds.sent.size()) co_return "has " + std::to_string(count) + " entries, more than were sent";
    const bool truncation_lost = loss.truncation && first < bounds.first;
    const auto anchor = bounds.anchors.find(first);
    if (!truncation_lost && anchor == bounds.anchors.end()) {
        co_return "begins with entry " + std::to_string(first) + ", to which nobody truncated it";
    }
    if (!truncation_lost && as_text(log.anchor().view()) != anchor->second)
        co_return "has the anchor of another truncation";
    for (std::uint64_t i = first; i <= count; ++i) {
        const Body& body = bounds.sent[i - 1];
        const Result<Bytes> bytes = co_await log.read(log::Index{i}, 0, body.size + 1);
        if (!bytes && unreadable && unreadable->log == id && unreadable->index == i &&
            bytes.error().is(ErrorCode::kCorrupt) &&
            bytes.error().detail().find(unreadable->file + " is damaged at offset ") != std::string::npos) {
            continue;
        }
        if (!bytes) co_return "cannot read entry " + std::to_string(i) + ": " + bytes.error().to_string();
        if (!std::ranges::equal(bytes->view(), bytes_of(body)))
            co_return "has other bytes in entry " + std::to_string(i);
    }
    co_return std::string{};
}

FoundLog JournalSession::found(ContainerId id) {
    const log::DurableLog& log = *logs_.at(id);
    return {log.first().number(), log.next().number(), log.epoch().number()};
}

void JournalSession::close() {
    world_.run([this]() -> Task<void> {
        for (auto& [id, log] : logs_) {
            if (log) co_await log->close();
        }
        if (journal_) co_await journal_->close();
    });
    logs_.clear();
    journal_.reset();
}

}  // namespace millrace::crash
