// SPDX-License-Identifier: Apache-2.0
//
// A server as a child process: started, watched from outside and ended. It dies with its parent.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::bench {

class ServerProcess {
public:
    // What it writes to stderr goes to the end of the file `log`.
    ServerProcess(std::vector<std::string> arguments, std::string log);
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;
    ~ServerProcess();

    // The next line on its stdout. A server that ends without one ends the program.
    std::string read_line();
    // Everything that it writes there until it ends by itself, which must be with exit code 0.
    std::string read_to_end();

    void terminate();  // and waits for the end
    void kill();

    // User and system time of all its threads so far. In steps of the kernel's clock tick, 10 ms as a rule.
    double cpu_seconds() const;
    std::uint64_t resident_bytes() const;
    // To the disk, as far as the kernel counts for the process.
    std::uint64_t written_bytes() const;

private:
    void end(int signal);

    const std::string name_;
    const std::string log_;
    pid_t pid_ = -1;
    int out_ = -1;
};

// The port in " segmentstore=HOST:PORT" of a ready line.
std::uint16_t segment_store_port(const std::string& ready_line);
// One that nobody listens on at the moment.
std::uint16_t free_port();

}  // namespace millrace::bench
