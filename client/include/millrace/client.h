// SPDX-License-Identifier: Apache-2.0
//
// The way in: a Client knows a controller and makes managers, writers and readers. It runs one
// thread of its own. Every public class may be used from any thread unless it says otherwise, and
// every blocking call has a bound in time.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "millrace/event_reader.h"
#include "millrace/event_writer.h"
#include "millrace/stream_manager.h"

namespace millrace {

struct ClientOptions {
    // "HOST:PORT" of the controller.
    std::string controller = "127.0.0.1:9090";
    // How long a controller call, or the first connection to a segment store, is tried before
    // kUnavailable (which names the address and this time). 1 ms .. 1 h.
    std::chrono::milliseconds connect_timeout{10'000};
    // How long a writer or reader that has worked keeps reconnecting before it fails. 0: for ever.
    std::chrono::milliseconds retry_timeout{0};
};

class Client {
public:
    // Checks the options (kInvalidArgument); connects only when first used.
    static Result<std::unique_ptr<Client>> create(ClientOptions options);

    // Writers and readers must be gone before.
    virtual ~Client() = default;

    virtual StreamManager& streams() = 0;
    // kNotFound: no such stream. kSealed: it takes no more events.
    virtual Result<std::unique_ptr<EventWriter>> create_writer(const StreamName& stream, WriterOptions options = {}) = 0;
    // kNotFound: no such stream. kInvalidArgument: the position is of another stream.
    virtual Result<std::unique_ptr<EventReader>> create_reader(const StreamName& stream, ReaderOptions options = {}) = 0;
};

}  // namespace millrace
