// SPDX-License-Identifier: Apache-2.0
#include "cli/standalone_server.h"

#include <map>
#include <utility>

#include "cli/machine.h"
#include "cli/rpc_metrics.h"
#include "common/keyvalue/rocksdb/rocksdb_engine.h"
#include "common/rpc/grpc/grpc_rpc.h"
#include "common/telemetry/log.h"
#include "segmentstore/server/store_format.h"

namespace millrace::cli {
namespace {

constexpr std::chrono::seconds kProcessSampleEvery{5};

std::uint16_t port_of(const ServerSettings::Number& setting) { return static_cast<std::uint16_t>(*setting); }

// Where this process reaches what it listens on itself.
std::string from_inside(const std::string& bind) {
    if (bind == "0.0.0.0") return "127.0.0.1";
    return bind == "::" ? "::1" : bind;
}

Error port_error(std::string_view what, const config::SettingBase& setting, Error error) {
    const bool in_use = error.is(ErrorCode::kInUse);
    Error told = std::move(error).while_doing(what);
    if (!in_use) return told;
    return {told.code(), told.detail() + "; " + setting.flag() + " chooses another (0: any free one)"};
}

}  // namespace

StandaloneServer::StandaloneServer(Runtime runtime, const ServerSettings& settings, ServerParts parts)
    : runtime_{runtime},
      settings_{settings},
      parts_{parts},
      rpc_{count_calls(rpc::make_grpc_rpc(runtime), runtime.clock)},
      engine_{keyvalue::make_rocksdb_engine(settings.engine())} {}

StandaloneServer::~StandaloneServer() = default;

Task<Result<void>> StandaloneServer::start() {
    const std::string& directory = settings_.data_dir->text;
    if (auto made = co_await runtime_.disk.create_directories(directory); !made) {
        co_return std::move(made).error().while_doing("data directory");
    }
    auto lock = co_await runtime_.disk.lock_directory(directory);
    if (!lock) co_return std::move(lock).error().while_doing("data directory");
    lock_ = std::move(lock).value();

    // Replay may take a while; whoever asks meanwhile is told so.
    MR_CO_TRY_VOID(co_await start_http());

    if (parts_ == ServerParts::kAll) {
        // It is made before the segment store's journal; without it no stream would be known any more.
        const auto used = co_await segmentstore::read_store_format(runtime_, directory);
        auto metadata = co_await metadata::EmbeddedMetadataStore::open(
            runtime_, engine_, {.directory = directory + "/metadata", .was_used = used && used->journal});
        if (!metadata) co_return std::move(metadata).error().while_doing("metadata store");
        metadata_ = std::move(metadata).value();
    }

    auto store = co_await segmentstore::SegmentStore::start(runtime_, settings_.segment_store());
    if (!store) co_return port_error("segment store", settings_.segmentstore_port, std::move(store).error());
    store_ = std::move(store).value();
    if (parts_ == ServerParts::kAll) MR_CO_TRY_VOID(co_await start_controller());
    health_.serving();
    co_return ok();
}

Task<Result<void>> StandaloneServer::start_controller() {
    const std::string advertise = settings_.advertised();
    auto controller = co_await controller::Controller::start(
        runtime_, *rpc_, *metadata_,
        {.listen = {.host = *settings_.bind, .port = port_of(settings_.controller_port)},
         .advertise = {.host = advertise, .port = 0},
         .segment_store = {.host = advertise, .port = store_->local().port},
         // What clients use may not be reachable from in here.
         .segment_store_internal = {.host = from_inside(*settings_.bind), .port = store_->local().port},
         .retention_period = *settings_.retention_period});
    if (!controller) co_return port_error("controller", settings_.controller_port, std::move(controller).error());
    controller_ = std::move(controller).value();
    co_return ok();
}

Task<Result<void>> StandaloneServer::start_http() {
    gate_.spawn(runtime_.executor, [this]() -> Task<void> { co_await watch_process(); });
    const auto metrics = [] {
        return telemetry::HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                       .body = telemetry::render()};
    };
    std::map<std::string, telemetry::HttpServer::Handler> pages;
    pages["/health"] = [this] { return health(); };
    pages["/metrics"] = metrics;
    // Where some scrapers of stream stores look.
    pages["/prometheus"] = metrics;
    auto http = co_await telemetry::HttpServer::start(
        runtime_, {.host = *settings_.bind, .port = port_of(settings_.http_port)}, std::move(pages), settings_.http());
    if (!http) co_return port_error("health and metrics", settings_.http_port, std::move(http).error());
    http_ = std::move(http).value();
    co_return ok();
}

Task<void> StandaloneServer::stop() {
    health_.stopping();
    if (controller_) co_await controller_->close(Deadline::after(runtime_.clock, *settings_.stop_grace));
    if (store_) co_await store_->close();
    if (metadata_) co_await metadata_->close();
    if (http_) co_await http_->close();
    gate_.shut();
    stopping_.notify_all();
    co_await gate_.close();
    controller_.reset();
    store_.reset();
    metadata_.reset();
    http_.reset();
    lock_.reset();
}

Task<void> StandaloneServer::watch_process() {
    while (!gate_.closed()) {
        process_metrics_.set(co_await run_blocking(runtime_.blocking, sample_process));
        engine_metrics_.sample(*engine_);
        if (gate_.closed()) co_return;
        co_await stopping_.wait_until(runtime_.clock, runtime_.clock.now() + kProcessSampleEvery);
    }
}

telemetry::HttpResponse StandaloneServer::health() {
    using State = telemetry::HealthState;
    const State now = health_.state();
    // While it starts there may be no parts, while it stops they may be closed.
    if (now != State::kServing && now != State::kDegraded) return health_.response();
    if (metadata_ && metadata_->stopped()) health_.failed("metadata store", "a write failed; restart the server once the disk is well");
    using Store = segmentstore::SegmentStore::Health;
    const Store store = store_->health();
    if (store == Store::kFailed) health_.failed("journal", "a write failed; restart the server once the disk is well");
    // Reads go on.
    health_.degraded("segment store",
                     store == Store::kFull    ? "the disk is full; appends are refused until there is space"
                     : store == Store::kShort ? "the journal has no room; appends wait until the disk or long-term storage takes more"
                                              : "");
    health_.degraded("long-term storage", store_->storage_trouble());
    health_.degraded("damage", store_->halted());
    return health_.response();
}

std::string StandaloneServer::ready_line() const {
    const auto at = [this](const Endpoint& local) {
        return Endpoint{.host = settings_.advertised(), .port = local.port}.to_string();
    };
    const std::string controller = controller_ ? " controller=" + at(controller_->local()) : std::string{};
    return "ready" + controller + " segmentstore=" + at(store_->local()) + " http=" + at(http_->local());
}

}  // namespace millrace::cli
