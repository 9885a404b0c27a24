// SPDX-License-Identifier: Apache-2.0
//
// Waiting for another thread, for the borders where threads meet.
#pragma once

#include <condition_variable>
#include <mutex>

#include "common/base/mutex.h"

namespace millrace {

class ConditionVariable {
public:
    void wait(Mutex& mutex) MR_REQUIRES(mutex) {
        std::unique_lock<std::mutex> lock{mutex.mutex_, std::adopt_lock};
        variable_.wait(lock);
        lock.release();
    }
    void notify_one() { variable_.notify_one(); }
    void notify_all() { variable_.notify_all(); }

private:
    std::condition_variable variable_;
};

}  // namespace millrace
