// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/testing/workload.h"

#include <utility>

#include "common/metadata/settled_store.h"
#include "common/runtime/signal.h"

namespace millrace::metadata {

namespace {

const std::vector<std::string> kWorkloadPaths = {"/a", "/b", "/c", "/a/x", "/a/y", "/b/x"};
constexpr std::chrono::seconds kSettlePatience{30};

}  // namespace

Task<void> Workload::all(std::vector<UniqueFunction<Task<void>()>> bodies) {
    struct Open {
        std::size_t count = 0;
        Signal ended;
    };
    const auto open = std::make_shared<Open>();
    open->count = bodies.size();
    for (auto& body : bodies) {
        spawn(harness_.executor(), [open, body = std::move(body)]() mutable -> Task<void> {
            co_await body();
            --open->count;
            open->ended.notify_all();
        });
    }
    while (open->count > 0) co_await open->ended.wait();
}

Task<void> Workload::run() {
    harness_.trouble();
    std::vector<UniqueFunction<Task<void>()>> bodies;
    const std::size_t sessions = harness_.has_sessions() ? options_.sessions : 1;
    for (std::size_t i = 0; i < sessions; ++i) {
        bodies.emplace_back([this]() -> Task<void> { return one_session(); });
    }
    co_await all(std::move(bodies));
    resolve();
}

Task<void> Workload::one_session() {
    const std::size_t rounds = harness_.has_sessions() ? options_.rounds : 1;
    for (std::size_t round = 0; round < rounds; ++round) {
        MetadataStore* store = &harness_.store();
        if (harness_.has_sessions()) {
            store = nullptr;
            for (int attempt = 0; store == nullptr && attempt < 20; ++attempt) store = co_await harness_.open_session();
            if (store == nullptr) co_return;
        }
        const auto watched = std::make_shared<bool>(true);
        const auto ended = std::make_shared<OneShot<bool>>();
        spawn(harness_.executor(), [this, store, watched, ended]() -> Task<void> {
            co_await note_suspensions(*store, watched);
            ended->set(true);
        });
        std::vector<UniqueFunction<Task<void>()>> fibers;
        for (std::size_t i = 0; i < options_.fibers; ++i) {
            fibers.emplace_back([this, store]() -> Task<void> { return one_fiber(*store); });
        }
        co_await all(std::move(fibers));
        if (round + 1 < rounds) {
            const bool orderly = random_.one_in(2);
            co_await harness_.end_session(*store, orderly);
        } else {
            harness_.calm();
            co_await hear_everything(*store);
        }
        *watched = false;
        co_await ended->wait();
    }
}

Task<void> Workload::note_suspensions(MetadataStore& store, std::shared_ptr<bool> watched) {
    while (*watched && store.state() != SessionState::kExpired) {
        const SessionState state = co_await store.state_changed(
            store.state(), Deadline::after(harness_.clock(), std::chrono::milliseconds{100}));
        if (state != SessionState::kConnected) history_->suspended.insert(store.session());
    }
}

// Whoever reads the latest state in a session has been told of everything before it.
Task<void> Workload::hear_everything(MetadataStore& store) {
    const std::uint64_t before = history_->at;
    for (const std::string& path : kWorkloadPaths) {
        co_await read(store, History::ReadKind::kStat, path, true, false);
        co_await read(store, History::ReadKind::kChildren, path, true, false);
    }
    bool heard = false;
    for (const History::Read& read : history_->reads) heard |= read.session == store.session() && read.began >= before;
    if (heard && store.state() == SessionState::kConnected) history_->alive.insert(store.session());
}

Task<void> Workload::one_fiber(MetadataStore& store) {
    for (std::size_t call = 0; call < options_.calls; ++call) {
        if (store.state() == SessionState::kExpired) co_return;
        if (store.state() == SessionState::kSuspended) {
            co_await store.state_changed(SessionState::kSuspended, Deadline::after(harness_.clock(), kSettlePatience));
            continue;
        }
        const std::uint64_t choice = random_.between(0, 10);
        if (choice == 0) {
            co_await sleep_for(harness_.clock(), std::chrono::microseconds{random_.between(0, 20'000)});
        } else if (choice < 5) {
            const auto kind = static_cast<History::ReadKind>(random_.between(0, 3));
            std::string path = random_.one_in(8) ? "/" : kWorkloadPaths[random_.between(0, kWorkloadPaths.size())];
            const bool latest = random_.one_in(3);
            const bool watch = random_.one_in(2);
            co_await read(store, kind, std::move(path), latest, watch);
        } else {
            std::vector<Operation> operations;
            const std::uint64_t count = random_.one_in(3) ? random_.between(2, 5) : 1;
            for (std::uint64_t i = 0; i < count; ++i) operations.push_back(random_operation());
            co_await write(store, std::move(operations));
        }
    }
}

Version Workload::random_version(const std::string& path) {
    const std::uint64_t choice = random_.between(0, 10);
    if (choice < 3) return kAnyVersion;
    if (choice < 4) return Version{static_cast<std::int64_t>(random_.between(0, 3))};
    return versions_[path];
}

Operation Workload::random_operation() {
    const std::string& path = kWorkloadPaths[random_.between(0, kWorkloadPaths.size())];
    const std::uint64_t choice = random_.between(0, 10);
    if (choice < 4) {
        const bool ephemeral = random_.one_in(3);
        return Create{path, "v" + std::to_string(++values_), ephemeral ? Lifetime::kEphemeral : Lifetime::kPersistent};
    }
    if (choice < 7) return Set{path, "v" + std::to_string(++values_), random_version(path)};
    if (choice < 9) return Remove{path, random_version(path)};
    return Check{path, random_version(path)};
}

Task<void> Workload::read(MetadataStore& store, History::ReadKind kind, std::string path, bool latest, bool watch) {
    History::Read read;
    read.session = store.session();
    read.kind = kind;
    read.path = path;
    read.latest = latest;
    ReadOptions options;
    options.freshness = latest ? Freshness::kLatest : Freshness::kSession;
    std::optional<std::size_t> number;
    if (watch) {
        number = history_->watches.size();
        history_->watches.emplace_back();
        options.watcher = [history = history_, at = *number](const WatchEvent& event) {
            History::Watch& told = history->watches[at];
            ++told.times;
            told.told = event.kind;
            told.told_at = ++history->at;
        };
    }
    read.began = ++history_->at;
    std::optional<Error> error;
    if (kind == History::ReadKind::kGet) {
        Result<Node> node = co_await store.get(path, std::move(options));
        if (!node) {
            error = node.error();
        } else {
            read.found = true;
            read.value = node->value;
            read.stat = node->stat;
        }
    } else if (kind == History::ReadKind::kStat) {
        const Result<std::optional<Stat>> stat = co_await store.stat(path, std::move(options));
        if (!stat) {
            error = stat.error();
        } else if (*stat) {
            read.found = true;
            read.stat = **stat;
        }
    } else {
        Result<std::vector<std::string>> names = co_await store.children(path, std::move(options));
        if (!names) {
            error = names.error();
        } else {
            read.found = true;
            read.names = std::move(*names);
        }
    }
    read.ended = ++history_->at;
    if (error && !error->is(ErrorCode::kNotFound)) co_return;
    if (!error) read.watch = number;
    if (read.found && kind != History::ReadKind::kChildren) versions_[path] = read.stat.version;
    history_->reads.push_back(std::move(read));
}

Task<void> Workload::write(MetadataStore& store, std::vector<Operation> operations) {
    const std::size_t number = history_->writes.size();
    const Nonce nonce = store.new_nonce();
    {
        History::Write& write = history_->writes.emplace_back();
        write.session = store.session();
        write.operations = operations;
        write.nonce = nonce;
        write.began = ++history_->at;
    }
    const Result<ChangeId> result = co_await store.multi(std::move(operations), nonce);
    std::optional<Error> error;
    std::optional<ChangeId> id;
    bool known = true;
    if (result) {
        id = *result;
    } else if (result.error().fate() == Fate::kUnknown) {
        known = false;
        if (random_.one_in(2)) {
            const auto fate = co_await settle(store, harness_.clock(), nonce,
                                              Deadline::after(harness_.clock(), kSettlePatience));
            if (fate) {
                known = true;
                id = *fate;
            }
        }
    } else {
        error = result.error();
    }
    History::Write& write = history_->writes[number];
    if (known) write.ended = ++history_->at;
    write.id = id;
    if (error && !error->is(ErrorCode::kUnavailable) && !error->is(ErrorCode::kClosed)) write.refused = error->code();
}

// What nobody was told.
void Workload::resolve() {
    std::set<SessionId> sessions;
    for (History::Write& write : history_->writes) {
        sessions.insert(write.session);
        if (write.ended == History::kNever && !write.id) write.id = harness_.applied(write.nonce);
    }
    for (const SessionId session : sessions) {
        const auto id = harness_.ended(session);
        if (!id) continue;
        history_->ends.push_back({session, *id});
        // Given up after it had heard everything, perhaps without its knowledge.
        history_->alive.erase(session);
    }
}

}  // namespace millrace::metadata
