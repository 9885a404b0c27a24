// SPDX-License-Identifier: Apache-2.0
//
// The settings of a program or a command, filled from flags, environment and a config file, strongest first. A type
// derives from SettingsSet and declares Section and Setting members in the order of the page.
// Thread rule: filled on one thread, then read on any.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/config/setting.h"

namespace millrace::config {

inline constexpr std::string_view kVariablePrefix = "MILLRACE_";
// The setting that names the config file, where a set has it. A file cannot set it.
inline constexpr std::string_view kConfigSetting = "config";

// "cache-bytes" -> "MILLRACE_CACHE_BYTES"
std::string variable_name(std::string_view setting);

// What was said, and how a file is read. All but `flags` may be empty.
struct Sources {
    // Name without "--" and value, in any order. Flags that are no settings are the caller's.
    std::vector<std::pair<std::string, std::string>> flags = {};
    // The whole environment; what does not begin with MILLRACE_ is nobody's business. An empty value counts as absent.
    std::vector<std::pair<std::string, std::string>> environment = {};
    std::function<Result<std::string>(const std::string& path)> read_file = {};
    // Settings of other commands: fine in files and environment, though not looked at.
    std::vector<std::string> other_names = {};
    // Variables beginning with MILLRACE_ that are no settings.
    std::vector<std::string> other_variables = {};
    // For looking at settings without running: required ones may be missing.
    bool allow_missing = false;
};

class SettingsSet {
public:
    SettingsSet() = default;
    SettingsSet(const SettingsSet&) = delete;
    SettingsSet& operator=(const SettingsSet&) = delete;
    virtual ~SettingsSet() = default;

    // Fills all settings, once. kInvalidArgument: a value or name is wrong, a required one is missing, or validate()
    // found a conflict; the detail names source, value and what would be right. Also the errors of read_file.
    // Every value that was given is checked, also those that a stronger source overrules.
    Result<void> load(const Sources& sources);

    const std::vector<SettingBase*>& all() const { return settings_; }
    SettingBase* find(std::string_view name) const;
    std::vector<std::string> names() const;

    struct SectionStart {
        std::string title;
        std::size_t first = 0;  // index in all()
    };
    const std::vector<SectionStart>& sections() const { return sections_; }

protected:
    // Bounds across settings. Called when each for itself is right.
    virtual Result<void> validate() const { return ok(); }
    // "<culprit> and <culprit>: <what would be right>"
    static Error conflict(const SettingBase& one, const SettingBase& other, std::string_view right);

private:
    friend class SettingBase;
    friend class Section;
    void add(SettingBase& setting);
    Result<void> give(SettingBase& setting, Origin origin, const std::string& text, std::string where = {});
    Result<void> load_file(const Sources& sources, const std::string& path);
    Result<void> load_environment(const Sources& sources);
    Result<void> load_flags(const Sources& sources);
    Result<std::string> config_path(const Sources& sources) const;

    std::vector<SettingBase*> settings_;
    std::vector<SectionStart> sections_;
};

// Settings declared after it belong to it, until the next one.
class Section {
public:
    Section(SettingsSet& owner, std::string title) {
        owner.sections_.push_back({std::move(title), owner.settings_.size()});
    }
};

// A table of the settings as Markdown, one per section under a "### " heading.
std::string to_markdown(const SettingsSet& settings);

}  // namespace millrace::config
