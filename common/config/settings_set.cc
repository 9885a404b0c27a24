// SPDX-License-Identifier: Apache-2.0
#include "common/config/settings_set.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/config/config_file.h"
#include "common/config/nearest.h"

namespace millrace::config {

namespace {

Error wrong_setting(std::string detail) { return {ErrorCode::kInvalidArgument, std::move(detail)}; }

}  // namespace

std::string variable_name(std::string_view setting) {
    std::string name{kVariablePrefix};
    for (const char c : setting) {
        name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return name;
}

void SettingsSet::add(SettingBase& setting) {
    MR_CHECK(find(setting.name()) == nullptr);
    settings_.push_back(&setting);
}

SettingBase* SettingsSet::find(std::string_view name) const {
    const auto found = std::ranges::find_if(settings_, [name](const SettingBase* s) { return s->name() == name; });
    return found == settings_.end() ? nullptr : *found;
}

std::vector<std::string> SettingsSet::names() const {
    std::vector<std::string> names;
    for (const SettingBase* setting : settings_) names.push_back(setting->name());
    return names;
}

Error SettingsSet::conflict(const SettingBase& one, const SettingBase& other, std::string_view right) {
    return wrong_setting(one.culprit() + " and " + other.culprit() + ": " + std::string{right});
}

Result<void> SettingsSet::give(SettingBase& setting, Origin origin, const std::string& text, std::string where) {
    setting.origin_ = origin;
    setting.given_text_ = text;
    setting.where_ = std::move(where);
    if (auto assigned = setting.assign(text); !assigned) {
        return wrong_setting(setting.culprit() + ": " + assigned.error().detail());
    }
    return ok();
}

Result<void> SettingsSet::load(const Sources& sources) {
    // Weakest first, each over the one before.
    MR_TRY(const std::string path, config_path(sources));
    if (!path.empty()) MR_TRY_VOID(load_file(sources, path));
    MR_TRY_VOID(load_environment(sources));
    MR_TRY_VOID(load_flags(sources));
    for (const SettingBase* setting : settings_) {
        if (!setting->required() || setting->given() || sources.allow_missing) continue;
        return wrong_setting(setting->flag() + " is required; " + setting->variable() + ", or '" + setting->name() +
                             " = ...' in a config file, will do too");
    }
    return validate();
}

Result<std::string> SettingsSet::config_path(const Sources& sources) const {
    if (find(kConfigSetting) == nullptr) return std::string{};
    for (const auto& [name, value] : sources.flags) {
        if (name == kConfigSetting) {
            if (value.empty()) return wrong_setting("--config '': it should be a path, not empty");
            return value;
        }
    }
    for (const auto& [name, value] : sources.environment) {
        if (name == variable_name(kConfigSetting)) return value;
    }
    return std::string{};
}

Result<void> SettingsSet::load_file(const Sources& sources, const std::string& path) {
    MR_CHECK(sources.read_file != nullptr);
    auto contents = sources.read_file(path);
    if (!contents) return std::move(contents).error().while_doing("config file");
    MR_TRY(const std::vector<FileEntry> entries, parse_config_file(path, *contents));
    for (const FileEntry& entry : entries) {
        const std::string where = path + ":" + std::to_string(entry.line);
        if (entry.name == kConfigSetting) {
            return wrong_setting(where + ": config: a config file cannot name another one; remove this line");
        }
        if (SettingBase* setting = find(entry.name)) {
            MR_TRY_VOID(give(*setting, Origin::kFile, entry.value, where));
        } else if (std::ranges::find(sources.other_names, entry.name) == sources.other_names.end()) {
            std::vector<std::string> known = names();
            known.insert(known.end(), sources.other_names.begin(), sources.other_names.end());
            return wrong_setting(where + ": unknown setting '" + shown(entry.name) + "'." + hint_for(entry.name, known) +
                                 " 'millrace settings --markdown' lists them.");
        }
    }
    return ok();
}

Result<void> SettingsSet::load_environment(const Sources& sources) {
    for (const auto& [name, value] : sources.environment) {
        if (!name.starts_with(kVariablePrefix)) continue;
        const auto is_it = [&name = name](const std::string& setting) { return variable_name(setting) == name; };
        const auto mine = std::ranges::find_if(settings_, [&](const SettingBase* s) { return is_it(s->name()); });
        if (mine != settings_.end()) {
            if (!value.empty()) MR_TRY_VOID(give(**mine, Origin::kVariable, value));
            continue;
        }
        if (std::ranges::any_of(sources.other_names, is_it)) continue;
        if (std::ranges::find(sources.other_variables, name) != sources.other_variables.end()) continue;
        std::vector<std::string> known;
        for (const SettingBase* setting : settings_) known.push_back(setting->variable());
        for (const std::string& other : sources.other_names) known.push_back(variable_name(other));
        return wrong_setting("environment: unknown variable " + shown(name) + "." + hint_for(name, known) +
                             " Those that begin with " + std::string{kVariablePrefix} +
                             " are settings; 'millrace settings --markdown' lists them.");
    }
    return ok();
}

Result<void> SettingsSet::load_flags(const Sources& sources) {
    for (const auto& [name, value] : sources.flags) {
        if (SettingBase* setting = find(name)) {
            MR_TRY_VOID(give(*setting, Origin::kFlag, value));
        } else {
            return wrong_setting("unknown option '--" + shown(name) + "'." + hint_for(name, names()));
        }
    }
    return ok();
}

}  // namespace millrace::config
