// SPDX-License-Identifier: Apache-2.0
//
// millrace standalone: metadata store, segment store and controller in one process, on one shard.
// Layout of the data directory: LOCK, metadata/, journal/.
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/machine.h"
#include "common/metadata/rocksdb/rocksdb_metadata_store.h"
#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "common/telemetry/http_server.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "controller/server/controller.h"
#include "segmentstore/server/segment_store.h"

namespace millrace::cli {
namespace {

struct StandaloneArguments {
    std::string data_directory;
    std::string bind = "127.0.0.1";
    std::string advertise;
    std::uint16_t controller_port = 9090;
    std::uint16_t segment_store_port = 12345;
    std::uint16_t http_port = 10080;
    std::uint32_t containers = 16;
    std::uint64_t cache_bytes = 256ull * 1024 * 1024;
    std::uint64_t journal_file_bytes = 64ull * 1024 * 1024;
    std::uint64_t journal_total_bytes_max = 0;
    std::string log_level = "info";
};

// What a stop gives running calls, so that a client that hangs cannot keep the server up.
constexpr std::chrono::seconds kStopGrace{5};

// The parts, in the order in which they start; stop() ends them in the opposite one.
// Thread rule: the shard's executor.
class StandaloneServer {
public:
    StandaloneServer(Runtime runtime, StandaloneArguments arguments)
        : runtime_{runtime}, arguments_{std::move(arguments)}, rpc_{rpc::make_grpc_rpc(runtime)} {}

    // On failure stop() is still due.
    Task<Result<void>> start() {
        const std::string& directory = arguments_.data_directory;
        if (auto made = co_await runtime_.disk.create_directories(directory); !made) {
            co_return std::move(made).error().while_doing("data directory");
        }
        auto lock = co_await runtime_.disk.lock_directory(directory);
        if (!lock) co_return std::move(lock).error().while_doing("data directory");
        lock_ = std::move(lock).value();

        auto metadata = co_await metadata::RocksDbMetadataStore::open(runtime_, directory + "/metadata");
        if (!metadata) co_return std::move(metadata).error().while_doing("metadata store");
        metadata_ = std::move(metadata).value();

        auto store = co_await segmentstore::SegmentStore::start(
            runtime_, {.data_directory = directory,
                       .listen = {.host = arguments_.bind, .port = arguments_.segment_store_port},
                       .containers = arguments_.containers,
                       .cache_bytes = arguments_.cache_bytes,
                       .journal_file_bytes = arguments_.journal_file_bytes,
                       .journal_total_bytes_max = arguments_.journal_total_bytes_max});
        if (!store) co_return port_error("segment store", "--segmentstore-port", std::move(store).error());
        store_ = std::move(store).value();

        auto controller = co_await controller::Controller::start(
            runtime_, *rpc_, *metadata_,
            {.listen = {.host = arguments_.bind, .port = arguments_.controller_port},
             .advertise = {.host = arguments_.advertise, .port = 0},
             .segment_store = {.host = arguments_.advertise, .port = store_->local().port},
             // What clients use may not be reachable from in here.
             .segment_store_internal = {.host = from_inside(arguments_.bind), .port = store_->local().port}});
        if (!controller) co_return port_error("controller", "--controller-port", std::move(controller).error());
        controller_ = std::move(controller).value();

        std::map<std::string, telemetry::HttpServer::Handler> pages;
        pages["/health"] = [this] { return health(); };
        pages["/metrics"] = [] {
            return telemetry::HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                           .body = telemetry::render()};
        };
        auto http = co_await telemetry::HttpServer::start(
            runtime_, {.host = arguments_.bind, .port = arguments_.http_port}, std::move(pages));
        if (!http) co_return port_error("health and metrics", "--http-port", std::move(http).error());
        http_ = std::move(http).value();
        co_return ok();
    }

    Task<void> stop() {
        if (http_) co_await http_->close();
        if (controller_) co_await controller_->close(Deadline::after(runtime_.clock, kStopGrace));
        if (store_) co_await store_->close();
        if (metadata_) co_await metadata_->close();
        http_.reset();
        controller_.reset();
        store_.reset();
        metadata_.reset();
        lock_.reset();
    }

    // REQUIRES: started. Complete when a write of theirs has failed, if ever; stop() abandons them.
    Task<Error> journal_failed() { return store_->failed(); }
    Task<Error> metadata_failed() { return metadata_->failed(); }

    std::string ready_line() const {
        const auto at = [this](const Endpoint& local) {
            return Endpoint{.host = arguments_.advertise, .port = local.port}.to_string();
        };
        return "ready controller=" + at(controller_->local()) + " segmentstore=" + at(store_->local()) +
               " http=" + at(http_->local());
    }

private:
    static std::string from_inside(const std::string& bind) {
        if (bind == "0.0.0.0") return "127.0.0.1";
        return bind == "::" ? "::1" : bind;
    }

    static Error port_error(std::string_view what, std::string_view option, Error error) {
        const bool in_use = error.is(ErrorCode::kInUse);
        Error told = std::move(error).while_doing(what);
        if (!in_use) return told;
        return {told.code(), told.detail() + "; " + std::string{option} + " chooses another (0: any free one)"};
    }

    telemetry::HttpResponse health() const {
        using Health = segmentstore::SegmentStore::Health;
        switch (metadata_->stopped() ? Health::kFailed : store_->health()) {
            case Health::kServing: return {.content_type = "application/json", .body = "{\"status\":\"serving\"}\n"};
            // Reads go on, so that this is no reason to be taken out of service.
            case Health::kFull: return {.content_type = "application/json", .body = "{\"status\":\"full\"}\n"};
            case Health::kFailed: break;
        }
        return {.status = 503, .content_type = "application/json", .body = "{\"status\":\"failed\"}\n"};
    }

