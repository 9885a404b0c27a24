// SPDX-License-Identifier: Apache-2.0
//
// The kernel's clocks, and all timers of a shard in one heap behind one Asio timer: most timers are
// deadlines that are cancelled, and those cost a hash map entry and no system call.
#pragma once

#include <memory>

#include "common/runtime/clock.h"

namespace boost::asio {
class io_context;
}

namespace millrace {

class AsioClock : public Clock {
public:
    static std::unique_ptr<AsioClock> make(boost::asio::io_context& io);

    // Lets go of the io_context, which may then be destroyed; pending timers are destroyed
    // and none fires any more.
    virtual void detach() = 0;
};

}  // namespace millrace
