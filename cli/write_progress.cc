// SPDX-License-Identifier: Apache-2.0
#include "cli/write_progress.h"

#include <iostream>

#include "cli/command.h"
#include "cli/machine.h"

namespace millrace::cli {
namespace {

constexpr std::int64_t kShowEveryNs = 250'000'000;

}  // namespace

WriteProgress::WriteProgress(const EventWriter& writer, std::string_view noun, std::chrono::nanoseconds patience)
    : writer_{writer},
      noun_{noun},
      patience_ns_{patience.count()},
      on_{is_terminal(kStandardError)},
      next_ns_{now_ns() + kShowEveryNs} {}

void WriteProgress::show(std::uint64_t events, std::uint64_t bytes) {
    if (!on_) return;
    const std::int64_t now = now_ns();
    if (now < next_ns_) return;
    next_ns_ = now + kShowEveryNs;
    shown_ = true;
    const EventWriter::Stats stats = writer_.stats();
    std::cerr << "\r\x1b[K" << with_commas(events) << ' ' << noun_ << "s read (" << with_commas(bytes / 1'000'000)
              << " MB), " << with_commas(stats.acknowledged_events) << " events acknowledged";
    if (stats.reconnects > 0) std::cerr << ", " << stats.reconnects << " reconnects";
    std::cerr << std::flush;
}

void WriteProgress::wipe() {
    if (shown_) std::cerr << "\r\x1b[K" << std::flush;
    shown_ = false;
}

void WriteProgress::begin_waiting() {
    moved_ns_ = now_ns();
    warned_ = false;
}

std::chrono::nanoseconds WriteProgress::stalled() {
    const EventWriter::Stats stats = writer_.stats();
    const std::int64_t now = now_ns();
    if (stats.outstanding_bytes == 0 || stats.acknowledged_events != acknowledged_) {
        acknowledged_ = stats.acknowledged_events;
        moved_ns_ = now;
        warned_ = false;
    }
    const std::int64_t stalled_ns = now - moved_ns_;
    if (stalled_ns >= patience_ns_ && !warned_) warn(stalled_ns);
    return std::chrono::nanoseconds{stalled_ns};
}

void WriteProgress::warn(std::int64_t stalled_ns) {
    warned_ = true;
    wipe();
    std::cerr
        << "millrace write: nothing was acknowledged for " << stalled_ns / 1'000'000'000
        << " s: the server is gone, or its disk is full (its /health says so). Still trying; Ctrl-C ends it and tells "
           "what is stored"
        << std::endl;
}

}  // namespace millrace::cli
