// SPDX-License-Identifier: Apache-2.0
//
// The public event writer: a WriterCore behind the border between threads.
#pragma once

#include <memory>

#include "client/writer/writer_core.h"

namespace millrace::client {

// Blocks until the stream's segments are known. Any thread but the client's own.
Result<std::unique_ptr<EventWriter>> make_event_writer(ClientCore& client, StreamName stream, WriterOptions options);

}  // namespace millrace::client
