// SPDX-License-Identifier: Apache-2.0
//
// TCP through Asio's epoll reactor.
#pragma once

#include <memory>

#include "common/runtime/clock.h"
#include "common/runtime/network.h"

namespace boost::asio {
class io_context;
}

namespace millrace {

class BlockingPool;

// Host names are resolved on `resolver`; all outlive the network.
std::unique_ptr<Network> make_asio_network(boost::asio::io_context& io, Clock& clock, BlockingPool& resolver);

}  // namespace millrace
