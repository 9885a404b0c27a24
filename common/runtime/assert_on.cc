// SPDX-License-Identifier: Apache-2.0
#include "common/runtime/assert_on.h"

#include <boost/asio/io_context.hpp>

namespace millrace {

bool runs_on(const Executor& executor) {
    const auto* loop = executor.target<boost::asio::io_context::executor_type>();
    return loop == nullptr || loop->running_in_this_thread();
}

}  // namespace millrace
