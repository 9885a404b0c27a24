// SPDX-License-Identifier: Apache-2.0
//
// What the conformance suite needs of an implementation: a new ensemble each, with at least one session.
// Thread rule: the harness' executor, but for run() and reopen().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "common/base/unique_function.h"
#include "common/metadata/metadata_store.h"
#include "common/runtime/runtime.h"

namespace millrace::metadata {

class ConformanceHarness {
public:
    virtual ~ConformanceHarness() = default;

    // The first session. Well-behaved until trouble() was called.
    virtual MetadataStore& store() = 0;
    virtual Executor executor() = 0;
    virtual Clock& clock() = 0;
    // Runs a coroutine to its end.
    virtual void run(UniqueFunction<Task<void>()> body) = 0;
    // Closes the first session and opens another as a restarted process would. False: nothing outlives its process.
    virtual bool reopen() = 0;

    // Another session of the same ensemble, which the harness owns. Null: there can be but one, or none was to be had.
    virtual Task<MetadataStore*> open_session() { co_return nullptr; }
    virtual bool has_sessions() const { return false; }
    // Ends a session that open_session() made: orderly, or so that its owner does not notice at once.
    virtual Task<void> end_session(MetadataStore&, bool orderly) {
        (void)orderly;
        co_return;
    }
    // From now on everything happens that may, and no more.
    virtual void trouble() {}
    virtual void calm() {}

    // The truth, for what its session was never told. Empty: it did not take effect, has not ended.
    virtual std::optional<ChangeId> applied(Nonce) const { return std::nullopt; }
    virtual std::optional<ChangeId> ended(SessionId) const { return std::nullopt; }
};

struct HarnessFactory {
    std::string name;
    std::function<std::unique_ptr<ConformanceHarness>(std::uint64_t seed)> make;
};
inline void PrintTo(const HarnessFactory& factory, std::ostream* out) { *out << factory.name; }

}  // namespace millrace::metadata
