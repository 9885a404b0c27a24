// SPDX-License-Identifier: Apache-2.0
//
// The scripts of bash and zsh walk the words of the line as far as they are commands, and then look up what may follow:
// "<command> <option>" for a value, "<command>" for everything else.
#include "cli/completion.h"

#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/command_tree.h"

namespace millrace::cli {
namespace {

std::string bracketed(const std::string& words) { return "'" + words + "'"; }

// 'stream create') or 'write --output'): the pattern of a case.
std::string case_of(const std::vector<std::string>& words, const std::string& option) {
    return bracketed(join(words, " ") + (option.empty() ? "" : (words.empty() ? "" : " ") + option));
}

// What every shell needs to know, as lines of a case statement.
struct Cases {
    std::string groups;  // those that commands follow
    std::string values;  // of options
    std::string words;   // commands and options
    std::string paths;   // commands with a file among their arguments
};

Cases cases_of(const CLI::App& root) {
    Cases cases;
    for_each_command(root, [&](const std::vector<std::string>& words, const CLI::App& command) {
        std::vector<std::string> next = command_names(command);
        if (!next.empty())
            cases.groups += "        " + case_of(words, "") + ") commands=" + bracketed(join(next, " ")) + " ;;\n";
        for (const CLI::Option* option : flags_of(command)) {
            const std::string name = "--" + option->get_lnames().front();
            next.push_back(name);
            if (!takes_value(*option)) continue;
            cases.values += "        " + case_of(words, name) + ") value=yes";
            if (const auto choices = choices_of(*option); !choices.empty())
                cases.values += " words=" + bracketed(join(choices, " "));
            if (is_path(*option)) cases.values += " paths=yes";
            cases.values += " ;;\n";
        }
        for (const CLI::Option* argument : positionals_of(command)) {
            for (std::string& choice : choices_of(*argument)) next.push_back(std::move(choice));
        }
        cases.words += "        " + case_of(words, "") + ") words=" + bracketed(join(next, " ")) + " ;;\n";
        for (const CLI::Option* argument : positionals_of(command)) {
            if (is_path(*argument)) cases.paths += (cases.paths.empty() ? "" : "|") + case_of(words, "");
        }
    });
    return cases;
}

constexpr std::string_view kBash = R"(# Completion of millrace for bash: source <(millrace completion bash)
_millrace() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command='' commands words='' paths='' value='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        commands=''
        case $command in
@GROUPS@        esac
        [[ " $commands " == *" ${COMP_WORDS[i]} "* ]] || break
        command+=${command:+ }${COMP_WORDS[i]}
    done
    case "${command:+$command }$previous" in
@VALUES@    esac
    if [[ -z $value ]]; then
        case $command in
@WORDS@        esac
        case $command in @PATHS@) paths=yes ;; esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ -n $paths && $current != -* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _millrace millrace
)";

constexpr std::string_view kZsh = R"(#compdef millrace
# Completion of millrace for zsh: source <(millrace completion zsh), or as _millrace in a directory of $fpath.
_millrace() {
    local command='' commands value='' choices='' paths='' i
    for ((i = 2; i < CURRENT; i++)); do
        commands=''
        case $command in
@GROUPS@        esac
        [[ " $commands " == *" ${words[i]} "* ]] || break
        command+=${command:+ }${words[i]}
    done
    case "${command:+$command }${words[CURRENT-1]}" in
@VALUES@    esac
    if [[ -z $value ]]; then
        case $command in
@WORDS@        esac
        case $command in @PATHS@) paths=yes ;; esac
    fi
    compadd -- ${=choices}
    [[ -z $paths ]] || _files
}
if [[ $funcstack[1] == _millrace ]]; then _millrace "$@"; else compdef _millrace millrace; fi
)";

// Replaces each @NAME@ of the frame.
std::string filled(std::string_view frame, const std::vector<std::pair<std::string_view, std::string>>& parts) {
    std::string text{frame};
    for (const auto& [name, part] : parts) text.replace(text.find(name), name.size(), part);
    return text;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    return text;
}

// A text between single quotes of fish.
std::string fish_quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') quoted += '\\';
        quoted += c == '\n' ? ' ' : c;
    }
    return quoted + "'";
}

constexpr std::string_view kFish = R"(# Completion of millrace for fish: millrace completion fish | source
# The command words of the line, as far as they are any of those that follow the first argument.
function __millrace_at
    set -l words (commandline -opc)[2..-1]
    set -l wanted (string split ' ' -- $argv[1])
    test -n "$argv[1]"; or set wanted
    test (count $words) -ge (count $wanted); or return 1
    for i in (seq (count $wanted))
        test "$words[$i]" = "$wanted[$i]"; or return 1
    end
    set -l next $words[(math (count $wanted) + 1)]
    not contains -- "$next" $argv[2..-1]
end
complete -c millrace -f
)";

}  // namespace

std::string bash_completion(const CLI::App& root) {
    const Cases cases = cases_of(root);
    return filled(
        kBash,
        {{"@GROUPS@", cases.groups}, {"@VALUES@", cases.values}, {"@WORDS@", cases.words}, {"@PATHS@", cases.paths}});
}

std::string zsh_completion(const CLI::App& root) {
    const Cases cases = cases_of(root);
    // "words" is the line there.
    return filled(kZsh, {{"@GROUPS@", cases.groups},
                         {"@VALUES@", replaced(cases.values, " words=", " choices=")},
                         {"@WORDS@", replaced(cases.words, " words=", " choices=")},
                         {"@PATHS@", cases.paths}});
}

std::string fish_completion(const CLI::App& root) {
    std::string script{kFish};
    for_each_command(root, [&](const std::vector<std::string>& words, const CLI::App& command) {
        const std::vector<std::string> below = command_names(command);
        const std::string at = "complete -c millrace -n " + fish_quoted("__millrace_at \"" + join(words, " ") + "\"" +
                                                                        (below.empty() ? "" : " " + join(below, " ")));
        for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
            script += at + " -a " + sub->get_name() + " -d " + fish_quoted(sub->get_description()) + "\n";
        }
        for (const CLI::Option* option : flags_of(command)) {
            script += at + " -l " + option->get_lnames().front() + " -d " + fish_quoted(option->get_description());
            if (takes_value(*option)) script += is_path(*option) ? " -r -F" : " -x";
            if (const auto choices = choices_of(*option); takes_value(*option) && !choices.empty()) {
                script += " -a " + fish_quoted(join(choices, " "));
            }
            script += "\n";
        }
        for (const CLI::Option* argument : positionals_of(command)) {
            if (is_path(*argument)) script += at + " -F\n";
            if (const auto choices = choices_of(*argument); !choices.empty())
                script += at + " -a " + fish_quoted(join(choices, " ")) + "\n";
        }
    });
    return script;
}

}  // namespace millrace::cli
