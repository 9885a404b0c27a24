// SPDX-License-Identifier: Apache-2.0
//
// millrace version: of the program, of its source where that is known, and of the protocols that it speaks.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/commit.h"
#include "cli/version.h"
#include "common/wire/messages.h"

namespace millrace::cli {
namespace {

int show_version(const CommandLine& line, bool json_wanted) {
    const wire::Hello hello;
    const std::string commit = kCommit;
    if (json_wanted) {
        const nlohmann::ordered_json json{
            {"version", kVersion},
            {"commit", commit.empty() ? nlohmann::ordered_json{} : nlohmann::ordered_json(commit)},
            {"wire_protocol", {{"lowest", hello.low_version}, {"highest", hello.high_version}}},
            {"controller_protocol", kControllerProtocol}};
        return print_line(line, json.dump()) ? kDone : kFailed;
    }
    return print_line(line, std::string{"millrace "} + kVersion + (commit.empty() ? "" : " (commit " + commit + ")") +
                                "\nwire protocol " + std::to_string(hello.low_version) + " to " +
                                std::to_string(hello.high_version) + ", controller protocol " + kControllerProtocol)
               ? kDone
               : kFailed;
}

}  // namespace

void add_version_command(CLI::App& root, CommandLine& line) {
    CLI::App* version = root.add_subcommand("version", "Print the version of the program and of its protocols");
    // Not the setting of this name: who has a wrong setting wants to know the version, too.
    const auto output = std::make_shared<std::string>("table");
    version->add_option("--output", *output, "How to print it")
        ->check(CLI::IsMember({"table", "json"}).description(""))
        ->type_name("table|json")
        ->capture_default_str();
    version->footer("Examples:\n  millrace version\n  millrace version --output json");
    version->callback([&line, output] {
        line.settings = nullptr;
        line.action = [&line, output] { return show_version(line, *output == "json"); };
    });
}

}  // namespace millrace::cli
