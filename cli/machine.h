// SPDX-License-Identifier: Apache-2.0
//
// What the command line needs from the operating system, in one place: descriptors, a monotonic
// clock, signals, limits. The rooms below get these through their seams; a terminal program has to
// meet the real ones somewhere. Any thread unless a function says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/telemetry/process_metrics.h"

namespace millrace::cli {

inline constexpr int kStandardInput = 0;
inline constexpr int kStandardOutput = 1;
inline constexpr int kStandardError = 2;

// Monotonic nanoseconds.
std::int64_t now_ns();
// Returns at once when `when` has passed.
void sleep_until_ns(std::int64_t when);

bool is_terminal(int descriptor);
struct TerminalSize {
    std::size_t columns = 80;
    std::size_t lines = 50;
};
// Of the terminal behind the descriptor; otherwise COLUMNS and LINES of the environment, or the default.
TerminalSize terminal_size(int descriptor);
// Whether the environment's locale spells characters in UTF-8.
bool locale_is_utf8();

// Owns a descriptor.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number, bool owned = true) : number_{number}, owned_{owned} {}
    Descriptor(Descriptor&& other) noexcept;
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();

    int number() const { return number_; }

private:
    int number_ = -1;
    bool owned_ = false;
};

// kNotFound, kPermissionDenied, kIo; names the path.
Result<Descriptor> open_for_reading(const std::string& path);

// Up to `size` bytes; 0 at the end. Waits for input in short turns: kCancelled soon after
// stop_requested() has become true.
Result<std::size_t> read_some(int descriptor, char* into, std::size_t size);
// All of it. kClosed: nobody reads the pipe any more. kNoSpace, kIo.
Result<void> write_all(int descriptor, std::string_view bytes);

// The whole of a small file (up to 1 MiB).
Result<std::string> read_small_file(const std::string& path);
// Replaces the file by a new one in one step: whoever reads it sees the old or the new contents,
// also after a crash.
Result<void> replace_file(const std::string& path, std::string_view contents);

// Names and values.
std::vector<std::pair<std::string, std::string>> environment_variables();

// What the kernel says about this process; zeros where it does not. Reads files of /proc: not on a shard.
telemetry::ProcessSample sample_process();

// From now on the first SIGINT or SIGTERM only makes stop_requested() true; a second one ends the
// process as usual.
void catch_stop_signals();
bool stop_requested();

// A closed pipe is an error of write(), not the end of the process.
void ignore_broken_pipes();
// Lets the process have as many descriptors as the hard limit allows.
void raise_descriptor_limit();
// Ends the process without running destructors or handlers.
[[noreturn]] void exit_at_once(int code);

}  // namespace millrace::cli
