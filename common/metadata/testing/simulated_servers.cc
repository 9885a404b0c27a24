// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/testing/simulated_servers.h"

#include <algorithm>
#include <utility>

namespace millrace::metadata {

using Connection = std::shared_ptr<SimulatedConnection>;
using Kind = SimulatedRequest::Kind;

SimulatedEnsemble::Servers::Servers(Executor executor, Clock& clock, std::uint64_t seed, SimulatedOptions given)
    : options{given}, executor_{std::move(executor)}, clock_{clock}, random_{seed}, followers_(given.followers) {
    MR_CHECK(given.followers > 0);
}

// ---- Time and chance ----

void SimulatedEnsemble::Servers::at(MonotonicTime when, UniqueFunction<void()> work) {
    clock_.schedule(when, executor_, [self = shared_from_this(), work = std::move(work)]() mutable { work(); });
}

void SimulatedEnsemble::Servers::after(std::chrono::nanoseconds delay, UniqueFunction<void()> work) {
    at(clock_.now() + delay, std::move(work));
}

std::chrono::nanoseconds SimulatedEnsemble::Servers::a_while(std::chrono::nanoseconds most) {
    return std::chrono::nanoseconds{random_.between(0, static_cast<std::uint64_t>(most.count()) + 1)};
}

std::chrono::nanoseconds SimulatedEnsemble::Servers::latency() {
    return options.latency_min + a_while(options.latency_max - options.latency_min);
}

// ---- Connections ----

void SimulatedEnsemble::Servers::connect(std::shared_ptr<SimulatedClient> client, Executor client_executor,
                                         SessionId session, ChangeId seen) {
    const std::size_t follower = random_.between(0, followers_.size());
    after(latency(), [this, client = std::move(client), client_executor = std::move(client_executor), session, seen,
                      follower]() mutable {
        arrive_at_follower(std::move(client), std::move(client_executor), session, seen, follower);
    });
}

// A session goes nowhere where it would see less than it has seen, and nowhere while it is kept out.
void SimulatedEnsemble::Servers::arrive_at_follower(std::shared_ptr<SimulatedClient> client, Executor client_executor,
                                                    SessionId session, ChangeId seen, std::size_t follower) {
    const auto found = sessions.find(session);
    const bool kept_out = found != sessions.end() && clock_.now() < found->second.not_before;
    const bool behind = followers_[follower].applied < seen && options.defect != Defect::kGoesBackInTime;
    if (kept_out || behind) {
        connect(std::move(client), std::move(client_executor), session, seen);
        return;
    }
    after(latency(), [this, client = std::move(client), client_executor = std::move(client_executor), session,
                      follower]() mutable { accept(std::move(client), std::move(client_executor), session, follower); });
}

// At the leader, which from here on takes nothing from the session's earlier connection.
void SimulatedEnsemble::Servers::accept(std::shared_ptr<SimulatedClient> client, Executor client_executor,
                                        SessionId id, std::size_t follower) {
    if (id == SessionId{}) {
        id = last_session_ = next(last_session_);
        sessions[id].heard = clock_.now();
        if (options.heartbeats) watch_heartbeats(id);
    }
    Session& session = sessions.at(id);
    if (session.ended) {
        clock_.schedule(clock_.now() + latency(), client_executor, [client] { client->refused(); });
        return;
    }
    auto connection = std::make_shared<SimulatedConnection>();
    connection->id = ++last_connection_;
    connection->session = id;
    connection->follower = follower;
    connection->client = client;
    connection->client_executor = client_executor;
    connection->up = connection->down = clock_.now();
    if (session.connection) break_connection(session.connection);
    session.connection = connection;
    session.heard = clock_.now();
    followers_[follower].connections.emplace(connection->id, connection);
    down(connection, [connection, id](SimulatedClient& end) { end.connected(connection, id); });
}

void SimulatedEnsemble::Servers::hang_up(const Connection& connection) { break_connection(connection, true); }

void SimulatedEnsemble::Servers::break_connection(const Connection& connection, bool by_client) {
    if (!connection->open) return;
    connection->open = false;
    ++breaks;
    followers_[connection->follower].connections.erase(connection->id);
    if (!by_client) {
        clock_.schedule(clock_.now() + latency(), connection->client_executor,
                        [client = connection->client, id = connection->id] {
                            if (const auto end = client.lock()) end->broken(id);
                        });
    }
    after(options.session_timeout, [this, connection] {
        const Session& session = sessions.at(connection->session);
        if (!session.ended && session.connection == connection) end_session(connection->session);
    });
}

void SimulatedEnsemble::Servers::disconnect(SessionId id, std::chrono::nanoseconds at_least) {
    Session& session = sessions.at(id);
    session.not_before = clock_.now() + at_least;
    if (session.connection) break_connection(session.connection);
}

void SimulatedEnsemble::Servers::watch_heartbeats(SessionId id) {
    after(options.session_timeout / 2, [this, id] {
        Session& session = sessions.at(id);
        if (session.ended) return;
        if (clock_.now() - session.heard >= options.session_timeout) {
            expire(id, {});
            return;
        }
        watch_heartbeats(id);
    });
}

void SimulatedEnsemble::Servers::down(const Connection& connection, UniqueFunction<void(SimulatedClient&)> message) {
    std::chrono::nanoseconds way = latency();
    if (strikes(options.delay_one_in)) way += a_while(options.delay_max);
    // Never at one instant, so that a client has dealt with each before the next comes.
    connection->down = std::max(connection->down + std::chrono::nanoseconds{1}, clock_.now() + way);
    clock_.schedule(connection->down, connection->client_executor, [connection, message = std::move(message)]() mutable {
        const auto client = connection->client.lock();
        if (client && connection->open) message(*client);
    });
}

// ---- Requests ----

void SimulatedEnsemble::Servers::send(const Connection& connection, SimulatedRequest request) {
    // Somewhere between here and a little after the reply.
    if (request.kind != Kind::kPing) {
        const std::chrono::nanoseconds about = options.latency_max * 6;
        if (strikes(options.break_one_in)) after(a_while(about), [this, connection] { break_connection(connection); });
        if (strikes(options.expire_one_in)) {
            after(a_while(about), [this, connection] { expire(connection->session, a_while(options.unaware_max)); });
        }
    }
    connection->up = std::max(connection->up + std::chrono::nanoseconds{1}, clock_.now() + latency());
    at(connection->up, [this, connection, request = std::move(request)]() mutable {
        if (!connection->open) return;
        sessions.at(connection->session).heard = clock_.now();
        if (request.kind == Kind::kPing) return;
        connection->requests.push_back(std::move(request));
        serve(connection);
    });
}

// One after the other: what follows a write waits for it.
void SimulatedEnsemble::Servers::serve(const Connection& connection) {
    while (connection->open && !connection->waiting && !connection->requests.empty()) {
        SimulatedRequest request = std::move(connection->requests.front());
        connection->requests.pop_front();
        switch (request.kind) {
            case Kind::kMulti:
            case Kind::kSync:
            case Kind::kClose: to_leader(connection, std::move(request)); break;
            case Kind::kSetWatches: set_watches(connection, request); break;
            default: reply(connection, request.number, read(*connection, request));
        }
    }
}

void SimulatedEnsemble::Servers::to_leader(const Connection& connection, SimulatedRequest request) {
    connection->waiting = true;
    Follower& follower = followers_[connection->follower];
    std::chrono::nanoseconds way = latency();
    if (options.defect == Defect::kAppliesLate && random_.one_in(8)) way += std::chrono::milliseconds{400};
    follower.to_leader = std::max(follower.to_leader + std::chrono::nanoseconds{1}, clock_.now() + way);
    at(follower.to_leader, [this, connection, request = std::move(request)]() mutable {
        lead(connection, std::move(request));
    });
}

void SimulatedEnsemble::Servers::lead(const Connection& connection, SimulatedRequest request) {
    Session& session = sessions.at(connection->session);
    // Once the session is over, or has moved on, its client has no way to hear an answer.
    if (session.ended) return;
    if (session.connection != connection && options.defect != Defect::kAppliesLate) return;
    SimulatedReply answer;
    if (request.kind == Kind::kMulti) {
        if (options.defect != Defect::kNone) spoil(request.operations);
        const Result<ChangeId> written = write(std::move(request.operations), connection->session);
        if (written) {
            answer.change = *written;
            if (request.nonce != Nonce{}) applied[request.nonce] = *written;
            if (!connection->open) ++unheard;
        } else {
            answer.error = written.error();
        }
    } else if (request.kind == Kind::kClose) {
        end_session(connection->session);
    }
    // The follower answers when it has applied everything that the answer rests on, refusals too.
    UniqueFunction<void()> answered = [this, connection, number = request.number, answer]() mutable {
        connection->waiting = false;
        reply(connection, number, std::move(answer));
        serve(connection);
    };
    Follower& follower = followers_[connection->follower];
    const bool skip = request.kind == Kind::kSync && options.defect == Defect::kSkipsSync;
    if (follower.applied >= last_change || skip) {
        after(latency(), std::move(answered));
    } else {
        follower.waiting.emplace(last_change, std::move(answered));
    }
}

void SimulatedEnsemble::Servers::reply(const Connection& connection, std::uint64_t number, SimulatedReply answer) {
    if (number == 0 || !connection->open) return;
    answer.seen = followers_[connection->follower].applied;
    down(connection, [number, answer = std::move(answer)](SimulatedClient& client) mutable {
        client.replied(number, std::move(answer));
    });
}

SimulatedReply SimulatedEnsemble::Servers::read(SimulatedConnection& connection, const SimulatedRequest& request) {
    const MemoryTree& seen = followers_[connection.follower].tree;
    const Node* node = seen.find(request.path);
    SimulatedReply answer;
    if (node != nullptr) {
        answer.node = Node{request.kind == Kind::kGet ? node->value : "", seen.shown(request.path, *node)};
    } else if (request.kind != Kind::kStat) {
        answer.error = Error{ErrorCode::kNotFound, request.path + " does not exist"};
        return answer;
    }
    if (request.kind == Kind::kChildren) answer.names = seen.names(request.path);
    if (request.watch) {
        (request.kind == Kind::kChildren ? connection.children_watches : connection.node_watches).insert(request.path);
    }
    return answer;
}

// What happened between what the client has seen and what this follower has.
void SimulatedEnsemble::Servers::set_watches(const Connection& connection, const SimulatedRequest& request) {
    const MemoryTree& seen = followers_[connection->follower].tree;
    const bool compare = options.defect != Defect::kForgetsWatches;
    for (const std::string& path : request.nodes) {
        const Node* node = seen.find(path);
        if (compare && node == nullptr) tell(connection, EventKind::kDeleted, path);
        else if (compare && node->stat.changed > request.seen) tell(connection, EventKind::kChanged, path);
        else connection->node_watches.insert(path);
    }
    for (const std::string& path : request.missing) {
        if (compare && seen.find(path) != nullptr) tell(connection, EventKind::kCreated, path);
        else connection->node_watches.insert(path);
    }
    for (const std::string& path : request.parents) {
        const Node* node = seen.find(path);
        if (compare && node == nullptr) tell(connection, EventKind::kDeleted, path);
        else if (compare && node->stat.children_changed > request.seen) tell(connection, EventKind::kChildrenChanged, path);
        else connection->children_watches.insert(path);
    }
}

void SimulatedEnsemble::Servers::tell(const Connection& connection, EventKind kind, const std::string& path) {
    if (options.defect == Defect::kDropsWatch && random_.one_in(4)) return;
    if (options.defect == Defect::kAnswersBeforeEvent) {
        clock_.schedule(clock_.now() + a_while(options.latency_max * 6), connection->client_executor,
                        [connection, kind, path] {
                            const auto client = connection->client.lock();
                            if (client && connection->open) client->told(kind, path);
                        });
        return;
    }
    down(connection, [kind, path](SimulatedClient& client) { client.told(kind, path); });
}

// ---- Writes ----

void SimulatedEnsemble::Servers::spoil(std::vector<Operation>& operations) {
    const auto is_slot = [](const Operation& operation) { return path_of(operation).starts_with(kReservedRoot); };
    if (options.defect == Defect::kIgnoresExpectedVersion) {
        for (Operation& operation : operations) {
            if (auto* set = std::get_if<Set>(&operation)) set->expected = kAnyVersion;
            if (auto* remove = std::get_if<Remove>(&operation)) remove->expected = kAnyVersion;
        }
    }
    const auto slots = std::count_if(operations.begin(), operations.end(), is_slot);
    const std::size_t users = operations.size() - static_cast<std::size_t>(slots);
    if (options.defect == Defect::kLosesSlot && users > 0 && random_.one_in(2)) std::erase_if(operations, is_slot);
    if (options.defect == Defect::kTearsMulti && users > 1) {
        operations.erase(operations.begin() + static_cast<std::ptrdiff_t>(users) - 1);
    }
}

Result<ChangeId> SimulatedEnsemble::Servers::write(std::vector<Operation> operations, SessionId session) {
    MR_TRY(TreeTransaction transaction, tree.decide(operations, session, next(last_change)));
    const ChangeId id = transaction.id;
    commit(std::move(transaction));
    return id;
}

void SimulatedEnsemble::Servers::commit(TreeTransaction transaction) {
    last_change = transaction.id;
    tree.apply(transaction);
    const auto shared = std::make_shared<const TreeTransaction>(std::move(transaction));
    for (Follower& follower : followers_) {
        std::chrono::nanoseconds way = latency();
        if (strikes(options.lag_one_in)) way += a_while(options.lag_max);
        follower.last_apply = std::max(follower.last_apply + std::chrono::nanoseconds{1}, clock_.now() + way);
        at(follower.last_apply, [this, &follower, shared] { apply(follower, *shared); });
    }
}

void SimulatedEnsemble::Servers::apply(Follower& follower, const TreeTransaction& transaction) {
    follower.tree.apply(transaction);
    follower.applied = transaction.id;
    // Events before the answers that follow from the same write.
    for (const auto& [id, connection] : follower.connections) {
        for (const TreeEvent& event : transaction.events) {
            const bool node = event.kind != EventKind::kChildrenChanged && connection->node_watches.erase(event.path) > 0;
            const bool children = (event.kind == EventKind::kChildrenChanged || event.kind == EventKind::kDeleted) &&
                                  connection->children_watches.erase(event.path) > 0;
            if (node || children) tell(connection, event.kind, event.path);
        }
    }
    while (!follower.waiting.empty() && follower.waiting.begin()->first <= follower.applied) {
        UniqueFunction<void()> answered = std::move(follower.waiting.begin()->second);
        follower.waiting.erase(follower.waiting.begin());
        answered();
    }
}

void SimulatedEnsemble::Servers::end_session(SessionId id) {
    std::vector<Operation> operations;
    std::optional<Create> left;
    for (const std::string& path : tree.ephemerals(id)) {
        if (check_user_path(path) && !left) left = Create{path, tree.find(path)->value, Lifetime::kEphemeral};
        if (options.defect == Defect::kLeavesEphemeral && left && left->path == path) continue;
        operations.emplace_back(Remove{path});
    }
    const Result<ChangeId> ended = write(std::move(operations), id);
    MR_CHECK(ended.ok());
    sessions.at(id).ended = *ended;
    if (options.defect == Defect::kResurrectsEphemeral && left) {
        after(std::chrono::milliseconds{20}, [this, id, left] { (void)write({*left}, id); });
    }
}

void SimulatedEnsemble::Servers::expire(SessionId id, std::chrono::nanoseconds unaware) {
    Session& session = sessions.at(id);
    if (session.ended) return;
    end_session(id);
    after(unaware, [this, id] {
        if (const Connection& connection = sessions.at(id).connection) break_connection(connection);
    });
}

}  // namespace millrace::metadata
