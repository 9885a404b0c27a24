// SPDX-License-Identifier: Apache-2.0
#include "common/config/setting.h"

#include <algorithm>
#include <charconv>
#include <type_traits>
#include <utility>

#include "common/base/check.h"
#include "common/config/nearest.h"
#include "common/config/settings_set.h"

namespace millrace::config {

namespace {

template <class T>
inline constexpr bool kHasBounds =
    std::is_same_v<T, ByteSize> || std::is_same_v<T, Duration> || std::is_same_v<T, std::uint64_t>;

Error should_be(std::string_view what) { return {ErrorCode::kInvalidArgument, "it should be " + std::string{what}}; }

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
    std::string text;
    for (const std::string& word : words) {
        if (!text.empty()) text += separator;
        text += word;
    }
    return text;
}

bool has_control_characters(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string print(ByteSize value) { return to_string(value); }
std::string print(Duration value) { return to_string(value); }
std::string print(std::uint64_t value) { return std::to_string(value); }
std::string print(bool value) { return value ? "true" : "false"; }
std::string print(const std::string& value) { return value; }
std::string print(const Choice& value) { return value.word; }
std::string print(const Endpoint& value) { return value.host.empty() ? std::string{} : value.to_string(); }
std::string print(const Path& value) { return value.text; }
std::string print(const Secret& value) { return value.empty() ? "" : "(set)"; }

Result<ByteSize> read(std::string_view text, const SettingRules<ByteSize>&) { return parse_byte_size(text); }

Result<Duration> read(std::string_view text, const SettingRules<Duration>& rules) {
    return parse_duration(text, rules.unit);
}

Result<std::uint64_t> read(std::string_view text, const SettingRules<std::uint64_t>&) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return should_be("a whole number");
    return number;
}

Result<bool> read(std::string_view text, const SettingRules<bool>&) {
    if (text == "true" || text == "yes" || text == "on" || text == "1") return true;
    if (text == "false" || text == "no" || text == "off" || text == "0") return false;
    return should_be("true or false");
}

Result<std::string> read(std::string_view text, const SettingRules<std::string>& rules) {
    if (has_control_characters(text)) return should_be("text without control characters");
    if (text.empty() && !rules.allow_empty) return should_be("not empty");
    return std::string{text};
}

Result<Choice> read(std::string_view text, const SettingRules<Choice>& rules) {
    if (std::ranges::find(rules.words, text) == rules.words.end()) return should_be("one of " + joined(rules.words, ", "));
    return Choice{std::string{text}};
}

Result<Endpoint> read(std::string_view text, const SettingRules<Endpoint>& rules) {
    // Its errors quote it.
    constexpr std::size_t kEndpointBytesMax = 300;
    if (text.size() > kEndpointBytesMax || has_control_characters(text)) {
        return should_be("HOST:PORT, without control characters and at most 300 bytes long");
    }
    return Endpoint::parse(text, rules.allow_port_zero);
}

Result<Path> read(std::string_view text, const SettingRules<Path>&) {
    if (text.empty()) return should_be("a path, not empty");
    if (has_control_characters(text)) return should_be("a path without control characters");
    return Path{std::string{text}};
}

Result<Secret> read(std::string_view text, const SettingRules<Secret>&) { return Secret{std::string{text}}; }

std::string bounds_text(const auto& rules) {
    if (rules.min && rules.max) return print(*rules.min) + " to " + print(*rules.max);
    if (rules.min) return "at least " + print(*rules.min);
    if (rules.max) return "at most " + print(*rules.max);
    return {};
}

}  // namespace

SettingBase::SettingBase(SettingsSet& owner, std::string name, std::string about, bool required, bool secret)
    : name_{std::move(name)}, about_{std::move(about)}, required_{required}, secret_{secret} {
    owner.add(*this);
}

std::string SettingBase::variable() const { return variable_name(name_); }

