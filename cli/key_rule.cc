// SPDX-License-Identifier: Apache-2.0
#include "cli/key_rule.h"

#include <algorithm>

#include <re2/re2.h>

namespace millrace::cli {
namespace {

class ConstantKey final : public KeyRule {
public:
    explicit ConstantKey(std::string key) : key_{std::move(key)} {}
    std::optional<std::string_view> key_of(std::string_view) override { return key_; }

private:
    const std::string key_;
};

class FieldKey final : public KeyRule {
public:
    explicit FieldKey(std::uint32_t number) : number_{number} {}

    std::optional<std::string_view> key_of(std::string_view line) override {
        constexpr std::string_view kBlanks = " \t";
        std::size_t at = 0;
        for (std::uint32_t field = 1;; ++field) {
            at = line.find_first_not_of(kBlanks, at);
            if (at == std::string_view::npos) return std::nullopt;
            const std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
            if (field == number_) return line.substr(at, end - at);
            at = end;
        }
    }

private:
    const std::uint32_t number_;
};

// RE2 takes time linear in the line, whatever the expression, and no stack: std::regex overflows it
// on long lines.
class RegexKey final : public KeyRule {
public:
    explicit RegexKey(std::unique_ptr<re2::RE2> expression)
        : expression_{std::move(expression)}, group_{expression_->NumberOfCapturingGroups() > 0 ? 1 : 0} {}

    std::optional<std::string_view> key_of(std::string_view line) override {
        re2::StringPiece groups[2];
        if (!expression_->Match(line, 0, line.size(), re2::RE2::UNANCHORED, groups, group_ + 1)) return std::nullopt;
        return std::string_view{groups[group_].data(), groups[group_].size()};
    }

private:
    const std::unique_ptr<re2::RE2> expression_;
    const int group_;
};

}  // namespace

std::unique_ptr<KeyRule> KeyRule::constant(std::string key) { return std::make_unique<ConstantKey>(std::move(key)); }

std::unique_ptr<KeyRule> KeyRule::field(std::uint32_t number) { return std::make_unique<FieldKey>(number); }

Result<std::unique_ptr<KeyRule>> KeyRule::regex(const std::string& expression) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    auto compiled = std::make_unique<re2::RE2>(expression, options);
    if (!compiled->ok()) {
        return Error{ErrorCode::kInvalidArgument,
                     "'" + expression + "' is not a regular expression: " + compiled->error()};
    }
    return std::unique_ptr<KeyRule>{std::make_unique<RegexKey>(std::move(compiled))};
}

}  // namespace millrace::cli
