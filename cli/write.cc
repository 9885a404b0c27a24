// SPDX-License-Identifier: Apache-2.0
//
// millrace write: lines of a file or of stdin become events, or pieces with their length before them.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/acknowledgements.h"
#include "cli/command.h"
#include "cli/key_rule.h"
#include "cli/length_reader.h"
#include "cli/line_reader.h"
#include "cli/machine.h"
#include "cli/write_progress.h"

namespace millrace::cli {
namespace {

struct WriteArguments {
    std::string stream;
    std::string file = "-";
    std::string framing = "lines";
    std::uint32_t key_field = 0;  // 0: not given
    std::string key_regex;
    std::string key;
    bool has_key_regex = false;
    bool has_key = false;
    bool number = false;
    std::uint64_t skip = 0;
};

struct WriteTotals {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t without_field = 0;
};

// One run of the command: from the input to the writer, and to the end of what was handed to it.
class WriteRun {
public:
    WriteRun(const CommandLine& line, const WriteArguments& arguments, EventInput& input, KeyRule* rule,
             EventWriter& writer)
        : arguments_{arguments},
          input_{input},
          rule_{rule},
          writer_{writer},
          progress_{writer, input.noun(), *line.client.timeout},
          patience_{*line.client.timeout},
          retry_{*line.client.retry_timeout},
          acknowledgements_{arguments.skip} {}

    // All of the input.
    Result<void> write_all_events();
    // Waits for what was handed to the writer. An error: some of it was not acknowledged.
    Result<void> settle();

    // Where to begin again after a failure.
    std::string how_to_go_on() const;

    const WriteTotals& totals() const { return totals_; }
    Acknowledgements::Totals acknowledged() const { return acknowledgements_.totals(); }

private:
    Result<void> write_one(std::string_view text);
    Result<void> wait_for_room();
    Result<void> check_stall();

