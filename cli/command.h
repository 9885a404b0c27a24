// SPDX-License-Identifier: Apache-2.0
//
// What every command shares: where the controller is, how to print, and how to end.
// Exit codes: 0 done, 1 refused or failed, 2 wrong usage; a server also has 74.
// Errors are one sentence on stderr that names the culprit.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/client_settings.h"
#include "common/base/result.h"
#include "common/model/key_range.h"
#include "common/model/segment_name.h"
#include "millrace/client.h"

namespace CLI {
class App;
}

namespace millrace::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
// A disk that acknowledgements depend on failed: restart the process (EX_IOERR of sysexits.h).
inline constexpr int kDiskFailed = 74;

// What the command line said. Parsing chooses an action; run() calls it afterwards, so that nothing
// happens before the whole line is known to be right.
struct CommandLine {
    std::string command;  // "stream create", for messages
    std::function<int()> action;

    // Settings as the flags gave them, by name, for those that the command has.
    std::vector<std::pair<std::string, std::string>> flags;
    ClientSettings client;
    // Loaded before the action; a server has others, and null is for commands that need none.
    config::SettingsSet* settings = &client;
    bool settings_may_be_missing = false;  // those that are required

    bool json() const { return client.output->word == "json"; }
};

// All of them, and what `root` itself says and takes.
void add_commands(CLI::App& root, CommandLine& line);
// Each adds its commands to `root`; `line` outlives the parse and the action.
void add_standalone_command(CLI::App& root, CommandLine& line);
void add_segmentstore_command(CLI::App& root, CommandLine& line);
void add_settings_command(CLI::App& root, CommandLine& line);
void add_metrics_command(CLI::App& root, CommandLine& line);
void add_wire_check_command(CLI::App& root, CommandLine& line);
void add_scope_commands(CLI::App& root, CommandLine& line);
void add_stream_commands(CLI::App& root, CommandLine& line);
void add_stream_epochs_command(CLI::App& stream, CommandLine& line);
void add_write_command(CLI::App& root, CommandLine& line);
void add_read_command(CLI::App& root, CommandLine& line);
void add_admin_commands(CLI::App& root, CommandLine& line);
void add_bench_commands(CLI::App& root, CommandLine& line);
void add_completion_command(CLI::App& root, CommandLine& line);
void add_version_command(CLI::App& root, CommandLine& line);
void add_bench_write_command(CLI::App& bench, CommandLine& line);
void add_bench_latency_command(CLI::App& bench, CommandLine& line);
void add_bench_read_command(CLI::App& bench, CommandLine& line);
void add_bench_limits_command(CLI::App& bench, CommandLine& line);
void add_bench_null_server_command(CLI::App& bench, CommandLine& line);

// --controller, --output, --timeout and --config, which all client commands have.
void add_client_options(CLI::App& command, CommandLine& line);
void add_output_option(CLI::App& command, CommandLine& line);
// --retry-timeout, for commands that stay connected.
void add_retry_option(CLI::App& command, CommandLine& line);

// The whole program. `arguments` without the program's name.
int run(const std::vector<std::string>& arguments);

// "millrace <command>: <sentence>" on stderr; returns the exit code. An error of a rule about
// arguments (kInvalidArgument) found before anything was asked of a server is a wrong usage.
int fail(const CommandLine& line, const Error& error);
int fail_usage(const CommandLine& line, const Error& error);

Result<std::unique_ptr<Client>> connect(const CommandLine& line);
// Parses a stream's name, connects, and calls `act` with a manager: the frame of most commands on streams.
template <class Act>
int with_stream(const CommandLine& line, const std::string& text, Act act) {
    const auto name = StreamName::parse(text);
    if (!name) return fail_usage(line, name.error());
    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    return act(*name, (*client)->streams());
}

// Text to stdout, ended with a newline; false (said on stderr) when that was not possible.
bool print_line(const CommandLine& line, std::string_view text);
// Columns padded to equal width, two blanks between them; the first row heads the table.
std::string format_table(const std::vector<std::vector<std::string>>& rows);
// 1234567 -> "1,234,567"
std::string with_commas(std::uint64_t number);

// "4294967297" or "1.1" (epoch.number).
Result<SegmentId> parse_segment_id(std::string_view text);
Result<std::vector<SegmentId>> parse_segment_ids(std::string_view text);
// "0-0.25,0.25-0.5". Bounds in [0, 1], each range not empty.
Result<std::vector<KeyRange>> parse_key_ranges(std::string_view text);
// As it stands, or the first line of a file: "@FILE".
Result<Position> parse_position(const std::string& text, const StreamName& stream);

}  // namespace millrace::cli
