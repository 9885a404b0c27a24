// SPDX-License-Identifier: Apache-2.0
//
// Precompiled: Asio's coroutine parts and the standard headers that nearly every file uses. Adding
// to it slows every file that would not include the addition itself.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/any_io_executor.hpp>
