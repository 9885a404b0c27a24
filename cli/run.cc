// SPDX-License-Identifier: Apache-2.0
//
// From arguments to an action: commands that do not exist and options that nobody knows are found
// here, with a hint at what was probably meant.
#include <algorithm>
#include <iostream>
#include <optional>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/command_tree.h"
#include "cli/machine.h"
#include "cli/reference_page.h"
#include "cli/settings_options.h"
#include "common/config/nearest.h"

namespace millrace::cli {
namespace {

// Walks the command words, as far as they are words. `command` gets those that exist.
std::optional<std::string> check_command_words(const CLI::App& root, const std::vector<std::string>& arguments,
                                               std::string& command) {
    const CLI::App* app = &root;
    for (const std::string& word : arguments) {
        const std::vector<std::string> known = command_names(*app);
        if (known.empty()) return std::nullopt;
        if (word.starts_with('-')) {
            const std::vector<std::string> options = option_names(*app);
            if (word == "-h" || std::ranges::find(options, word) != options.end()) return std::nullopt;
            return "unknown option '" + word + "'; options follow the command." + config::hint_for(word, options);
        }
        if (std::ranges::find(known, word) == known.end()) {
            return "unknown command '" + word + "'." + config::hint_for(word, known) + " Commands: " + join(known, ", ") + ".";
        }
        command += (command.empty() ? "" : " ") + word;
        app = app->get_subcommand(word);
    }
    const std::vector<std::string> known = command_names(*app);
    if (known.empty()) return std::nullopt;
    return "a command is missing. Commands: " + join(known, ", ") + ".";
}

const CLI::App& chosen(const CLI::App& root) {
    const CLI::App* app = &root;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().back();
    return *app;
}

int complain(const std::string& command, const std::string& sentence) {
    const std::string words = command.empty() ? "millrace" : "millrace " + command;
    std::cerr << words << ": " << sentence << "\nSee '" << words << " --help'." << std::endl;
    return kUsage;
}

// docs/cli-reference.md
int print_reference() {
    CLI::App app;
    CommandLine line;
    add_commands(app, line);
    std::string page = reference_page(app);
    page.pop_back();  // print_line() ends it
    return print_line(line, page) ? kDone : kFailed;
}

}  // namespace

int run(const std::vector<std::string>& given) {
    ignore_broken_pipes();

    if (given == std::vector<std::string>{"help", "--markdown"}) return print_reference();
    // "millrace help stream scale" is "millrace stream scale --help".
    std::vector<std::string> arguments = given;
    if (!arguments.empty() && arguments.front() == "help") {
        std::rotate(arguments.begin(), arguments.begin() + 1, arguments.end());
        arguments.back() = "--help";
    }

    CLI::App app;
    CommandLine line;
    add_commands(app, line);

    if (auto problem = check_command_words(app, arguments, line.command)) return complain(line.command, *problem);
    try {
        std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
        app.parse(reversed);
    } catch (const CLI::Success& success) {
        // Help or version, asked for.
        return app.exit(success) == 0 ? kDone : kFailed;
    } catch (const CLI::ParseError& error) {
        const std::vector<std::string> extras = chosen(app).remaining();
        const auto option = std::ranges::find_if(extras, [](const std::string& e) { return e.starts_with('-'); });
        if (option != extras.end()) {
            const std::string name = option->substr(0, option->find('='));
            return complain(line.command, "unknown option '" + name + "'." + config::hint_for(name, option_names(chosen(app))));
        }
        if (!extras.empty()) {
            return complain(line.command, "'" + extras.front() + "' is one argument too many.");
        }
        std::string sentence = error.what();
        if (!sentence.empty() && sentence.back() != '.') sentence += '.';
        return complain(line.command, sentence);
    }
    // Not CLI11's own environment handling: that looks at the options of all commands, which share some names, and
    // would overrule what was given to the one command that runs.
    if (line.settings != nullptr) {
        if (auto loaded = load_settings(line, *line.settings, line.settings_may_be_missing); !loaded) {
            return complain(line.command, loaded.error().detail());
        }
    }
    return line.action();
}

}  // namespace millrace::cli
