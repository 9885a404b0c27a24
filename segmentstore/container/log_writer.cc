// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/log_writer.h"

#include <algorithm>

namespace millrace::container {

LogWriter::LogWriter(Executor executor, Clock& clock, log::DurableLog& log, Events events, ContainerMutations mutations)
    : executor_{std::move(executor)},
      clock_{clock},
      log_{log},
      events_{std::move(events)},
      mutations_{mutations},
      next_index_{log.next()} {}

LogWriter::~LogWriter() { MR_CHECK(gate_.inside() == 0); }

void LogWriter::start() {
    for (std::size_t i = 0; i < kMaxInFlight; ++i) {
        gate_.spawn(executor_, [this] { return send_loop(); });
    }
}

Task<void> LogWriter::close() {
    while (!entries_.empty() && !failed_ && !full_) {
        wake();
        co_await progress_.wait();
    }
    // What is still queued on a full disk was never acknowledged, and is given up.
    failed_ = true;
    if (retry_timer_) clock_.cancel(*retry_timer_);
    retry_timer_.reset();
    work_.notify_all();
    co_await gate_.close();
}

void LogWriter::add(Lsn lsn, ByteView head, std::span<const Bytes> data, std::vector<OperationPart>& parts, Fifo<Bytes>& held) {
    MR_CHECK(!failed_ && parts.empty());
    // The rest of the last operation that was cut lies in the open entry, or that was closed uncut since.
    if (cut_entries_ >= kMaxCutEntries && entries_.back().state == State::kOpen) close_entry(entries_.back());
    std::size_t left = head.size();
    for (const Bytes& piece : data) left += piece.size();
    // `shared` is empty when the bytes must be copied.
    const auto put = [&](const Bytes& shared, ByteView bytes, Fifo<Bytes>* copies_held) {
        while (!bytes.empty()) {
            Entry& entry = open_entry(parts.empty() ? 0 : std::min(left, kMaxEntryBytes - kEntryHeaderBytes));
            const auto position = static_cast<std::uint32_t>(entry.bytes);
            const std::size_t take = std::min(bytes.size(), kMaxEntryBytes - entry.bytes);
            if (shared.empty()) {
                copy_in(entry, bytes.first(take), copies_held);
            } else {
                close_run(entry);
                entry.pieces.push_back(shared.slice(shared.size() - bytes.size(), take));
                entry.bytes += take;
            }
            if (!parts.empty() && parts.back().entry == entry.index) {
                parts.back().length += static_cast<std::uint32_t>(take);
            } else {
                parts.push_back({entry.index, position, static_cast<std::uint32_t>(take)});
            }
            bytes = bytes.subspan(take);
            left -= take;
            if (left == 0 || mutations_.show_before_last_entry) entry.last_lsn = lsn;
            if (entry.bytes == kMaxEntryBytes) {
                entry.cut = left > 0;
                close_entry(entry);
            }
        }
    };
    put(Bytes{}, head, nullptr);
    for (const Bytes& piece : data) {
        if (piece.size() < kCopiedBelow) {
            put(Bytes{}, piece.view(), &held);
        } else {
            put(piece, piece.view(), nullptr);
            held.push_back(piece);
        }
    }
    wake();
}

LogWriter::Entry& LogWriter::open_entry(std::size_t continuing_bytes) {
    if (!entries_.empty() && entries_.back().state == State::kOpen) return entries_.back();
    Entry& entry = entries_.emplace_back();
    entry.index = next_index_;
    next_index_ = next(next_index_);
    run_begin_ = run_end_ = chunk_used_;
    ByteBuffer header;
    encode_entry_header({first_of_epoch_, static_cast<std::uint32_t>(continuing_bytes)}, header);
    first_of_epoch_ = false;
    copy_in(entry, header.view(), nullptr);
    return entry;
}

void LogWriter::copy_in(Entry& entry, ByteView bytes, Fifo<Bytes>* held) {
    while (!bytes.empty()) {
        if (chunk_used_ == kChunkBytes) {
            close_run(entry);
            chunk_ = std::shared_ptr<std::byte[]>(new std::byte[kChunkBytes]);
            chunk_used_ = run_begin_ = run_end_ = 0;
        }
        const std::size_t take = std::min(bytes.size(), kChunkBytes - chunk_used_);
        std::memcpy(chunk_.get() + chunk_used_, bytes.data(), take);
        if (held != nullptr) held->emplace_back(chunk_, ByteView{chunk_.get() + chunk_used_, take});
        chunk_used_ += take;
        run_end_ = chunk_used_;
        entry.bytes += take;
        bytes = bytes.subspan(take);
    }
}

void LogWriter::close_run(Entry& entry) {
    if (run_end_ > run_begin_) {
        entry.pieces.emplace_back(chunk_, ByteView{chunk_.get() + run_begin_, run_end_ - run_begin_});
    }
    run_begin_ = run_end_ = chunk_used_;
}

void LogWriter::close_entry(Entry& entry) {
    close_run(entry);
    entry.state = State::kReady;
    cut_entries_ = entry.cut ? cut_entries_ + 1 : 0;
}

LogWriter::Entry* LogWriter::next_to_send() {
    if (failed_ || entries_.empty()) return nullptr;
    if (full_) {
        // One at a time, oldest first, so that order holds whatever the log refuses.
        if (sending_ > 0 || !retry_due_) return nullptr;
        retry_due_ = false;
        MR_CHECK(entries_.front().state == State::kReady);
        return &entries_.front();
    }
    if (sending_ >= kMaxInFlight || sending_ >= entries_.size()) return nullptr;
    if (sending_ > 0 && events_.refusing && events_.refusing()) return nullptr;
    Entry& entry = entries_[sending_];  // those in flight are the oldest, and a done one leaves at once
    if (entry.state == State::kOpen) {
        if (sending_ >= kMaxSmallInFlight) return nullptr;
        close_entry(entry);
    }
    return entry.state == State::kReady ? &entry : nullptr;
}

void LogWriter::wake() {
    if (woken_) return;
    woken_ = true;
    work_.notify_one();
}

Task<void> LogWriter::send_loop() {
    for (;;) {
        if (failed_) co_return;
        Entry* const entry = next_to_send();
        if (entry == nullptr) {
            // Before and after: whoever adds work while this loop waits, or once it runs, wakes one.
            woken_ = false;
            co_await work_.wait();
            woken_ = false;
            continue;
        }
        entry->state = State::kSending;
        ++sending_;
        wake();  // there may be work for another loop
        Result<log::Index> result = co_await log_.append(entry->pieces);
        completed(*entry, std::move(result));
    }
}

void LogWriter::completed(Entry& entry, Result<log::Index> result) {
    --sending_;
    if (failed_) return;
    if (!result && result.error().is(ErrorCode::kNoSpace)) {
        entry.state = State::kReady;
        enter_full();
        return;
    }
    if (!result) return fail(std::move(result).error());
    if (result.value() != entry.index) {
        return fail({ErrorCode::kInternal, "the log put an entry at " + to_string(result.value()) + " instead of " +
                                               to_string(entry.index)});
    }
    entry.state = State::kDone;
    const Lsn before = last_committed_;
    std::optional<LogPosition> boundary;
    while (!entries_.empty() && entries_.front().state == State::kDone) {
        const Entry& done = entries_.front();
        last_committed_ = std::max(last_committed_, done.last_lsn);
        if (!done.cut) boundary = LogPosition{next(done.index), last_committed_};
        entries_.pop_front();
    }
    if (full_) {
        full_ = false;
        events_.full(false);
    }
    if (last_committed_ != before) events_.committed(last_committed_, boundary);
    progress_.notify_all();
}

void LogWriter::enter_full() {
    if (!full_) {
        full_ = true;
        events_.full(true);
    }
    progress_.notify_all();
    if (retry_timer_ || sending_ > 0) return;
    retry_timer_ = clock_.schedule(clock_.now() + kFullRetry, executor_, [this] {
        retry_timer_.reset();
        retry_due_ = true;
        work_.notify_all();
    });
}

void LogWriter::fail(Error error) {
    failed_ = true;
    work_.notify_all();
    progress_.notify_all();
    events_.failed(std::move(error));
}

}  // namespace millrace::container
