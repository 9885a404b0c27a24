// SPDX-License-Identifier: Apache-2.0
#include "cli/stream_policy.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "common/config/units.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;
using Scaling = ScalingPolicy::By;
using Retention = RetentionPolicy::By;

// "7d" or "10GiB", as the policy counts.
Result<std::int64_t> parse_kept(std::string_view option, const std::string& text, Retention type) {
    const auto wrong = [&](const Error& error) {
        return Error{ErrorCode::kInvalidArgument, std::string{option} + " " + text + ": " + error.detail()};
    };
    if (type == Retention::kMilliseconds) {
        const auto time = config::parse_duration(text, config::TimeUnit::kSeconds);
        if (!time) return wrong(time.error());
        return std::chrono::duration_cast<std::chrono::milliseconds>(*time).count();
    }
    const auto size = config::parse_byte_size(text);
    if (!size) return wrong(size.error());
    if (size->bytes > INT64_MAX) return wrong({ErrorCode::kInvalidArgument, "too large"});
    return static_cast<std::int64_t>(size->bytes);
}

std::string spell_kept(std::int64_t amount, Retention type) {
    if (type == Retention::kMilliseconds) return config::to_string(config::Duration{std::chrono::milliseconds{amount}});
    return config::to_string(config::ByteSize{static_cast<std::uint64_t>(amount)});
}

}  // namespace

bool PolicyWords::empty() const {
    return !min_segments && !scaling && !target_rate && !scale_factor && !retention && !keep_at_least && !keep_at_most;
}

void add_policy_options(CLI::App& command, PolicyWords& words) {
    command
        .add_option("--scaling", words.scaling,
                    "Whether the server scales by the load of segments (kib: KiB/s, events: events/s) or only a hand "
                    "does; kept, "
                    "and not acted upon yet")
        ->check(CLI::IsMember({"fixed", "kib", "events"}).description(""))
        ->type_name("fixed|kib|events");
    command
        .add_option("--target-rate", words.target_rate,
                    "With --scaling kib|events: the load beyond which a segment is split")
        ->check(CLI::Range(1, INT32_MAX))
        ->type_name("N");
    command.add_option("--scale-factor", words.scale_factor, "With --scaling kib|events: into how many parts at most")
        ->check(CLI::Range(1, INT32_MAX))
        ->type_name("N");
    command
        .add_option(
            "--retention", words.retention,
            "By what the server truncates the stream by itself: the age of events, or the bytes that there are of them")
        ->check(CLI::IsMember({"none", "time", "size"}).description(""))
        ->type_name("none|time|size");
    command
        .add_option("--keep-at-least", words.keep_at_least,
                    "With --retention: what stays in any case, such as 7d or 10GiB; the rest goes, for good")
        ->type_name("AMOUNT");
    command.add_option("--keep-at-most", words.keep_at_most,
                       "With --retention: what stays at most. Without --keep-at-least so much stays; 0: no bound")
        ->type_name("AMOUNT");
}

Result<StreamConfig> apply(const PolicyWords& words, StreamConfig config) {
    const auto wrong = [](std::string detail) { return Error{ErrorCode::kInvalidArgument, std::move(detail)}; };
    if (words.min_segments) config.min_segments = *words.min_segments;
    if (words.scaling) {
        const Scaling type = *words.scaling == "fixed" ? Scaling::kHand
                             : *words.scaling == "kib" ? Scaling::kKibibytes
                                                       : Scaling::kEvents;
        // Rates of another unit mean nothing.
        if (type != config.scaling.by)
            config.scaling = {.by = type, .target_rate = 0, .split_max = type == Scaling::kHand ? 0 : 2};
    }
    if (config.scaling.by == Scaling::kHand && (words.target_rate || words.scale_factor)) {
        return wrong("--target-rate and --scale-factor need --scaling kib or --scaling events");
    }
    if (words.target_rate) config.scaling.target_rate = *words.target_rate;
    if (words.scale_factor) config.scaling.split_max = *words.scale_factor;
    if (config.scaling.by != Scaling::kHand && config.scaling.target_rate == 0) {
        return wrong("--scaling " + words.scaling.value_or("") + " needs --target-rate");
    }

    if (words.retention) {
        const Retention type = *words.retention == "none"   ? Retention::kNothing
                               : *words.retention == "time" ? Retention::kMilliseconds
                                                            : Retention::kBytes;
        if (type != config.retention.by) config.retention = {.by = type, .least = 0, .most = 0};
    }
    RetentionPolicy& retention = config.retention;
    if (retention.by == Retention::kNothing && (words.keep_at_least || words.keep_at_most)) {
        return wrong("--keep-at-least and --keep-at-most need --retention time or --retention size");
    }
    if (words.keep_at_least) {
        MR_TRY(retention.least, parse_kept("--keep-at-least", *words.keep_at_least, retention.by));
    }
    if (words.keep_at_most) {
        MR_TRY(retention.most, parse_kept("--keep-at-most", *words.keep_at_most, retention.by));
    }
    if (words.retention && retention.by != Retention::kNothing && retention.least == 0 && retention.most == 0) {
        return wrong("--retention " + *words.retention + " needs --keep-at-least or --keep-at-most");
    }
    if (retention.most != 0 && retention.most < retention.least) {
        return wrong("--keep-at-most is less than --keep-at-least");
    }
    return config;
}

Json to_json(const ScalingPolicy& policy) {
    if (policy.by == Scaling::kHand) return {{"type", "fixed"}};
    return {{"type", policy.by == Scaling::kEvents ? "events" : "kib"},
            {"target_rate", policy.target_rate},
            {"scale_factor", policy.split_max}};
}

Json to_json(const RetentionPolicy& policy) {
    if (policy.by == Retention::kNothing) return {{"type", "none"}};
    const bool time = policy.by == Retention::kMilliseconds;
    const std::string unit = time ? "_ms" : "_bytes";
    Json json{{"type", time ? "time" : "size"}, {"keep_at_least" + unit, policy.least}};
    json["keep_at_most" + unit] = nullptr;
    if (policy.most != 0) json["keep_at_most" + unit] = policy.most;
    return json;
}

std::string spelled(const ScalingPolicy& policy) {
    if (policy.by == Scaling::kHand) return "scaled by hand";
    return "to be split at " + std::to_string(policy.target_rate) +
           (policy.by == Scaling::kEvents ? " events/s" : " KiB/s") + " into " + std::to_string(policy.split_max);
}

std::string spelled(const RetentionPolicy& policy) {
    if (policy.by == Retention::kNothing) return "no retention";
    return "to keep at least " + spell_kept(policy.least, policy.by) +
           (policy.most == 0 ? "" : " and at most " + spell_kept(policy.most, policy.by));
}

}  // namespace millrace::cli
