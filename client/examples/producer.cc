// SPDX-License-Identifier: Apache-2.0
//
// producer CONTROLLER SCOPE/STREAM: each line of stdin becomes an event whose key is the line's first word. Makes the scope
// and the stream when they are not there. Exit code 0: every line is durable.
#include <millrace/client.h>

#include <atomic>
#include <cstdint>
#include <iostream>
#include <string>

namespace {

int fail(const std::string& what, const millrace::Error& error) {
    std::cerr << "producer: " << what << ": " << error.to_string() << std::endl;
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: producer CONTROLLER SCOPE/STREAM < LINES" << std::endl;
        return 2;
    }
    const auto stream = millrace::StreamName::parse(argv[2]);
    if (!stream) return fail("the stream", stream.error());
    const auto client = millrace::Client::create({.controller = argv[1]});
    if (!client) return fail("the client", client.error());

    millrace::StreamManager& streams = (*client)->streams();
    if (const auto made = streams.create_scope(stream->scope); !made) return fail("making the scope", made.error());
    if (const auto made = streams.create_stream(*stream, {.min_segments = 4}); !made) {
        return fail("making the stream", made.error());
    }

    // Outlives the writer, whose callbacks count in it.
    std::atomic<std::uint64_t> lost{0};
    auto writer = (*client)->create_writer(*stream, {.memory_bytes = 16 * 1024 * 1024});
    if (!writer) return fail("the writer", writer.error());
    std::uint64_t lines = 0;
    for (std::string line; std::getline(std::cin, line); ++lines) {
        // Waits only while 16 MiB are on their way. Events of one key are stored in the order of these calls.
        const auto taken = (*writer)->write(line.substr(0, line.find(' ')), line, [&lost](const millrace::Result<void>& stored) {
            if (!stored) ++lost;
        });
        if (!taken) return fail("writing line " + std::to_string(lines + 1), taken.error());
    }
    // Now every event is acknowledged, or the error says why that is not so.
    if (const auto closed = (*writer)->close(); !closed) return fail("the last lines", closed.error());
    std::cerr << "producer: " << lines << " events are durable, " << lost << " are lost" << std::endl;
    return lost == 0 ? 0 : 1;
}
