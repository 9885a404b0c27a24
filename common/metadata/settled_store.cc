// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/settled_store.h"

#include <algorithm>
#include <utility>

namespace millrace::metadata {

namespace {

// Between attempts: until the session is connected, then a moment that grows.
class Pauses {
public:
    Pauses(MetadataStore& store, Clock& clock, Deadline deadline) : store_{store}, clock_{clock}, deadline_{deadline} {}

    // False: it is no use to go on.
    Task<bool> next() {
        co_await sleep_until(clock_, std::min(clock_.now() + pause_, deadline_.when()));
        pause_ = std::min(pause_ * 2, kLongest);
        while (store_.state() == SessionState::kSuspended && !deadline_.passed(clock_)) {
            co_await store_.state_changed(SessionState::kSuspended, deadline_);
        }
        co_return store_.state() != SessionState::kExpired && !deadline_.passed(clock_);
    }

private:
    static constexpr std::chrono::milliseconds kLongest{500};

    MetadataStore& store_;
    Clock& clock_;
    Deadline deadline_;
    std::chrono::milliseconds pause_{2};
};

}  // namespace

Task<Result<std::optional<ChangeId>>> settle(MetadataStore& store, Clock& clock, Nonce nonce, Deadline deadline) {
    Pauses pauses{store, clock, deadline};
    for (;;) {
        Result<std::optional<ChangeId>> fate = co_await store.fate_of(nonce);
        if (fate || !fate.error().is(ErrorCode::kUnavailable)) co_return fate;
        const bool go_on = co_await pauses.next();
        if (go_on) continue;
        const ErrorCode code = store.state() == SessionState::kExpired ? ErrorCode::kClosed : ErrorCode::kTimedOut;
        co_return Error{code, "what became of a write could not be found out: " + fate.error().detail()};
    }
}

Task<Result<Node>> SettledStore::get(std::string path, Freshness freshness) {
    Pauses pauses{store_, clock_, Deadline::after(clock_, patience_)};
    for (;;) {
        Result<Node> result = co_await store_.get(path, {freshness, {}});
        if (result || !result.error().is(ErrorCode::kUnavailable)) co_return result;
        const bool go_on = co_await pauses.next();
        if (!go_on) co_return result;
    }
}

Task<Result<std::optional<Stat>>> SettledStore::stat(std::string path, Freshness freshness) {
    Pauses pauses{store_, clock_, Deadline::after(clock_, patience_)};
    for (;;) {
        Result<std::optional<Stat>> result = co_await store_.stat(path, {freshness, {}});
        if (result || !result.error().is(ErrorCode::kUnavailable)) co_return result;
        const bool go_on = co_await pauses.next();
        if (!go_on) co_return result;
    }
}

Task<Result<std::vector<std::string>>> SettledStore::children(std::string path, Freshness freshness) {
    Pauses pauses{store_, clock_, Deadline::after(clock_, patience_)};
    for (;;) {
        Result<std::vector<std::string>> result = co_await store_.children(path, {freshness, {}});
        if (result || !result.error().is(ErrorCode::kUnavailable)) co_return result;
        const bool go_on = co_await pauses.next();
        if (!go_on) co_return result;
    }
}

Task<Result<ChangeId>> SettledStore::multi(std::vector<Operation> operations) {
    const Deadline deadline = Deadline::after(clock_, patience_);
    Pauses pauses{store_, clock_, deadline};
    for (;;) {
        const Nonce nonce = store_.new_nonce();
        Result<ChangeId> result = co_await store_.multi(operations, nonce);
        if (result) co_return result;
        Error error = std::move(result).error();
        if (error.fate() == Fate::kUnknown) {
            const Result<std::optional<ChangeId>> fate = co_await settle(store_, clock_, nonce, deadline);
            if (!fate) co_return Error{error.code(), error.detail() + "; " + fate.error().detail(), Fate::kUnknown};
            if (*fate) co_return **fate;
            // Nobody will ever hear of this attempt.
            error = Error{error.code(), error.detail()};
        } else if (!error.is(ErrorCode::kUnavailable)) {
            co_return error;
        }
        const bool go_on = co_await pauses.next();
        if (!go_on) co_return error;
    }
}

// Each builds its list before it suspends.
Task<Result<ChangeId>> SettledStore::create(std::string path, std::string value, Lifetime lifetime) {
    std::vector<Operation> operations;
    operations.emplace_back(Create{std::move(path), std::move(value), lifetime});
    co_return co_await multi(std::move(operations));
}

Task<Result<ChangeId>> SettledStore::set(std::string path, std::string value, Version expected) {
    std::vector<Operation> operations;
    operations.emplace_back(Set{std::move(path), std::move(value), expected});
    co_return co_await multi(std::move(operations));
}

Task<Result<ChangeId>> SettledStore::remove(std::string path, Version expected) {
    std::vector<Operation> operations;
    operations.emplace_back(Remove{std::move(path), expected});
    co_return co_await multi(std::move(operations));
}

}  // namespace millrace::metadata
