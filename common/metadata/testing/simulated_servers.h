// SPDX-License-Identifier: Apache-2.0
//
// The servers' half of the simulated ensemble; simulated_ensemble.h says what it does.
// Thread rule: the ensemble's executor; connect() and send() also from those of clients (all on one thread).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/metadata/testing/memory_tree.h"
#include "common/metadata/testing/simulated_ensemble.h"

namespace millrace::metadata {

struct SimulatedRequest {
    enum class Kind : std::uint8_t { kGet, kStat, kChildren, kMulti, kSync, kClose, kPing, kSetWatches };
    Kind kind = Kind::kPing;
    std::uint64_t number = 0;  // 0: no reply is waited for
    std::string path;
    bool watch = false;
    std::vector<Operation> operations;
    Nonce nonce;
    // Of kSetWatches: what the client had seen, and what it watches.
    ChangeId seen;
    std::vector<std::string> nodes;    // that existed
    std::vector<std::string> missing;  // that did not
    std::vector<std::string> parents;  // whose children
};

struct SimulatedReply {
    std::optional<Error> error;
    std::optional<Node> node;
    std::vector<std::string> names;
    ChangeId change;
    ChangeId seen;  // the newest write that the follower had applied
};

struct SimulatedConnection;

// A client's end. Called on its executor.
class SimulatedClient {
public:
    virtual ~SimulatedClient() = default;
    virtual void connected(std::shared_ptr<SimulatedConnection> connection, SessionId session) = 0;
    virtual void refused() = 0;  // the session is over
    virtual void broken(std::uint64_t connection) = 0;
    virtual void replied(std::uint64_t request, SimulatedReply reply) = 0;
    virtual void told(EventKind kind, std::string path) = 0;
};

struct SimulatedConnection {
    std::uint64_t id = 0;
    SessionId session;
    std::size_t follower = 0;
    std::weak_ptr<SimulatedClient> client;
    Executor client_executor;
    bool open = true;
    // When the last message of each direction arrives: later ones come later.
    MonotonicTime up;
    MonotonicTime down;
    std::deque<SimulatedRequest> requests;
    bool waiting = false;  // for the leader
    std::set<std::string> node_watches;
    std::set<std::string> children_watches;
};

class SimulatedEnsemble::Servers : public std::enable_shared_from_this<Servers> {
public:
    Servers(Executor executor, Clock& clock, std::uint64_t seed, SimulatedOptions options);

    // `session` none: a new one. Not before the connection may be tried again.
    void connect(std::shared_ptr<SimulatedClient> client, Executor client_executor, SessionId session, ChangeId seen);
    void send(const std::shared_ptr<SimulatedConnection>& connection, SimulatedRequest request);
    // From the client's side: nothing of it arrives any more.
    void hang_up(const std::shared_ptr<SimulatedConnection>& connection);

    void disconnect(SessionId session, std::chrono::nanoseconds at_least);
    void expire(SessionId session, std::chrono::nanoseconds unaware);

    Clock& clock() { return clock_; }
    // From the given moment on, at most a while later.
    std::chrono::nanoseconds a_while(std::chrono::nanoseconds most);

    SimulatedOptions options;
    MemoryTree tree;  // the leader's
    ChangeId last_change;
    std::map<Nonce, ChangeId> applied;
    std::uint64_t breaks = 0;
    std::uint64_t unheard = 0;

    struct Session {
        std::shared_ptr<SimulatedConnection> connection;
        std::optional<ChangeId> ended;
        MonotonicTime heard;
        MonotonicTime not_before;  // may it connect again
    };
    std::map<SessionId, Session> sessions;

private:
    struct Follower {
        MemoryTree tree;
        ChangeId applied;
        MonotonicTime last_apply;
        MonotonicTime to_leader;
        std::map<std::uint64_t, std::shared_ptr<SimulatedConnection>> connections;
        std::multimap<ChangeId, UniqueFunction<void()>> waiting;
    };

    void at(MonotonicTime when, UniqueFunction<void()> work);
    void after(std::chrono::nanoseconds delay, UniqueFunction<void()> work);
    std::chrono::nanoseconds latency();
    bool strikes(std::uint32_t one_in) { return one_in != 0 && random_.one_in(one_in); }

    void arrive_at_follower(std::shared_ptr<SimulatedClient> client, Executor client_executor, SessionId session,
                            ChangeId seen, std::size_t follower);
    void accept(std::shared_ptr<SimulatedClient> client, Executor client_executor, SessionId session, std::size_t follower);
    void serve(const std::shared_ptr<SimulatedConnection>& connection);
    void to_leader(const std::shared_ptr<SimulatedConnection>& connection, SimulatedRequest request);
    void lead(const std::shared_ptr<SimulatedConnection>& connection, SimulatedRequest request);
    SimulatedReply read(SimulatedConnection& connection, const SimulatedRequest& request);
    void set_watches(const std::shared_ptr<SimulatedConnection>& connection, const SimulatedRequest& request);
    void tell(const std::shared_ptr<SimulatedConnection>& connection, EventKind kind, const std::string& path);
    void reply(const std::shared_ptr<SimulatedConnection>& connection, std::uint64_t number, SimulatedReply reply);
    // Over the connection, in order.
    void down(const std::shared_ptr<SimulatedConnection>& connection, UniqueFunction<void(SimulatedClient&)> message);

    void spoil(std::vector<Operation>& operations);  // as the planted defect has it
    Result<ChangeId> write(std::vector<Operation> operations, SessionId session);
    void commit(TreeTransaction transaction);
    void apply(Follower& follower, const TreeTransaction& transaction);
    void end_session(SessionId id);
    void break_connection(const std::shared_ptr<SimulatedConnection>& connection, bool by_client = false);
    void watch_heartbeats(SessionId id);

    Executor executor_;
    Clock& clock_;
    SeededRandom random_;
    std::vector<Follower> followers_;
    std::uint64_t last_connection_ = 0;
    SessionId last_session_;
};

}  // namespace millrace::metadata