    const Runtime runtime_;
    const StandaloneArguments arguments_;
    const std::unique_ptr<rpc::Rpc> rpc_;
    std::unique_ptr<DirectoryLock> lock_;
    std::unique_ptr<metadata::RocksDbMetadataStore> metadata_;
    std::unique_ptr<segmentstore::SegmentStore> store_;
    std::unique_ptr<controller::Controller> controller_;
    std::unique_ptr<telemetry::HttpServer> http_;
};

Task<int> serve(AsioRuntime& asio, const CommandLine& line, StandaloneArguments arguments) {
    const Runtime runtime = asio.bundle();
    // Set with a signal's exit code; a failed journal never gets that far.
    OneShot<int> stop;
    Gate gate;
    std::optional<TerminationSignals> signals{asio};
    gate.spawn(runtime.executor, [&]() -> Task<void> {
        if (co_await signals->wait()) stop.set(kDone);
    });

    StandaloneServer server{runtime, std::move(arguments)};
    int code = kDone;
    if (auto started = co_await server.start(); !started) {
        code = fail(line, started.error());
    } else if (!print_line(line, server.ready_line())) {
        code = kFailed;
    } else {
        // Nothing that is still in memory may be acknowledged any more: no orderly stop.
        const auto die = [&line](std::string_view what, const Error& error) {
            fail(line, {error.code(), std::string{what} + " failed: " + error.detail() +
                                          "; restart the server once the disk is well"});
            exit_at_once(kDiskFailed);
        };
        spawn(runtime.executor, [&server, die]() -> Task<void> { die("the journal", co_await server.journal_failed()); });
        spawn(runtime.executor, [&server, die]() -> Task<void> { die("the metadata store", co_await server.metadata_failed()); });
        code = co_await stop.wait();
    }
    signals->cancel();
    co_await gate.close();
    // A second signal ends the process at once, should stopping take too long for somebody.
    signals.reset();
    co_await server.stop();
    co_return code;
}

int standalone(const CommandLine& line, StandaloneArguments arguments) {
    if (arguments.advertise.empty()) {
        if (arguments.bind == "0.0.0.0" || arguments.bind == "::") {
            return fail_usage(line, {ErrorCode::kInvalidArgument,
                                     "--bind " + arguments.bind + " needs --advertise HOST, the name or address that clients connect to"});
        }
        arguments.advertise = arguments.bind;
    }
    using Level = log_line::Level;
    const std::map<std::string, Level> levels{
        {"debug", Level::kDebug}, {"info", Level::kInfo}, {"warn", Level::kWarn}, {"error", Level::kError}};
    log_line::set_level(levels.at(arguments.log_level));
    raise_descriptor_limit();
    AsioRuntime runtime;
    return runtime.run_main([&]() -> Task<int> { return serve(runtime, line, std::move(arguments)); });
}

}  // namespace

void add_standalone_command(CLI::App& root, CommandLine& line) {
    const auto arguments = std::make_shared<StandaloneArguments>();
    CLI::App* command = root.add_subcommand("standalone", "Run a whole server in one process");
    command->add_option("--data-dir", arguments->data_directory, "Where everything is kept; made when absent")
        ->required()
        ->type_name("DIR");
    const auto port = [&](const char* name, std::uint16_t& variable, const char* about) {
        command->add_option(name, variable, std::string{about} + "; 0: any free one")
            ->type_name("PORT")
            ->capture_default_str();
    };
    port("--controller-port", arguments->controller_port, "Where clients ask for streams (gRPC)");
    port("--segmentstore-port", arguments->segment_store_port, "Where events go and come from");
    port("--http-port", arguments->http_port, "Where /health and /metrics are");
    command->add_option("--bind", arguments->bind, "The address to listen on; there is no authentication yet")
        ->type_name("ADDRESS")
        ->capture_default_str();
    command->add_option("--advertise", arguments->advertise, "The name or address that clients are told; by default that of --bind")
        ->type_name("HOST");
    command->add_option("--containers", arguments->containers, "Parallel parts of the store; fixed when the directory is new")
        ->check(CLI::Range(1, 4096))
        ->type_name("N")
        ->capture_default_str();
    command->add_option("--cache-bytes", arguments->cache_bytes, "Events kept in memory for readers")
        ->check(CLI::Range(std::uint64_t{8} << 20, std::uint64_t{64} << 30))
        ->type_name("BYTES")
        ->capture_default_str();
    command->add_option("--log-level", arguments->log_level, "What is logged on stderr")
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}).description(""))
        ->type_name("debug|info|warn|error")
        ->capture_default_str();
    // For tests of a full disk; an empty group keeps them out of the help.
    command->add_option("--journal-file-bytes", arguments->journal_file_bytes)
        ->check(CLI::Range(std::uint64_t{4} << 20, std::uint64_t{1} << 30))
        ->group("");
    command->add_option("--journal-total-bytes-max", arguments->journal_total_bytes_max)->group("");
    command->footer(
        "Prints one line 'ready controller=HOST:PORT segmentstore=HOST:PORT http=HOST:PORT' when it serves. SIGTERM and\n"
        "SIGINT stop it cleanly. Exits with 74 when the disk failed under the journal: restart it then.\n"
        "Examples:\n"
        "  millrace standalone --data-dir /var/lib/millrace\n"
        "  millrace standalone --data-dir ./data --controller-port 0 --segmentstore-port 0 --http-port 0\n"
        "  millrace standalone --data-dir ./data --bind 0.0.0.0 --advertise stream.example.org");
    command->callback([&line, arguments] { line.action = [&line, arguments] { return standalone(line, *arguments); }; });
}

}  // namespace millrace::cli
