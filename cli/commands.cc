// SPDX-License-Identifier: Apache-2.0
//
// All commands, in the order in which help shows them.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/version.h"

namespace millrace::cli {

void add_commands(CLI::App& root, CommandLine& line) {
    root.description("Millrace: a durable, elastic stream store.");
    root.name("millrace");
    root.set_help_flag("-h,--help", "Print this help and exit");
    root.set_version_flag("--version", std::string{"millrace "} + kVersion);
    root.footer(
        "Begin with 'millrace standalone --data-dir DIR'; every command has a --help with examples, and\n"
        "'millrace help --markdown' prints all of it as one page.\n"
        "Exit codes: 0 done, 1 refused or failed, 2 wrong usage.");
    root.require_subcommand(1);
    add_standalone_command(root, line);
    add_segmentstore_command(root, line);
    add_scope_commands(root, line);
    add_stream_commands(root, line);
    add_write_command(root, line);
    add_read_command(root, line);
    add_bench_commands(root, line);
    add_admin_commands(root, line);
    add_settings_command(root, line);
    add_metrics_command(root, line);
    add_wire_check_command(root, line);
    add_completion_command(root, line);
    add_version_command(root, line);
}

}  // namespace millrace::cli
