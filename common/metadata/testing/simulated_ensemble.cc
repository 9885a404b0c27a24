// SPDX-License-Identifier: Apache-2.0
//
// The clients' half, and the ensemble's face.
#include "common/metadata/testing/simulated_ensemble.h"

#include <set>
#include <utility>

#include "common/metadata/testing/simulated_servers.h"
#include "common/metadata/watch_table.h"
#include "common/metadata/write_slots.h"
#include "common/runtime/gate.h"
#include "common/runtime/signal.h"

namespace millrace::metadata {

namespace {

using Servers = SimulatedEnsemble::Servers;
using RequestKind = SimulatedRequest::Kind;

constexpr std::chrono::minutes kOpenPatience{1};

Error session_over(Fate fate = Fate::kNotApplied) { return {ErrorCode::kClosed, "the metadata session is over", fate}; }
Error no_connection(Fate fate = Fate::kNotApplied) {
    return {ErrorCode::kUnavailable, "the metadata session has no connection", fate};
}

// What messages reach, as long as its store lives.
class SessionCore final : public SimulatedClient, public std::enable_shared_from_this<SessionCore> {
public:
    SessionCore(Runtime runtime, std::shared_ptr<Servers> servers) : runtime_{runtime}, servers_{std::move(servers)} {}

    Task<Result<void>> open() {
        const Deadline deadline = Deadline::after(runtime_.clock, kOpenPatience);
        servers_->connect(shared_from_this(), runtime_.executor, SessionId{}, ChangeId{});
        co_await state_changed(SessionState::kSuspended, deadline);
        if (state_ == SessionState::kSuspended) co_return no_connection();
        for (const std::string& parent : WriteSlots::parents(session_)) {
            std::vector<Operation> one;
            one.emplace_back(Create{parent, ""});
            MR_CO_TRY_VOID(co_await insist(std::move(one), deadline));
        }
        MR_CO_TRY_VOID(co_await insist(WriteSlots::creation(session_), deadline));
        if (servers_->options.heartbeats) beat();
        co_return ok();
    }

    Task<SimulatedReply> call(SimulatedRequest request, Watcher watcher = {}) {
        if (state_ != SessionState::kConnected) {
            SimulatedReply refused;
            refused.error = state_ == SessionState::kExpired ? session_over() : no_connection();
            co_return refused;
        }
        const auto pending = std::make_shared<Pending>();
        request.number = ++last_request_;
        request.watch = static_cast<bool>(watcher);
        pending->kind = request.kind;
        pending->path = request.path;
        pending->watcher = std::move(watcher);
        pending_.emplace(request.number, pending);
        servers_->send(connection_, std::move(request));
        co_return co_await pending->reply.wait();
    }
    void sync_first(Freshness freshness) {
        if (freshness != Freshness::kLatest || state_ != SessionState::kConnected) return;
        SimulatedRequest sync;
        sync.kind = RequestKind::kSync;
        servers_->send(connection_, std::move(sync));
    }

    Task<Result<ChangeId>> multi(std::vector<Operation> operations, Nonce nonce) {
        // In the order of the calls, a bounded number at once.
        const std::uint64_t ticket = tickets_++;
        while (ticket != serving_ || slots_->full()) co_await turn_.wait();
        ++serving_;
        turn_.notify_all();
        if (state_ != SessionState::kConnected) co_return state_ == SessionState::kExpired ? session_over() : no_connection();
        slots_->begin(nonce, operations);
        SimulatedRequest request;
        request.kind = RequestKind::kMulti;
        request.operations = std::move(operations);
        request.nonce = nonce;
        SimulatedReply reply = co_await call(std::move(request));
        const bool unknown = reply.error && reply.error->fate() == Fate::kUnknown;
        if (unknown) slots_->unknown(nonce);
        else slots_->ended(nonce);
        turn_.notify_all();
        if (reply.error) co_return std::move(*reply.error);
        co_return reply.change;
    }

