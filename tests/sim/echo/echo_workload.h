// SPDX-License-Identifier: Apache-2.0
//
// Three replicated-echo nodes, a client that writes numbered records and somebody who sends nonsense, under a fault
// plan; then everything heals.
// Promises: what is committed is durable on a quorum at that instant (looked up on the platters); what was acknowledged is
// there, in order and whole, on a quorum after all machines lost power at once; and once faults end the client gets
// through. Thread rule: one world at a time.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/echo/echo_node.h"
#include "tests/sim/fault_plan.h"
#include "tests/sim/world.h"

namespace millrace::sim::echo {

class EchoWorkload {
public:
    // Without a plan one is drawn from the seed.
    explicit EchoWorkload(std::uint64_t seed, Bugs bugs = {}, std::optional<FaultPlan> plan = std::nullopt);
    ~EchoWorkload();

    // Empty: all promises were kept.
    std::string run();

    std::uint64_t digest() const { return world_.digest(); }
    std::uint64_t events() const { return world_.events(); }
    std::uint64_t strikes() const { return strikes_; }
    // When the client had its last answer, in virtual time since the start.
    std::chrono::nanoseconds finished() const { return finished_; }

private:
    // A machine and the program that runs on it, if any.
    struct Slot {
        Node* node = nullptr;
        std::unique_ptr<EchoNode> life;
        std::uint64_t lives = 0;
        bool stopping = false;      // in order; the kill is still to come
        bool start_wanted = false;  // after that
    };

    void start(std::size_t index);
    void stop(std::size_t index, Death death);
    void bury(Slot& slot);
    void failed(std::size_t index, std::uint64_t life);
    void check_committed(std::uint64_t number);
    void violation(std::string what);
    Record record(std::uint64_t number) const;
    bool all_acknowledged() const { return acknowledged_.size() == count_; }
    std::string states() const;

    Task<void> send_writes();
    Task<void> take_answers();
    Task<void> send_nonsense();
    std::string read_back();

    World world_;
    SeededRandom random_;
    Bugs bugs_;
    FaultPlan plan_;
    std::vector<Slot> slots_;
    Node* client_node_ = nullptr;
    Node* vandal_node_ = nullptr;
    std::vector<EchoNode*> burials_;  // under way
    std::uint64_t count_ = 0;
    std::size_t window_ = 1;
    std::uint64_t think_ms_max_ = 0;  // before the client writes on
    std::set<std::uint64_t> acknowledged_;
    Signal answered_;
    std::unique_ptr<MessageSocket> socket_;
    bool over_ = false;
    std::uint64_t checked_ = 0;
    std::uint64_t strikes_ = 0;
    std::chrono::nanoseconds finished_{0};
    std::string violation_;
};

}  // namespace millrace::sim::echo
