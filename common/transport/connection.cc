// SPDX-License-Identifier: Apache-2.0
#include "common/transport/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::transport {
namespace {

constexpr std::size_t kFirstBufferBytes = 16 * 1024;
// Less room than this at the end of a buffer is not worth a read.
constexpr std::size_t kLeastReadBytes = 4 * 1024;
// A frame larger than the usual buffer gets memory for this many times of what has arrived of it:
// little enough that an announced length costs nothing, and few enough moves.
constexpr std::size_t kGrowth = 4;

// Sends up to this size are copied together; beyond it a copy costs more than a piece of its own.
constexpr std::size_t kSmallSendBytes = 2 * 1024;
constexpr std::size_t kSmallSendsBytes = 16 * 1024;
// Of one gathered write. Enough to keep a socket busy, little enough that queued_bytes() tells.
constexpr std::size_t kPiecesPerWrite = 64;
constexpr std::size_t kBytesPerWrite = 1024 * 1024;

}  // namespace

// Whether somebody else holds a slice, on whatever thread. The copy and its release are
// read-modify-writes of the count, so everything that former holders did with the memory happened
// before we write to it again; reading the count alone would not order that.
bool Connection::ReceiveBuffer::shared() const {
    const auto touch = memory;
    return touch.use_count() > 2;
}

Connection::Connection(Runtime runtime, std::unique_ptr<ByteStream> stream, ConnectionOptions options)
    : runtime_{std::move(runtime)},
      stream_{std::move(stream)},
      options_{options},
      peer_{stream_->peer()},
      buffer_bytes_{std::min(kFirstBufferBytes, options.receive_buffer_bytes)} {
    MR_CHECK(options_.receive_buffer_bytes >= wire::kFrameHeaderBytes);
}

Connection::~Connection() = default;

Task<Result<std::vector<wire::Frame>>> Connection::receive() {
    MR_CHECK(!receiving_);
    const auto pass = gate_.enter();
    if (!pass) co_return reason_it_is_over();
    receiving_ = true;
    struct Done {
        bool& receiving;
        ~Done() { receiving = false; }
    } const done{receiving_};

    for (;;) {
        std::vector<wire::Frame> frames;
        const auto cut = cut_frames(frames);
        // What came before a damaged header is still good; the next receive() reports the damage.
        if (!frames.empty()) co_return frames;
        if (!cut) {
            shut(cut.error());
            co_return reason_it_is_over();
        }
        make_room();
        const std::size_t offered = in_.capacity - in_.end;
        auto count = co_await stream_->read_some(MutableByteView{in_.memory.get() + in_.end, offered});
        if (over_) co_return reason_it_is_over();
        const char* const where = in_.begin == in_.end ? "between frames" : "inside a frame";
        if (!count) {
            shut(std::move(count).error().while_doing(std::string{"receiving, "} + where));
        } else if (*count == 0) {
            shut(Error{ErrorCode::kUnavailable, peer_ + " ended the connection " + where});
        } else {
            received(offered, *count);
            continue;
        }
        co_return reason_it_is_over();
    }
}

// Takes every whole frame out of what is there, and learns how large the next one is.
Result<void> Connection::cut_frames(std::vector<wire::Frame>& frames) {
    for (;;) {
        frame_bytes_ = wire::kFrameHeaderBytes;
        const std::size_t here = in_.end - in_.begin;
        if (here < wire::kFrameHeaderBytes) return ok();
        const std::byte* const at = in_.memory.get() + in_.begin;
        const wire::FrameHeader header = wire::read_frame_header(ByteView{at, wire::kFrameHeaderBytes});
        if (header.length < 0 || static_cast<std::size_t>(header.length) > options_.max_payload_bytes) {
            return Error{ErrorCode::kBadRequest, peer_ + " sent " + wire::to_string(header.type) +
                                                     " with an announced length of " + std::to_string(header.length) +
                                                     " bytes; 0 to " + std::to_string(options_.max_payload_bytes) +
                                                     " are allowed"};
        }
        const auto payload_bytes = static_cast<std::size_t>(header.length);
        frame_bytes_ += payload_bytes;
        if (here < frame_bytes_) return ok();
        Bytes payload;
        if (payload_bytes > 0) {
            payload = Bytes{in_.memory, ByteView{at + wire::kFrameHeaderBytes, payload_bytes}};
        }
        frames.push_back(wire::Frame{header.type, std::move(payload)});
        in_.begin += frame_bytes_;
    }
}

