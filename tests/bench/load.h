// SPDX-License-Identifier: Apache-2.0
//
// A load of appends on one or more connections, by one thread of plain system calls: as many under way as a window
// allows, or at a fixed rate, whatever the answers. Each event is put together as it is sent. Only what the server has
// acknowledged counts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/model/ids.h"
#include "tests/bench/bench.h"

namespace millrace::bench {

// One connection that appends events of one size, numbered from 0: what it sends and what it takes for an
// acknowledgement.
class Appender {
public:
    Appender(std::uint16_t port, std::size_t event_bytes);
    Appender(const Appender&) = delete;
    Appender& operator=(const Appender&) = delete;
    virtual ~Appender();

    int socket() const { return socket_; }
    std::size_t event_bytes() const { return event_.size(); }
    // Appends to `out` what stores events [first, first + count) as one.
    virtual void encode(std::uint64_t first, std::uint64_t count, ByteBuffer& out) = 0;
    // Takes the whole replies at the front of `in` and answers how many bytes that were. An error ends the program.
    virtual std::size_t take_replies(ByteView in) = 0;
    // Events.
    std::uint64_t acknowledged() const { return acknowledged_; }
    // After the load: what it left may go. Waits for that.
    virtual void clean_up() = 0;

protected:
    // Event `number`, without any header.
    ByteView event(std::uint64_t number);

    std::uint64_t acknowledged_ = 0;

private:
    const int socket_;
    ByteBuffer event_;
};

// How events become frames of the data port.
enum class Framing { kBlocks, kConditionalAppends };

// Creates the segment and sets the one writer up.
std::unique_ptr<Appender> frame_appender(std::uint16_t port, std::string segment, std::size_t event_bytes,
                                         Framing framing);
// XADD to the stream `key`, an event a call.
std::unique_ptr<Appender> redis_appender(std::uint16_t port, std::string key, std::size_t event_bytes);

// Microseconds.
class Latencies {
public:
    void add(double microseconds) { values_.push_back(microseconds); }
    void clear() { values_.clear(); }
    // The least that at least `share` (0 .. 1) of all do not exceed. REQUIRES: not empty.
    double at(double share) const;

private:
    std::vector<double> values_;
};

struct Load {
    std::size_t block_bytes = 64 * 1024;         // of events that are sent as one; at least one event
    std::size_t window_bytes = 4 * 1024 * 1024;  // not acknowledged, on each connection
    double events_per_second = 0;                // over all connections, which take turns; 0: as fast as it goes
    std::chrono::microseconds pace{1000};  // with a rate: how often what is due goes out; 0: each event when it is due
    // Of each event, from when it was due. Without a rate from when it was sent, and the window is one event.
    bool latencies = false;
    std::chrono::milliseconds warm_up{1000};
    std::chrono::milliseconds time{3000};
    std::uint64_t events = 0;  // not 0: so many on each connection, however long that takes
};

struct Figures {
    double seconds = 0;
    double events_per_second = 0;
    double megabytes_per_second = 0;
    double server_us = 0;  // of CPU time, per event
    double client_us = 0;
    Latencies latencies;  // where the load asks for them
};

// `server_cpu_seconds` is asked at both ends of the time.
Figures run_load(const std::vector<std::unique_ptr<Appender>>& appenders, const Load& load,
                 const std::function<double()>& server_cpu_seconds);

// One event under way at a time, without waiting in between.
Latencies lone_appends(Appender& appender, std::size_t count);

}  // namespace millrace::bench
