// SPDX-License-Identifier: Apache-2.0
#include "cli/settings_options.h"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/client_settings.h"
#include "cli/machine.h"
#include "cli/server_settings.h"

namespace millrace::cli {

void add_setting_flag(CLI::App& command, CommandLine& line, const config::SettingBase& setting) {
    const std::string name = setting.name();
    const auto keep = [&line, name](const std::string& text) { line.flags.emplace_back(name, text); };
    CLI::Option* option = command.add_option_function<std::string>(
        setting.flag(), keep, setting.about() + (setting.required() ? " (required)" : ""));
    option->type_name(setting.placeholder())->default_str(setting.default_text());
}

bool is_service_link(std::string_view variable, std::string_view value) {
    const bool to_address = value.starts_with("tcp://") || value.starts_with("udp://");
    return variable.ends_with("_SERVICE_HOST") || variable.ends_with("_SERVICE_PORT") ||
           variable.find("_SERVICE_PORT_") != std::string_view::npos ||
           (to_address && variable.find("_PORT") != std::string_view::npos) || variable.find("_TCP_") != std::string_view::npos ||
           variable.find("_UDP_") != std::string_view::npos;
}

Result<void> load_settings(const CommandLine& line, config::SettingsSet& settings, bool allow_missing) {
    config::Sources sources;
    for (const auto& [name, text] : line.flags) {
        if (settings.find(name) != nullptr) sources.flags.emplace_back(name, text);
    }
    sources.environment = environment_variables();
    std::erase_if(sources.environment, [](const auto& entry) { return is_service_link(entry.first, entry.second); });
    sources.read_file = read_small_file;
    const ClientSettings client;
    const ServerSettings server;
    for (const config::SettingsSet* set : {static_cast<const config::SettingsSet*>(&client),
                                           static_cast<const config::SettingsSet*>(&server)}) {
        for (const std::string& name : set->names()) sources.other_names.push_back(name);
    }
    // Of the test programs.
    sources.other_variables = {"MILLRACE_SEED", "MILLRACE_SEEDS", "MILLRACE_FIRST_SEED", "MILLRACE_PROBES",
                               "MILLRACE_SIM_TRACE"};
    sources.allow_missing = allow_missing;
    return settings.load(sources);
}

std::string format_settings(const config::SettingsSet& settings, bool json) {
    if (json) {
        auto all = nlohmann::ordered_json::array();
        for (const config::SettingBase* setting : settings.all()) {
            all.push_back({{"name", setting->name()}, {"value", setting->text()}, {"source", setting->origin_text()}});
        }
        return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    }
    std::vector<std::vector<std::string>> rows{{"NAME", "VALUE", "SOURCE"}};
    for (const config::SettingBase* setting : settings.all()) {
        rows.push_back({setting->name(), setting->text(), setting->origin_text()});
    }
    return format_table(rows);
}

}  // namespace millrace::cli
