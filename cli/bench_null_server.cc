// SPDX-License-Identifier: Apache-2.0
//
// millrace bench null-server: the yardstick for a segment store's rate, run as a server of its own.
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/machine.h"
#include "cli/null_controller.h"
#include "cli/null_server.h"
#include "common/rpc/grpc/grpc_rpc.h"
#include "common/runtime/asio/asio_runtime.h"

namespace millrace::cli {
namespace {

constexpr const char* kNullServerHost = "127.0.0.1";

struct NullServerArguments {
    std::uint16_t port = 0;
    std::optional<std::uint16_t> controller_port;
};

Task<int> serve_null(AsioRuntime& asio, const CommandLine& line, NullServerArguments arguments) {
    const Runtime runtime = asio.bundle();
    TerminationSignals signals{asio};
    NullServer server{runtime};
    const auto rpc = rpc::make_grpc_rpc(runtime);
    std::unique_ptr<NullController> controller;
    auto started = co_await server.start({.host = kNullServerHost, .port = arguments.port});
    std::string ready = "ready ";
    if (started && arguments.controller_port) {
        auto served = NullController::start(*rpc, {.host = kNullServerHost, .port = *arguments.controller_port}, server.local());
        if (served) {
            controller = std::move(served).value();
            ready += "controller=" + controller->local().to_string() + " ";
        } else {
            started = std::move(served).error();
        }
    }
    int code = kDone;
    if (!started) {
        code = fail(line, started.error());
    } else if (!print_line(line, ready + "segmentstore=" + server.local().to_string())) {
        code = kFailed;
    } else {
        (void)co_await signals.wait();
    }
    if (controller) co_await controller->close(Deadline{runtime.clock.now()});
    co_await server.close();
    co_return code;
}

}  // namespace

void add_bench_null_server_command(CLI::App& bench, CommandLine& line) {
    const auto arguments = std::make_shared<NullServerArguments>();
    CLI::App* command = bench.add_subcommand("null-server", "Serve the data port's frames without storing anything");
    command->add_option("--port", arguments->port, "The port to listen on, on 127.0.0.1; 0: any free one")
        ->type_name("PORT")
        ->capture_default_str();
    command->add_option("--controller-port", arguments->controller_port,
                        "Also serve as the controller, for which every stream exists and has one segment here; 0: any free port")
        ->type_name("PORT");
    command->footer(
        "Appends are decoded and acknowledged at once, and forgotten: what the same client reaches here is the most that\n"
        "a segment store could give it. Every segment exists; there are no reads.\n"
        "Prints one line 'ready [controller=HOST:PORT] segmentstore=HOST:PORT' when it serves. SIGTERM and SIGINT stop it.\n"
        "Examples:\n"
        "  millrace bench null-server --port 12345\n"
        "  millrace bench null-server --controller-port 9999 &\n"
        "  millrace bench write any/stream --controller 127.0.0.1:9999 --events 5000000");
    command->callback([&line, arguments] {
        line.settings = nullptr;
        line.action = [&line, arguments] {
            raise_descriptor_limit();
            AsioRuntime runtime;
            return runtime.run_main([&]() -> Task<int> { return serve_null(runtime, line, *arguments); });
        };
    });
}

}  // namespace millrace::cli
