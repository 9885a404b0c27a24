// SPDX-License-Identifier: Apache-2.0
//
// The commands as data: for completion, for the reference, and for tests that look at all of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace millrace::cli {

// Of the commands directly below, in their order.
std::vector<std::string> command_names(const CLI::App& app);
// "--output", "--help"
std::vector<std::string> option_names(const CLI::App& app);
// Calls `each` with every command and the words that lead to it, groups such as "stream" before what is in them. The
// root comes first, without words.
void for_each_command(const CLI::App& root,
                      const std::function<void(const std::vector<std::string>& words, const CLI::App& command)>& each);
bool is_group(const CLI::App& command);

std::string join(const std::vector<std::string>& words, const std::string& between);

// Options that begin with "--", in the order in which help shows them.
std::vector<const CLI::Option*> flags_of(const CLI::App& command);
// What stands for itself: SCOPE/STREAM, FILE.
std::vector<const CLI::Option*> positionals_of(const CLI::App& command);
bool takes_value(const CLI::Option& option);
// What its value is: "N", "FILE", "table|json"; nothing about bounds.
std::string type_of(const CLI::Option& option);
// The words of a type such as "table|json"; none when it has none.
std::vector<std::string> choices_of(const CLI::Option& option);
// Whether it is the name of a file or directory.
bool is_path(const CLI::Option& option);

}  // namespace millrace::cli
