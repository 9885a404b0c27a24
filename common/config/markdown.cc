// SPDX-License-Identifier: Apache-2.0
//
// The page of settings, generated so that it cannot be wrong.
#include <algorithm>

#include "common/config/settings_set.h"

namespace millrace::config {

namespace {

// In a table a '|' would end the cell.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

std::string code(const std::string& text) { return text.empty() ? std::string{} : "`" + cell(text) + "`"; }

std::string row(const SettingBase& setting) {
    std::string standard = code(setting.default_text());
    if (setting.required()) standard = "required";
    std::string allowed = setting.allowed();
    if (allowed.empty()) allowed = setting.type();
    else if (setting.type() != "word") allowed = setting.type() + ", " + allowed;
    return "| `" + setting.name() + "` | " + standard + " | " + cell(allowed) + " | " + cell(setting.about()) + " |\n";
}

}  // namespace

std::string to_markdown(const SettingsSet& settings) {
    std::string page;
    const auto& all = settings.all();
    std::vector<SettingsSet::SectionStart> sections = settings.sections();
    if (sections.empty() || sections.front().first > 0) sections.insert(sections.begin(), {"", 0});
    for (std::size_t i = 0; i < sections.size(); ++i) {
        const std::size_t end = i + 1 < sections.size() ? sections[i + 1].first : all.size();
        if (sections[i].first == end) continue;
        if (!page.empty()) page += '\n';
        if (!sections[i].title.empty()) page += "### " + sections[i].title + "\n\n";
        page += "| name | default | values | |\n| --- | --- | --- | --- |\n";
        for (std::size_t n = sections[i].first; n < end; ++n) page += row(*all[n]);
    }
    return page;
}

}  // namespace millrace::config