    Task<Result<std::optional<ChangeId>>> fate_of(Nonce nonce) {
        if (state_ == SessionState::kExpired) co_return session_over();
        const std::optional<std::string> where = slots_->where(nonce);
        if (!where) co_return Error{ErrorCode::kNotFound, "no write of unknown fate has this nonce"};
        sync_first(Freshness::kLatest);
        SimulatedRequest request;
        request.kind = RequestKind::kGet;
        request.path = *where;
        const SimulatedReply reply = co_await call(std::move(request));
        if (reply.error) {
            // The slot goes only with the session.
            if (reply.error->is(ErrorCode::kNotFound)) co_return session_over();
            co_return *reply.error;
        }
        slots_->settled(nonce);
        if (!WriteSlots::tells_of(reply.node->value, nonce)) co_return std::optional<ChangeId>{};
        co_return std::optional{reply.node->stat.changed};
    }

    Task<SessionState> state_changed(SessionState seen, Deadline deadline) {
        while (state_ == seen && !deadline.passed(runtime_.clock)) {
            co_await changed_.wait_until(runtime_.clock, deadline.when());
        }
        co_return state_;
    }

    Task<void> close() {
        if (state_ == SessionState::kConnected) {
            SimulatedRequest request;
            request.kind = RequestKind::kClose;
            co_await call(std::move(request));
        }
        end();
    }
    // Nothing leaves or reaches it any more.
    void end() {
        if (state_ == SessionState::kExpired) return;
        if (connection_) servers_->hang_up(connection_);
        connection_.reset();
        state_ = SessionState::kExpired;
        fail_pending(true);
        watches_.lose_all();
        changed_.notify_all();
        turn_.notify_all();
    }

    SessionId session() const { return session_; }
    SessionState state() const { return state_; }
    Runtime& runtime() { return runtime_; }

    // ---- What the servers say ----

    void connected(std::shared_ptr<SimulatedConnection> connection, SessionId session) override {
        if (state_ == SessionState::kExpired) {
            servers_->hang_up(connection);
            return;
        }
        connection_ = std::move(connection);
        if (session_ != session) {
            session_ = session;
            slots_.emplace(session);
        }
        SimulatedRequest watches;
        watches.kind = RequestKind::kSetWatches;
        watches.seen = seen_;
        for (std::string& path : watches_.paths(WatchTable::Kind::kNode)) {
            (missing_.contains(path) ? watches.missing : watches.nodes).push_back(std::move(path));
        }
        watches.parents = watches_.paths(WatchTable::Kind::kChildren);
        servers_->send(connection_, std::move(watches));
        state_ = SessionState::kConnected;
        changed_.notify_all();
    }
    void refused() override { end(); }
    void broken(std::uint64_t connection) override {
        if (state_ == SessionState::kExpired || (connection_ && connection_->id != connection)) return;
        connection_.reset();
        state_ = SessionState::kSuspended;
        fail_pending(false);
        changed_.notify_all();
        runtime_.clock.schedule(runtime_.clock.now() + servers_->a_while(servers_->options.reconnect_max), runtime_.executor,
                                [weak = weak_from_this()] {
                                    const auto self = weak.lock();
                                    if (!self || self->state_ == SessionState::kExpired) return;
                                    self->servers_->connect(self, self->runtime_.executor, self->session_, self->seen_);
                                });
    }
    void replied(std::uint64_t number, SimulatedReply reply) override {
        seen_ = std::max(seen_, reply.seen);
        const auto found = pending_.find(number);
        if (found == pending_.end()) return;
        const std::shared_ptr<Pending> pending = found->second;
        pending_.erase(found);
        if (pending->watcher && !reply.error) {
            const bool children = pending->kind == RequestKind::kChildren;
            watches_.add(children ? WatchTable::Kind::kChildren : WatchTable::Kind::kNode, pending->path,
                         std::move(pending->watcher));
            if (!children) {
                if (reply.node) missing_.erase(pending->path);
                else missing_.insert(pending->path);
            }
        }
        pending->reply.set(std::move(reply));
    }
    void told(EventKind kind, std::string path) override {
        auto watchers = std::make_shared<std::vector<Watcher>>(watches_.take(kind, path));
        if (kind != EventKind::kChildrenChanged) missing_.erase(path);
        // Behind whoever waits for an earlier reply, before whoever waits for a later one.
        post(runtime_.executor, [watchers, kind, path = std::move(path)] {
            for (Watcher& watcher : *watchers) watcher(WatchEvent{kind, path});
        });
    }

private:
    struct Pending {
        RequestKind kind = RequestKind::kGet;
        std::string path;
        Watcher watcher;
        OneShot<SimulatedReply> reply;
    };

