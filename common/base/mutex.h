// SPDX-License-Identifier: Apache-2.0
//
// A mutex that clang's thread-safety analysis understands, for the few places where threads meet.
// What belongs to one executor needs none.
#pragma once

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

}  // namespace millrace
