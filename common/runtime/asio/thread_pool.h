// SPDX-License-Identifier: Apache-2.0
//
// Threads for calls that block. Threads start when work finds none idle, up to the maximum, and
// then stay. Work is taken in the order it came. Any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "common/runtime/asio/mutex.h"
#include "common/runtime/blocking_pool.h"

namespace millrace {

class ThreadPool final : public BlockingPool {
public:
    // `name` shows in debuggers and top; at most 15 characters.
    ThreadPool(std::string name, std::size_t threads_max);
    ~ThreadPool() override { close(); }

    void submit(UniqueFunction<void()> work) override;

    // Runs what was submitted and joins the threads. Work submitted later is destroyed, not run.
    void close();

private:
    void work_until_closed();

    const std::string name_;
    const std::size_t threads_max_;

    Mutex mutex_;
    ConditionVariable work_or_closed_;
    std::deque<UniqueFunction<void()>> queue_ MR_GUARDED_BY(mutex_);
    std::vector<std::thread> threads_ MR_GUARDED_BY(mutex_);
    std::size_t idle_ MR_GUARDED_BY(mutex_) = 0;
    bool closed_ MR_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace
