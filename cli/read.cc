// SPDX-License-Identifier: Apache-2.0
//
// millrace read: events to stdout, each followed by a newline.
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/length_reader.h"
#include "cli/machine.h"

namespace millrace::cli {
namespace {

struct ReadArguments {
    std::string stream;
    std::string from = "head";
    std::string until = "tail";
    bool follow = false;
    std::uint64_t count = 0;  // 0: all
    std::string save_position;
    std::string framing = "lines";
};

// How long one turn waits for an event: the delay until a stop signal is noticed.
constexpr std::chrono::milliseconds kTurn{200};
constexpr std::int64_t kSaveEveryNs = 1'000'000'000;
constexpr std::size_t kOutputBytes = 1024 * 1024;

std::string base64(std::string_view bytes) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        }
        for (std::size_t j = 0; j < 4; ++j) text += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
    return text;
}

std::string event_json(const Event& event) {
    nlohmann::ordered_json json{{"segment", event.segment.value}, {"offset", event.offset}};
    const std::string payload{as_text(event.payload)};
    json["payload"] = payload;
    try {
        return json.dump();
    } catch (const nlohmann::json::type_error&) {  // not UTF-8
        json.erase("payload");
        json["payload_base64"] = base64(payload);
        return json.dump();
    }
}

// Stdout with a buffer, and the position that follows what has been printed.
class EventPrinter {
public:
    EventPrinter(const CommandLine& line, const ReadArguments& arguments, EventReader& reader)
        : json_{line.json()}, lengths_{arguments.framing == "length"}, save_to_{arguments.save_position}, reader_{reader} {
        buffer_.reserve(kOutputBytes + kOutputBytes / 4);
    }

    Result<void> print(const Event& event) {
        if (lengths_) {
            const auto prefix = length_prefix(event.payload.size());
            buffer_.append(prefix.data(), prefix.size());
            buffer_ += as_text(event.payload);
        } else {
            if (json_) buffer_ += event_json(event);
            else buffer_ += as_text(event.payload);
            buffer_ += '\n';
        }
        return buffer_.size() >= kOutputBytes ? flush() : ok();
    }

    Result<void> flush() {
        if (buffer_.empty()) return ok();
        auto written = write_all(kStandardOutput, buffer_);
        buffer_.clear();
        return written;
    }

    // The position is saved after the events before it have been printed, so that a crash in between
    // repeats events and never skips one.
    Result<void> save() {
        MR_TRY_VOID(flush());
        if (save_to_.empty()) return ok();
        saved_ns_ = now_ns();
        return replace_file(save_to_, reader_.position().to_string() + "\n");
    }
    Result<void> save_now_and_then() {
        if (save_to_.empty() || now_ns() < saved_ns_ + kSaveEveryNs) return ok();
        return save();
    }

private:
    const bool json_;
    const bool lengths_;
    const std::string save_to_;
    EventReader& reader_;
    std::string buffer_;
    std::int64_t saved_ns_ = now_ns();
};

Result<void> read_events(const ReadArguments& arguments, EventReader& reader, EventPrinter& printer) {
    constexpr std::uint64_t kEventsPerLook = 4096;
    for (std::uint64_t events = 0; arguments.count == 0 || events < arguments.count;) {
        if (stop_requested()) return ok();
        auto next = reader.next(std::chrono::milliseconds{0});
        if (next.ok() && next->outcome == EventReader::Outcome::kTimedOut) {
            // Nothing at hand: show what there is before waiting.
            MR_TRY_VOID(printer.flush());
            MR_TRY_VOID(printer.save_now_and_then());
            next = reader.next(kTurn);
        }
        if (!next && next.error().is(ErrorCode::kTruncated)) {
            std::cerr << "millrace read: " << next.error().detail() << "; going on at the oldest event there is" << std::endl;
            continue;
        }
        if (!next) return std::move(next).error();
        if (next->outcome == EventReader::Outcome::kEndOfStream) return ok();
        if (next->outcome == EventReader::Outcome::kTimedOut) continue;
        MR_TRY_VOID(printer.print(next->event));
        if (++events % kEventsPerLook == 0) MR_TRY_VOID(printer.save_now_and_then());
    }
    return ok();
}

