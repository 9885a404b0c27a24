// SPDX-License-Identifier: Apache-2.0
#include "tests/endtoend/local_cluster.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/keyvalue/rocksdb/rocksdb_engine.h"
#include "common/metadata/embedded/embedded_metadata_store.h"
#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "controller/server/controller.h"
#include "segmentstore/server/segment_store.h"

namespace millrace::testing {
namespace {

template <class T>
T expect(Result<T> result, const char* what) {
    if (!result) {
        std::fprintf(stderr, "local cluster: %s: %s\n", what, result.error().to_string().c_str());
        std::abort();
    }
    return std::move(result).value();
}

std::string make_temporary_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-endtoend-XXXXXX").string();
    MR_CHECK(::mkdtemp(pattern.data()) != nullptr);
    return pattern;
}

}  // namespace

struct LocalCluster::Server {
    AsioRuntime asio;
    std::unique_ptr<rpc::Rpc> rpc;
    std::unique_ptr<metadata::EmbeddedMetadataStore> metadata;
    std::unique_ptr<segmentstore::SegmentStore> store;
    std::unique_ptr<controller::Controller> controller;
};

LocalCluster::LocalCluster() : directory_{make_temporary_directory()} {}

LocalCluster::~LocalCluster() {
    if (server_) stop();
    std::filesystem::remove_all(directory_);
}

void LocalCluster::start() {
    MR_CHECK(!server_);
    server_ = std::make_unique<Server>();
    server_->asio.start_thread("server");
    const Runtime runtime = server_->asio.bundle();
    server_->rpc = rpc::make_grpc_rpc(runtime);
    block_on(runtime.executor, [this, runtime]() -> Task<bool> {
        server_->metadata = expect(
            co_await metadata::EmbeddedMetadataStore::open(runtime, keyvalue::make_rocksdb_engine(),
                                                           {.directory = directory_ + "/metadata"}),
            "metadata store");
        segmentstore::SegmentStoreOptions store_options;
        store_options.data_directory = directory_;
        store_options.listen = {.host = "127.0.0.1", .port = segment_store_port_};
        store_options.containers = 4;
        store_options.cache_bytes = 8 * 1024 * 1024;
        store_options.journal_file_bytes = 4 * 1024 * 1024;
        server_->store =
            expect(co_await segmentstore::SegmentStore::start(runtime, store_options), "segment store");
        segment_store_port_ = server_->store->local().port;
        controller::ControllerOptions controller_options;
        controller_options.listen = {.host = "127.0.0.1", .port = controller_port_};
        controller_options.advertise = {.host = "127.0.0.1", .port = 0};
        controller_options.segment_store = {.host = "127.0.0.1", .port = segment_store_port_};
        server_->controller = expect(co_await controller::Controller::start(runtime, *server_->rpc,
                                                                            *server_->metadata, controller_options),
                                     "controller");
        controller_port_ = server_->controller->local().port;
        co_return true;
    });
}

void LocalCluster::stop() {
    MR_CHECK(server_ != nullptr);
    const Runtime runtime = server_->asio.bundle();
    block_on(runtime.executor, [this, runtime]() -> Task<bool> {
        co_await server_->controller->close(Deadline::after(runtime.clock, std::chrono::seconds{5}));
        co_await server_->store->close();
        co_await server_->metadata->close();
        server_->controller.reset();
        server_->store.reset();
        server_->metadata.reset();
        co_return true;
    });
    server_->rpc.reset();
    server_.reset();
}

std::string LocalCluster::controller() const { return "127.0.0.1:" + std::to_string(controller_port_); }

}  // namespace millrace::testing
