// SPDX-License-Identifier: Apache-2.0
//
// millrace bench null-server: the yardstick for a segment store's rate, run as a server of its own.
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/machine.h"
#include "cli/null_server.h"
#include "common/runtime/asio/asio_runtime.h"

namespace millrace::cli {
namespace {

constexpr const char* kNullServerHost = "127.0.0.1";

Task<int> serve_null(AsioRuntime& asio, const CommandLine& line, std::uint16_t port) {
    const Runtime runtime = asio.bundle();
    TerminationSignals signals{asio};
    NullServer server{runtime};
    int code = kDone;
    if (auto started = co_await server.start({.host = kNullServerHost, .port = port}); !started) {
        code = fail(line, started.error());
    } else if (!print_line(line, "ready segmentstore=" + server.local().to_string())) {
        code = kFailed;
    } else {
        (void)co_await signals.wait();
    }
    co_await server.close();
    co_return code;
}

}  // namespace

void add_bench_null_server_command(CLI::App& bench, CommandLine& line) {
    const auto port = std::make_shared<std::uint16_t>(0);
    CLI::App* command = bench.add_subcommand("null-server", "Serve the data port's frames without storing anything");
    command->add_option("--port", *port, "The port to listen on, on 127.0.0.1; 0: any free one")
        ->type_name("PORT")
        ->capture_default_str();
    command->footer(
        "Appends are decoded and acknowledged at once, and forgotten: what the same client reaches here is the most that\n"
        "a segment store could give it. Every segment exists; there are no reads.\n"
        "Prints one line 'ready segmentstore=HOST:PORT' when it serves. SIGTERM and SIGINT stop it.\n"
        "Examples:\n"
        "  millrace bench null-server --port 12345");
    command->callback([&line, port] {
        line.settings = nullptr;
        line.action = [&line, port] {
            raise_descriptor_limit();
            AsioRuntime runtime;
            return runtime.run_main([&]() -> Task<int> { return serve_null(runtime, line, *port); });
        };
    });
}

}  // namespace millrace::cli