int read_command(const CommandLine& line, const ReadArguments& arguments) {
    const auto name = StreamName::parse(arguments.stream);
    if (!name) return fail_usage(line, name.error());
    if (arguments.framing == "length" && line.json()) {
        return fail_usage(line, {ErrorCode::kInvalidArgument, "--framing length and --output json exclude each other"});
    }
    ReaderOptions options;
    if (arguments.from == "tail") {
        options.from = ReaderOptions::From::kTail;
    } else if (arguments.from != "head") {
        auto position = parse_position(arguments.from, *name);
        if (!position) return fail_usage(line, std::move(position).error().while_doing("--from"));
        options.position = std::move(position).value();
    }
    if (!arguments.follow && arguments.until != "tail") {
        auto position = parse_position(arguments.until, *name);
        if (!position) return fail_usage(line, std::move(position).error().while_doing("--until"));
        options.until = std::move(position).value();
    }

    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    if (!arguments.follow && !options.until) {
        const auto description = (*client)->streams().describe(*name);
        if (!description) return fail(line, description.error());
        // A sealed stream has an end of its own.
        if (!description->sealed) {
            auto tail = (*client)->streams().tail(*name);
            if (!tail) return fail(line, tail.error());
            options.until = std::move(tail).value();
        }
    }
    auto reader = (*client)->create_reader(*name, options);
    if (!reader) return fail(line, reader.error());
    catch_stop_signals();

    EventPrinter printer{line, arguments, **reader};
    int code = kDone;
    const auto report = [&](const Error& error) {
        // Who closed the pipe (head, less) knows why.
        code = error.is(ErrorCode::kClosed) ? kFailed : fail(line, error);
    };
    if (auto result = read_events(arguments, **reader, printer); !result) report(result.error());
    if (code == kDone) {
        if (auto saved = printer.save(); !saved) report(saved.error());
    } else if (auto flushed = printer.flush(); !flushed) {
        report(flushed.error());
    }
    return code;
}

}  // namespace

void add_read_command(CLI::App& root, CommandLine& line) {
    const auto arguments = std::make_shared<ReadArguments>();
    CLI::App* read = root.add_subcommand("read", "Print the events of a stream, one a line");
    read->add_option("SCOPE/STREAM", arguments->stream, "The stream")->required();
    read->add_option("--from", arguments->from, "Where to begin; @FILE: a position that --save-position wrote")
        ->type_name("head|tail|POSITION|@FILE")
        ->capture_default_str();
    CLI::Option* until = read->add_option("--until", arguments->until, "Where to end; tail: the end as it is now")
                             ->type_name("tail|POSITION|@FILE")
                             ->capture_default_str();
    CLI::Option* follow =
        read->add_flag("--follow", arguments->follow, "Wait for new events, until interrupted or the stream is sealed");
    follow->excludes(until);
    read->add_option("--count", arguments->count, "End after N events")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 62))
        ->type_name("N");
    read->add_option("--save-position", arguments->save_position,
                     "Write the position after the last event printed to this file: at the end, and once a second on the way")
        ->type_name("FILE");
    read->add_option("--framing", arguments->framing,
                     "How events are told apart: a newline after each, or 4 bytes of length, big-endian, before it")
        ->check(CLI::IsMember({"lines", "length"}).description(""))
        ->type_name("lines|length")
        ->capture_default_str();
    add_client_options(*read, line);
    add_retry_option(*read, line);
    read->footer(
        "Events of one key come in the order they were written. With --output json each event is an object with\n"
        "segment, offset and payload (payload_base64 where it is not UTF-8).\n"
        "Examples:\n"
        "  millrace read logs/dpkg\n"
        "  millrace read logs/dpkg --from tail --follow\n"
        "  millrace read logs/dpkg --count 100 --save-position here && millrace read logs/dpkg --from @here\n"
        "  millrace read logs/pictures --framing length > pictures");
    read->callback([&line, arguments] { line.action = [&line, arguments] { return read_command(line, *arguments); }; });
}

}  // namespace millrace::cli
