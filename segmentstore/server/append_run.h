// SPDX-License-Identifier: Apache-2.0
//
// Small appends of one writer that were received together. They are stored as one, which costs little more than one of
// them would: a writer that sends each event as a block of its own is served almost like one that gathers them. Nothing is
// waited for: a run ends with what is there.
// Thread rule: the session's.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <utility>

#include "common/base/bytes.h"
#include "common/wire/append_assembler.h"
#include "segmentstore/container/container.h"
#include "segmentstore/server/reply_queue.h"

namespace millrace::segmentstore {

class AppendRun {
public:
    // A larger append gains nothing from company.
    static constexpr std::size_t kSmallBelow = 4 * 1024;
    // Little enough to be copied by the container, so that the memory can be used again at once.
    static constexpr std::size_t kBytesMax = 32 * 1024;
    static_assert(kBytesMax < container::Container::kCopiedBelow);

    // A conditional append is answered on its own.
    static bool may_hold(const wire::Append& append) {
        return append.data.size() < kSmallBelow && !append.expected_offset;
    }

    bool empty() const { return writer_ == nullptr; }
    // Whether the append may join. An event number that does not rise is the container's to refuse.
    bool takes(const SessionWriter& writer, const wire::Append& append) const {
        return writer_.get() == &writer && may_hold(append) && append.event_number > events_.last &&
               append.event_count <= std::numeric_limits<std::int32_t>::max() - events_.count &&
               data_.size() + append.data.size() <= kBytesMax;
    }

    // REQUIRES: empty(), may_hold(append).
    void begin(std::shared_ptr<SessionWriter> writer, const wire::Append& append) {
        writer_ = std::move(writer);
        events_ = {append.event_number, append.event_number, append.event_count};
        first_request_ = last_request_ = append.request_id;
        data_.reserve(kSmallBelow);
        put(append.data);
    }
    // REQUIRES: takes(append).
    void add(const wire::Append& append) {
        events_.last = append.event_number;
        events_.count += append.event_count;
        last_request_ = append.request_id;
        data_.reserve(kBytesMax);
        put(append.data);
    }
    void clear() {
        writer_ = nullptr;
        // Connections are many, and idle most of the time.
        if (data_.capacity() > kSmallBelow) data_ = ByteBuffer{};
        data_.clear();
    }

    // REQUIRES of all below: not empty.
    const std::shared_ptr<SessionWriter>& writer() const { return writer_; }
    const container::EventNumbers& events() const { return events_; }
    wire::RequestId first_request() const { return first_request_; }
    wire::RequestId last_request() const { return last_request_; }
    // Valid until the run changes.
    ByteView data() const { return data_.view(); }

private:
    void put(const wire::AppendData& data) {
        for (const Bytes& piece : data.pieces()) data_.append(piece);
    }

    std::shared_ptr<SessionWriter> writer_;
    container::EventNumbers events_;
    wire::RequestId first_request_ = 0;
    wire::RequestId last_request_ = 0;
    ByteBuffer data_;
};

}  // namespace millrace::segmentstore
