// SPDX-License-Identifier: Apache-2.0
//
// Settings on the command line: the flags that CLI11 shows and takes, and everything that they are loaded from.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "common/config/settings_set.h"

namespace millrace::cli {

// --NAME for a setting. What is said is kept in line.flags until the command is known; load_settings() looks at it.
void add_setting_flag(CLI::App& command, CommandLine& line, const config::SettingBase& setting);

// From the flags of the line, the environment and the config file, where they are settings of `settings`. What belongs to
// other commands of the program is left to those. Errors as SettingsSet::load.
Result<void> load_settings(const CommandLine& line, config::SettingsSet& settings, bool allow_missing = false);

// Variables that Kubernetes puts into every container of a namespace with a service called "millrace-...".
bool is_service_link(std::string_view variable, std::string_view value);

// Name, value and source of each, as a table or JSON.
std::string format_settings(const config::SettingsSet& settings, bool json);

}  // namespace millrace::cli
