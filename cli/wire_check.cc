// SPDX-License-Identifier: Apache-2.0
//
// millrace wire-check
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/machine.h"
#include "cli/wire_stream.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kWireReadBytes = 256 * 1024;
constexpr std::size_t kWirePrintBytes = 64 * 1024;

struct WireCheckArguments {
    std::string file;
    std::string direction;
    bool from_hex = false;
};

// Lines, written some at a time.
class WireLines {
public:
    Result<void> add(std::string_view line) {
        text_.append(line).append(1, '\n');
        return text_.size() < kWirePrintBytes ? ok() : flush();
    }
    Result<void> flush() {
        const Result<void> written = write_all(kStandardOutput, text_);
        text_.clear();
        return written;
    }

private:
    std::string text_;
};

// What was printed is shown before more input is waited for.
Result<void> check_all(int descriptor, bool from_hex, WireStream& stream, WireLines& lines) {
    std::vector<char> buffer(kWireReadBytes);
    HexText hex;
    ByteBuffer bytes;
    while (true) {
        MR_TRY_VOID(lines.flush());
        MR_TRY(const std::size_t got, read_some(descriptor, buffer.data(), buffer.size()));
        if (got == 0) break;
        const std::string_view text{buffer.data(), got};
        if (!from_hex) {
            MR_TRY_VOID(stream.feed(as_bytes(text)));
            continue;
        }
        bytes.clear();
        const Result<void> digits = hex.feed(text, bytes);
        MR_TRY_VOID(stream.feed(bytes));
        MR_TRY_VOID(digits);
    }
    if (from_hex) MR_TRY_VOID(hex.finish());
    return stream.finish();
}

int wire_check(const CommandLine& line, const WireCheckArguments& arguments) {
    Descriptor input{kStandardInput, false};
    if (arguments.file != "-") {
        auto opened = open_for_reading(arguments.file);
        if (!opened) return fail(line, opened.error());
        input = std::move(*opened);
    }
    const WireSide side = arguments.direction == "client"   ? WireSide::kClient
                          : arguments.direction == "server" ? WireSide::kServer
                                                            : WireSide::kEither;
    WireLines lines;
    WireStream stream{side, [&lines](std::string_view text) { return lines.add(text); }};
    Result<void> done = check_all(input.number(), arguments.from_hex, stream, lines);
    // What came before the damage is shown in any case.
    Result<void> shown = lines.add(stream.summary());
    if (shown) shown = lines.flush();
    if (done && !shown) done = std::move(shown);
    if (done) return kDone;
    if (done.error().is(ErrorCode::kClosed)) return kFailed;  // nobody reads our output any more
    const std::string name = arguments.file == "-" ? "the input" : "'" + arguments.file + "'";
    const bool damaged = done.error().is(ErrorCode::kCorrupt);
    return fail(line, damaged ? Error{ErrorCode::kCorrupt, name + " is damaged at " + done.error().detail()} : done.error());
}

}  // namespace

void add_wire_check_command(CLI::App& root, CommandLine& line) {
    CLI::App* command = root.add_subcommand("wire-check", "Print the frames of a captured byte stream of the data port");
    const auto arguments = std::make_shared<WireCheckArguments>();
    command->add_option("FILE", arguments->file, "What one side of a connection sent, from its first byte; '-' is stdin")
        ->required();
    command->add_option("--direction", arguments->direction, "Which side that was; a frame of the other is then damage")
        ->check(CLI::IsMember({"client", "server"}).description(""))
        ->type_name("client|server");
    command->add_flag("--from-hex", arguments->from_hex, "The file has hex digits, blanks, and comments after '#'");
    command->footer("Each line: the frame's offset, type, bytes of payload, and fields. Ends with a summary; with 1 at damage.\n"
                    "Examples:\n  millrace wire-check capture.bin --direction client\n"
                    "  echo 'ffffff81 00000008 00000010 00000005' | millrace wire-check - --from-hex");
    command->callback([&line, arguments] { line.action = [&line, arguments] { return wire_check(line, *arguments); }; });
}

}  // namespace millrace::cli
