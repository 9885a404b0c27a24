// SPDX-License-Identifier: Apache-2.0
#include "common/transport/send_queue.h"

#include <cstring>
#include <utility>

#include "common/base/binary.h"

namespace millrace::transport {
namespace {

// Sends up to this size are copied together; beyond it a copy costs more than a piece of its own.
constexpr std::size_t kSmallSendBytes = 2 * 1024;
constexpr std::size_t kSmallSendsBytes = 64 * 1024;
// Of one gathered write.
constexpr std::size_t kPiecesPerWrite = 64;
// A connection that sends less at a time does not keep memory for more.
constexpr std::size_t kSpareFromBytes = 4 * 1024;

constexpr std::uint32_t big_endian(std::uint32_t v) { return detail::in_order<std::endian::big>(v); }

}  // namespace

ByteBuffer& SendQueue::begin_append() {
    if (small_.size() >= kSmallSendsBytes) seal();
    if (small_.capacity() == 0) small_ = std::exchange(spare_, {});
    // Where more than a few come at once, the memory need not grow step by step.
    if (small_.size() > kSmallSendBytes && small_.capacity() < kSmallSendsBytes) small_.reserve(kSmallSendsBytes + kSmallSendBytes);
    small_before_ = small_.size();
    return small_;
}

void SendQueue::end_append() { bytes_ += small_.size() - small_before_; }

void SendQueue::add(ByteBuffer frames) {
    if (frames.size() <= kSmallSendBytes) {
        begin_append().append(frames);
        end_append();
        return;
    }
    seal();
    bytes_ += frames.size();
    pieces_.emplace_back().own = std::move(frames);
}

void SendQueue::add(Bytes part) {
    seal();
    bytes_ += part.size();
    pieces_.emplace_back().shared = std::move(part);
}

void SendQueue::add_frame(wire::FrameType type, Bytes payload) {
    if (payload.size() <= kSmallSendBytes) {
        append_frame(type, payload.size(), payload);
    } else {
        append_frame(type, payload.size(), {});
        add(std::move(payload));
    }
}

void SendQueue::add_copy(wire::FrameType type, ByteView payload) { append_frame(type, payload.size(), payload); }

// All in one growth: for the smallest frames each would cost as much as the copy.
void SendQueue::append_frame(wire::FrameType type, std::size_t payload_bytes, ByteView copied) {
    ByteBuffer& out = begin_append();
    out.resize(small_before_ + wire::kFrameHeaderBytes + copied.size());
    std::byte* const at = out.data() + small_before_;
    const std::uint32_t header[2] = {big_endian(static_cast<std::uint32_t>(type)),
                                     big_endian(static_cast<std::uint32_t>(payload_bytes))};
    std::memcpy(at, header, sizeof header);
    if (!copied.empty()) std::memcpy(at + sizeof header, copied.data(), copied.size());
    end_append();
}

void SendQueue::seal() {
    if (small_.empty()) return;
    pieces_.emplace_back().own = std::exchange(small_, {});
}

std::span<const ByteView> SendQueue::take(std::size_t bytes_max) {
    MR_CHECK(taken_bytes_ == 0);
    if (pieces_.size() < kPiecesPerWrite) seal();
    while (!pieces_.empty() && out_.size() < kPiecesPerWrite && taken_bytes_ < bytes_max) {
        Piece& first = pieces_.front();
        const ByteView view = first.view();
        const std::size_t room = bytes_max - taken_bytes_;
        if (view.size() > room) {
            // Shared from here on, so that both parts keep it alive.
            if (first.shared.empty()) first.shared = Bytes{std::move(first.own)};
            Piece& part = out_.emplace_back();
            part.shared = first.shared.slice(first.begin, room);
            first.begin += room;
            views_.push_back(part.view());
            taken_bytes_ += room;
            break;
        }
        taken_bytes_ += view.size();
        out_.push_back(std::move(first));
        pieces_.pop_front();
        views_.push_back(out_.back().view());
    }
    return views_;
}

void SendQueue::done(std::size_t written) {
    MR_CHECK(written <= taken_bytes_);
    bytes_ -= written;
    const bool all = written == taken_bytes_;
    taken_bytes_ = 0;
    views_.clear();
    if (all) {
        const bool kept = bytes_ > 0 || written >= kSpareFromBytes;
        for (Piece& piece : out_) {
            if (!kept || !piece.shared.empty() || piece.own.capacity() < spare_.capacity()) continue;
            if (piece.own.capacity() > 2 * kSmallSendsBytes) continue;
            spare_ = std::move(piece.own);
            spare_.clear();
        }
        if (!kept) spare_ = {};
    } else {
        std::size_t gone = 0;
        while (written >= out_[gone].view().size()) written -= out_[gone++].view().size();
        out_[gone].begin += written;
        for (std::size_t i = out_.size(); i-- > gone;) pieces_.push_front(std::move(out_[i]));
    }
    out_.clear();
}

void SendQueue::clear() {
    pieces_.clear();
    small_ = {};
    spare_ = {};
    bytes_ = taken_bytes_;
}

}  // namespace millrace::transport
