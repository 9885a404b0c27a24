// SPDX-License-Identifier: Apache-2.0
//
// consumer CONTROLLER SCOPE/STREAM POSITION_FILE [SECONDS]: prints events from where the last consumer with this file
// stopped, or from the head; ends at the end of a sealed stream, or when nothing came for so many seconds (2). The file is
// written after what it covers has been printed: who is killed in between prints some events again, and skips none.
#include <millrace/client.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

namespace {

int fail(const std::string& what, const millrace::Error& error) {
    std::cerr << "consumer: " << what << ": " << error.to_string() << std::endl;
    return 1;
}

// The old file stays whole until the new one is.
bool save(const std::string& path, const millrace::Position& position) {
    std::cout.flush();
    std::ofstream file{path + ".new"};
    file << position.to_string() << '\n';
    file.close();
    return std::cout && file && std::rename((path + ".new").c_str(), path.c_str()) == 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 && argc != 5) {
        std::cerr << "usage: consumer CONTROLLER SCOPE/STREAM POSITION_FILE [SECONDS]" << std::endl;
        return 2;
    }
    const std::string position_file = argv[3];
    const std::chrono::seconds patience{argc == 5 ? std::atoi(argv[4]) : 2};
    const auto stream = millrace::StreamName::parse(argv[2]);
    if (!stream) return fail("the stream", stream.error());
    const auto client = millrace::Client::create({.controller = argv[1]});
    if (!client) return fail("the client", client.error());

    millrace::ReaderOptions options;
    if (std::string saved; std::getline(std::ifstream{position_file}, saved)) {
        auto position = millrace::Position::parse(saved);
        if (!position) return fail(position_file, position.error());
        options.position = std::move(*position);
    }
    auto reader = (*client)->create_reader(*stream, options);
    if (!reader) return fail("the reader", reader.error());

    using Outcome = millrace::EventReader::Outcome;
    constexpr std::uint64_t kSaveEvery = 1000;
    std::uint64_t events = 0;
    for (;;) {
        const auto next = (*reader)->next(patience);
        if (!next && next.error().is(millrace::ErrorCode::kTruncated)) {
            std::cerr << "consumer: " << next.error().detail() << "; going on behind the gap" << std::endl;
            continue;
        }
        if (!next) return fail("reading", next.error());
        if (next->outcome != Outcome::kEvent) break;  // the end, or nothing for a while
        const auto payload = millrace::as_text(next->event.payload);
        std::cout << payload << '\n';
        if (++events % kSaveEvery == 0 && !save(position_file, (*reader)->position())) break;
    }
    if (!save(position_file, (*reader)->position())) {
        std::cerr << "consumer: cannot write to stdout or to " << position_file << std::endl;
        return 1;
    }
    std::cerr << "consumer: " << events << " events" << std::endl;
    return 0;
}