std::string SettingBase::origin_text() const {
    switch (origin_) {
        case Origin::kDefault: return "default";
        case Origin::kFile: return where_;
        case Origin::kVariable: return variable();
        case Origin::kFlag: return "flag";
    }
    return "default";
}

std::string SettingBase::culprit() const {
    const std::string said = secret_ ? std::string{"(secret)"} : shown(given_text_);
    switch (origin_) {
        case Origin::kDefault: return name_ + " = " + text() + " (default)";
        case Origin::kFile: return where_ + ": " + name_ + " = " + said;
        case Origin::kVariable: return variable() + "=" + said;
        case Origin::kFlag: return flag() + " " + (said.empty() ? "''" : said);
    }
    return name_;
}

template <class T>
Setting<T>::Setting(SettingsSet& owner, std::string name, T initial, std::string about, SettingRules<T> rules)
    : SettingBase{owner, std::move(name), std::move(about), rules.required, std::is_same_v<T, Secret>},
      rules_{std::move(rules)},
      initial_{std::move(initial)},
      value_{initial_} {
    if constexpr (kHasBounds<T>) {
        if (!required()) MR_CHECK((!rules_.min || initial_ >= *rules_.min) && (!rules_.max || initial_ <= *rules_.max));
    }
}

template <class T>
std::string Setting<T>::placeholder() const {
    if (rules_.placeholder != nullptr) return rules_.placeholder;
    if constexpr (std::is_same_v<T, ByteSize>) return "BYTES";
    if constexpr (std::is_same_v<T, Duration>) {
        if (rules_.unit == TimeUnit::kSeconds) return "SECONDS";
        return "MILLISECONDS";
    }
    if constexpr (std::is_same_v<T, std::uint64_t>) return "N";
    if constexpr (std::is_same_v<T, bool>) return "true|false";
    if constexpr (std::is_same_v<T, Choice>) return joined(rules_.words, "|");
    if constexpr (std::is_same_v<T, Endpoint>) return "HOST:PORT";
    if constexpr (std::is_same_v<T, Path>) return "PATH";
    return "TEXT";
}

template <class T>
std::string Setting<T>::type() const {
    if constexpr (std::is_same_v<T, ByteSize>) return "bytes";
    if constexpr (std::is_same_v<T, Duration>) return "time in " + std::string{to_string(rules_.unit)};
    if constexpr (std::is_same_v<T, std::uint64_t>) return "number";
    if constexpr (std::is_same_v<T, bool>) return "true or false";
    if constexpr (std::is_same_v<T, Choice>) return "word";
    if constexpr (std::is_same_v<T, Endpoint>) return "host:port";
    if constexpr (std::is_same_v<T, Path>) return "path";
    if constexpr (std::is_same_v<T, Secret>) return "secret text";
    return "text";
}

template <class T>
std::string Setting<T>::allowed() const {
    if constexpr (kHasBounds<T>) return bounds_text(rules_);
    if constexpr (std::is_same_v<T, Choice>) return joined(rules_.words, ", ");
    return {};
}

template <class T>
std::string Setting<T>::default_text() const {
    return required() ? std::string{} : print(initial_);
}

template <class T>
std::string Setting<T>::text() const {
    return print(value_);
}

template <class T>
Result<void> Setting<T>::assign(std::string_view text) {
    MR_TRY(T value, read(text, rules_));
    if constexpr (kHasBounds<T>) {
        if ((rules_.min && value < *rules_.min) || (rules_.max && value > *rules_.max)) return should_be(bounds_text(rules_));
    }
    value_ = std::move(value);
    return ok();
}

template class Setting<ByteSize>;
template class Setting<Duration>;
template class Setting<std::uint64_t>;
template class Setting<bool>;
template class Setting<std::string>;
template class Setting<Choice>;
template class Setting<Endpoint>;
template class Setting<Path>;
template class Setting<Secret>;

}  // namespace millrace::config
