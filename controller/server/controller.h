// SPDX-License-Identifier: Apache-2.0
//
// A controller: metadata, workflows and the gRPC service, wired together.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/metadata/metadata_store.h"
#include "common/rpc/rpc.h"
#include "common/runtime/runtime.h"

namespace millrace::controller {

struct ControllerOptions {
    Endpoint listen;         // gRPC; port 0: any free one
    Endpoint advertise;      // what discovery answers; port 0: the real listening port
    Endpoint segment_store;  // who owns every container: what getURI answers
    Endpoint segment_store_internal{};  // where this process reaches it; host empty: segment_store
    std::chrono::nanoseconds retention_period = std::chrono::minutes{1};
};

class Controller {
public:
    // Resumes unfinished workflows, then serves. kInUse: the port is taken.
    static Task<Result<std::unique_ptr<Controller>>> start(Runtime runtime, rpc::Rpc& rpc,
                                                           metadata::MetadataStore& metadata,
                                                           ControllerOptions options);

    virtual ~Controller() = default;

    virtual Endpoint local() const = 0;
    virtual Task<void> close(Deadline deadline) = 0;
};

}  // namespace millrace::controller
