// SPDX-License-Identifier: Apache-2.0
//
// The only way to other processes: ordered, reliable byte streams that can break at any time.
// Thread rule: a stream, a listener and their calls belong to the executor they were made on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/runtime/deadline.h"
#include "common/runtime/task.h"

namespace millrace {

struct Endpoint {
    std::string host;  // name or numeric address
    std::uint16_t port = 0;

    // "host:port"; IPv6 addresses in brackets.
    std::string to_string() const;
    // kInvalidArgument says what is wrong. Port 1..65535, or 0 where `allow_port_zero`.
    static Result<Endpoint> parse(std::string_view text, bool allow_port_zero = false);
    bool operator==(const Endpoint&) const = default;
};

class ByteStream {
public:
    virtual ~ByteStream() = default;  // closes; no call may be outstanding

    // At least one byte, or 0 at the orderly end of the stream. One read at a time.
    // Errors: kClosed (closed here), kUnavailable (broken by the other side or the network).
    virtual Task<Result<std::size_t>> read_some(MutableByteView into) = 0;
    // Writes all of it, gathered, in order. One write at a time. The memory stays valid until then.
    virtual Task<Result<void>> write(std::span<const ByteView> pieces) = 0;
    // Writes what can be written at once and answers how many bytes that were. 0 also where a stream cannot do so or
    // is broken: write() tells. REQUIRES: no write is outstanding.
    virtual std::size_t try_write(std::span<const ByteView> /*pieces*/) { return 0; }
    // No write will follow: the other side reads the orderly end after what was written. Reading goes on. Streams that
    // cannot end one direction do nothing. REQUIRES: no write is outstanding.
    virtual void end_writing() {}
    // Outstanding and later calls end with kClosed. Bytes written before may still arrive; they may not where the other
    // side sent something that was never read (TCP resets), see end_writing().
    virtual void close() = 0;

    // For log lines: the other side's address.
    virtual std::string peer() const = 0;
};

class Listener {
public:
    virtual ~Listener() = default;

    // kClosed after close(). Other errors (too many open files) concern one connection: accept again.
    virtual Task<Result<std::unique_ptr<ByteStream>>> accept() = 0;
    // With the real port where 0 was asked for.
    virtual Endpoint local() const = 0;
    virtual void close() = 0;
};

class Network {
public:
    virtual ~Network() = default;

    // Resolves and connects; TCP_NODELAY is set. kUnavailable names the endpoint and the reason.
    virtual Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint endpoint, Deadline deadline) = 0;
    // kInUse when the port is taken; kInvalidArgument for an address that is not ours.
    virtual Task<Result<std::unique_ptr<Listener>>> listen(Endpoint endpoint) = 0;
};

}  // namespace millrace
