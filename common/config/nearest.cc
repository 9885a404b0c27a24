// SPDX-License-Identifier: Apache-2.0
#include "common/config/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace millrace::config {

std::string shown(std::string_view text) {
    constexpr std::size_t kShownBytesMax = 200;
    std::string out{text.substr(0, kShownBytesMax)};
    std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    // Far longer than any name: not a typing error, and the distance takes the square of it.
    constexpr std::size_t kWordBytesMax = 256;
    constexpr std::size_t kDistanceMax = 2;
    if (word.size() > kWordBytesMax) return {};
    std::string best;
    std::size_t best_distance = kDistanceMax + 1;
    for (const std::string& candidate : known) {
        const std::size_t distance = candidate.starts_with(word) && word.size() > 2 ? 1 : edit_distance(word, candidate);
        if (distance < best_distance && distance < candidate.size()) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string hint_for(std::string_view word, const std::vector<std::string>& known) {
    const std::string best = nearest(word, known);
    return best.empty() ? std::string{} : " Did you mean '" + best + "'?";
}

}  // namespace millrace::config
