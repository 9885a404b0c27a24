// SPDX-License-Identifier: Apache-2.0
//
// millrace scope create|list|delete
#include <algorithm>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"

namespace millrace::cli {
namespace {

struct ScopeArguments {
    std::string scope;
    bool if_not_exists = false;
};

int create_scope(const CommandLine& line, const ScopeArguments& arguments) {
    if (auto legal = check_user_name("scope", arguments.scope); !legal) return fail_usage(line, legal.error());
    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    const auto created = (*client)->streams().create_scope(arguments.scope);
    if (!created) return fail(line, created.error());
    if (!*created && !arguments.if_not_exists) {
        return fail(line, {ErrorCode::kAlreadyExists, "scope '" + arguments.scope + "' exists already"});
    }
    const std::string text = line.json()
                                 ? nlohmann::ordered_json{{"scope", arguments.scope}, {"created", *created}}.dump()
                                 : "scope " + arguments.scope + (*created ? " created" : " exists already");
    return print_line(line, text) ? kDone : kFailed;
}

int list_scopes(const CommandLine& line, const ScopeArguments& arguments) {
    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    auto scopes = (*client)->streams().list_scopes();
    if (!scopes) return fail(line, scopes.error());
    if (!arguments.scope.empty()) {
        if (std::ranges::find(*scopes, arguments.scope) == scopes->end()) {
            return fail(line, {ErrorCode::kNotFound, "scope '" + arguments.scope + "' does not exist"});
        }
        *scopes = {arguments.scope};
    }
    if (line.json()) return print_line(line, nlohmann::ordered_json{{"scopes", *scopes}}.dump()) ? kDone : kFailed;
    for (const std::string& scope : *scopes) {
        if (!print_line(line, scope)) return kFailed;
    }
    return kDone;
}

int delete_scope(const CommandLine& line, const ScopeArguments& arguments) {
    if (auto legal = check_user_name("scope", arguments.scope); !legal) return fail_usage(line, legal.error());
    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    if (const auto deleted = (*client)->streams().delete_scope(arguments.scope); !deleted) return fail(line, deleted.error());
    const std::string text = line.json() ? nlohmann::ordered_json{{"scope", arguments.scope}, {"deleted", true}}.dump()
                                         : "scope " + arguments.scope + " deleted";
    return print_line(line, text) ? kDone : kFailed;
}

}  // namespace

void add_scope_commands(CLI::App& root, CommandLine& line) {
    CLI::App* scope = root.add_subcommand("scope", "Create, list and delete scopes, which hold streams");
    scope->require_subcommand(1);
    const auto arguments = std::make_shared<ScopeArguments>();

    CLI::App* create = scope->add_subcommand("create", "Create a scope");
    create->add_option("SCOPE", arguments->scope, "Its name: 1 to 250 of letters, digits, '.' and '-'")->required();
    create->add_flag("--if-not-exists", arguments->if_not_exists, "Fine when it exists already");
    add_client_options(*create, line);
    create->footer("Examples:\n  millrace scope create logs\n  millrace scope create logs --if-not-exists --output json");
    create->callback([&line, arguments] { line.action = [&line, arguments] { return create_scope(line, *arguments); }; });

    CLI::App* list = scope->add_subcommand("list", "List all scopes, one a line");
    list->add_option("SCOPE", arguments->scope, "Only this one; fails when it does not exist");
    add_client_options(*list, line);
    list->footer("Examples:\n  millrace scope list\n  millrace scope list --output json");
    list->callback([&line, arguments] { line.action = [&line, arguments] { return list_scopes(line, *arguments); }; });

    CLI::App* remove = scope->add_subcommand("delete", "Delete a scope in which nothing is left");
    remove->add_option("SCOPE", arguments->scope, "The scope")->required();
    add_client_options(*remove, line);
    remove->footer("Examples:\n  millrace scope delete logs");
    remove->callback([&line, arguments] { line.action = [&line, arguments] { return delete_scope(line, *arguments); }; });
}

}  // namespace millrace::cli
