// SPDX-License-Identifier: Apache-2.0
//
// Metadata store, segment store and controller in one process, on one shard, with their page of health and metrics.
// Layout of the data directory: LOCK, metadata/, journal/, storage/. The segment store may also be alone.
// Thread rule: the shard's executor. Lifetime: stop() must have completed before destruction.
#pragma once

#include <memory>
#include <string>

#include "cli/engine_metrics.h"
#include "cli/server_settings.h"
#include "common/base/result.h"
#include "common/keyvalue/keyvalue.h"
#include "common/metadata/embedded/embedded_metadata_store.h"
#include "common/rpc/rpc.h"
#include "common/runtime/gate.h"
#include "common/runtime/runtime.h"
#include "common/runtime/signal.h"
#include "common/telemetry/health.h"
#include "common/telemetry/http_server.h"
#include "common/telemetry/process_metrics.h"
#include "controller/server/controller.h"
#include "segmentstore/server/segment_store.h"

namespace millrace::cli {

enum class ServerParts : std::uint8_t { kAll, kSegmentStore };

class StandaloneServer {
public:
    // `settings` are loaded and outlive the server.
    StandaloneServer(Runtime runtime, const ServerSettings& settings, ServerParts parts);
    ~StandaloneServer();

    // The parts, each when those that it needs serve; health and metrics first. On failure stop() is still due.
    Task<Result<void>> start();
    // In the opposite order. REQUIRES: start() has ended.
    Task<void> stop();

    // REQUIRES: started, with the part. Complete when a write of theirs has failed, if ever; stop() abandons them.
    Task<Error> journal_failed() { return store_->failed(); }
    Task<Error> metadata_failed() { return metadata_->failed(); }

    // "ready controller=HOST:PORT segmentstore=HOST:PORT http=HOST:PORT", of the parts that there are.
    std::string ready_line() const;

private:
    Task<Result<void>> start_http();
    Task<Result<void>> start_controller();
    Task<void> watch_process();
    telemetry::HttpResponse health();

    const Runtime runtime_;
    const ServerSettings& settings_;
    const ServerParts parts_;
    const std::unique_ptr<rpc::Rpc> rpc_;
    const std::shared_ptr<keyvalue::Engine> engine_;
    telemetry::Health health_;
    telemetry::ProcessMetrics process_metrics_;
    EngineMetrics engine_metrics_;
    std::unique_ptr<DirectoryLock> lock_;
    std::unique_ptr<telemetry::HttpServer> http_;
    std::unique_ptr<metadata::EmbeddedMetadataStore> metadata_;
    std::unique_ptr<segmentstore::SegmentStore> store_;
    std::unique_ptr<controller::Controller> controller_;
    Signal stopping_;
    Gate gate_;
};

}  // namespace millrace::cli
