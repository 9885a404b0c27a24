// SPDX-License-Identifier: Apache-2.0
//
// The executor of one simulated process: the world's, through a door that can be shut. While it is frozen nothing
// of the process runs; what became ready meanwhile runs, in order, after the thaw.
// Thread rule: the world's thread.
#pragma once

#include <memory>

#include "common/runtime/executor.h"

namespace millrace::sim {

class NodeExecutor {
public:
    explicit NodeExecutor(Executor world);
    ~NodeExecutor();

    Executor executor() const;
    bool frozen() const;
    void freeze();
    void thaw();

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace millrace::sim
