// SPDX-License-Identifier: Apache-2.0
//
// A process of the replicated echo. The leader is a fixed node; each of its lives has an epoch of its own, durable
// before it is used.
//
// A life of the leader: it promises itself the next epoch, asks the followers to promise it too, and from the
// answers of a quorum (itself included) takes the log with the highest (epoch, length): whatever was ever
// acknowledged is in it, for that was durable on a quorum under the epoch of the log. It makes that log its own under
// the new epoch. A follower gets the whole log first (adopt), then appends. A number counts as committed once it is durable
// on a quorum under this epoch; then the client is told.
// A follower serves whoever shows the highest epoch it promised.
//
// A disk error ends the process (fail stop; the owner begins a new one); a full disk only the conversation.
// Thread rule: executor-confined. Lifetime: close() must have completed before destruction.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/gate.h"
#include "tests/sim/echo/echo_log.h"
#include "tests/sim/message_network.h"

namespace millrace::sim::echo {

inline constexpr std::uint16_t kReplicaPort = 700;
inline constexpr std::uint16_t kClientPort = 701;

// One at a time, in the order of asking.
class Turnstile {
public:
    class Turn {
    public:
        explicit Turn(Turnstile& at) : at_{&at} {}
        Turn(Turn&& other) noexcept : at_{std::exchange(other.at_, nullptr)} {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (at_ == nullptr) return;
            at_->taken_ = false;
            at_->freed_.notify_one();
        }

    private:
        Turnstile* at_;
    };

    Task<Turn> enter() {
        while (taken_) co_await freed_.wait();
        taken_ = true;
        co_return Turn{*this};
    }

private:
    bool taken_ = false;
    Signal freed_;
};

class EchoNode {
public:
    struct Config {
        std::string leader;
        std::vector<std::string> followers;
        Bugs bugs;
        // The process cannot go on. Called at most once.
        std::function<void(const Error&)> failed;
        // Everything up to `number` is committed.
        std::function<void(std::uint64_t number)> committed;
    };

    EchoNode(std::string name, Runtime runtime, MessageSession& messages, Config config);
    EchoNode(const EchoNode&) = delete;
    EchoNode& operator=(const EchoNode&) = delete;

    void start();
    Task<void> close();

    // For a test that waits in vain: what to say, and a wake-up for whoever should have had one.
    std::string state() const;
    void nudge() { closed_or_changed_.notify_all(); }

private:
    struct Peer {
        std::string name;
        bool answered = false;  // in this epoch
        std::uint64_t log_epoch = 0;
        Records records;             // of the answer, until the log is chosen
        std::uint64_t synced = 0;    // under this epoch
        bool counts = false;         // its log is of this epoch
    };
    using StreamPtr = std::shared_ptr<ByteStream>;

    Task<void> main();
    void fail(const Error& error);
    // False when the process is closing.
    Task<bool> pause(std::chrono::nanoseconds duration);
    // Closes the stream when nothing came in time.
    Task<Result<Frame>> read_in_time(StreamPtr stream, std::chrono::nanoseconds limit);

    // Follower.
    Task<void> accept_streams();
    Task<void> serve(StreamPtr stream);
    Task<Result<Frame>> answer(Frame request);

    // Leader.
    Task<void> lead();
    Task<void> choose_log();
    Task<void> take_writes();
    Task<void> write_own_log();
    Task<void> replicate(Peer& peer);
    Task<Result<void>> converse(Peer& peer, StreamPtr stream);
    Task<void> wait_for_entries(std::uint64_t have);
    Records entries_after(std::uint64_t last) const;
    void advance();

    const std::string name_;
    Runtime runtime_;
    MessageSession& messages_;
    const Config config_;
    Gate gate_;
    bool closing_ = false;
    bool failed_ = false;
    Signal closed_or_changed_;
    std::unique_ptr<Log> log_;
    Turnstile log_turn_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<MessageSocket> socket_;
    std::vector<StreamPtr> streams_;  // in the order they came

    // Leader.
    std::uint64_t epoch_ = 0;
    std::vector<Peer> peers_;
    bool chosen_ = false;
    Records entries_;
    std::uint64_t own_synced_ = 0;
    std::uint64_t committed_ = 0;
    std::optional<MessageAddress> client_;
};

}  // namespace millrace::sim::echo
