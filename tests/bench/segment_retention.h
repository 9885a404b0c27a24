// SPDX-License-Identifier: Apache-2.0
//
// Keeps so many bytes of each segment: what is older is truncated, some times a second, on a connection and a thread of
// its own. A load that lasts then takes no more of the disk than a short one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace millrace::bench {

class SegmentRetention {
public:
    // The segments exist until the end of this.
    SegmentRetention(std::uint16_t port, std::vector<std::string> segments, std::uint64_t kept_bytes);
    SegmentRetention(const SegmentRetention&) = delete;
    SegmentRetention& operator=(const SegmentRetention&) = delete;
    ~SegmentRetention();

private:
    void run();
    void truncate();

    const int socket_;
    const std::vector<std::string> segments_;
    const std::uint64_t kept_bytes_;
    std::mutex mutex_;
    std::condition_variable stopped_;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace millrace::bench
