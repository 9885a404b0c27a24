// SPDX-License-Identifier: Apache-2.0
//
// A metadata store that behaves like a ZooKeeper ensemble at its worst, for simulations: one leader that orders the writes,
// followers that apply them later and answer reads, one connection of each session to a follower. By seed:
// - messages take time; those of one connection stay in order, those of different ones do not;
// - followers lag behind, so that reads are stale; a session never goes back in time, also not at another follower;
// - connections break before a request arrives, before its write takes effect, or before the reply is heard (unknown fate);
// - events of watches, and the replies behind them, are late; what a watch missed while its session had no connection
//   is told from the difference, as ZooKeeper tells it;
// - sessions expire while their owner thinks they live, and for a while goes on to read.
// A correct user survives all of it. The client's half uses plain operations only, write_slots.h among them, so that it shows
// what works with ZooKeeper itself.
//
//     metadata::SimulatedEnsemble ensemble{world.executor(), world.clock(), world.fork_seed(), {...}};
//     auto session = world.run([&] { return ensemble.open(node.runtime()); });
//
// Thread rule: one thread; the ensemble's executor and those of the sessions' runtimes. Lifetime: sessions first.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/metadata/metadata_store.h"
#include "common/runtime/runtime.h"

namespace millrace::metadata {

// Planted, to see whether tests would notice.
enum class Defect : std::uint8_t {
    kNone,
    kDropsWatch,            // now and then an event is not told
    kForgetsWatches,        // those of a session that connects again are not compared with what happened
    kAnswersBeforeEvent,    // events overtake nothing, replies overtake events
    kIgnoresExpectedVersion,
    kTearsMulti,            // its last operation is left out
    kResurrectsEphemeral,   // of a session that ended, some time later
    kLeavesEphemeral,       // of a session that ended
    kSkipsSync,             // Freshness::kLatest shows what the follower happens to have
    kGoesBackInTime,        // a session connects to a follower that lags behind what it has seen
    kLosesSlot,             // the nonce of a write is not stored with it
    kAppliesLate,           // a write of a broken connection can take effect after the session is connected again
};
inline constexpr std::size_t kDefectCount = 12;
std::string_view to_string(Defect defect);

// Chances are "one in so many", 0: never.
struct SimulatedOptions {
    std::size_t followers = 3;
    // One message, one way.
    std::chrono::microseconds latency_min{20};
    std::chrono::microseconds latency_max{300};
    // A follower takes so much longer to apply a write; those after it wait.
    std::uint32_t lag_one_in = 0;
    std::chrono::milliseconds lag_max{100};
    // An event or reply to a client takes so much longer; those after it wait.
    std::uint32_t delay_one_in = 0;
    std::chrono::milliseconds delay_max{100};
    // A request's connection breaks about when it is served.
    std::uint32_t break_one_in = 0;
    // How long the client then tries in vain.
    std::chrono::milliseconds reconnect_max{200};
    // About when a request is served its session is given up, which the client hears so much later.
    std::uint32_t expire_one_in = 0;
    std::chrono::milliseconds unaware_max{200};
    // After which a session without a connection ends; with heartbeats also one whose process stands still.
    std::chrono::milliseconds session_timeout{6000};
    bool heartbeats = false;
    Defect defect = Defect::kNone;

    // Some kinds of trouble, some of it often; none expires sessions unless asked for.
    static SimulatedOptions hostile(Random& random, bool expiry = false);
};

// A session. close() must have completed before destruction.
class SimulatedMetadataStore : public MetadataStore {
public:
    // Ends the session as its owner would; ephemeral nodes go now if the ensemble is reached, otherwise after the session's timeout.
    virtual Task<void> close() = 0;
    // The process is dead: nothing leaves it any more, every call ends. close() is still due.
    virtual void die() = 0;
};

class SimulatedEnsemble {
public:
    class Servers;

    // `clock` and what else is given outlive the ensemble.
    SimulatedEnsemble(Executor executor, Clock& clock, std::uint64_t seed, SimulatedOptions options = {});
    ~SimulatedEnsemble();

    // kUnavailable: it was not to be had within a minute, or expired at once.
    Task<Result<std::unique_ptr<SimulatedMetadataStore>>> open(Runtime runtime);

    // May be changed at any time.
    SimulatedOptions& options();
    // No more trouble by chance.
    void calm();
    // Breaks the session's connection now; it comes back by itself, but not before so long.
    void disconnect(SessionId session, std::chrono::nanoseconds at_least = {});
    // Gives the session up now; its owner hears of it so much later.
    void expire(SessionId session, std::chrono::nanoseconds unaware = {});

    // The truth, past every delay.
    const Node* peek(const std::string& path) const;
    std::vector<std::string> paths() const;
    std::optional<ChangeId> applied(Nonce nonce) const;
    // Empty while it lives.
    std::optional<ChangeId> ended(SessionId session) const;
    ChangeId last_change() const;
    // How often trouble struck, for tests that want some.
    std::uint64_t breaks() const;
    std::uint64_t unheard() const;  // writes that took effect, and whose reply was lost

private:
    std::shared_ptr<Servers> servers_;
};

}  // namespace millrace::metadata
