// SPDX-License-Identifier: Apache-2.0
//
// A thread that waits on one of the library's completion queues and runs what comes out of it. Ours
// rather than the library's own, which sleep up to 100 ms of every idle second and let a call that
// comes then wait as long.
#pragma once

#include <grpcpp/completion_queue.h>

#include <memory>
#include <mutex>
#include <thread>

#include "common/base/unique_function.h"

namespace millrace::rpc {

class Poller {
public:
    explicit Poller(std::unique_ptr<grpc::CompletionQueue> queue);
    // close(), if that was not done.
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    // REQUIRES: it was made with such a queue.
    grpc::ServerCompletionQueue* server_queue() { return static_cast<grpc::ServerCompletionQueue*>(queue_.get()); }
    grpc::CompletionQueue* queue() { return queue_.get(); }

    // A tag that runs `done` once on the poller's thread. It owns itself: hand it to the library, or drop() it.
    using Done = UniqueFunction<void(bool ok)>;
    static void* tag(Done done) { return new Done{std::move(done)}; }
    static void drop(void* tag) { delete static_cast<Done*>(tag); }

    // Runs `start`, which hands tags to the library, unless the poller is closed already: then false.
    // Any thread.
    bool begin(UniqueFunction<void()> start);

    // No more is begun; what was is waited for. Blocks; not on the poller's thread.
    void close();

private:
    void loop();

    std::unique_ptr<grpc::CompletionQueue> queue_;
    std::mutex mutex_;
    bool closed_ = false;  // under mutex_
    std::thread thread_;
};

}  // namespace millrace::rpc
