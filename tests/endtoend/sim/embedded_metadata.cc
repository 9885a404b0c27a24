// SPDX-License-Identifier: Apache-2.0
#include "tests/endtoend/sim/embedded_metadata.h"

#include "common/runtime/rare.h"

namespace millrace::testing {

using namespace metadata;

namespace {

constexpr std::uint64_t kReadMicroseconds = 20;
constexpr std::uint64_t kWriteMicroseconds = 2000;
constexpr std::uint64_t kLateMicroseconds = 1'000'000;

}  // namespace

EmbeddedMetadata::EmbeddedMetadata(Runtime runtime, std::shared_ptr<MemoryEnsemble> machine, std::uint64_t seed)
    : runtime_{runtime}, random_{seed}, inner_{runtime.clock, std::move(machine)} {}

Result<void> EmbeddedMetadata::alive(Fate fate) const {
    if (dead_) return Error{ErrorCode::kClosed, "process is dead", fate};
    return ok();
}

Task<Result<void>> EmbeddedMetadata::wait_for_turn() {
    last_turn_ = std::max(last_turn_, runtime_.clock.now()) + a_while(kWriteMicroseconds);
    co_await sleep_until(runtime_.clock, last_turn_);
    if (dead_) MR_PROBE("endtoend.metadata.died_before_write");
    co_return alive(Fate::kUnknown);
}

Task<Result<std::optional<ChangeId>>> EmbeddedMetadata::fate_of(Nonce nonce) {
    co_await sleep_for(runtime_.clock, a_while(kReadMicroseconds));
    MR_CO_TRY_VOID(alive(Fate::kNotApplied));
    co_return co_await inner_.fate_of(nonce);
}

Task<Result<Node>> EmbeddedMetadata::do_get(std::string path, ReadOptions options) {
    co_await sleep_for(runtime_.clock, a_while(kReadMicroseconds));
    MR_CO_TRY_VOID(alive(Fate::kNotApplied));
    co_return co_await inner_.get(std::move(path), std::move(options));
}

Task<Result<std::optional<Stat>>> EmbeddedMetadata::do_stat(std::string path, ReadOptions options) {
    co_await sleep_for(runtime_.clock, a_while(kReadMicroseconds));
    MR_CO_TRY_VOID(alive(Fate::kNotApplied));
    co_return co_await inner_.stat(std::move(path), std::move(options));
}

Task<Result<std::vector<std::string>>> EmbeddedMetadata::do_children(std::string path, ReadOptions options) {
    co_await sleep_for(runtime_.clock, a_while(kReadMicroseconds));
    MR_CO_TRY_VOID(alive(Fate::kNotApplied));
    co_return co_await inner_.children(std::move(path), std::move(options));
}

Task<Result<ChangeId>> EmbeddedMetadata::do_multi(std::vector<Operation> operations, Nonce nonce) {
    MR_CO_TRY_VOID(co_await wait_for_turn());
    Result<ChangeId> result = co_await inner_.multi(std::move(operations), nonce);
    // Writes are few: without this hardly a process dies between one and its answer.
    const bool late = random_.one_in(10);
    co_await sleep_for(runtime_.clock, a_while(late ? kLateMicroseconds : kWriteMicroseconds));
    if (dead_ && result) MR_PROBE("endtoend.metadata.died_after_write");
    MR_CO_TRY_VOID(alive(Fate::kUnknown));
    co_return result;
}

}  // namespace millrace::testing
