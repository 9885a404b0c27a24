// SPDX-License-Identifier: Apache-2.0
//
// millrace stream create|list|describe|update|scale|truncate|seal|delete
#include <charconv>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/stream_policy.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

struct StreamArguments {
    std::string stream;  // or scope
    std::int32_t segments = 1;
    std::string seal;
    std::string ranges;
    std::string at;
    PolicyWords policy;
    bool if_not_exists = false;
};

// Shortest text that reads back as the same number.
std::string exact(double number) {
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, number);
    return {text, end};
}

int print_done(const CommandLine& line, const StreamName& name, const char* what) {
    const std::string text = line.json() ? Json{{"scope", name.scope}, {"stream", name.stream}, {what, true}}.dump()
                                         : "stream " + name.to_string() + " " + what;
    return print_line(line, text) ? kDone : kFailed;
}

int create_stream(const CommandLine& line, const StreamArguments& arguments) {
    const auto config = apply(arguments.policy, {.min_segments = arguments.segments});
    if (!config) return fail_usage(line, config.error());
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        const auto created = streams.create_stream(name, *config);
        if (!created) return fail(line, created.error());
        if (!*created && !arguments.if_not_exists) {
            return fail(line, {ErrorCode::kAlreadyExists, "stream '" + name.to_string() + "' exists already"});
        }
        if (line.json()) {
            const Json json{{"scope", name.scope}, {"stream", name.stream}, {"created", *created}};
            return print_line(line, json.dump()) ? kDone : kFailed;
        }
        return print_line(line, "stream " + name.to_string() + (*created ? " created" : " exists already")) ? kDone
                                                                                                             : kFailed;
    });
}

int list_streams(const CommandLine& line, const StreamArguments& arguments) {
    if (auto legal = check_user_name("scope", arguments.stream); !legal) return fail_usage(line, legal.error());
    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    const auto streams = (*client)->streams().list_streams(arguments.stream);
    if (!streams) return fail(line, streams.error());
    if (line.json()) {
        return print_line(line, Json{{"scope", arguments.stream}, {"streams", *streams}}.dump()) ? kDone : kFailed;
    }
    for (const std::string& stream : *streams) {
        if (!print_line(line, stream)) return kFailed;
    }
    return kDone;
}

int print_description(const CommandLine& line, const StreamName& name, const StreamDescription& stream) {
    const std::string state = stream.sealed ? "sealed" : "active";
    if (line.json()) {
        Json segments = Json::array();
        for (const SegmentDescription& segment : stream.segments) {
            segments.push_back({{"id", segment.id.value},
                                {"min_key", segment.range.low},
                                {"max_key", segment.range.high},
                                {"start_offset", segment.start_offset},
                                {"length", segment.length}});
        }
        const Json json{{"scope", name.scope},
                        {"stream", name.stream},
                        {"state", state},
                        {"epoch", stream.epoch.number()},
                        {"min_segments", stream.config.min_segments},
                        {"scaling", to_json(stream.config.scaling)},
                        {"retention", to_json(stream.config.retention)},
                        {"segments", std::move(segments)}};
        return print_line(line, json.dump(2)) ? kDone : kFailed;
    }
    std::string text = name.to_string() + ": " + state + ", epoch " + std::to_string(stream.epoch.number()) + ", " +
                       std::to_string(stream.segments.size()) + " segments, at least " +
                       std::to_string(stream.config.min_segments) + ", " + spelled(stream.config.scaling) + ", " +
                       spelled(stream.config.retention);
    if (!stream.segments.empty()) {
        std::vector<std::vector<std::string>> rows{{"ID", "EPOCH.NUMBER", "MIN_KEY", "MAX_KEY", "START", "LENGTH"}};
        for (const SegmentDescription& segment : stream.segments) {
            rows.push_back({std::to_string(segment.id.value),
                            std::to_string(segment.id.epoch().number()) + "." + std::to_string(segment.id.number()),
                            exact(segment.range.low), exact(segment.range.high), std::to_string(segment.start_offset),
                            std::to_string(segment.length)});
        }
        text += "\n" + format_table(rows);
    }
    return print_line(line, text) ? kDone : kFailed;
}

int describe_stream(const CommandLine& line, const StreamArguments& arguments) {
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        const auto description = streams.describe(name);
        if (!description) return fail(line, description.error());
        return print_description(line, name, *description);
    });
}

int scale_stream(const CommandLine& line, const StreamArguments& arguments) {
    const auto sealed = parse_segment_ids(arguments.seal);
    if (!sealed) return fail_usage(line, sealed.error());
    const auto ranges = parse_key_ranges(arguments.ranges);
    if (!ranges) return fail_usage(line, ranges.error());
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        if (const auto scaled = streams.scale(name, *sealed, *ranges); !scaled) return fail(line, scaled.error());
        const auto description = streams.describe(name);
        if (!description) return fail(line, description.error());
        return print_description(line, name, *description);
    });
}

int update_stream(const CommandLine& line, const StreamArguments& arguments) {
    if (arguments.policy.empty()) {
        return fail_usage(line, {ErrorCode::kInvalidArgument, "nothing is to be changed; say what"});
    }
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        const auto before = streams.configuration(name);
        if (!before) return fail(line, before.error());
        const auto config = apply(arguments.policy, *before);
        if (!config) return fail_usage(line, config.error());
        if (const auto updated = streams.update_configuration(name, *config); !updated) return fail(line, updated.error());
        const auto description = streams.describe(name);
        if (!description) return fail(line, description.error());
        return print_description(line, name, *description);
    });
}

