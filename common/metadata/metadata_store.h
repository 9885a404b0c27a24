// SPDX-License-Identifier: Apache-2.0
//
// The one seam for everything small and fenced: a tree of versioned values, changed by compare-and-set, as seen by one
// session. Its rules are those of ZooKeeper at its worst, so that code written on it runs on every implementation.
//
// Paths: "/a/b", no trailing slash; a parent exists before its child; "/" always exists. "/.mr" and what is below it belongs
// to implementations. Bounds: a path at most 8 KiB, a value at most 512 KiB, at most 1,000 children a node; a multi at most
// 1,000 operations and 1,000,000 bytes of paths and values. Lists have no pages. There are no nodes with numbers made by
// the server: a creation of unknown fate would have an unknown name too; count with a compare-and-set.
//
// Order. Writes of all sessions take effect one after the other, each at once and as a whole, between its call and its
// completion; those of one session in the order of the calls. A read shows the tree as it was after some write: never
// before what this session has read in calls that completed before, never before a write of this session that completed,
// and with Freshness::kLatest never before any write of anybody that completed before the call. Otherwise it may lag behind.
//
// Unknown outcomes. A write can end with Fate::kUnknown: it took effect, or will until the session is connected again,
// or never will. Every write carries a nonce, and fate_of() tells of the last ones which it was, for as long as the session
// lives. SettledStore (settled_store.h) does that, and is what most code should use.
//
// Sessions. kConnected <-> kSuspended -> kExpired. While suspended calls fail with kUnavailable; the ensemble may have given
// the session up already without its owner knowing. Expired is final: every call fails with kClosed, and the ephemeral nodes
// of the session are gone, or will be very soon. A session that ends by close() expires.
//
// Thread rule: the executor of the session's runtime; calls may overlap.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/base/strong_id.h"
#include "common/base/unique_function.h"
#include "common/runtime/deadline.h"
#include "common/runtime/task.h"

namespace millrace::metadata {

// Of a value: 0 when created, one more at each set.
using Version = StrongId<std::int64_t, struct VersionTag>;
inline constexpr Version kAnyVersion{-1};

// Of a write, in the order in which they took effect; not dense, never used twice. 0: none.
using ChangeId = StrongId<std::uint64_t, struct ChangeIdTag>;
// 0: none.
using SessionId = StrongId<std::uint64_t, struct SessionIdTag>;
// Chosen by who writes; 0: none. See MetadataStore::new_nonce().
using Nonce = StrongId<std::uint64_t, struct NonceTag>;

struct Stat {
    Version version;
    std::uint32_t children = 0;
    SessionId ephemeral_owner;  // none: the node is persistent
    // The write that created the node: another one means that it was removed and created again.
    ChangeId created;
    // The write that last created it or set its value.
    ChangeId changed;
    // The write that last created it, or created or removed a child.
    ChangeId children_changed;

    bool operator==(const Stat&) const = default;
};

struct Node {
    std::string value;
    Stat stat;
};

enum class Lifetime : std::uint8_t {
    kPersistent,
    kEphemeral,  // goes when the session of its creator ends; cannot have children
};

struct Create {
    std::string path;
    std::string value;
    Lifetime lifetime = Lifetime::kPersistent;
};
struct Set {
    std::string path;
    std::string value;
    Version expected = kAnyVersion;
};
struct Remove {
    std::string path;
    Version expected = kAnyVersion;
};
struct Check {
    std::string path;
    Version expected = kAnyVersion;
};
using Operation = std::variant<Create, Set, Remove, Check>;

const std::string& path_of(const Operation& operation);

enum class EventKind : std::uint8_t {
    kCreated,
    kChanged,
    kDeleted,
    kChildrenChanged,
    kSessionLost,  // expired or closed: nothing more will be told
};
std::string_view to_string(EventKind kind);

struct WatchEvent {
    EventKind kind = EventKind::kSessionLost;
    std::string path;
};

// Called once, on the executor, never inside the call that set the watch.
using Watcher = UniqueFunction<void(WatchEvent)>;

enum class Freshness : std::uint8_t { kSession, kLatest };

struct ReadOptions {
    Freshness freshness = Freshness::kSession;
    // Set, if any, when the read succeeds; dropped uncalled when it fails. What is told of:
    // - get():      the node's value changes, or it is deleted;
    // - stat():     the same, or the node is created (a stat of no node succeeds);
    // - children(): a child is created or deleted, or the node itself is deleted.
    // It is called before any call of this session completes that shows, or follows in the order of writes, what it tells of.
    // It stays set while the session is suspended; what happened meanwhile is told when the session is connected again.
    // The kind then is what the difference looks like: a node that was deleted and created again was kChanged, and
    // one that did not exist, was created and was deleted again has not changed. So: read again, believe what is read.
    Watcher watcher = {};
};

enum class SessionState : std::uint8_t { kConnected, kSuspended, kExpired };
std::string_view to_string(SessionState state);

class MetadataStore {
public:
    virtual ~MetadataStore() = default;

