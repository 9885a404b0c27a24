// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/asio/asio_clock.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/runtime/asio/mutex.h"

namespace millrace {

namespace {

class HeapClock final : public AsioClock {
public:
    explicit HeapClock(boost::asio::io_context& io) : io_{&io}, alarm_{std::in_place, io} {}

    MonotonicTime now() const override {
        return MonotonicTime{std::chrono::steady_clock::now().time_since_epoch()};
    }
    WallTime wall_now() const override {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }

    TimerId schedule(MonotonicTime when, Executor executor, UniqueFunction<void()> fire) override {
        TimerId id = 0;
        {
            const MutexLock lock{mutex_};
            id = ++last_id_;
            timers_.emplace(id, Timer{std::move(executor), std::move(fire)});
            heap_.push_back({when, id});
            std::push_heap(heap_.begin(), heap_.end());
            if (when >= alarm_at_) return id;
            alarm_at_ = when;
        }
        if (io_->get_executor().running_in_this_thread()) set_alarm();
        else boost::asio::post(*io_, [this] { set_alarm(); });
        return id;
    }

    void cancel(TimerId timer) override {
        std::unordered_map<TimerId, Timer>::node_type dropped;  // destroyed outside the lock
        const MutexLock lock{mutex_};
        dropped = timers_.extract(timer);
        // Heap entries of cancelled timers are left in place until they are due or the majority.
        if (heap_.size() <= 2 * timers_.size() + kStaleMin) return;
        std::erase_if(heap_, [this](const Due& due) MR_REQUIRES(mutex_) { return !timers_.contains(due.id); });
        std::make_heap(heap_.begin(), heap_.end());
    }

    void detach() override {
        alarm_.reset();
        std::unordered_map<TimerId, Timer> dropped;  // destroyed outside the lock
        const MutexLock lock{mutex_};
        dropped.swap(timers_);
        heap_.clear();
    }

private:
    static constexpr std::size_t kStaleMin = 256;

    struct Timer {
        Executor executor;
        UniqueFunction<void()> fire;
    };
    struct Due {
        MonotonicTime when;
        TimerId id;
        // std's heaps have the largest on top; equal times fire in the order of scheduling.
        bool operator<(const Due& other) const {
            return when != other.when ? when > other.when : id > other.id;
        }
    };

    // On the shard.
    void set_alarm() {
        MonotonicTime at;
        {
            const MutexLock lock{mutex_};
            at = alarm_at_;
        }
        if (at == MonotonicTime::max()) return;
        // Replaces an alarm that was set for later.
        alarm_->expires_at(std::chrono::steady_clock::time_point{at.time_since_epoch()});
        alarm_->async_wait([this](boost::system::error_code error) {
            if (!error) fire_due();
        });
    }

    // On the shard. A timer stays in timers_ until its function is about to run on its executor, so
    // that cancel() there still prevents it.
    void fire_due() {
        std::vector<std::pair<TimerId, Executor>> due;
        {
            const MonotonicTime time = now();
            const MutexLock lock{mutex_};
            while (!heap_.empty()) {
                const auto found = timers_.find(heap_.front().id);
                const bool stale = found == timers_.end();
                if (!stale && heap_.front().when > time) break;
                if (!stale) due.emplace_back(found->first, found->second.executor);
                std::pop_heap(heap_.begin(), heap_.end());
                heap_.pop_back();
            }
            alarm_at_ = heap_.empty() ? MonotonicTime::max() : heap_.front().when;
        }
        for (const auto& [id, executor] : due) boost::asio::post(executor, [this, id = id] { fire(id); });
        set_alarm();
    }

    void fire(TimerId id) {
        std::unordered_map<TimerId, Timer>::node_type timer;
        {
            const MutexLock lock{mutex_};
            timer = timers_.extract(id);
        }
        if (timer) timer.mapped().fire();
    }

    boost::asio::io_context* const io_;
    // On the shard only.
    std::optional<boost::asio::steady_timer> alarm_;

    Mutex mutex_;
    TimerId last_id_ MR_GUARDED_BY(mutex_) = 0;
    std::unordered_map<TimerId, Timer> timers_ MR_GUARDED_BY(mutex_);
    std::vector<Due> heap_ MR_GUARDED_BY(mutex_);
    // When the alarm rings, or will once set_alarm() has run.
    MonotonicTime alarm_at_ MR_GUARDED_BY(mutex_) = MonotonicTime::max();
};

}  // namespace

std::unique_ptr<AsioClock> AsioClock::make(boost::asio::io_context& io) { return std::make_unique<HeapClock>(io); }

}  // namespace millrace