    void fail_pending(bool over) {
        const auto pending = std::exchange(pending_, {});
        for (const auto& [number, each] : pending) {
            const Fate fate = each->kind == RequestKind::kMulti ? Fate::kUnknown : Fate::kNotApplied;
            SimulatedReply reply;
            reply.error = over ? session_over(fate) : no_connection(fate);
            each->watcher = nullptr;
            each->reply.set(std::move(reply));
        }
    }

    // A preparation that may turn out to have been done already.
    Task<Result<void>> insist(std::vector<Operation> operations, Deadline deadline) {
        while (!deadline.passed(runtime_.clock)) {
            SimulatedRequest request;
            request.kind = RequestKind::kMulti;
            request.operations = operations;
            const SimulatedReply reply = co_await call(std::move(request));
            if (!reply.error || reply.error->is(ErrorCode::kAlreadyExists)) co_return ok();
            if (!reply.error->is(ErrorCode::kUnavailable)) co_return *reply.error;
            co_await state_changed(SessionState::kSuspended, deadline);
        }
        co_return no_connection();
    }

    void beat() {
        runtime_.clock.schedule(runtime_.clock.now() + servers_->options.session_timeout / 3, runtime_.executor,
                                [weak = weak_from_this()] {
                                    const auto self = weak.lock();
                                    if (!self || self->state_ == SessionState::kExpired) return;
                                    if (self->connection_) self->servers_->send(self->connection_, SimulatedRequest{});
                                    self->beat();
                                });
    }

    Runtime runtime_;
    std::shared_ptr<Servers> servers_;
    SessionId session_;
    SessionState state_ = SessionState::kSuspended;
    Signal changed_;
    std::shared_ptr<SimulatedConnection> connection_;
    ChangeId seen_;
    std::uint64_t last_request_ = 0;
    std::map<std::uint64_t, std::shared_ptr<Pending>> pending_;
    WatchTable watches_;
    std::set<std::string> missing_;  // watched, and not there when last read
    std::optional<WriteSlots> slots_;
    std::uint64_t tickets_ = 0;
    std::uint64_t serving_ = 0;
    Signal turn_;
};

class SimulatedSession final : public SimulatedMetadataStore {
public:
    explicit SimulatedSession(std::shared_ptr<SessionCore> core) : core_{std::move(core)} {}

    Nonce new_nonce() override {
        std::uint64_t nonce = 0;
        while (nonce == 0) nonce = core_->runtime().random.next();
        return Nonce{nonce};
    }
    Task<Result<std::optional<ChangeId>>> fate_of(Nonce nonce) override {
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_return co_await core_->fate_of(nonce);
    }
    SessionId session() const override { return core_->session(); }
    SessionState state() const override { return core_->state(); }
    Task<SessionState> state_changed(SessionState seen, Deadline deadline) override {
        return core_->state_changed(seen, deadline);
    }

    Task<void> close() override {
        gate_.shut();
        co_await core_->close();
        co_await gate_.close();
    }
    void die() override { core_->end(); }

private:
    Task<Result<Node>> do_get(std::string path, ReadOptions options) override {
        MR_CO_TRY(const Gate::Pass pass, enter());
        SimulatedReply reply = co_await read(RequestKind::kGet, std::move(path), std::move(options));
        if (reply.error) co_return std::move(*reply.error);
        co_return std::move(*reply.node);
    }
    Task<Result<std::optional<Stat>>> do_stat(std::string path, ReadOptions options) override {
        MR_CO_TRY(const Gate::Pass pass, enter());
        SimulatedReply reply = co_await read(RequestKind::kStat, std::move(path), std::move(options));
        if (reply.error) co_return std::move(*reply.error);
        co_return reply.node ? std::optional{reply.node->stat} : std::nullopt;
    }
    Task<Result<std::vector<std::string>>> do_children(std::string path, ReadOptions options) override {
        MR_CO_TRY(const Gate::Pass pass, enter());
        SimulatedReply reply = co_await read(RequestKind::kChildren, std::move(path), std::move(options));
        if (reply.error) co_return std::move(*reply.error);
        co_return std::move(reply.names);
    }
    Task<Result<ChangeId>> do_multi(std::vector<Operation> operations, Nonce nonce) override {
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_return co_await core_->multi(std::move(operations), nonce);
    }

