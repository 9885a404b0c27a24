// SPDX-License-Identifier: Apache-2.0
#include "controller/retention/retention.h"

#include <map>
#include <memory>
#include <utility>

#include "common/telemetry/log.h"
#include "controller/workflow/for_all.h"

namespace millrace::controller::retention {

namespace {

// Streams whose names are in memory at the same time, about.
constexpr std::size_t kNamesAtOnce = 4096;
constexpr std::chrono::minutes kBetweenWarnings{1};

}  // namespace

void Retention::start(std::chrono::nanoseconds period) {
    gate_.spawn(runtime_.executor, [this, period]() -> Task<void> {
        while (!stopped_) {
            const MonotonicTime began = runtime_.clock.now();
            co_await round();
            if (stopped_) co_return;
            co_await stopping_.wait_until(runtime_.clock, began + period);
        }
    });
}

Task<void> Retention::round() {
    const MonotonicTime began = runtime_.clock.now();
    auto tally = std::make_shared<Tally>();
    const Result<void> listed = co_await keep_all(tally);
    if (stopped_) co_return;
    metrics_.streams.set(static_cast<double>(tally->streams));
    metrics_.round_seconds.set(std::chrono::duration<double>(runtime_.clock.now() - began).count());
    tell(*tally, listed);
}

Task<Result<void>> Retention::keep_all(std::shared_ptr<Tally> tally) {
    MR_CO_TRY(const std::vector<std::string> parts, co_await store_.retention_parts());
    std::vector<StreamName> waiting;
    Result<void> listed = ok();
    for (const std::string& part : parts) {
        // Parts come in the same order each time: one that cannot be read is none of the others' business.
        const Result<std::vector<StreamName>> more = co_await store_.retention_streams(part);
        if (more) waiting.insert(waiting.end(), more->begin(), more->end());
        else if (listed) listed = more.error();
        if (stopped_) co_return ok();
        if (waiting.size() >= kNamesAtOnce) co_await keep_some(std::exchange(waiting, {}), tally);
    }
    co_await keep_some(std::move(waiting), tally);
    co_return listed;
}

Task<void> Retention::keep_some(std::vector<StreamName> streams, std::shared_ptr<Tally> tally) {
    auto by_text = std::make_shared<std::map<std::string, StreamName>>();
    std::vector<std::string> texts;
    for (StreamName& stream : streams) {
        texts.push_back(stream.to_string());
        by_text->emplace(texts.back(), std::move(stream));
    }
    (void)co_await workflow::for_all(std::move(texts), [this, by_text, tally](std::string text) -> Task<Result<void>> {
        if (stopped_) co_return ok();
        const Result<void> kept = co_await keeper_.keep(by_text->at(text));
        ++tally->streams;
        if (kept || stopped_) co_return ok();
        metrics_.failures.add();
        ++tally->failed;
        if (!tally->error) {
            tally->first_failed = text;
            tally->error = kept.error();
        }
        co_return ok();
    });
}

void Retention::tell(const Tally& tally, const Result<void>& listed) {
    if (listed && tally.failed == 0) return;
    const MonotonicTime now = runtime_.clock.now();
    if (now < quiet_until_) return;
    quiet_until_ = now + kBetweenWarnings;
    if (!listed) {
        MR_LOG_WARN("streams with retention cannot be listed", {"reason", listed.error().to_string()});
        return;
    }
    MR_LOG_WARN("retention is held up", {"streams", tally.failed}, {"such_as", *tally.first_failed},
                {"by", tally.error->to_string()});
}

void Retention::stop() {
    stopped_ = true;
    gate_.shut();
    stopping_.notify_all();
}

Task<void> Retention::close() {
    stop();
    co_await gate_.close();
}

}  // namespace millrace::controller::retention
