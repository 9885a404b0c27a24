// SPDX-License-Identifier: Apache-2.0
//
// A segment store in memory, for the controller's tests. Thread rule: one executor.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "common/runtime/executor.h"
#include "common/runtime/signal.h"
#include "controller/segments/segments.h"

namespace millrace::controller::segments {

class FakeSegments final : public Segments {
public:
    struct Segment {
        CreateOptions options;
        bool sealed = false;
        std::int64_t start = 0;
        std::int64_t length = 0;  // set by tests
    };
    enum class Outcome : std::uint8_t { kNormal, kLost, kDoneUnheard };

    // By name; deleted ones are gone.
    std::map<std::string, Segment> segments;
    std::uint64_t calls = 0;

    // Asked before every call, with "create <name>" and so on. Default: normal.
    std::function<Outcome(const std::string& what)> fate;
    // Called after every change, when it is visible.
    std::function<void(const std::string& what)> changed;
    // From now on every call fails like a refused connection.
    bool cut_off = false;
    // Those whose length cannot be asked for.
    std::set<std::string> silent;
    // While set, calls that change something wait (until released or cut off).
    bool hold = false;
    bool hold_lengths = false;  // and those that ask for one
    std::size_t held = 0;  // how many do
    Signal released;

    Task<Result<void>> create(std::string segment, CreateOptions options, Deadline) override {
        return act("create " + segment, [this, segment, options] {
            segments.try_emplace(segment, Segment{.options = options});
            return ok();
        });
    }
    Task<Result<void>> seal(std::string segment, Deadline) override {
        return act("seal " + segment, [this, segment]() -> Result<void> {
            const auto found = segments.find(segment);
            if (found == segments.end()) return Error{ErrorCode::kNotFound, "no segment " + segment};
            found->second.sealed = true;
            return ok();
        });
    }
    Task<Result<void>> truncate(std::string segment, std::int64_t offset, Deadline) override {
        return act("truncate " + segment, [this, segment, offset]() -> Result<void> {
            const auto found = segments.find(segment);
            if (found == segments.end()) return Error{ErrorCode::kNotFound, "no segment " + segment};
            if (offset <= found->second.length) found->second.start = std::max(found->second.start, offset);
            return ok();
        });
    }
    Task<Result<void>> remove(std::string segment, Deadline) override {
        return act("remove " + segment, [this, segment] {
            segments.erase(segment);
            return ok();
        });
    }

    Task<Result<std::int64_t>> length(std::string segment, Deadline) override {
        co_await yield();
        while (hold_lengths && !cut_off) co_await released.wait();
        if (cut_off || silent.contains(segment)) co_return Error{ErrorCode::kUnavailable, "the segment store is cut off"};
        const auto found = segments.find(segment);
        if (found == segments.end()) co_return Error{ErrorCode::kNotFound, "no segment " + segment};
        co_return found->second.length;
    }

private:
    Task<Result<void>> act(std::string what, std::function<Result<void>()> change) {
        co_await yield();
        ++held;
        while (hold && !cut_off) co_await released.wait();
        --held;
        const Error lost{ErrorCode::kUnavailable, "the segment store is cut off", Fate::kUnknown};
        if (cut_off) co_return lost;
        ++calls;
        const Outcome outcome = fate ? fate(what) : Outcome::kNormal;
        if (outcome == Outcome::kLost) co_return lost;
        Result<void> result = change();
        if (changed) changed(what);
        if (outcome == Outcome::kDoneUnheard) co_return lost;
        co_return result;
    }
};

}  // namespace millrace::controller::segments
