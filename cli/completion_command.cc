// SPDX-License-Identifier: Apache-2.0
//
// millrace completion bash|zsh|fish
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/completion.h"

namespace millrace::cli {

void add_completion_command(CLI::App& root, CommandLine& line) {
    CLI::App* command =
        root.add_subcommand("completion", "Print a script that completes commands and options in a shell");
    const auto shell = std::make_shared<std::string>();
    command->add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""))
        ->type_name("bash|zsh|fish");
    command->footer(
        "Examples:\n"
        "  source <(millrace completion bash)\n"
        "  millrace completion zsh > ~/.zfunc/_millrace\n"
        "  millrace completion fish > ~/.config/fish/completions/millrace.fish");
    command->callback([&root, &line, shell] {
        line.settings = nullptr;
        line.action = [&root, &line, shell] {
            std::string script = *shell == "bash"  ? bash_completion(root)
                                 : *shell == "zsh" ? zsh_completion(root)
                                                   : fish_completion(root);
            script.pop_back();  // print_line() ends it
            return print_line(line, script) ? kDone : kFailed;
        };
    });
}

}  // namespace millrace::cli
