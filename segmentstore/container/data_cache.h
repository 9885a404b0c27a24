// SPDX-License-Identifier: Apache-2.0
//
// Recently appended bytes of all segments of a process, and what was read back, within one
// budget. What was read back and blocks whose bytes were handed to long-term storage go first, by age; then the oldest of
// the blocks that would have to be read from the log to be moved. Appended bytes are copied into blocks that belong to one
// segment, so that what is kept is what is counted: no slice keeps what was received alive, which counts against a budget
// of its own that connections wait for.
// Thread rule: one executor. Lifetime: the cache outlives its SegmentCaches.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/model/ids.h"
#include "common/runtime/clock.h"
#include "common/runtime/permits.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::container {

class SegmentCache;

class DataCache {
public:
    explicit DataCache(std::size_t budget_bytes);
    DataCache(const DataCache&) = delete;
    DataCache& operator=(const DataCache&) = delete;
    ~DataCache();

    // Real memory held: blocks and entries.
    std::size_t bytes() const { return block_bytes_ + entry_bytes_; }
    std::size_t budget() const { return budget_; }

    // What a container has that is not in long-term storage was so many bytes and is now so many.
    void gathered(std::uint64_t before, std::uint64_t now);
    // Whether a container with so many should move them while they can still be read from here: all together have a
    // quarter of the budget, and others have less. As much comes while they move.
    bool should_move(std::uint64_t bytes) const {
        return bytes >= kLeastMoved && gathered_bytes_ >= budget_ / 4 && bytes >= gathered_bytes_ / gatherers_;
    }
    static constexpr std::uint64_t kLeastMoved = 2 * 1024 * 1024;

    // A container moves something to long-term storage for as long as this lives.
    class Move {
    public:
        Move(DataCache& cache, MonotonicTime now) : cache_{cache} {
            ++cache_.moves_;
            cache_.moved_at_ = now;
        }
        Move(const Move&) = delete;
        Move& operator=(const Move&) = delete;
        ~Move() {
            --cache_.moves_;
            cache_.moved_bytes_ -= bytes_;
        }
        // So much more has been handed to the storage. It stays gathered until the whole of what moves is there.
        void moved(std::size_t bytes, MonotonicTime now) {
            bytes_ += bytes;
            cache_.moved_bytes_ += bytes;
            cache_.moved_at_ = now;
        }
        // There is no time for pauses: half of the budget was gathered, and not less than an eighth since.
        bool is_urgent() const { return cache_.urgent_; }
        // How long `bytes` more should wait otherwise, so that bursts do not take the disk from others: all that is
        // gathered moves within kMovesEvenly.
        std::chrono::nanoseconds pause(std::size_t bytes) const;

    private:
        DataCache& cache_;
        std::uint64_t bytes_ = 0;
    };
    // Whether more is gathered, or will be with `coming` bytes, than can be kept here until it has moved, while it does
    // move: a storage that takes nothing is no reason to wait for it.
    bool backlogged(MonotonicTime now, std::uint64_t coming) const {
        return moves_ > 0 && gathered_bytes_ + coming > budget_ / 4 * 3 + moved_bytes_ && now < moved_at_ + kMovesWithin;
    }
    static constexpr std::chrono::seconds kMovesWithin{2};
    static constexpr std::chrono::milliseconds kMovesEvenly{250};
    static constexpr std::chrono::milliseconds kPauseMax{100};

    // What was read back: an entry of a log, or an extent of an object.
    struct ReadKey {
        ContainerId container;
        OwnerEpoch epoch;           // 0: of the log
        std::uint64_t number = 0;   // the entry's index, or the object's sequence number
        std::uint64_t position = 0;  // in the object
        auto operator<=>(const ReadKey&) const = default;
    };
    // A part of what may be kept for readers that have not asked for it yet, for as long as this lives.
    class AheadShare {
    public:
        AheadShare(DataCache& cache, std::size_t bytes) : cache_{&cache}, bytes_{bytes} { cache.ahead_bytes_ += bytes; }
        AheadShare(AheadShare&& other) noexcept : cache_{std::exchange(other.cache_, nullptr)}, bytes_{other.bytes_} {}
        AheadShare& operator=(AheadShare&&) = delete;
        ~AheadShare() {
            if (cache_ != nullptr) cache_->ahead_bytes_ -= bytes_;
        }

