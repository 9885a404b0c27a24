// SPDX-License-Identifier: Apache-2.0
//
// Random histories of one store against a model: what an engine must hold over writes, reads, snapshots, flushes, closing
// and opening, pins, and crashes at any moment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/unique_function.h"
#include "common/keyvalue/keyvalue.h"

namespace millrace::keyvalue {

// An engine with a disk of its own.
class Harness {
public:
    virtual ~Harness() = default;

    // Of the process that lives now.
    virtual Engine& engine() = 0;
    virtual Runtime runtime() = 0;
    // Exists; for the stores of the test.
    virtual std::string directory() = 0;
    // Runs a coroutine on the runtime's executor to its end.
    virtual void run(UniqueFunction<Task<void>()> body) = 0;
    // Runs `body`, which ends also on dead hardware, and cuts the power at some moment in it, at its end at the latest.
    // The stores of then are still there to be closed. False, having done nothing: this harness cannot.
    virtual bool crash_during(UniqueFunction<Task<void>()> body) = 0;
    // Whether an error's detail says which process has a directory.
    virtual bool names_pid(const std::string& detail) = 0;
    // Of a random history: about every tenth is a crash.
    virtual int steps() const { return 300; }
};

using HarnessFactory = std::function<std::unique_ptr<Harness>(std::uint64_t seed)>;

template <class F, class R = typename std::invoke_result_t<F&>::value_type>
R run_in(Harness& harness, F body) {
    auto result = std::make_shared<std::optional<R>>();
    harness.run([result, body = std::move(body)]() mutable -> Task<void> { result->emplace(co_await body()); });
    return std::move(**result);
}

void close_in(Harness& harness, Store& store);

struct HistoryOptions {
    std::uint64_t seed = 1;
    bool log = false;
    int steps = 300;
};

// What was wrong; empty when nothing was.
std::optional<std::string> run_history(Harness& harness, HistoryOptions options);

}  // namespace millrace::keyvalue
