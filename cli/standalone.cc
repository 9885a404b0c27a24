// SPDX-License-Identifier: Apache-2.0
//
// millrace standalone: a whole server in one process, its settings, signals and exit codes. millrace segmentstore
// --standalone: its data port alone.
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/machine.h"
#include "cli/server_settings.h"
#include "cli/settings_options.h"
#include "cli/standalone_server.h"
#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/thread_pool.h"
#include "common/telemetry/log.h"
#include "common/telemetry/log_writer.h"

namespace millrace::cli {
namespace {

// What the end gives a slow stderr.
constexpr std::chrono::milliseconds kLogPatience{1000};

Task<int> serve(AsioRuntime& asio, const CommandLine& line, const ServerSettings& settings, ServerParts parts) {
    const Runtime runtime = asio.bundle();
    // Set with a signal's exit code; a failed journal never gets that far.
    OneShot<int> stop;
    Gate gate;
    std::optional<TerminationSignals> signals{asio};
    bool starting = true;
    gate.spawn(runtime.executor, [&]() -> Task<void> {
        if (!co_await signals->wait()) co_return;
        if (starting) {
            // A start may take long, or wait for a storage that hangs. Nothing was acknowledged yet: it may end as in a crash.
            MR_LOG_INFO("stopped while starting");
            (void)log_line::flush(kLogPatience);
            exit_at_once(kDone);
        }
        stop.set(kDone);
    });

    StandaloneServer server{runtime, settings, parts};
    int code = kDone;
    auto started = co_await server.start();
    starting = false;
    if (!started) {
        code = fail(line, started.error());
    } else if (!print_line(line, server.ready_line())) {
        code = kFailed;
    } else {
        // Nothing that is still in memory may be acknowledged any more: no orderly stop.
        const auto die = [&line](std::string_view what, const Error& error) {
            (void)log_line::flush(kLogPatience);
            fail(line, {error.code(), std::string{what} + " failed: " + error.detail() +
                                          "; restart the server once the disk is well"});
            exit_at_once(kDiskFailed);
        };
        spawn(runtime.executor, [&server, die]() -> Task<void> { die("the journal", co_await server.journal_failed()); });
        if (parts == ServerParts::kAll) {
            spawn(runtime.executor, [&server, die]() -> Task<void> { die("the metadata store", co_await server.metadata_failed()); });
        }
        code = co_await stop.wait();
    }
    signals->cancel();
    co_await gate.close();
    // A second signal ends the process at once, should stopping take too long for somebody.
    signals.reset();
    co_await server.stop();
    co_return code;
}

int run_server(const CommandLine& line, const ServerSettings& settings, ServerParts parts) {
    log_line::set_level(settings.level());
    raise_descriptor_limit();
    // Its own thread: a slow stderr holds up nothing else.
    ThreadPool log_thread{"log", 1};
    log_line::write_in_background(log_thread);
    int code = kFailed;
    {
        AsioRuntime runtime;
        code = runtime.run_main([&]() -> Task<int> { return serve(runtime, line, settings, parts); });
    }
    // Everything else has ended in order. Nobody takes the last lines, and a thread waits for ever to give them.
    if (!log_line::stop_background(kLogPatience)) exit_at_once(code);
    return code;
}

}  // namespace

void add_standalone_command(CLI::App& root, CommandLine& line) {
    const auto settings = std::make_shared<ServerSettings>();
    CLI::App* command = root.add_subcommand("standalone", "Run a whole server in one process");
    for (const config::SettingBase* setting : settings->all()) add_setting_flag(*command, line, *setting);
    const auto print = std::make_shared<bool>(false);
    command->add_flag("--print-settings", *print, "Print the settings in effect and where each comes from, and exit");
    command->footer(
        "Each setting can also be given as a variable (MILLRACE_DATA_DIR) or in the file that --config names; docs/settings.md\n"
        "describes them all.\n"
        "Prints one line 'ready controller=HOST:PORT segmentstore=HOST:PORT http=HOST:PORT' when it serves. SIGTERM and\n"
        "SIGINT stop it cleanly. Exits with 74 when the disk failed under the journal: restart it then.\n"
        "Examples:\n"
        "  millrace standalone --data-dir /var/lib/millrace\n"
        "  millrace standalone --data-dir ./data --controller-port 0 --segmentstore-port 0 --http-port 0\n"
        "  millrace standalone --data-dir ./data --bind 0.0.0.0 --advertise stream.example.org\n"
        "  millrace standalone --config /etc/millrace.conf --print-settings");
    command->callback([&line, settings, print] {
        line.settings = settings.get();
        line.settings_may_be_missing = *print;
        line.action = [&line, settings, print] {
            if (*print) return print_line(line, format_settings(*settings, false)) ? kDone : kFailed;
            return run_server(line, *settings, ServerParts::kAll);
        };
    });
}

void add_segmentstore_command(CLI::App& root, CommandLine& line) {
    const auto settings = std::make_shared<ServerSettings>();
    CLI::App* command = root.add_subcommand("segmentstore", "Run a segment store: segments by name, without streams");
    for (const config::SettingBase* setting : settings->all()) add_setting_flag(*command, line, *setting);
    // There is no other way yet, and who has a cluster later must not get this by leaving a word out.
    command->add_flag("--standalone")->description("With one replica on this machine's disk, on its own")->required();
    command->footer(
        "For programs that speak the data port's protocol themselves, such as load generators; clients of streams need\n"
        "'millrace standalone'. The settings are the same; those of the controller have no effect.\n"
        "Prints one line 'ready segmentstore=HOST:PORT http=HOST:PORT' when it serves.\n"
        "Examples:\n"
        "  millrace segmentstore --standalone --data-dir /var/lib/millrace\n"
        "  millrace segmentstore --standalone --data-dir ./data --segmentstore-port 0 --http-port 0");
    command->callback([&line, settings] {
        line.settings = settings.get();
        line.action = [&line, settings] { return run_server(line, *settings, ServerParts::kSegmentStore); };
    });
}

}  // namespace millrace::cli
