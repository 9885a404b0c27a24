// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <algorithm>
#include <charconv>
#include <iostream>

#include <CLI/CLI.hpp>

#include "cli/machine.h"
#include "cli/settings_options.h"
#include "common/runtime/network.h"

namespace millrace::cli {
namespace {

// Calls `each` with the parts between commas.
template <class Each>
Result<void> for_each_part(std::string_view text, Each each) {
    while (true) {
        const std::size_t comma = text.find(',');
        MR_TRY_VOID(each(text.substr(0, comma)));
        if (comma == std::string_view::npos) return ok();
        text.remove_prefix(comma + 1);
    }
}

template <class Number>
bool parse_whole(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

Result<KeyRange> parse_key_range(std::string_view text) {
    // The separator is the '-' that is not an exponent's sign.
    std::size_t dash = text.find('-');
    while (dash != std::string_view::npos && dash > 0 && (text[dash - 1] == 'e' || text[dash - 1] == 'E')) {
        dash = text.find('-', dash + 1);
    }
    KeyRange range;
    if (dash == std::string_view::npos || !parse_whole(text.substr(0, dash), range.low) ||
        !parse_whole(text.substr(dash + 1), range.high) || !(range.low >= 0 && range.low < range.high && range.high <= 1)) {
        return Error{ErrorCode::kInvalidArgument, "'" + std::string{text} +
                                                      "' is not a key range; it should be LOW-HIGH with 0 <= LOW < HIGH <= 1, "
                                                      "such as 0.25-0.5"};
    }
    return range;
}

}  // namespace

void add_output_option(CLI::App& command, CommandLine& line) { add_setting_flag(command, line, line.client.output); }

void add_client_options(CLI::App& command, CommandLine& line) {
    add_setting_flag(command, line, line.client.controller);
    add_output_option(command, line);
    add_setting_flag(command, line, line.client.timeout);
    add_setting_flag(command, line, line.client.config_file);
}

void add_retry_option(CLI::App& command, CommandLine& line) { add_setting_flag(command, line, line.client.retry_timeout); }

int fail(const CommandLine& line, const Error& error) {
    std::cerr << "millrace " << line.command << ": " << error.detail() << std::endl;
    const bool asked_controller = line.settings == &line.client && error.detail().starts_with("controller ");
    if (asked_controller && error.is(ErrorCode::kUnavailable)) {
        std::cerr << "'millrace standalone --data-dir DIR' starts a server; --controller HOST:PORT or MILLRACE_CONTROLLER says where "
                     "another one is."
                  << std::endl;
    }
    return kFailed;
}

int fail_usage(const CommandLine& line, const Error& error) {
    std::cerr << "millrace " << line.command << ": " << error.detail() << "\nSee 'millrace " << line.command
              << " --help'." << std::endl;
    return kUsage;
}

Result<std::unique_ptr<Client>> connect(const CommandLine& line) {
    using std::chrono::ceil;
    using std::chrono::milliseconds;
    return Client::create({.controller = line.client.controller->to_string(),
                           .connect_timeout = ceil<milliseconds>(*line.client.timeout),
                           .retry_timeout = ceil<milliseconds>(*line.client.retry_timeout)});
}

bool print_line(const CommandLine& line, std::string_view text) {
    auto written = write_all(kStandardOutput, std::string{text} + "\n");
    if (written) return true;
    if (!written.error().is(ErrorCode::kClosed)) fail(line, written.error());
    return false;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const auto& row : rows) {
        if (!text.empty()) text += '\n';
        std::string out;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i > 0) out += "  ";
            out += row[i] + std::string(widths[i] - row[i].size(), ' ');
        }
        out.erase(out.find_last_not_of(' ') + 1);
        text += out;
    }
    return text;
}

std::string with_commas(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

Result<SegmentId> parse_segment_id(std::string_view text) {
    const Error wrong{ErrorCode::kInvalidArgument, "'" + std::string{text} +
                                                       "' is not a segment id; it should be a number that 'millrace "
                                                       "stream describe' shows, or EPOCH.NUMBER"};
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) {
        SegmentId id;
        if (!parse_whole(text, id.value) || id.value < 0) return wrong;
        return id;
    }
    std::int32_t epoch = 0;
    std::int32_t number = 0;
    if (!parse_whole(text.substr(0, dot), epoch) || !parse_whole(text.substr(dot + 1), number) || epoch < 0 || number < 0) {
        return wrong;
    }
    return SegmentId::of(number, StreamEpoch{epoch});
}

Result<std::vector<SegmentId>> parse_segment_ids(std::string_view text) {
    std::vector<SegmentId> ids;
    MR_TRY_VOID(for_each_part(text, [&](std::string_view part) -> Result<void> {
        MR_TRY(const SegmentId id, parse_segment_id(part));
        ids.push_back(id);
        return ok();
    }));
    return ids;
}

Result<std::vector<KeyRange>> parse_key_ranges(std::string_view text) {
    std::vector<KeyRange> ranges;
    MR_TRY_VOID(for_each_part(text, [&](std::string_view part) -> Result<void> {
        MR_TRY(const KeyRange range, parse_key_range(part));
        ranges.push_back(range);
        return ok();
    }));
    return ranges;
}

Result<Position> parse_position(const std::string& text, const StreamName& stream) {
    std::string spelled = text;
    if (text.starts_with('@')) {
        MR_TRY(spelled, read_small_file(text.substr(1)));
        spelled.erase(std::min(spelled.find('\n'), spelled.size()));
    }
    auto position = Position::parse(spelled);
    if (!position) {
        return Error{ErrorCode::kInvalidArgument,
                     (text.starts_with('@') ? "file '" + text.substr(1) + "': " : std::string{}) + position.error().detail()};
    }
    if (position->stream != stream) {
        return Error{ErrorCode::kInvalidArgument, "the position '" + text + "' is of stream " +
                                                      position->stream.to_string() + ", not of " + stream.to_string()};
    }
    return position;
}

}  // namespace millrace::cli
