// SPDX-License-Identifier: Apache-2.0
//
// millrace stream epochs: how a stream was split and merged, as a picture or as JSON.
#include <limits>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/epoch_picture.h"
#include "cli/machine.h"

namespace millrace::cli {
namespace {

using EpochsJson = nlohmann::ordered_json;

struct EpochsArguments {
    std::string stream;
    std::size_t last = 0;  // 0: all for JSON, what fits for a picture
};

std::string epochs_json(const StreamName& name, bool sealed, const std::vector<EpochDescription>& epochs) {
    EpochsJson list = EpochsJson::array();
    for (const EpochDescription& epoch : epochs) {
        EpochsJson segments = EpochsJson::array();
        for (const EpochSegment& segment : epoch.segments) {
            segments.push_back(
                {{"id", segment.id.value}, {"min_key", segment.range.low}, {"max_key", segment.range.high}});
        }
        list.push_back({{"epoch", epoch.epoch.number()}, {"segments", std::move(segments)}});
    }
    return EpochsJson{
        {"scope", name.scope}, {"stream", name.stream}, {"state", sealed ? "sealed" : "active"}, {"epochs", list}}
        .dump(2);
}

int show_epochs(const CommandLine& line, const EpochsArguments& arguments) {
    return with_stream(line, arguments.stream, [&](const StreamName& name, StreamManager& streams) {
        const auto description = streams.describe(name);
        if (!description) return fail(line, description.error());
        const TerminalSize terminal = terminal_size(kStandardOutput);
        // A column is never narrower than this, so that no more would fit.
        constexpr std::size_t kColumnLeast = 4;
        std::size_t at_most =
            line.json() ? std::numeric_limits<std::size_t>::max() : terminal.columns / kColumnLeast + 1;
        if (arguments.last > 0) at_most = std::min(at_most, arguments.last);
        const auto epochs = streams.epochs(name, at_most);
        if (!epochs) return fail(line, epochs.error());
        if (line.json()) return print_line(line, epochs_json(name, description->sealed, *epochs)) ? kDone : kFailed;
        const PictureFrame frame{.columns = terminal.columns,
                                 .lines = terminal.lines,
                                 .unicode = locale_is_utf8(),
                                 .sealed = description->sealed};
        const std::string head = name.to_string() + ": " + (description->sealed ? "sealed" : "active") + ", epoch " +
                                 std::to_string(description->epoch.number());
        if (epochs->empty())
            return fail(line, {ErrorCode::kNotFound, "the controller knows no epoch of " + name.to_string()});
        return print_line(line, head + "\n" + draw_epochs(*epochs, frame)) ? kDone : kFailed;
    });
}

}  // namespace

void add_stream_epochs_command(CLI::App& stream, CommandLine& line) {
    const auto arguments = std::make_shared<EpochsArguments>();
    CLI::App* command = stream.add_subcommand("epochs", "Show how a stream was split and merged, as a picture");
    command->add_option("SCOPE/STREAM", arguments->stream, "The stream")->required();
    command
        ->add_option("--last", arguments->last, "Only the newest N epochs; without it as many as fit, or all as JSON")
        ->check(CLI::Range(1, 1'000'000))
        ->type_name("N");
    add_client_options(*command, line);
    command->footer(
        "Keys run downwards, epochs to the right; a box is a segment, named EPOCH.NUMBER, as long as it takes events.\n"
        "Examples:\n"
        "  millrace stream epochs logs/dpkg\n"
        "  millrace stream epochs logs/dpkg --last 10 --output json");
    command->callback(
        [&line, arguments] { line.action = [&line, arguments] { return show_epochs(line, *arguments); }; });
}

}  // namespace millrace::cli
