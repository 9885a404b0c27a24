// SPDX-License-Identifier: Apache-2.0
//
// Everything that waits is a Task: a coroutine that starts when awaited. Tasks take their arguments
// by value, or by reference to something whose lifetime the declaring header states.
#pragma once

#include <boost/asio/awaitable.hpp>

namespace millrace {

template <class T = void>
using Task = boost::asio::awaitable<T>;

}  // namespace millrace
