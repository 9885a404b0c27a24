// SPDX-License-Identifier: Apache-2.0
//
// The mutex and condition variable of the border between the application's threads and the
// client's executor, annotated for clang's thread-safety analysis. Nothing inside the executor
// locks for longer than it takes to move what is shared.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#define MR_CAPABILITY(name) __attribute__((capability(name)))
#define MR_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define MR_GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))
#define MR_REQUIRES(mutex) __attribute__((requires_capability(mutex)))
#define MR_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define MR_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))

namespace millrace::client {

class MR_CAPABILITY("mutex") Mutex {
public:
    void lock() MR_ACQUIRE() { mutex_.lock(); }
    void unlock() MR_RELEASE() { mutex_.unlock(); }

private:
    friend class Condition;
    std::mutex mutex_;
};

class MR_SCOPED_CAPABILITY MutexLock {
public:
    explicit MutexLock(Mutex& mutex) MR_ACQUIRE(mutex) : mutex_{mutex} { mutex_.lock(); }
    ~MutexLock() MR_RELEASE() { mutex_.unlock(); }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;

private:
    Mutex& mutex_;
};

class Condition {
public:
    void wait(Mutex& mutex) MR_REQUIRES(mutex) {
        std::unique_lock<std::mutex> lock{mutex.mutex_, std::adopt_lock};
        condition_.wait(lock);
        lock.release();
    }
    // Returns at a notify, spuriously, or after `duration`.
    void wait_for(Mutex& mutex, std::chrono::nanoseconds duration) MR_REQUIRES(mutex) {
        std::unique_lock<std::mutex> lock{mutex.mutex_, std::adopt_lock};
        condition_.wait_for(lock, duration);
        lock.release();
    }
    void notify_all() { condition_.notify_all(); }

private:
    std::condition_variable condition_;
};

}  // namespace millrace::client
