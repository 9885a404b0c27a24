// SPDX-License-Identifier: Apache-2.0
//
// The yardstick of the data port: the same frames over the same transport, decoded and put together as a segment store
// does, and acknowledged at once. It stores nothing and knows no containers; of a segment it knows the length.
// Every segment exists, empty, from its first mention, and no writer has appended before.
// Thread rule: the shard's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "common/base/result.h"
#include "common/runtime/gate.h"
#include "common/runtime/network.h"
#include "common/runtime/runtime.h"
#include "common/transport/connection.h"

namespace millrace::cli {

class NullServer {
public:
    explicit NullServer(Runtime runtime);
    ~NullServer();

    Task<Result<void>> start(Endpoint listen);
    Task<void> close();

    // REQUIRES: started.
    Endpoint local() const { return listener_->local(); }

private:
    class Session;

    Task<void> accept_loop();

    const Runtime runtime_;
    transport::ConnectionResources connections_;
    std::unordered_map<std::string, std::int64_t> lengths_;  // by segment; addresses stay
    std::unique_ptr<Listener> listener_;
    std::list<std::unique_ptr<Session>> sessions_;
    Gate gate_;
};

}  // namespace millrace::cli
