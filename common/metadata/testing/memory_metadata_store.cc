// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/testing/memory_metadata_store.h"

#include "common/runtime/executor.h"

namespace millrace::metadata {

namespace {

Error memory_cut_off(Fate fate) { return {ErrorCode::kUnavailable, "the metadata store is cut off", fate}; }

Error memory_not_found(const std::string& path) { return {ErrorCode::kNotFound, path + " does not exist"}; }

}  // namespace

void MemoryEnsemble::apply(const TreeTransaction& transaction) {
    tree.apply(transaction);
    last_change = transaction.id;
    for (const TreeEvent& event : transaction.events) {
        for (const auto& [session, table] : watches) table->tell(event.kind, event.path);
    }
}

MemoryMetadataStore::MemoryMetadataStore(Clock& clock, std::shared_ptr<MemoryEnsemble> ensemble)
    : clock_{clock}, ensemble_{std::move(ensemble)}, session_{ensemble_->last_session = next(ensemble_->last_session)} {
    ensemble_->watches.emplace(session_, &watches_);
}

MemoryMetadataStore::~MemoryMetadataStore() { expire(); }

void MemoryMetadataStore::change_state(SessionState state) {
    if (state_ == state || state_ == SessionState::kExpired) return;
    state_ = state;
    state_changed_.notify_all();
}

void MemoryMetadataStore::cut_off(bool value) {
    change_state(value ? SessionState::kSuspended : SessionState::kConnected);
}

void MemoryMetadataStore::expire() {
    if (state_ == SessionState::kExpired) return;
    change_state(SessionState::kExpired);
    ensemble_->watches.erase(session_);
    std::vector<Operation> operations;
    for (std::string& path : ensemble_->tree.ephemerals(session_)) operations.emplace_back(Remove{std::move(path)});
    const Result<TreeTransaction> end = ensemble_->tree.decide(operations, session_, next(ensemble_->last_change));
    MR_CHECK(end.ok());
    ensemble_->apply(*end);
    watches_.lose_all();
}

Task<SessionState> MemoryMetadataStore::state_changed(SessionState seen, Deadline deadline) {
    while (state_ == seen && !deadline.passed(clock_)) co_await state_changed_.wait_until(clock_, deadline.when());
    co_return state_;
}

Nonce MemoryMetadataStore::new_nonce() { return Nonce{(session_.number() << 32) + ++nonces_}; }

Result<void> MemoryMetadataStore::check_connected(Fate fate) const {
    if (state_ == SessionState::kExpired) return Error{ErrorCode::kClosed, "the session is over", fate};
    if (state_ == SessionState::kSuspended) return memory_cut_off(fate);
    return ok();
}

// Every call yields once, so that callers meet the interleavings of a real store.

Task<Result<Node>> MemoryMetadataStore::do_get(std::string path, ReadOptions options) {
    co_await yield();
    MR_CO_TRY_VOID(check_connected(Fate::kNotApplied));
    const Node* node = peek(path);
    if (node == nullptr) co_return memory_not_found(path);
    watches_.add(WatchTable::Kind::kNode, path, std::move(options.watcher));
    co_return *node;
}

Task<Result<std::optional<Stat>>> MemoryMetadataStore::do_stat(std::string path, ReadOptions options) {
    co_await yield();
    MR_CO_TRY_VOID(check_connected(Fate::kNotApplied));
    watches_.add(WatchTable::Kind::kNode, path, std::move(options.watcher));
    const Node* node = peek(path);
    co_return node == nullptr ? std::optional<Stat>{} : std::optional<Stat>{node->stat};
}

Task<Result<std::vector<std::string>>> MemoryMetadataStore::do_children(std::string path, ReadOptions options) {
    co_await yield();
    MR_CO_TRY_VOID(check_connected(Fate::kNotApplied));
    if (peek(path) == nullptr) co_return memory_not_found(path);
    watches_.add(WatchTable::Kind::kChildren, path, std::move(options.watcher));
    co_return ensemble_->tree.names(path);
}

Task<Result<ChangeId>> MemoryMetadataStore::do_multi(std::vector<Operation> operations, Nonce nonce) {
    co_await yield();
    if (state_ != SessionState::kConnected) {
        unsettled_[nonce] = std::nullopt;
        co_return check_connected(Fate::kUnknown).error();
    }
    const Outcome outcome = fate_ ? fate_(multis_) : Outcome::kNormal;
    ++multis_;
    if (outcome == Outcome::kRefused) co_return memory_cut_off(Fate::kNotApplied);
    if (outcome == Outcome::kLost) {
        unsettled_[nonce] = std::nullopt;
        co_return memory_cut_off(Fate::kUnknown);
    }
    const Result<TreeTransaction> decided =
        ensemble_->tree.decide(operations, session_, next(ensemble_->last_change));
    if (decided) ensemble_->apply(*decided);
    if (outcome == Outcome::kAppliedUnheard) {
        unsettled_[nonce] = decided ? std::optional{decided->id} : std::nullopt;
        co_return memory_cut_off(Fate::kUnknown);
    }
    if (!decided) co_return decided.error();
    co_return decided->id;
}

Task<Result<std::optional<ChangeId>>> MemoryMetadataStore::fate_of(Nonce nonce) {
    co_await yield();
    MR_CO_TRY_VOID(check_connected(Fate::kNotApplied));
    const auto found = unsettled_.find(nonce);
    if (found == unsettled_.end()) co_return Error{ErrorCode::kNotFound, "no write of unknown fate has this nonce"};
    const std::optional<ChangeId> fate = found->second;
    unsettled_.erase(found);
    co_return fate;
}

}  // namespace millrace::metadata
