// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc/poller.h"

#include <pthread.h>

namespace millrace::rpc {

Poller::Poller(std::unique_ptr<grpc::CompletionQueue> queue) : queue_{std::move(queue)} {
    thread_ = std::thread{[this] { loop(); }};
    pthread_setname_np(thread_.native_handle(), "rpc");
}

Poller::~Poller() { close(); }

void Poller::loop() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
        const std::unique_ptr<Done> done{static_cast<Done*>(tag)};
        (*done)(ok);
    }
}

bool Poller::begin(UniqueFunction<void()> start) {
    const std::lock_guard lock{mutex_};
    if (closed_) return false;
    start();
    return true;
}

void Poller::close() {
    {
        const std::lock_guard lock{mutex_};
        if (closed_) return;
        closed_ = true;
        queue_->Shutdown();
    }
    thread_.join();
}

}  // namespace millrace::rpc
