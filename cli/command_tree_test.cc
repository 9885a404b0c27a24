// SPDX-License-Identifier: Apache-2.0
//
// What holds for every command there is, and the scripts and pages that are made of them.
#include "cli/command_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/reference_page.h"

namespace millrace::cli {
namespace {

class CommandTree : public testing::Test {
protected:
    CommandTree() { add_commands(root, line); }

    CLI::App root;
    CommandLine line;
};

// The words of each call of millrace in an example, as far as they belong to it.
std::vector<std::vector<std::string>> calls_in(const std::string& footer) {
    std::vector<std::vector<std::string>> calls;
    std::istringstream lines{footer.substr(footer.find("Examples:"))};
    for (std::string text; std::getline(lines, text);) {
        std::istringstream words{text};
        bool inside = false;
        for (std::string word; words >> word;) {
            while (word.starts_with("<(")) word.erase(0, 2);
            if (word == "millrace") calls.emplace_back();
            inside = word == "millrace" || (inside && word != "|" && word != "&&" && word != ">");
            if (inside && word != "millrace") calls.back().push_back(word.substr(0, word.find(')')));
        }
    }
    return calls;
}

TEST_F(CommandTree, HasAnExampleOfEveryCommandThatNamesWhatThereIs) {
    std::set<std::string> known;
    for_each_command(root, [&](const auto& words, const CLI::App&) { known.insert(join(words, " ")); });
    for_each_command(root, [&](const std::vector<std::string>& words, const CLI::App& command) {
        if (is_group(command)) return;
        const std::string name = join(words, " ");
        ASSERT_NE(command.get_footer().find("Examples:\n"), std::string::npos) << name;
        bool of_itself = false;
        for (const std::vector<std::string>& call : calls_in(command.get_footer())) {
            const CLI::App* called = &root;
            std::size_t i = 0;
            while (i < call.size() && is_group(*called))
                called = called->get_subcommand(call[i++]);  // throws what it does not know
            of_itself = of_itself || called == &command;
            const std::vector<std::string> options = option_names(*called);
            for (; i < call.size(); ++i) {
                if (!call[i].starts_with("--")) continue;
                EXPECT_NE(std::ranges::find(options, call[i]), options.end()) << name << ": " << call[i];
            }
        }
        EXPECT_TRUE(of_itself) << name << ": no example calls it";
    });
    EXPECT_GT(known.size(), 30u);
}

TEST_F(CommandTree, DescribesEveryCommandAndOption) {
    for_each_command(root, [&](const std::vector<std::string>& words, const CLI::App& command) {
        EXPECT_FALSE(command.get_description().empty()) << join(words, " ");
        for (const CLI::Option* option : command.get_options()) {
            EXPECT_FALSE(option->get_description().empty()) << join(words, " ") << " " << option->get_name();
        }
    });
}

TEST_F(CommandTree, KnowsWhatAnOptionTakes) {
    const CLI::App* read = root.get_subcommand("read");
    EXPECT_FALSE(takes_value(*read->get_option("--follow")));
    EXPECT_TRUE(takes_value(*read->get_option("--count")));
    EXPECT_EQ(choices_of(*read->get_option("--output")), (std::vector<std::string>{"table", "json"}));
    EXPECT_EQ(choices_of(*read->get_option("--from")), (std::vector<std::string>{"head", "tail"}));
    EXPECT_TRUE(choices_of(*read->get_option("--count")).empty());
    EXPECT_TRUE(is_path(*read->get_option("--save-position")));
    EXPECT_FALSE(is_path(*read->get_option("--count")));
    EXPECT_TRUE(is_path(*positionals_of(*root.get_subcommand("write"))[1]));
}

// What the shells make of them is tested in tests/system/completion_test.py.
TEST_F(CommandTree, IsInTheScriptOfEveryShell) {
    for (const std::string& script : {bash_completion(root), zsh_completion(root), fish_completion(root)}) {
        EXPECT_NE(script.find("completion"), std::string::npos);
        EXPECT_NE(script.find("describe"), std::string::npos);
        EXPECT_NE(script.find("save-position"), std::string::npos);
        EXPECT_EQ(script.find("S@"), std::string::npos) << "a part of the frame was not filled";
    }
}

TEST_F(CommandTree, IsThePageOfTheTree) {
    std::ifstream file{std::string{MILLRACE_DOCS} + "/cli-reference.md"};
    std::stringstream page;
    page << file.rdbuf();
    EXPECT_EQ(reference_page(root), page.str()) << "run: millrace help --markdown > docs/cli-reference.md";
}

}  // namespace
}  // namespace millrace::cli
