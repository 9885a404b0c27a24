// SPDX-License-Identifier: Apache-2.0
//
// A metadata store whose answers can be believed. Every call is tried again, until the patience of the store is over, while
// the session is suspended or a call certainly did nothing; a write of unknown fate is settled by its nonce: when it took
// effect the call succeeds, when it did not it is sent again. So a write takes effect once, or the error says why not.
// What remains of unknown fate (Error::fate()) is a write that could not be settled in time, or whose session ended.
// Thread rule: the session's executor. Lifetime: store and clock outlive it and its calls.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/metadata/metadata_store.h"
#include "common/runtime/deadline.h"

namespace millrace::metadata {

// What became of a write of `store` that ended with unknown fate; empty: nothing, for good. Waits for the session to be
// connected again. kTimedOut; kClosed, kNotFound as MetadataStore::fate_of().
Task<Result<std::optional<ChangeId>>> settle(MetadataStore& store, Clock& clock, Nonce nonce, Deadline deadline);

class SettledStore {
public:
    static constexpr std::chrono::seconds kPatience{10};

    SettledStore(MetadataStore& store, Clock& clock, std::chrono::nanoseconds patience = kPatience)
        : store_{store}, clock_{clock}, patience_{patience} {}

    // As those of MetadataStore; watches are set there.
    Task<Result<Node>> get(std::string path, Freshness freshness = Freshness::kSession);
    Task<Result<std::optional<Stat>>> stat(std::string path, Freshness freshness = Freshness::kSession);
    Task<Result<std::vector<std::string>>> children(std::string path, Freshness freshness = Freshness::kSession);

    Task<Result<ChangeId>> multi(std::vector<Operation> operations);
    Task<Result<ChangeId>> create(std::string path, std::string value, Lifetime lifetime = Lifetime::kPersistent);
    Task<Result<ChangeId>> set(std::string path, std::string value, Version expected);
    Task<Result<ChangeId>> remove(std::string path, Version expected = kAnyVersion);

    MetadataStore& unsettled() { return store_; }

private:
    MetadataStore& store_;
    Clock& clock_;
    std::chrono::nanoseconds patience_;
};

}  // namespace millrace::metadata
