// SPDX-License-Identifier: Apache-2.0
//
// millrace bench read: how fast what a stream holds comes back.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/bench.h"

namespace millrace::cli {
namespace {

struct BenchReadArguments {
    std::string stream;
    std::uint64_t events = 0;  // 0: all that is there at the start
    std::uint64_t memory_mib = 16;
};

// Longer than a server that recovers takes.
constexpr std::chrono::minutes kNextEventMax{2};

Result<void> read_load(const BenchReadArguments& arguments, EventReader& reader, BenchReport& report) {
    while (arguments.events == 0 || report.events < arguments.events) {
        MR_TRY(const EventReader::Next next, reader.next(kNextEventMax));
        if (next.outcome == EventReader::Outcome::kEndOfStream) break;
        if (next.outcome == EventReader::Outcome::kTimedOut) {
            return Error{ErrorCode::kTimedOut, "no event came for two minutes after " + std::to_string(report.events)};
        }
        ++report.events;
        report.bytes += next.event.payload.size();
    }
    if (report.events < arguments.events) {
        return Error{ErrorCode::kFailedPrecondition, "the stream has only " + std::to_string(report.events) + " events"};
    }
    return ok();
}

int bench_read(const CommandLine& line, const BenchReadArguments& arguments) {
    const auto name = StreamName::parse(arguments.stream);
    if (!name) return fail_usage(line, name.error());
    auto client = connect(line);
    if (!client) return fail_usage(line, client.error());
    auto tail = (*client)->streams().tail(*name);
    if (!tail) return fail(line, tail.error());
    ReaderOptions options;
    options.until = std::move(tail).value();
    options.memory_bytes = arguments.memory_mib * 1024 * 1024;

    BenchReport report;
    const BenchTimer timer;
    auto reader = (*client)->create_reader(*name, options);
    if (!reader) return fail(line, reader.error());
    if (auto read = read_load(arguments, **reader, report); !read) return fail(line, read.error());
    timer.stop(report);
    return print_report(line, report);
}

}  // namespace

void add_bench_read_command(CLI::App& bench, CommandLine& line) {
    const auto arguments = std::make_shared<BenchReadArguments>();
    CLI::App* read = bench.add_subcommand("read", "Read a stream from its head and measure throughput");
    read->add_option("SCOPE/STREAM", arguments->stream, "The stream")->required();
    read->add_option("--events", arguments->events, "How many events; 0: all that are there at the start")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 40))
        ->type_name("N")
        ->capture_default_str();
    read->add_option("--memory-mib", arguments->memory_mib, "What the reader may read ahead")
        ->check(CLI::Range(1, 1024))
        ->type_name("MIB")
        ->capture_default_str();
    add_client_options(*read, line);
    add_retry_option(*read, line);
    read->footer(
        "One reader takes events over all segments and looks at nothing but their size. What was just written comes from the\n"
        "segment store's memory; after a restart of the store, or when newer bytes have taken its place there, from disk.\n"
        "Examples:\n"
        "  millrace bench read logs/bench\n"
        "  millrace bench read logs/bench --events 1000000 --memory-mib 64 --output json");
    read->callback([&line, arguments] { line.action = [&line, arguments] { return bench_read(line, *arguments); }; });
}

}  // namespace millrace::cli
