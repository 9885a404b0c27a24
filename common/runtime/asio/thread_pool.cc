// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/asio/thread_pool.h"

#include <pthread.h>

#include <system_error>
#include <utility>

namespace millrace {

ThreadPool::ThreadPool(std::string name, std::size_t threads_max)
    : name_{std::move(name)}, threads_max_{threads_max} {
    MR_CHECK(threads_max_ > 0 && name_.size() <= 15);
}

void ThreadPool::submit(UniqueFunction<void()> work) {
    {
        const MutexLock lock{mutex_};
        if (closed_) return;
        queue_.push_back(std::move(work));
        // Idle threads that were notified but have not run yet count as idle, hence the comparison.
        if (queue_.size() > idle_ && threads_.size() < threads_max_) {
            try {
                threads_.emplace_back([this] { work_until_closed(); });
            } catch (const std::system_error&) {
                // The machine gives no more threads: fewer will do, but none will not.
                if (threads_.empty()) throw;
            }
            return;
        }
        if (idle_ == 0) return;
    }
    work_or_closed_.notify_one();
}

void ThreadPool::close() {
    std::vector<std::thread> threads;
    {
        const MutexLock lock{mutex_};
        closed_ = true;
        threads.swap(threads_);
    }
    work_or_closed_.notify_all();
    for (std::thread& thread : threads) thread.join();
}

void ThreadPool::work_until_closed() {
    ::pthread_setname_np(::pthread_self(), name_.c_str());
    for (;;) {
        UniqueFunction<void()> work;
        {
            const MutexLock lock{mutex_};
            while (queue_.empty()) {
                if (closed_) return;
                ++idle_;
                work_or_closed_.wait(mutex_);
                --idle_;
            }
            work = std::move(queue_.front());
            queue_.pop_front();
        }
        work();
    }
}

}  // namespace millrace
