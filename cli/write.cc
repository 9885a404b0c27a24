// SPDX-License-Identifier: Apache-2.0
//
// millrace write: lines of a file or of stdin become events.
#include <charconv>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/key_rule.h"
#include "cli/line_reader.h"
#include "cli/machine.h"

namespace millrace::cli {
namespace {

struct WriteArguments {
    std::string stream;
    std::string file = "-";
    std::uint32_t key_field = 0;  // 0: not given
    std::string key_regex;
    std::string key;
    bool has_key_regex = false;
    bool has_key = false;
    bool number = false;
};

// A line on a terminal that is written over again and again, and wiped at the end.
class WriteProgress {
public:
    WriteProgress() : on_{is_terminal(kStandardError)}, next_ns_{now_ns() + kEveryNs} {}

    // Cheap enough to call for every few lines.
    void show(const EventWriter& writer, std::uint64_t lines, std::uint64_t bytes) {
        if (!on_) return;
        const std::int64_t now = now_ns();
        if (now < next_ns_) return;
        next_ns_ = now + kEveryNs;
        shown_ = true;
        const EventWriter::Stats stats = writer.stats();
        std::cerr << "\r\x1b[K" << with_commas(lines) << " lines read (" << with_commas(bytes / 1'000'000) << " MB), "
                  << with_commas(stats.acknowledged_events) << " events acknowledged";
        if (stats.reconnects > 0) std::cerr << ", " << stats.reconnects << " reconnects";
        std::cerr << std::flush;
    }
    void wipe() {
        if (shown_) std::cerr << "\r\x1b[K" << std::flush;
    }

private:
    static constexpr std::int64_t kEveryNs = 250'000'000;
    const bool on_;
    std::int64_t next_ns_;
    bool shown_ = false;
};

struct WriteTotals {
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
    std::uint64_t without_field = 0;
};

Result<void> write_lines(const WriteArguments& arguments, LineReader& lines, KeyRule* rule, EventWriter& writer,
                         WriteTotals& totals, WriteProgress& progress) {
    constexpr std::uint64_t kLinesPerLook = 4096;
    std::string numbered;
    while (true) {
        MR_TRY(const LineReader::Line line, lines.next());
        if (line.end) return ok();

        std::string_view payload = line.text;
        if (arguments.number) {
            char digits[24];
            const auto [end, error] = std::to_chars(digits, digits + sizeof digits, lines.number());
            numbered.assign(digits, end);
            numbered += ' ';
            numbered += line.text;
            payload = numbered;
        }
        if (payload.size() > kMaxEventBytes) {
            return Error{ErrorCode::kTooLarge, "line " + std::to_string(lines.number()) + " is longer than " +
                                                   std::to_string(kMaxEventBytes) + " bytes with its number before it"};
        }

        if (rule == nullptr) {
            MR_TRY_VOID(writer.write_unkeyed(payload));
        } else {
            std::optional<std::string_view> key = rule->key_of(line.text);
            if (!key && arguments.has_key_regex) {
                return Error{ErrorCode::kInvalidArgument, "line " + std::to_string(lines.number()) +
                                                              " does not match the --key-regex '" + arguments.key_regex + "'"};
            }
            if (!key) {
                ++totals.without_field;
                key = std::string_view{};
            }
            MR_TRY_VOID(writer.write(*key, payload));
        }
        ++totals.lines;
        totals.bytes += line.text.size() + 1;
        if (totals.lines % kLinesPerLook == 0) progress.show(writer, totals.lines, totals.bytes);
    }
}

int write_command(const CommandLine& line, const WriteArguments& arguments) {
    const auto name = StreamName::parse(arguments.stream);
    if (!name) return fail_usage(line, name.error());
    std::unique_ptr<KeyRule> rule;
    if (arguments.has_key) rule = KeyRule::constant(arguments.key);
    if (arguments.key_field > 0) rule = KeyRule::field(arguments.key_field);
    if (arguments.has_key_regex) {
        auto regex = KeyRule::regex(arguments.key_regex);
        if (!regex) return fail_usage(line, regex.error());
        rule = std::move(regex).value();
    }
    Descriptor input{kStandardInput, false};
    if (arguments.file != "-") {
        auto opened = open_for_reading(arguments.file);
        if (!opened) return fail(line, opened.error());
        input = std::move(opened).value();
    }

    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    auto writer = (*client)->create_writer(*name);
    if (!writer) return fail(line, writer.error());
    catch_stop_signals();

    LineReader lines{[&input](char* into, std::size_t size) { return read_some(input.number(), into, size); },
                     kMaxEventBytes};
    WriteTotals totals;
    WriteProgress progress;
    const std::int64_t begin = now_ns();
    auto result = write_lines(arguments, lines, rule.get(), **writer, totals, progress);
    // What was written before the failure is still going to be stored: wait for it, so that the
    // number below is the truth.
    const auto flushed = (*writer)->flush();
    const auto closed = (*writer)->close();
    const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
    progress.wipe();

    int code = kDone;
    if (!result) code = fail(line, result.error());
    // A writer that broke says so at every call: once is enough.
    if (!flushed && (result.ok() || flushed.error().detail() != result.error().detail())) code = fail(line, flushed.error());
    if (!closed && code == kDone) code = fail(line, closed.error());
    if (totals.without_field > 0) {
        std::cerr << "millrace write: " << totals.without_field << " lines have no field " << arguments.key_field
                  << " and were written with an empty key" << std::endl;
    }
    const std::uint64_t acknowledged = (*writer)->stats().acknowledged_events;
    if (line.json()) {
        const nlohmann::ordered_json json{{"acknowledged_events", acknowledged}, {"bytes", totals.bytes}, {"seconds", seconds}};
        if (!print_line(line, json.dump())) code = kFailed;
    }
    std::cerr << "acknowledged " << acknowledged << " events" << std::endl;
    return code;
}

}  // namespace

void add_write_command(CLI::App& root, CommandLine& line) {
    const auto arguments = std::make_shared<WriteArguments>();
    CLI::App* write = root.add_subcommand("write", "Write the lines of a file, or of stdin, as events");
    write->add_option("SCOPE/STREAM", arguments->stream, "The stream")->required();
    write->add_option("FILE", arguments->file, "A file; '-' is stdin")->capture_default_str();
    CLI::Option* field = write->add_option("--key-field", arguments->key_field,
                                           "Key: the Nth field (from 1) between blanks or tabs; empty where a line has fewer")
                             ->check(CLI::Range(1, 1'000'000))
                             ->type_name("N");
    CLI::Option* regex = write->add_option("--key-regex", arguments->key_regex,
                                           "Key: the first group of this expression, or the whole match (RE2 syntax); "
                                           "a line that does not match is an error")
                             ->type_name("RE");
    CLI::Option* key = write->add_option("--key", arguments->key, "Key: this, for all lines")->type_name("KEY");
    field->excludes(regex)->excludes(key);
    regex->excludes(key);
    write->add_flag("--number", arguments->number, "Put the line's number (from 1) and a blank before each event");
    add_client_options(*write, line);
    add_retry_option(*write, line);
    write->footer(
        "A line is any bytes up to a newline, at most 8 MiB. Events of one key keep their order; without a key\n"
        "events go to any segment. Ends with 'acknowledged N events' on stderr, also when it fails.\n"
        "Examples:\n"
        "  millrace write logs/dpkg /var/log/dpkg.log --key-field 5 --number\n"
        "  journalctl -f | millrace write logs/journal --key-regex ' (\\w+)\\[\\d+\\]:'\n"
        "  echo hello | millrace write logs/greetings --key me");
    write->callback([&line, arguments, regex, key] {
        arguments->has_key_regex = regex->count() > 0;
        arguments->has_key = key->count() > 0;
        line.action = [&line, arguments] { return write_command(line, *arguments); };
    });
}

}  // namespace millrace::cli
