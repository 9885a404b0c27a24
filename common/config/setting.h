// SPDX-License-Identifier: Apache-2.0
//
// One setting: its name, type, default, bounds and sentence, and the value it has with where that came from. Declared
// as members of a SettingsSet (settings_set.h), which fills them:
//
//     struct CacheSettings : config::SettingsSet {
//         config::Setting<config::ByteSize> bytes{*this, "cache-bytes", 256_MiB, "Events kept in memory for readers",
//                                                 {.min = 8_MiB, .max = 64_GiB}};
//     };
//
// A name says the unit: it ends in "-bytes" or contains it, "-seconds", "-ms"; otherwise the value's suffix does.
// Thread rule: filled on one thread, then read on any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/units.h"
#include "common/runtime/network.h"

namespace millrace::config {

class SettingsSet;

// One of the words that its setting lists.
struct Choice {
    std::string word;
    bool operator==(const Choice&) const = default;
};
// A name in the file system, not empty.
struct Path {
    std::string text;
    bool operator==(const Path&) const = default;
};
// A text that is never printed: no conversion to a string happens by itself.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string text) : text_{std::move(text)} {}
    const std::string& reveal() const { return text_; }
    bool empty() const { return text_.empty(); }
    bool operator==(const Secret&) const = default;

private:
    std::string text_;
};

// Weakest first.
enum class Origin : std::uint8_t { kDefault, kFile, kVariable, kFlag };

class SettingBase {
public:
    SettingBase(const SettingBase&) = delete;
    SettingBase& operator=(const SettingBase&) = delete;
    virtual ~SettingBase() = default;

    const std::string& name() const { return name_; }  // "cache-bytes"
    std::string flag() const { return "--" + name_; }
    std::string variable() const;  // "MILLRACE_CACHE_BYTES"
    const std::string& about() const { return about_; }
    bool required() const { return required_; }
    bool secret() const { return secret_; }

    // What stands after the flag in help: "BYTES", "SECONDS", "debug|info".
    virtual std::string placeholder() const = 0;
    // For the page: "bytes", "duration in seconds".
    virtual std::string type() const = 0;
    // "8MiB to 64GiB"; empty when every value of the type will do.
    virtual std::string allowed() const = 0;
    // Empty when there is none.
    virtual std::string default_text() const = 0;
    // The value as a file would have it; of a secret "(set)" or nothing.
    virtual std::string text() const = 0;

    Origin origin() const { return origin_; }
    bool given() const { return origin_ != Origin::kDefault; }
    // "default", "flag", "MILLRACE_CACHE_BYTES", "/etc/millrace.conf:12".
    std::string origin_text() const;
    // Where it was said and what: "--cache-bytes 1MiB", "MILLRACE_CACHE_BYTES=1MiB",
    // "/etc/millrace.conf:12: cache-bytes = 1MiB", "cache-bytes = 256MiB (default)". For errors.
    std::string culprit() const;

protected:
    SettingBase(SettingsSet& owner, std::string name, std::string about, bool required, bool secret);

private:
    friend class SettingsSet;
    // Reads a value and keeps it. The error says what would be right, without naming who said it.
    virtual Result<void> assign(std::string_view text) = 0;

    const std::string name_;
    const std::string about_;
    const bool required_;
    const bool secret_;
    Origin origin_ = Origin::kDefault;
    std::string given_text_;
    std::string where_;  // "FILE:LINE"
};

template <class T>
struct SettingRules {
    std::optional<T> min = std::nullopt;  // of what can be compared
    std::optional<T> max = std::nullopt;
    bool required = false;                // there is no default
    const char* placeholder = nullptr;    // instead of the type's own
    bool allow_empty = true;              // of texts
};
template <>
struct SettingRules<Duration> {
    std::optional<Duration> min = std::nullopt;
    std::optional<Duration> max = std::nullopt;
    TimeUnit unit = TimeUnit::kSeconds;
    bool required = false;
    const char* placeholder = nullptr;
};
template <>
struct SettingRules<Choice> {
    std::vector<std::string> words = {};
    bool required = false;
    const char* placeholder = nullptr;
};
template <>
struct SettingRules<Endpoint> {
    bool allow_port_zero = false;
    bool required = false;
    const char* placeholder = nullptr;
};

// T: ByteSize, Duration, std::uint64_t, bool, std::string, Choice, Endpoint, Path or Secret.
template <class T>
class Setting final : public SettingBase {
public:
    // `initial` is the default; it keeps the rules unless the setting is required.
    Setting(SettingsSet& owner, std::string name, T initial, std::string about, SettingRules<T> rules = {});

    const T& get() const { return value_; }
    const T& operator*() const { return value_; }
    const T* operator->() const { return &value_; }

    std::string placeholder() const override;
    std::string type() const override;
    std::string allowed() const override;
    std::string default_text() const override;
    std::string text() const override;

private:
    Result<void> assign(std::string_view text) override;

    const SettingRules<T> rules_;
    const T initial_;
    T value_;
};

extern template class Setting<ByteSize>;
extern template class Setting<Duration>;
extern template class Setting<std::uint64_t>;
extern template class Setting<bool>;
extern template class Setting<std::string>;
extern template class Setting<Choice>;
extern template class Setting<Endpoint>;
extern template class Setting<Path>;
extern template class Setting<Secret>;

}  // namespace millrace::config
