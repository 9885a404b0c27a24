// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/node_executor.h"

#include <boost/asio/execution.hpp>
#include <deque>

namespace millrace::sim {

struct NodeExecutor::State {
    Executor world;
    bool frozen = false;
    std::deque<UniqueFunction<void()>> held;
};

namespace {

using StatePtr = std::shared_ptr<NodeExecutor::State>;

void run_or_hold(const StatePtr& state, UniqueFunction<void()> work) {
    post(state->world, [state, work = std::move(work)]() mutable {
        if (state->frozen) state->held.push_back(std::move(work));
        else work();
    });
}

// What Asio wants of an executor; it always posts.
class Door {
public:
    explicit Door(StatePtr state) : state_{std::move(state)} {}

    boost::asio::execution_context& query(boost::asio::execution::context_t) const {
        return boost::asio::query(state_->world, boost::asio::execution::context);
    }
    static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) {
        return boost::asio::execution::blocking.never;
    }
    template <class F>
    void execute(F&& work) const {
        run_or_hold(state_, std::forward<F>(work));
    }
    friend bool operator==(const Door& a, const Door& b) noexcept { return a.state_ == b.state_; }

private:
    StatePtr state_;
};

}  // namespace

NodeExecutor::NodeExecutor(Executor world) : state_{std::make_shared<State>()} { state_->world = std::move(world); }
NodeExecutor::~NodeExecutor() = default;

Executor NodeExecutor::executor() const { return Door{state_}; }
bool NodeExecutor::frozen() const { return state_->frozen; }
void NodeExecutor::freeze() { state_->frozen = true; }

void NodeExecutor::thaw() {
    state_->frozen = false;
    std::deque<UniqueFunction<void()>> held = std::move(state_->held);
    state_->held.clear();
    for (auto& work : held) run_or_hold(state_, std::move(work));
}

}  // namespace millrace::sim
