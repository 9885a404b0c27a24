// SPDX-License-Identifier: Apache-2.0
//
// The controller that goes with a NullServer: every stream exists, with one segment, in that server. Enough for writers.
// Thread rule: the shard's executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <memory>

#include "common/rpc/rpc.h"

namespace millrace::cli {

class NullController {
public:
    // `segment_store`: where all segments are.
    static Result<std::unique_ptr<NullController>> start(rpc::Rpc& rpc, Endpoint listen, Endpoint segment_store);

    explicit NullController(std::unique_ptr<rpc::Server> server) : server_{std::move(server)} {}
    Endpoint local() const { return server_->local(); }
    Task<void> close(Deadline deadline) { return server_->close(deadline); }

private:
    const std::unique_ptr<rpc::Server> server_;
};

}  // namespace millrace::cli