    Task<SimulatedReply> read(RequestKind kind, std::string path, ReadOptions options) {
        core_->sync_first(options.freshness);
        SimulatedRequest request;
        request.kind = kind;
        request.path = std::move(path);
        return core_->call(std::move(request), std::move(options.watcher));
    }
    Result<Gate::Pass> enter() {
        Result<Gate::Pass> pass = gate_.enter();
        if (!pass) return session_over();
        return pass;
    }

    std::shared_ptr<SessionCore> core_;
    Gate gate_;
};

}  // namespace

std::string_view to_string(Defect defect) {
    switch (defect) {
        case Defect::kNone: return "none";
        case Defect::kDropsWatch: return "drops_watch";
        case Defect::kForgetsWatches: return "forgets_watches";
        case Defect::kAnswersBeforeEvent: return "answers_before_event";
        case Defect::kIgnoresExpectedVersion: return "ignores_expected_version";
        case Defect::kTearsMulti: return "tears_multi";
        case Defect::kResurrectsEphemeral: return "resurrects_ephemeral";
        case Defect::kLeavesEphemeral: return "leaves_ephemeral";
        case Defect::kSkipsSync: return "skips_sync";
        case Defect::kGoesBackInTime: return "goes_back_in_time";
        case Defect::kLosesSlot: return "loses_slot";
        case Defect::kAppliesLate: return "applies_late";
    }
    return "unknown";
}

SimulatedOptions SimulatedOptions::hostile(Random& random, bool expiry) {
    SimulatedOptions options;
    const auto often = [&random]() -> std::uint32_t {
        constexpr std::uint32_t kOften[] = {0, 4, 10, 40};
        return kOften[random.between(0, 4)];
    };
    options.lag_one_in = often();
    options.delay_one_in = often();
    options.break_one_in = often();
    if (expiry) options.expire_one_in = often() * 4;
    options.reconnect_max = std::chrono::milliseconds{random.between(1, 500)};
    return options;
}

SimulatedEnsemble::SimulatedEnsemble(Executor executor, Clock& clock, std::uint64_t seed, SimulatedOptions options)
    : servers_{std::make_shared<Servers>(std::move(executor), clock, seed, options)} {}

SimulatedEnsemble::~SimulatedEnsemble() = default;

Task<Result<std::unique_ptr<SimulatedMetadataStore>>> SimulatedEnsemble::open(Runtime runtime) {
    auto core = std::make_shared<SessionCore>(runtime, servers_);
    const Result<void> opened = co_await core->open();
    if (!opened) {
        core->end();
        co_return Error{ErrorCode::kUnavailable, "opening a metadata session: " + opened.error().detail()};
    }
    co_return std::unique_ptr<SimulatedMetadataStore>{std::make_unique<SimulatedSession>(std::move(core))};
}

SimulatedOptions& SimulatedEnsemble::options() { return servers_->options; }

void SimulatedEnsemble::calm() {
    SimulatedOptions& options = servers_->options;
    options.lag_one_in = options.delay_one_in = options.break_one_in = options.expire_one_in = 0;
}

void SimulatedEnsemble::disconnect(SessionId session, std::chrono::nanoseconds at_least) {
    servers_->disconnect(session, at_least);
}
void SimulatedEnsemble::expire(SessionId session, std::chrono::nanoseconds unaware) {
    servers_->expire(session, unaware);
}

const Node* SimulatedEnsemble::peek(const std::string& path) const { return servers_->tree.find(path); }
std::vector<std::string> SimulatedEnsemble::paths() const { return servers_->tree.paths(); }
std::optional<ChangeId> SimulatedEnsemble::applied(Nonce nonce) const {
    const auto found = servers_->applied.find(nonce);
    return found == servers_->applied.end() ? std::nullopt : std::optional{found->second};
}
std::optional<ChangeId> SimulatedEnsemble::ended(SessionId session) const {
    const auto found = servers_->sessions.find(session);
    return found == servers_->sessions.end() ? std::nullopt : found->second.ended;
}
ChangeId SimulatedEnsemble::last_change() const { return servers_->last_change; }
std::uint64_t SimulatedEnsemble::breaks() const { return servers_->breaks; }
std::uint64_t SimulatedEnsemble::unheard() const { return servers_->unheard; }

}  // namespace millrace::metadata
