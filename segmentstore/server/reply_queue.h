// SPDX-License-Identifier: Apache-2.0
//
// The replies of one connection that wait for one container's log: in order, each leaving when what
// it depends on is settled. Acknowledgements of one writer that become ready together leave as one.
// Thread rule: the shard's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/fifo.h"
#include "common/wire/append_assembler.h"
#include "common/wire/messages.h"
#include "segmentstore/container/container.h"

namespace millrace::segmentstore {

class ReplyQueue;

// One set-up of a writer on a connection.
struct SessionWriter {
    std::shared_ptr<const wire::AppendWriter> set_up;
    container::Container* container = nullptr;
    ReplyQueue* queue = nullptr;  // of the same
    container::WriterHandle handle;
    std::int64_t acknowledged = kNoEventNumber;  // what the client knows
    // After an error its appends are dropped until it is set up again.
    bool failed = false;

    // Ready and not yet written, while replies are collected.
    bool ready = false;
    std::int64_t ready_number = 0;
    std::int64_t ready_length = 0;
    wire::RequestId ready_request = 0;
};

class ReplyQueue {
public:
    explicit ReplyQueue(container::Container& container) : container_{container} {}

    // What collecting found at the end of the queue.
    enum class Then : std::uint8_t { kGoOn, kClose };

    // Acknowledgements of a writer that are ready together become one, unless `alone`: the request is waited for by its id.
    void add_ack(container::Dependency depends_on, std::shared_ptr<SessionWriter> writer, std::int64_t event_number,
                 std::int64_t length_after, wire::RequestId request, bool alone = false);
    // `writer` is set for errors that concern a writer: they follow its acknowledgements, and are
    // dropped like these when it has been set up elsewhere. `segment` and `request` say what to answer
    // should it never become ready, and `set_up` which writer this reply sets up: it fails then.
    void add_reply(container::Dependency depends_on, ByteBuffer frame, std::shared_ptr<SessionWriter> writer, bool close_after,
                   std::string segment, wire::RequestId request, std::shared_ptr<SessionWriter> set_up = nullptr);

    // Appends the frames of everything that is settled; kClose: the connection ends after them.
    Then collect(ByteBuffer& out);

    // Gives up what waits: appends one ErrorMessage for each writer and each other request. Whether
    // a writer was among them.
    bool give_up(const std::string& message, ByteBuffer& out);

    bool empty() const { return items_.empty(); }
    std::size_t size() const { return items_.size(); }
    // Of what waits, and of the newest of it. REQUIRES for newest_bytes(): not empty.
    std::size_t bytes() const { return bytes_; }
    std::size_t newest_bytes() const { return items_.back().bytes(); }
    container::Container& container() const { return container_; }

    // Whether the container tells the session about its commits.
    bool listening = false;

private:
    // Of replies that are no acknowledgement.
    struct Frame {
        ByteBuffer bytes;
        std::string segment;
        std::shared_ptr<SessionWriter> set_up;
        bool close_after = false;
    };
    struct Item {
        container::Dependency depends_on;
        std::shared_ptr<SessionWriter> writer;
        std::unique_ptr<Frame> frame;  // none: an acknowledgement
        std::int64_t event_number = 0;
        std::int64_t length_after = 0;
        wire::RequestId request = 0;
        bool alone = false;

        std::size_t bytes() const {
            return sizeof(Item) + (frame ? sizeof(Frame) + frame->bytes.size() + frame->segment.size() : 0);
        }
    };

    void add(Item item);
    void write_ready(ByteBuffer& out);
    bool owned(const SessionWriter& writer) const;

    container::Container& container_;
    Fifo<Item> items_;
    std::size_t bytes_ = 0;
    std::vector<std::shared_ptr<SessionWriter>> ready_;
};

}  // namespace millrace::segmentstore
