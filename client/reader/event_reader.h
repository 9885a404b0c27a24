// SPDX-License-Identifier: Apache-2.0
//
// The public event reader: a ReaderCore behind the border between threads.
#pragma once

#include <memory>

#include "client/reader/reader_core.h"

namespace millrace::client {

// Blocks until it is known where to begin. Any thread but the client's own.
Result<std::unique_ptr<EventReader>> make_event_reader(ClientCore& client, StreamName stream, ReaderOptions options);

}  // namespace millrace::client
