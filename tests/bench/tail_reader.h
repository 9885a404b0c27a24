// SPDX-License-Identifier: Apache-2.0
//
// One connection that reads a segment as it grows, by plain system calls: a read is always under way, at the end of
// what the last brought. It counts the bytes and drops them.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/bytes.h"

namespace millrace::bench {

class TailReader {
public:
    // Begins at the segment's head.
    TailReader(std::uint16_t port, std::string segment);
    TailReader(const TailReader&) = delete;
    TailReader& operator=(const TailReader&) = delete;
    ~TailReader();

    int socket() const { return socket_; }
    // Takes what has come, through `scratch`, and asks for more after a whole reply. An error ends the program.
    void receive(MutableByteView scratch);
    // Of the segment, in whole replies.
    std::uint64_t bytes() const { return bytes_; }

private:
    void ask();

    const int socket_;
    const std::string segment_;
    ByteBuffer out_;
    ByteBuffer header_;            // as much of the reply's as has come
    std::size_t payload_due_ = 0;  // of the reply, once its header is whole
    std::size_t data_bytes_ = 0;   // of that, the segment's
    std::uint64_t bytes_ = 0;
};

}  // namespace millrace::bench
