// SPDX-License-Identifier: Apache-2.0
//
// Shared connections to each segment store, one or as many as the calls under way need, and the
// locations of segments.
// Thread rule: executor-confined. Lifetime: close() must have completed before destruction.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/control/controller_client.h"
#include "client/segment/request_connection.h"
#include "common/model/segment_name.h"

namespace millrace::client {

// Which segment store has a segment, as last heard from the controller.
class Locations {
public:
    explicit Locations(ControllerClient& controller) : controller_{controller} {}

    // `refresh`: what is known proved wrong, so the controller is asked; when it cannot be reached
    // the old answer is as good as any (a store that restarts comes back where it was).
    Task<Result<Endpoint>> find(StreamName stream, SegmentId segment, bool refresh);

private:
    ControllerClient& controller_;
    std::map<std::string, Endpoint> known_;  // by segment name; bounded, see the .cc
    // A reader of thousands of segments asks for all of them at once: so many at a time.
    static constexpr std::size_t kAskingMax = 64;
    std::size_t asking_ = 0;
    Signal asked_;
};

class SegmentPool {
public:
    // Calls under way on one connection; what is more gets another one. A store ends a connection on
    // which more than 1,000 reads wait, and a reader has one waiting for each segment.
    static constexpr std::size_t kCallsMax = 500;

    SegmentPool(Runtime runtime, Locations& locations, transport::ConnectionResources& resources)
        : runtime_{runtime}, locations_{locations}, resources_{resources} {}

    // One attempt: finds the store of the segment, connects when needed (by `connect_by`), sends the
    // request that `make` builds with the id given to it, waits for the reply (until `reply_by`).
    // WrongHost comes back as kWrongHost, which like every connection error makes the next call look
    // the segment up anew.
    Task<Result<wire::Message>> call(StreamName stream, SegmentId segment,
                                     std::function<wire::Message(wire::RequestId)> make, Deadline connect_by,
                                     Deadline reply_by);

    // Ends all calls.
    Task<void> close();

private:
    // The place of one connection, broken or not; stays until the pool is destroyed.
    struct Lane {
        std::shared_ptr<RequestConnection> connection;
        bool connecting = false;
        Signal connected;
        std::size_t calls = 0;  // under way or waiting for the connection
    };
    // A call's place among those of a lane.
    class Seat {
    public:
        explicit Seat(Lane& lane) : lane_{lane} { ++lane_.calls; }
        Seat(const Seat&) = delete;
        Seat& operator=(const Seat&) = delete;
        ~Seat() { --lane_.calls; }

    private:
        Lane& lane_;
    };

    // The first lane with room: when calls become fewer, they gather on few connections again.
    Lane& lane_to(const std::string& address);
    Task<Result<std::shared_ptr<RequestConnection>>> connect(Lane& lane, Endpoint endpoint, Deadline deadline);

    Runtime runtime_;
    Locations& locations_;
    transport::ConnectionResources& resources_;
    std::map<std::string, std::vector<std::unique_ptr<Lane>>> lanes_;  // by address
    std::set<std::string> suspect_;  // segments whose location failed last time
    wire::RequestId last_id_ = 0;
    Gate gate_;
};

}  // namespace millrace::client
