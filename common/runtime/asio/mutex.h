// SPDX-License-Identifier: Apache-2.0
//
// A mutex that clang's thread-safety analysis understands, for the borders where threads meet.
#pragma once

#include <condition_variable>
#include <mutex>

#define MR_GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))
#define MR_REQUIRES(mutex) __attribute__((requires_capability(mutex)))

namespace millrace {

class __attribute__((capability("mutex"))) Mutex {
public:
    void lock() __attribute__((acquire_capability())) { mutex_.lock(); }
    void unlock() __attribute__((release_capability())) { mutex_.unlock(); }

private:
    friend class ConditionVariable;
    std::mutex mutex_;
};

class __attribute__((scoped_lockable)) MutexLock {
public:
    explicit MutexLock(Mutex& mutex) __attribute__((acquire_capability(mutex))) : mutex_{mutex} { mutex_.lock(); }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;
    ~MutexLock() __attribute__((release_capability())) { mutex_.unlock(); }

private:
    Mutex& mutex_;
};

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
