// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_end_to_end.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "cli/machine.h"

namespace millrace::cli {
namespace {

// A server that is not back by then is not coming.
constexpr std::chrono::minutes kEventMax{2};

// The outcome of the event that is on its way, handed over from the client's thread.
class Acknowledgement {
public:
    void set(const Result<void>& result) {
        const std::lock_guard lock{mutex_};
        outcome_ = result;
        at_ns_ = now_ns();
        set_ = true;
        changed_.notify_all();
    }
    // When it came. Waits.
    Result<std::int64_t> take() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return set_; });
        set_ = false;
        if (!outcome_) return outcome_.error();
        return at_ns_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    Result<void> outcome_ = ok();
    std::int64_t at_ns_ = 0;
    bool set_ = false;
};

}  // namespace

Result<void> measure_end_to_end(const BenchArguments& arguments, const BenchLoad& load, BenchWriters& writers, BenchReport& report) {
    MR_TRY(const StreamName name, StreamName::parse(arguments.stream));
    MR_TRY(const auto reader, writers.client->create_reader(name, {.from = ReaderOptions::From::kTail}));
    Histogram& acknowledged = report.latency_ns.emplace();
    Histogram& read = report.end_to_end_ns.emplace();
    Acknowledgement acknowledgement;
    EventWriter& writer = *writers.writers.front();
    for (std::uint64_t i = 0; i < arguments.events; ++i) {
        const std::int64_t from = now_ns();
        auto done = [&acknowledgement](const Result<void>& result) { acknowledgement.set(result); };
        MR_TRY_VOID(load.keys.empty() ? writer.write_unkeyed(load.payload, std::move(done))
                                      : writer.write(load.keys[i % load.keys.size()], load.payload, std::move(done)));
        const auto next = reader->next(kEventMax);
        const std::int64_t read_at = now_ns();
        // Also when nothing could be read: the callback refers to this frame.
        MR_TRY(const std::int64_t acknowledged_at, acknowledgement.take());
        if (!next) return next.error();
        if (next->outcome != EventReader::Outcome::kEvent) {
            return Error{ErrorCode::kTimedOut, "an acknowledged event was not read within two minutes"};
        }
        acknowledged.record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, acknowledged_at - from)));
        read.record(static_cast<std::uint64_t>(std::max<std::int64_t>(0, read_at - from)));
    }
    return ok();
}

}  // namespace millrace::cli