int truncate_stream(const CommandLine& line, const StreamArguments& arguments) {
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        if (arguments.at != "tail") {
            // Before anybody is asked.
            if (auto given = parse_position(arguments.at, name); !given) {
                return fail_usage(line, std::move(given).error().while_doing("--at"));
            }
        }
        const auto position = arguments.at == "tail" ? streams.tail(name) : parse_position(arguments.at, name);
        if (!position) return fail(line, position.error());
        if (const auto truncated = streams.truncate(name, *position); !truncated) return fail(line, truncated.error());
        const std::string head = position->to_string();
        const std::string text =
            line.json() ? Json{{"scope", name.scope}, {"stream", name.stream}, {"truncated", true}, {"head", head}}.dump()
                        : "stream " + name.to_string() + " truncated, begins at " + head;
        return print_line(line, text) ? kDone : kFailed;
    });
}

int seal_stream(const CommandLine& line, const StreamArguments& arguments) {
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        if (const auto sealed = streams.seal(name); !sealed) return fail(line, sealed.error());
        return print_done(line, name, "sealed");
    });
}

int delete_stream(const CommandLine& line, const StreamArguments& arguments) {
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        if (const auto removed = streams.remove(name); !removed) return fail(line, removed.error());
        return print_done(line, name, "deleted");
    });
}

}  // namespace

void add_stream_commands(CLI::App& root, CommandLine& line) {
    CLI::App* stream = root.add_subcommand("stream", "Create, look at, change, scale, truncate, seal and delete streams");
    stream->require_subcommand(1);
    const auto arguments = std::make_shared<StreamArguments>();

    const auto add = [&](const char* name, const char* about, const char* footer, int (*act)(const CommandLine&, const StreamArguments&)) {
        CLI::App* command = stream->add_subcommand(name, about);
        const bool of_scope = act == list_streams;
        command->add_option(of_scope ? "SCOPE" : "SCOPE/STREAM", arguments->stream,
                            of_scope ? "The scope" : "The stream")->required();
        add_client_options(*command, line);
        command->footer(footer);
        command->callback([&line, arguments, act] {
            line.action = [&line, arguments, act] { return act(line, *arguments); };
        });
        return command;
    };

    CLI::App* create = add("create", "Create a stream in a scope that exists",
                           "Examples:\n  millrace stream create logs/dpkg --segments 4", create_stream);
    create->add_option("--segments", arguments->segments, "Segments at first, and the least that scaling keeps")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    create->add_flag("--if-not-exists", arguments->if_not_exists, "Fine when it exists already; it is left as it is");

    add_policy_options(*create, arguments->policy);

    add("list", "List the streams of a scope, one a line",
        "Examples:\n  millrace stream list logs\n  millrace stream list logs --output json", list_streams);
    add("describe", "Show a stream's state and segments",
        "Examples:\n  millrace stream describe logs/dpkg\n"
        "  millrace stream describe logs/dpkg --output json | jq '.segments[].id'", describe_stream);

    CLI::App* scale = add("scale", "Replace segments by others that cover the same keys",
                          "Examples:\n"
                          "  Split segment 0 of four in two:\n"
                          "    millrace stream scale logs/dpkg --seal 0 --ranges 0-0.125,0.125-0.25\n"
                          "  Merge segments 2 and 3:\n"
                          "    millrace stream scale logs/dpkg --seal 2,3 --ranges 0.5-1", scale_stream);
    scale->add_option("--seal", arguments->seal, "Segments to seal, by id or EPOCH.NUMBER")->required()->type_name("ID,...");
    scale->add_option("--ranges", arguments->ranges, "Key ranges of the segments that take over")
        ->required()
        ->type_name("LOW-HIGH,...");

    CLI::App* update = add("update", "Change a stream's configuration; what is not given stays as it is",
                           "A stream gets more segments when it has fewer than --min-segments; scaling is kept and not acted upon\n"
                           "yet. With a retention the server deletes the oldest events by itself, as long as the stream is not\n"
                           "sealed. Prints the description.\n"
                           "Examples:\n"
                           "  millrace stream update logs/dpkg --min-segments 8\n"
                           "  millrace stream update logs/dpkg --scaling events --target-rate 10000 --scale-factor 2\n"
                           "  millrace stream update logs/dpkg --retention time --keep-at-least 7d --keep-at-most 30d",
                           update_stream);
    update->add_option("--min-segments", arguments->policy.min_segments, "The least that scaling keeps")
        ->check(CLI::Range(1, 10'000))
        ->type_name("N");
    add_policy_options(*update, arguments->policy);

    CLI::App* truncate = add("truncate", "Delete the events before a position, for good",
                             "The space is given back; readers that were before the position go on at it. Segments of which nothing is\n"
                             "left are deleted. 'millrace stream describe' shows where the others begin (START).\n"
                             "Examples:\n"
                             "  Everything that was read so far:\n"
                             "    millrace read logs/dpkg --save-position here > file && millrace stream truncate logs/dpkg --at @here\n"
                             "  Everything:\n"
                             "    millrace stream truncate logs/dpkg --at tail",
                             truncate_stream);
    truncate->add_option("--at", arguments->at, "Where the stream is to begin; @FILE: a position that 'millrace read' saved")
        ->required()
        ->type_name("tail|POSITION|@FILE");

    add("seal", "End a stream: it takes no more events and stays readable",
        "Examples:\n  millrace stream seal logs/dpkg", seal_stream);
    add("delete", "Delete a sealed stream and its events",
        "Examples:\n  millrace stream seal logs/dpkg && millrace stream delete logs/dpkg", delete_stream);
    add_stream_epochs_command(*stream, line);
}

}  // namespace millrace::cli
