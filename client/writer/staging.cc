// SPDX-License-Identifier: Apache-2.0
//
// Staging, routing and accounting of events.
#include "client/writer/staging.h"

#include <algorithm>
#include <utility>

namespace millrace::client {

namespace {

// With so many blocks on their way, more of them would only make the store work harder.
constexpr std::size_t kSmallBlocksOnTheWay = 4;
// Bytes on their way to one segment: covers bandwidth times delay with room, and bounds what has to
// be sent again after a broken connection.
constexpr std::size_t kWindowBytes = 16 * 1024 * 1024;
constexpr std::size_t kNever = SIZE_MAX;
constexpr std::size_t kSparesMax = 16;
// A block that one large event made would keep its memory for nothing.
constexpr std::size_t kSpareBytesMax = 512 * 1024;

}  // namespace

Staging::Staging(std::size_t memory_bytes, std::uint64_t seed, const std::vector<SegmentRange>& segments)
    : memory_bytes_{memory_bytes}, random_{seed} {
    const MutexLock lock{mutex_};
    for (const SegmentRange& segment : segments) {
        table_.push_back(Entry{segment.range.high, segment.id, &slot_of(segment.id)});
    }
    MR_CHECK(!table_.empty());
    std::sort(table_.begin(), table_.end(), [](const Entry& a, const Entry& b) { return a.high < b.high; });
    current_ = &unsettled_[generation_];
}

Staging::Slot& Staging::slot_of(SegmentId segment) {
    auto& slot = slots_[segment];
    if (!slot) slot = std::make_unique<Slot>();
    return *slot;
}

Staging::Entry& Staging::route(double position) {
    const auto found = std::lower_bound(table_.begin(), table_.end(), position,
                                        [](const Entry& entry, double p) { return entry.high < p; });
    return found == table_.end() ? table_.back() : *found;
}

Block& Staging::room_for(Slot& slot, std::size_t framed, std::uint64_t generation) {
    if (!slot.staged.empty()) {
        Block& last = *slot.staged.back();
        if (last.generation == generation && last.has_room(framed)) return last;
    }
    BlockPtr block;
    if (spare_.empty()) {
        block = std::make_shared<Block>();
    } else {
        block = std::move(spare_.back());
        spare_.pop_back();
    }
    block->generation = generation;
    return *slot.staged.emplace_back(std::move(block));
}

Result<Staging::Written> Staging::write(std::optional<double> position, std::string_view payload,
                                        Block::Acknowledged acknowledged, WhenFull when_full) {
    const std::size_t framed = Block::framed_bytes(payload.size());
    const MutexLock lock{mutex_};
    while (!failure_ && !refusal_ && when_full == WhenFull::kWait && outstanding_bytes_ >= memory_bytes_) {
        ++waiting_for_space_;
        space_.wait(mutex_);
        --waiting_for_space_;
    }
    if (failure_) return *failure_;
    if (refusal_) return *refusal_;
    if (when_full == WhenFull::kLeave && outstanding_bytes_ >= memory_bytes_) return Written{{}, false, false};

    const double key = position ? *position : random_.unit();
    Entry& entry = route(key);
    Slot& slot = *entry.slot;
    outstanding_bytes_ += Block::memory_bytes(framed, static_cast<bool>(acknowledged));
    room_for(slot, framed, generation_).add(key, payload, std::move(acknowledged));
    slot.staged_bytes += framed;
    ++*current_;

    Written written{entry.segment, false};
    if (slot.staged_bytes >= slot.wake_at && !slot.woken) {
        slot.woken = true;
        woken_.push_back(entry.segment);
        written.wake = !std::exchange(wake_posted_, true);
    }
    return written;
}

std::uint64_t Staging::begin_flush() {
    const MutexLock lock{mutex_};
    // Nothing new since the last flush: only what that one waits for.
    if (*current_ == 0) return generation_ - 1;
    const std::uint64_t flush = generation_;
    current_ = &unsettled_[++generation_];
    return flush;
}

bool Staging::flushed_locked(std::uint64_t flush) {
    // Settled generations are erased, the current one is always there.
    return unsettled_.begin()->first > flush;
}

bool Staging::flushed(std::uint64_t flush) {
    const MutexLock lock{mutex_};
    return flushed_locked(flush);
}

Result<void> Staging::wait_flushed(std::uint64_t flush) {
    const MutexLock lock{mutex_};
    while (!flushed_locked(flush)) {
        ++waiting_for_flush_;
        settled_.wait(mutex_);
        --waiting_for_flush_;
    }
    if (failure_) return *failure_;
    return ok();
}

std::optional<Error> Staging::failure() {
    const MutexLock lock{mutex_};
    return failure_;
}

Staging::Totals Staging::totals() {
    const MutexLock lock{mutex_};
    return {acknowledged_events_, outstanding_bytes_};
}

std::vector<SegmentId> Staging::take_woken() {
    const MutexLock lock{mutex_};
    wake_posted_ = false;
    for (const SegmentId segment : woken_) {
        // A replaced segment may still be in the list.
        if (const auto found = slots_.find(segment); found != slots_.end()) found->second->woken = false;
    }
    return std::exchange(woken_, {});
}

BlockPtr Staging::take(SegmentId segment, OnTheWay on_the_way) {
    const MutexLock lock{mutex_};
    Slot& slot = slot_of(segment);
    const bool window_open = on_the_way.bytes < kWindowBytes;
    const bool few = on_the_way.blocks < kSmallBlocksOnTheWay && window_open;
    const bool full = slot.staged.size() > 1 || slot.staged_bytes >= Block::kFullBytes;
    if (!slot.staged.empty() && (few || (full && window_open))) {
        BlockPtr block = std::move(slot.staged.front());
        slot.staged.pop_front();
        slot.staged_bytes -= block->event_bytes();
        return block;
    }
    // When the window is closed an acknowledgement opens it, and that comes to the executor anyway.
    slot.wake_at = few ? 1 : window_open ? Block::kFullBytes : kNever;
    return nullptr;
}

bool Staging::not_ready(SegmentId segment, bool wake) {
    const MutexLock lock{mutex_};
    Slot& slot = slot_of(segment);
    slot.wake_at = wake ? 1 : kNever;
    return !slot.staged.empty();
}

void Staging::settle(std::deque<BlockPtr> blocks, bool acknowledged) {
    const MutexLock lock{mutex_};
    for (BlockPtr& block : blocks) {
        outstanding_bytes_ -= block->memory_bytes();
        if (acknowledged) acknowledged_events_ += block->events();
        const auto generation = unsettled_.find(block->generation);
        MR_CHECK(generation != unsettled_.end() && generation->second >= block->events());
        generation->second -= block->events();
        if (generation->second == 0 && block->generation != generation_) unsettled_.erase(generation);
        // The connection's queue may still hold it when the acknowledgement came for a retransmission.
        if (block.use_count() == 1 && spare_.size() < kSparesMax && block->capacity() <= kSpareBytesMax) {
            block->clear();
            spare_.push_back(std::move(block));
        }
    }
    if (waiting_for_space_ > 0 && outstanding_bytes_ < memory_bytes_) space_.notify_all();
    if (waiting_for_flush_ > 0) settled_.notify_all();
}

std::vector<SegmentId> Staging::replace(SegmentId sealed, std::deque<BlockPtr> unacknowledged,
                                        const std::vector<SegmentRange>& successors) {
    const MutexLock lock{mutex_};
    Slot& old = slot_of(sealed);

    // Only the sealed segment's own keys change hands: a successor that also takes over another
    // segment gets those keys when that one has handed over what it still holds.
    std::vector<Entry> table;
    double low = 0.0;
    for (const Entry& entry : table_) {
        if (entry.segment != sealed) {
            table.push_back(entry);
        } else {
            bool covered = false;
            for (const SegmentRange& successor : successors) {
                if (successor.range.high <= low || successor.range.low >= entry.high) continue;
                const double high = std::min(successor.range.high, entry.high);
                table.push_back(Entry{high, successor.id, &slot_of(successor.id)});
                covered = high == entry.high;
            }
            MR_CHECK(covered);
        }
        low = entry.high;
    }
    table_ = std::move(table);

    for (BlockPtr& block : old.staged) unacknowledged.push_back(std::move(block));
    std::vector<SegmentId> touched;
    for (BlockPtr& block : unacknowledged) {
        for (Block::Event& event : block->dissolve()) {
            Entry& entry = route(event.position);
            Slot& slot = *entry.slot;
            room_for(slot, event.framed.size(), block->generation)
                .add_framed(event.position, event.framed, std::move(event.acknowledged));
            slot.staged_bytes += event.framed.size();
            if (std::find(touched.begin(), touched.end(), entry.segment) == touched.end()) {
                touched.push_back(entry.segment);
            }
        }
    }
    slots_.erase(sealed);
    return touched;
}

void Staging::refuse(Error error) {
    const MutexLock lock{mutex_};
    if (!refusal_) refusal_.emplace(std::move(error));
    space_.notify_all();
}

void Staging::fail(Error error) {
    const MutexLock lock{mutex_};
    if (!failure_) failure_.emplace(std::move(error));
    space_.notify_all();
    settled_.notify_all();
}

std::deque<BlockPtr> Staging::surrender(SegmentId segment) {
    const MutexLock lock{mutex_};
    Slot& slot = slot_of(segment);
    slot.staged_bytes = 0;
    return std::exchange(slot.staged, {});
}

}  // namespace millrace::client
