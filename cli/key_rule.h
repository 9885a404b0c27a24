// SPDX-License-Identifier: Apache-2.0
//
// Which routing key a line gets. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace millrace::cli {

class KeyRule {
public:
    virtual ~KeyRule() = default;

    // The key, which lives as long as `line` and the rule; empty optional: the rule gives this line
    // no key.
    virtual std::optional<std::string_view> key_of(std::string_view line) = 0;

    static std::unique_ptr<KeyRule> constant(std::string key);
    // The nth (from 1) of the fields that blanks and tabs separate.
    static std::unique_ptr<KeyRule> field(std::uint32_t number);
    // The first group of the first match, or the whole match of an expression without groups.
    // kInvalidArgument quotes what is wrong with the expression.
    static Result<std::unique_ptr<KeyRule>> regex(const std::string& expression);
};

}  // namespace millrace::cli