// Leaves at least one byte to read into, behind what is there of the next frame.
void Connection::make_room() {
    const std::size_t here = in_.end - in_.begin;
    if (here == 0) {
        // The memory of a single large frame is not kept for small ones.
        const bool usual = in_.memory && in_.capacity <= options_.receive_buffer_bytes;
        if (usual && in_.capacity >= buffer_bytes_ && !in_.shared()) {
            in_.begin = in_.end = 0;
        } else if (!usual || in_.capacity - in_.end < std::min(kLeastReadBytes, in_.capacity)) {
            move_to(buffer_bytes_);
        }
        return;
    }
    const bool fits = in_.begin + frame_bytes_ <= in_.capacity;
    const bool alone_and_room_left = in_.begin == 0 && in_.end < in_.capacity;
    if (fits || alone_and_room_left) return;

    const std::size_t target = frame_bytes_ <= buffer_bytes_
                                   ? buffer_bytes_
                                   : std::min(frame_bytes_, std::max(buffer_bytes_, kGrowth * here));
    if (in_.capacity >= target && !in_.shared()) {
        std::memmove(in_.memory.get(), in_.memory.get() + in_.begin, here);
        in_.begin = 0;
        in_.end = here;
    } else {
        move_to(target);
    }
}

void Connection::move_to(std::size_t capacity) {
    ReceiveBuffer next;
    next.memory = std::make_shared_for_overwrite<std::byte[]>(capacity);
    next.capacity = capacity;
    next.end = in_.end - in_.begin;
    if (next.end > 0) std::memcpy(next.memory.get(), in_.memory.get() + in_.begin, next.end);
    in_ = std::move(next);
}

void Connection::received(std::size_t offered, std::size_t count) {
    in_.end += count;
    received_bytes_ += count;
    if (count == offered && offered >= buffer_bytes_ / 2) {
        buffer_bytes_ = std::min(buffer_bytes_ * 2, options_.receive_buffer_bytes);
    }
}

void Connection::send(ByteBuffer frames) {
    if (over_ || frames.empty()) return;
    const std::size_t before = queued_bytes_;
    queued_bytes_ += frames.size();
    if (frames.size() > kSmallSendBytes) {
        seal_small_sends();
        send_queue_.emplace_back(std::move(frames));
    } else {
        if (small_sends_.size() + frames.size() > kSmallSendsBytes) seal_small_sends();
        if (small_sends_.empty()) small_sends_ = std::move(frames);
        else small_sends_.append(frames);
    }
    sent(before);
}

void Connection::send(Bytes part) {
    if (over_ || part.empty()) return;
    const std::size_t before = queued_bytes_;
    queued_bytes_ += part.size();
    seal_small_sends();
    send_queue_.push_back(std::move(part));
    sent(before);
}

void Connection::seal_small_sends() {
    if (small_sends_.empty()) return;
    send_queue_.emplace_back(std::exchange(small_sends_, {}));
}

void Connection::sent(std::size_t queued_before) {
    if (queued_before > options_.send_queue_bytes + kMaxQueuedFrameBytes) {
        shut(Error{ErrorCode::kTooLarge, peer_ + " does not read: " + std::to_string(queued_bytes_) +
                                             " bytes wait to be sent; at most " +
                                             std::to_string(options_.send_queue_bytes) + " and one frame may"});
        return;
    }
    if (writing_) return;
    writing_ = true;
    gate_.spawn(runtime_.executor, [this]() -> Task<void> { return write_loop(); });
}

Task<void> Connection::write_loop() {
    std::vector<Bytes> pieces;
    std::vector<ByteView> views;
    while (!over_) {
        std::size_t bytes = 0;
        if (send_queue_.size() < kPiecesPerWrite) seal_small_sends();
        while (!send_queue_.empty() && pieces.size() < kPiecesPerWrite && bytes < kBytesPerWrite) {
            bytes += send_queue_.front().size();
            pieces.push_back(std::move(send_queue_.front()));
            send_queue_.pop_front();
            views.push_back(pieces.back().view());
        }
        if (pieces.empty()) break;
        auto written = co_await stream_->write(views);
        if (over_) break;
        if (!written) {
            shut(std::move(written).error().while_doing("sending"));
            break;
        }
        pieces.clear();
        views.clear();
        queued_bytes_ -= bytes;
        drained_.notify_all();
    }
    writing_ = false;
}

Task<Result<void>> Connection::drained(std::size_t at_most) {
    const auto pass = gate_.enter();
    if (!pass) co_return reason_it_is_over();
    while (!over_ && queued_bytes_ > at_most) co_await drained_.wait();
    if (over_) co_return reason_it_is_over();
    co_return ok();
}

Task<void> Connection::close() {
    shut(Error{ErrorCode::kClosed, "the connection with " + peer_ + " is closed"});
    co_await gate_.close();
}

Task<void> Connection::close_after_drain(Deadline deadline) {
    while (!over_ && queued_bytes_ > 0) {
        if (!co_await drained_.wait_until(runtime_.clock, deadline.when())) break;
    }
    co_await close();
}

void Connection::shut(Error reason) {
    if (over_) return;
    over_ = std::move(reason);
    gate_.shut();
    stream_->close();
    send_queue_.clear();
    small_sends_.clear();
    queued_bytes_ = 0;
    drained_.notify_all();
}

Error Connection::reason_it_is_over() const {
    MR_CHECK(over_.has_value());
    return *over_;
}

}  // namespace millrace::transport