    // Reads fail with: kNotFound (get, children); kInvalidArgument: the path; kUnavailable: try again; kClosed: the session
    // is over; kIo, kCorrupt of an embedded store.
    Task<Result<Node>> get(std::string path, ReadOptions options = {});
    // Empty: no such node.
    Task<Result<std::optional<Stat>>> stat(std::string path, ReadOptions options = {});
    // Names of the children, sorted.
    Task<Result<std::vector<std::string>>> children(std::string path, ReadOptions options = {});

    // All or nothing, durable when it completes. Operations see what those before them did. On failure the detail names the
    // operation's path. Without operations: nothing, and no change id. `nonce` (none: one is made) has not been used before.
    // Errors: kNotFound (set, remove, check; or the parent of a create), kAlreadyExists, kVersionMismatch,
    // kFailedPrecondition (remove of a node with children, create below an ephemeral one), kTooLarge, kInvalidArgument,
    // kNoSpace, all certainly not applied; kUnavailable and kClosed, of either fate.
    Task<Result<ChangeId>> multi(std::vector<Operation> operations, Nonce nonce = {});

    Task<Result<ChangeId>> create(std::string path, std::string value, Lifetime lifetime = Lifetime::kPersistent);
    Task<Result<ChangeId>> set(std::string path, std::string value, Version expected);
    Task<Result<ChangeId>> remove(std::string path, Version expected = kAnyVersion);

    // Differs from every other nonce of this and other sessions (with chance against it of one to 2^64).
    virtual Nonce new_nonce() = 0;
    // Of a multi of this session that ended with unknown fate: what became of it for good. Empty: it did not take effect
    // and never will, so that it can be sent again, with another nonce.
    // kNotFound: more than kUnsettledMax others ended so since, or the multi did not, or was asked for before;
    // kUnavailable: ask again; kClosed: the session is over, so nobody can tell any more.
    virtual Task<Result<std::optional<ChangeId>>> fate_of(Nonce nonce) = 0;

    virtual SessionId session() const = 0;
    virtual SessionState state() const = 0;
    // The state, as soon as it is another than `seen`, or at the deadline.
    virtual Task<SessionState> state_changed(SessionState seen, Deadline deadline) = 0;

private:
    // The paths are legal and not reserved, the operations within bounds and not none, the nonce is set.
    virtual Task<Result<Node>> do_get(std::string path, ReadOptions options) = 0;
    virtual Task<Result<std::optional<Stat>>> do_stat(std::string path, ReadOptions options) = 0;
    virtual Task<Result<std::vector<std::string>>> do_children(std::string path, ReadOptions options) = 0;
    virtual Task<Result<ChangeId>> do_multi(std::vector<Operation> operations, Nonce nonce) = 0;
};

// Multis of unknown fate that a session remembers until fate_of() was asked; the oldest is forgotten for a further one.
inline constexpr std::size_t kUnsettledMax = 32;

}  // namespace millrace::metadata
