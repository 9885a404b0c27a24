// SPDX-License-Identifier: Apache-2.0
//
// Completion scripts for shells, generated from the commands themselves: command words, options, words that an option
// lists, and names of files where those are wanted. Pure.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace millrace::cli {

std::string bash_completion(const CLI::App& root);
std::string zsh_completion(const CLI::App& root);
std::string fish_completion(const CLI::App& root);

}  // namespace millrace::cli
