// SPDX-License-Identifier: Apache-2.0
//
// For errors about words: how a wrong one is shown, and which known one was probably meant. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

// Of what a stranger wrote, what fits into one line: at most 200 bytes, '?' for control characters.
std::string shown(std::string_view text);
// Insertions, deletions and replacements that make `b` of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b);
// The known word that `word` is a typing error or a beginning of; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);
// " Did you mean 'x'?", or nothing.
std::string hint_for(std::string_view word, const std::vector<std::string>& known);

}  // namespace millrace::config