    const WriteArguments& arguments_;
    EventInput& input_;
    KeyRule* const rule_;
    EventWriter& writer_;
    WriteProgress progress_;
    const std::chrono::nanoseconds patience_;
    const std::chrono::nanoseconds retry_;  // 0: for ever
    Acknowledgements acknowledgements_;
    WriteTotals totals_;
    std::string numbered_;
};

// What a writer may have outstanding. It would wait at its own bound, which is beyond, without looking for
// stop signals.
constexpr std::uint64_t kOutstandingMax = 64 * 1024 * 1024;
constexpr WriterOptions kWriterOptions{.memory_bytes = kOutstandingMax + 4 * kMaxEventBytes};
// Events acknowledged out of turn that are kept in mind, while one segment does not answer and others do.
constexpr std::uint64_t kApartMax = 4 * 1024 * 1024;
// Small events cost more than their bytes.
constexpr std::uint64_t kBytesPerLook = 1024 * 1024;
constexpr std::uint64_t kEventsPerLook = 4096;
// While acknowledgements are waited for: how often stop signals and the progress line are looked at.
constexpr std::chrono::milliseconds kBetweenLooks{50};
// There is room again when this part of what is outstanding has been acknowledged.
constexpr std::uint64_t kRoomPart = 16;

Result<void> WriteRun::write_all_events() {
    while (input_.number() < arguments_.skip) {
        MR_TRY(const bool more, input_.skip());
        if (!more) {
            return Error{ErrorCode::kInvalidArgument,
                         "the input has only " + std::to_string(input_.number()) + " " + std::string{input_.noun()} +
                             "s; nothing is left after --skip " + std::to_string(arguments_.skip)};
        }
    }
    std::uint64_t look_at = kBytesPerLook;
    while (true) {
        MR_TRY(const EventInput::Item item, input_.next());
        if (item.end) return ok();
        MR_TRY_VOID(write_one(item.text));
        ++totals_.events;
        totals_.bytes += item.text.size() + 1;
        if (totals_.bytes < look_at && totals_.events % kEventsPerLook != 0) continue;
        look_at = totals_.bytes + kBytesPerLook;
        progress_.show(totals_.events, totals_.bytes);
        MR_TRY_VOID(wait_for_room());
    }
}

Result<void> WriteRun::write_one(std::string_view text) {
    const std::uint64_t number = input_.number();
    std::string_view payload = text;
    if (arguments_.number) {
        numbered_ = std::to_string(number);
        numbered_ += ' ';
        numbered_ += text;
        payload = numbered_;
    }
    const auto which = [&] { return std::string{input_.noun()} + " " + std::to_string(number); };
    if (payload.size() > kMaxEventBytes) {
        return Error{ErrorCode::kTooLarge, which() + " is longer than " + std::to_string(kMaxEventBytes) +
                                               " bytes with its number before it"};
    }
    const auto ended = [this, number](const Result<void>& result) { acknowledgements_.ended(number, result.ok()); };
    if (rule_ == nullptr) return writer_.write_unkeyed(payload, ended);

    std::optional<std::string_view> key = rule_->key_of(text);
    if (!key && arguments_.has_key_regex) {
        return Error{ErrorCode::kInvalidArgument,
                     which() + " does not match the --key-regex '" + arguments_.key_regex + "'"};
    }
    if (!key) {
        ++totals_.without_field;
        key = std::string_view{};
    }
    return writer_.write(*key, payload, ended);
}

Result<void> WriteRun::check_stall() {
    const std::chrono::nanoseconds stalled = progress_.stalled();
    if (retry_.count() == 0 || stalled < retry_) return ok();
    return Error{ErrorCode::kTimedOut,
                 "nothing was acknowledged for " + config::to_string(config::Duration{retry_}) +
                     " (--retry-timeout): the server is gone, or its disk is full",
                 Fate::kUnknown};
}

Result<void> WriteRun::wait_for_room() {
    progress_.begin_waiting();
    const auto full = [this] {
        const std::uint64_t outstanding = writer_.stats().outstanding_bytes;
        // A writer that failed has nothing outstanding: the next write says why.
        return outstanding > kOutstandingMax || (outstanding > 0 && acknowledged().apart > kApartMax);
    };
    while (full()) {
        if (stop_requested()) return Error{ErrorCode::kCancelled, "interrupted"};
        MR_TRY_VOID(check_stall());
        const std::uint64_t ended = acknowledged().ended;
        acknowledgements_.wait_until_ended(ended + std::max<std::uint64_t>((totals_.events - ended) / kRoomPart, 1), kBetweenLooks);
    }
    return ok();
}

Result<void> WriteRun::settle() {
    const std::int64_t interrupted_at_most = patience_.count();
    std::optional<std::int64_t> interrupted_ns;
    progress_.begin_waiting();
    while (acknowledged().ended < totals_.events) {
        progress_.show(totals_.events, totals_.bytes);
        auto waited = check_stall();
        if (stop_requested() && !interrupted_ns) interrupted_ns = now_ns();
        if (waited.ok() && interrupted_ns && now_ns() - *interrupted_ns > interrupted_at_most) {
            waited = Error{ErrorCode::kCancelled, "interrupted; not everything was acknowledged", Fate::kUnknown};
        }
        if (!waited) {
            progress_.wipe();
            return waited;
        }
        acknowledgements_.wait_until_ended(totals_.events, kBetweenLooks);
    }
    progress_.wipe();
    // Nothing is outstanding any more: it only says why something failed.
    return writer_.close();
}

std::string WriteRun::how_to_go_on() const {
    const std::string noun{input_.noun()};
    const std::uint64_t last = acknowledged().all_up_to;
    std::string text =
        last == 0 ? "no " + noun + " is stored for certain: begin again"
                  : noun + "s 1 to " + std::to_string(last) + " are stored: go on with --skip " + std::to_string(last);
    const std::uint64_t sent_behind = totals_.events - (last - arguments_.skip);
    if (sent_behind == 0) return text;
    return text + ". Of the " + std::to_string(sent_behind) + " " + noun +
           "s behind that some may be stored, too, and would then be there twice";
}

std::unique_ptr<EventInput> make_input(const WriteArguments& arguments, const Descriptor& from) {
    EventInput::Source source = [&from](char* into, std::size_t size) { return read_some(from.number(), into, size); };
    if (arguments.framing == "length") return std::make_unique<LengthReader>(std::move(source), kMaxEventBytes);
    return std::make_unique<LineReader>(std::move(source), kMaxEventBytes);
}

Result<std::unique_ptr<KeyRule>> make_rule(const WriteArguments& arguments) {
    if (arguments.has_key) return KeyRule::constant(arguments.key);
    if (arguments.key_field > 0) return KeyRule::field(arguments.key_field);
    if (arguments.has_key_regex) return KeyRule::regex(arguments.key_regex);
    return std::unique_ptr<KeyRule>{};
}

int write_command(const CommandLine& line, const WriteArguments& arguments) {
    const auto name = StreamName::parse(arguments.stream);
    if (!name) return fail_usage(line, name.error());
    const auto rule = make_rule(arguments);
    if (!rule) return fail_usage(line, rule.error());
    Descriptor from{kStandardInput, false};
    if (arguments.file != "-") {
        auto opened = open_for_reading(arguments.file);
        if (!opened) return fail(line, opened.error());
        from = std::move(opened).value();
    }

    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    auto writer = (*client)->create_writer(*name, kWriterOptions);
    if (!writer) return fail(line, writer.error());
    catch_stop_signals();

    const auto input = make_input(arguments, from);
    WriteRun run{line, arguments, *input, rule->get(), **writer};
    const std::int64_t begin = now_ns();
    auto result = run.write_all_events();
    // What was written before a failure is still going to be stored: wait for it, so that the
    // numbers below are the truth.
    const auto settled = run.settle();
    const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
    writer->reset();  // abandons what settle() gave up; nothing is counted after it

    int code = kDone;
    if (!result) code = fail(line, result.error());
    // A writer that broke says so at every call: once is enough.
    if (!settled && (result.ok() || settled.error().detail() != result.error().detail()))
        code = fail(line, settled.error());
    if (code != kDone) std::cerr << "millrace write: " << run.how_to_go_on() << std::endl;
    if (run.totals().without_field > 0) {
        std::cerr << "millrace write: " << run.totals().without_field << " " << input->noun() << "s have no field "
                  << arguments.key_field << " and were written with an empty key" << std::endl;
    }
    const Acknowledgements::Totals known = run.acknowledged();
    if (line.json()) {
        const nlohmann::ordered_json json{{"acknowledged_events", known.acknowledged},
                                          {"all_up_to", known.all_up_to},
                                          {"bytes", run.totals().bytes},
                                          {"seconds", seconds}};
        if (!print_line(line, json.dump())) code = kFailed;
    }
    std::cerr << "acknowledged " << known.acknowledged << " events" << std::endl;
    return code;
}

}  // namespace

void add_write_command(CLI::App& root, CommandLine& line) {
    const auto arguments = std::make_shared<WriteArguments>();
    CLI::App* write = root.add_subcommand("write", "Write the lines of a file, or of stdin, as events");
    write->add_option("SCOPE/STREAM", arguments->stream, "The stream")->required();
    write->add_option("FILE", arguments->file, "A file; '-' is stdin")->capture_default_str();
    CLI::Option* field =
        write
            ->add_option("--key-field", arguments->key_field,
                         "Key: the Nth field (from 1) between blanks or tabs; empty where a line has fewer")
            ->check(CLI::Range(1, 1'000'000))
            ->type_name("N");
    CLI::Option* regex = write
                             ->add_option("--key-regex", arguments->key_regex,
                                          "Key: the first group of this expression, or the whole match (RE2 syntax); "
                                          "a line that does not match is an error")
                             ->type_name("RE");
    CLI::Option* key = write->add_option("--key", arguments->key, "Key: this, for all lines")->type_name("KEY");
    field->excludes(regex)->excludes(key);
    regex->excludes(key);
    write->add_flag("--number", arguments->number, "Put the line's number (from 1) and a blank before each event");
    write
        ->add_option("--framing", arguments->framing,
                     "How the input is cut into events: length: 4 bytes, big-endian, and so many bytes of event")
        ->check(CLI::IsMember({"lines", "length"}).description(""))
        ->type_name("lines|length")
        ->capture_default_str();
    write
        ->add_option("--skip", arguments->skip,
                     "Pass over the first N lines, as the message of a write that failed says")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62))
        ->type_name("N");
    add_client_options(*write, line);
    add_retry_option(*write, line);
    write->footer(
        "A line is any bytes up to a newline, at most 8 MiB. Events of one key keep their order; without a key\n"
        "events go to any segment. Ends with 'acknowledged N events' on stderr, also when it fails or is interrupted;\n"
        "then it also says with which --skip to go on.\n"
        "Examples:\n"
        "  millrace write logs/dpkg /var/log/dpkg.log --key-field 5 --number\n"
        "  journalctl -f | millrace write logs/journal --key-regex ' (\\w+)\\[\\d+\\]:'\n"
        "  echo hello | millrace write logs/greetings --key me\n"
        "  millrace read logs/dpkg --framing length | millrace write logs/copy --framing length");
    write->callback([&line, arguments, regex, key] {
        arguments->has_key_regex = regex->count() > 0;
        arguments->has_key = key->count() > 0;
        line.action = [&line, arguments] { return write_command(line, *arguments); };
    });
}

}  // namespace millrace::cli
