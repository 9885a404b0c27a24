// SPDX-License-Identifier: Apache-2.0
#include "cli/command_tree.h"

#include <algorithm>
#include <cctype>

#include <CLI/CLI.hpp>

namespace millrace::cli {
namespace {

void walk(std::vector<std::string>& words, const CLI::App& command,
          const std::function<void(const std::vector<std::string>&, const CLI::App&)>& each) {
    each(words, command);
    for (const CLI::App* below : command.get_subcommands([](const CLI::App*) { return true; })) {
        words.push_back(below->get_name());
        walk(words, *below, each);
        words.pop_back();
    }
}

}  // namespace

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(sub->get_name());
    return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return names;
}

void for_each_command(const CLI::App& root,
                      const std::function<void(const std::vector<std::string>& words, const CLI::App& command)>& each) {
    std::vector<std::string> words;
    walk(words, root, each);
}

bool is_group(const CLI::App& command) { return !command_names(command).empty(); }

std::string join(const std::vector<std::string>& words, const std::string& between) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
    return text;
}

std::vector<const CLI::Option*> flags_of(const CLI::App& command) {
    return command.get_options([](const CLI::Option* option) { return !option->get_lnames().empty(); });
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& command) {
    return command.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::string type_of(const CLI::Option& option) {
    // The library adds what each check demands: "N:INT in [1 - 10]".
    std::string type = option.get_type_name();
    type.erase(std::min(type.find(':'), type.size()));
    return type == "INT" || type == "UINT" ? "N" : type;
}

std::vector<std::string> choices_of(const CLI::Option& option) {
    std::vector<std::string> words;
    const std::string type = type_of(option);
    for (std::size_t begin = 0; begin <= type.size();) {
        const std::size_t end = std::min(type.find('|', begin), type.size());
        const std::string word = type.substr(begin, end - begin);
        // What is not in small letters stands for something.
        const bool literal =
            !word.empty() && std::ranges::all_of(word, [](unsigned char c) { return std::islower(c) || c == '-'; });
        if (literal && type.find('|') != std::string::npos) words.push_back(word);
        begin = end + 1;
    }
    return words;
}

bool is_path(const CLI::Option& option) {
    const std::string type = option.get_positional() ? option.get_name(true) : type_of(option);
    return type.find("FILE") != std::string::npos || type.find("DIR") != std::string::npos ||
           type.find("PATH") != std::string::npos;
}

}  // namespace millrace::cli