    private:
        DataCache* cache_;
        std::size_t bytes_;
    };
    // Nothing when it is used up, half of what is kept: a crowd of readers would lose what was read ahead before its turn.
    std::optional<AheadShare> share_for_ahead(std::size_t bytes);

    // What is kept of it is a quarter of the budget, at most 32 MiB, the least recently used goes first.
    Bytes find_read(const ReadKey& key);
    // `ahead`: nobody has asked for it yet; the first find_read() gives the share back.
    void keep_read(const ReadKey& key, Bytes body, std::optional<AheadShare> ahead = std::nullopt);
    bool has_read(const ReadKey& key) const { return entry_index_.contains(key); }

    // So many replies at a time are put together of what is read back, over all containers.
    Permits& loads() { return loads_; }

private:
    friend class SegmentCache;

    struct Block {
        SegmentCache* owner = nullptr;
        std::int64_t begin = 0;  // offset in the segment
        std::shared_ptr<std::byte[]> memory;
        std::size_t capacity = 0;
        std::size_t used = 0;
        bool moved = false;          // among moved_
        std::uint64_t moved_at = 0;  // by uses_
    };
    using Blocks = std::list<Block>;

    Blocks::iterator new_block(SegmentCache& owner, std::int64_t begin, std::size_t capacity);
    void make_room(std::size_t bytes);
    void drop(Blocks::iterator block);
    void set_moved(Blocks::iterator block);

    const std::size_t budget_;
    const std::size_t entry_budget_;
    Blocks blocks_;  // oldest first
    Blocks moved_;   // those whose bytes were handed to long-term storage, in that order
    std::size_t block_bytes_ = 0;
    std::uint64_t uses_ = 0;  // counts what makes young
    std::uint64_t gathered_bytes_ = 0;
    std::uint64_t gatherers_ = 0;  // containers that have any
    bool urgent_ = false;
    std::size_t moves_ = 0;
    std::uint64_t moved_bytes_ = 0;  // by the moves under way
    MonotonicTime moved_at_;

    void drop_oldest_read();

    struct KeptEntry {
        ReadKey key;
        Bytes body;
        std::optional<AheadShare> ahead;
        std::uint64_t used_at;  // by uses_
    };
    std::size_t ahead_bytes_ = 0;
    std::list<KeptEntry> entries_;  // least recently used first
    std::map<ReadKey, std::list<KeptEntry>::iterator> entry_index_;
    std::size_t entry_bytes_ = 0;

    Permits loads_{16};
};

// One segment's part: a contiguous run of bytes that ends at the segment's committed length.
class SegmentCache {
public:
    explicit SegmentCache(DataCache& cache) : cache_{cache} {}
    SegmentCache(const SegmentCache&) = delete;
    SegmentCache& operator=(const SegmentCache&) = delete;
    ~SegmentCache() { clear(); }

    // REQUIRES: `offset` is where the last append ended, if any of it is still here.
    void append(std::int64_t offset, const Bytes& bytes);
    // Up to `length` contiguous bytes from `offset`, not copied; empty when they are not here.
    Bytes find(std::int64_t offset, std::size_t length) const;
    // Drops blocks that lie wholly before `offset`.
    void drop_before(std::int64_t offset);
    // Long-term storage was handed what lies before `offset`: blocks wholly before it may go before others. Should it not
    // keep them, they are read from the log again.
    void moved_before(std::int64_t offset);
    void clear();

    static constexpr std::size_t kMinBlock = 4 * 1024;
    static constexpr std::size_t kMaxBlock = 256 * 1024;

private:
    friend class DataCache;
    using Block = DataCache::Block;

    bool lies_before(DataCache::Blocks::iterator block, std::int64_t offset) const {
        // The last block may still be filled.
        return block != blocks_.back() && block->begin + static_cast<std::int64_t>(block->used) <= offset;
    }

    DataCache& cache_;
    std::vector<DataCache::Blocks::iterator> blocks_;  // by offset; those that moved first
};

}  // namespace millrace::container
