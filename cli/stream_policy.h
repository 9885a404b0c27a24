// SPDX-License-Identifier: Apache-2.0
//
// A stream's configuration as the command line says and shows it. Pure, but for the options.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "common/base/result.h"
#include "millrace/stream_manager.h"

namespace CLI {
class App;
}

namespace millrace::cli {

// What was said; the rest is left as it is.
struct PolicyWords {
    std::optional<std::int32_t> min_segments;
    std::optional<std::string> scaling;
    std::optional<std::int32_t> target_rate;
    std::optional<std::int32_t> scale_factor;
    std::optional<std::string> retention;
    std::optional<std::string> keep_at_least;
    std::optional<std::string> keep_at_most;

    bool empty() const;
};

// --scaling, --target-rate, --scale-factor, --retention, --keep-at-least, --keep-at-most. `words` outlives the parse.
void add_policy_options(CLI::App& command, PolicyWords& words);

// `config` changed as the words say. kInvalidArgument: an amount that is none, or one that does not go with the policy.
Result<StreamConfig> apply(const PolicyWords& words, StreamConfig config);

// {"type": "fixed"}, {"type": "events", "target_rate": 1000, "scale_factor": 2}
nlohmann::ordered_json to_json(const ScalingPolicy& policy);
// {"type": "none"}, {"type": "time", "keep_at_least_ms": 86400000, "keep_at_most_ms": null}, {"type": "size",
// "keep_at_least_bytes": ...}
nlohmann::ordered_json to_json(const RetentionPolicy& policy);
// "scaled by hand", "to be split at 1000 events/s into 2"
std::string spelled(const ScalingPolicy& policy);
// "no retention", "to keep at least 168h and at most 720h"
std::string spelled(const RetentionPolicy& policy);

}  // namespace millrace::cli
