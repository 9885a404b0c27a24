// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/reply_queue.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::segmentstore {

void ReplyQueue::add_ack(container::Dependency depends_on, std::shared_ptr<SessionWriter> writer, std::int64_t event_number,
                         std::int64_t length_after, wire::RequestId request, bool alone) {
    Item item;
    item.depends_on = depends_on;
    item.writer = std::move(writer);
    item.alone = alone;
    item.event_number = event_number;
    item.length_after = length_after;
    item.request = request;
    add(std::move(item));
}

void ReplyQueue::add_reply(container::Dependency depends_on, ByteBuffer frame, std::shared_ptr<SessionWriter> writer,
                           bool close_after, std::string segment, wire::RequestId request,
                           std::shared_ptr<SessionWriter> set_up) {
    Item item;
    item.depends_on = depends_on;
    item.writer = std::move(writer);
    item.request = request;
    item.frame = std::make_unique<Frame>(std::move(frame), std::move(segment), std::move(set_up), close_after);
    add(std::move(item));
}

void ReplyQueue::add(Item item) {
    // Order is kept even where a later reply depends on less.
    if (!items_.empty()) item.depends_on = both(item.depends_on, items_.back().depends_on);
    bytes_ += item.bytes();
    items_.push_back(std::move(item));
}

ReplyQueue::Then ReplyQueue::collect(ByteBuffer& out) {
    Then then = Then::kGoOn;
    while (!items_.empty() && container_.settled(items_.front().depends_on) && then == Then::kGoOn) {
        bytes_ -= items_.front().bytes();
        Item item = items_.take_front();
        if (!item.frame) {
            if (item.alone) write_ready(out);
            SessionWriter& writer = *item.writer;
            writer.ready_number = item.event_number;
            writer.ready_length = item.length_after;
            writer.ready_request = item.request;
            if (!std::exchange(writer.ready, true)) ready_.push_back(std::move(item.writer));
            if (item.alone) write_ready(out);
            continue;
        }
        if (item.writer && !owned(*item.writer)) continue;
        write_ready(out);
        out.append(item.frame->bytes.view());
        if (item.frame->close_after) then = Then::kClose;
    }
    write_ready(out);
    return then;
}

// Once a writer is set up again, nothing is acknowledged on its earlier set-up: the answer to the new one says it all.
bool ReplyQueue::owned(const SessionWriter& writer) const { return container_.owns(writer.handle); }

void ReplyQueue::write_ready(ByteBuffer& out) {
    for (const auto& writer : ready_) {
        writer->ready = false;
        if (!owned(*writer)) continue;
        wire::DataAppended ack;
        ack.writer_id = writer->set_up->id;
        ack.event_number = writer->ready_number;
        ack.previous_event_number = writer->acknowledged;
        ack.request_id = writer->ready_request;
        ack.current_segment_write_offset = writer->ready_length;
        wire::encode(ack, out);
        writer->acknowledged = writer->ready_number;
    }
    ready_.clear();
}

bool ReplyQueue::give_up(const std::string& message, ByteBuffer& out) {
    std::set<const SessionWriter*> told;
    for (; !items_.empty(); items_.pop_front()) {
        const Item& item = items_.front();
        SessionWriter* const writer = item.frame && item.frame->set_up ? item.frame->set_up.get() : item.writer.get();
        if (writer && !told.insert(writer).second) continue;
        if (writer) writer->failed = true;
        wire::ErrorMessage error;
        error.request_id = item.request;
        error.segment = writer ? writer->set_up->segment : item.frame->segment;
        error.message = message;
        wire::encode(error, out);
    }
    bytes_ = 0;
    return !told.empty();
}

}  // namespace millrace::segmentstore
