// SPDX-License-Identifier: Apache-2.0
//
// Unary calls by name, as bytes. gRPC implements it (rpc/grpc); nothing else sees gRPC's headers.
// Handlers and replies run on our executor, never on the library's threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/runtime/deadline.h"
#include "common/runtime/network.h"
#include "common/runtime/task.h"

namespace millrace::rpc {

// Largest request or reply, as every client in use has it.
inline constexpr std::size_t kMaxMessageBytes = 4 * 1024 * 1024;

// Calls that a server has at once, and the bytes of their requests; what is beyond is refused with kNoSpace.
inline constexpr std::size_t kMaxRunningCalls = 4096;
inline constexpr std::size_t kMaxRunningBytes = 64 * 1024 * 1024;

// Keys and values of a call's metadata together.
inline constexpr std::size_t kMaxMetadataBytes = 6 * 1024;

// The status codes of gRPC that our services use; numbers are gRPC's.
enum class StatusCode : std::uint8_t {
    kOk = 0,
    kCancelled = 1,
    kUnknown = 2,
    kInvalidArgument = 3,
    kDeadlineExceeded = 4,
    kNotFound = 5,
    kAlreadyExists = 6,
    kPermissionDenied = 7,
    kResourceExhausted = 8,
    kFailedPrecondition = 9,
    kAborted = 10,
    kOutOfRange = 11,
    kUnimplemented = 12,
    kInternal = 13,
    kUnavailable = 14,
    kDataLoss = 15,
    kUnauthenticated = 16,
};

StatusCode to_status(ErrorCode code);
ErrorCode from_status(StatusCode code);

// The fate of a call that ended with this status.
Fate fate_of(StatusCode code);

// What a server tells of a handler's error: to_status() of its code, or kInternal where that one would tell the caller
// that nothing was done while the error says that nobody knows.
StatusCode status_of(const Error& error);

// What goes with a request beside its message: keys of a-z 0-9 - _ . (none begins with "grpc-", ends with
// "-bin" or is one of HTTP's own such as "te"), values of printable ASCII without blanks at their ends.
using Metadata = std::map<std::string, std::string>;

// kInvalidArgument names the key; kTooLarge beyond kMaxMetadataBytes.
Result<void> check_metadata(const Metadata& metadata);

struct Request {
    std::string method;  // "/package.Service/rpcName"
    std::string body;    // serialized message
    Metadata metadata;   // the caller's; the library may add keys
    std::string peer;
};

// Serialized reply, or an error that becomes a status (status_of, message = detail). A reply beyond kMaxMessageBytes
// becomes kTooLarge, which callers take for "nothing was done": only what changes nothing may answer at such length.
using Handler = std::function<Task<Result<std::string>>(Request)>;

class Server {
public:
    virtual ~Server() = default;

    // Where it listens, with the real port.
    virtual Endpoint local() const = 0;
    // Refuses new calls, gives running ones until `deadline`, completes when all have ended.
    virtual Task<void> close(Deadline deadline) = 0;
};

class Channel {
public:
    virtual ~Channel() = default;

    // Errors by from_status; kUnavailable and kTimedOut name the endpoint. Fate unknown unless the
    // call certainly never left. kTooLarge and kInvalidArgument (check_metadata()) before anything is sent.
    virtual Task<Result<std::string>> call(std::string method, std::string body, Deadline deadline,
                                           Metadata metadata = {}) = 0;
    // Outstanding calls end with kCancelled; completes when none is left.
    virtual Task<void> close() = 0;
};

class Rpc {
public:
    virtual ~Rpc() = default;

    // `handlers` by full method name; `otherwise` answers every other method.
    // kInUse when the port is taken.
    virtual Result<std::unique_ptr<Server>> serve(Endpoint listen, std::map<std::string, Handler> handlers,
                                                  Handler otherwise) = 0;
    // Connects lazily and reconnects by itself.
    virtual std::unique_ptr<Channel> channel(Endpoint target) = 0;
};

}  // namespace millrace::rpc
