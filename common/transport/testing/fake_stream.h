// SPDX-License-Identifier: Apache-2.0
//
// A ByteStream in memory whose other side is the test: it decides what arrives in which portions,
// how the stream ends, and how much of what is written is taken.
// Thread rule: one executor.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/runtime/network.h"
#include "common/runtime/signal.h"

namespace millrace::transport::testing {

// The test's side. Shared, because the connection owns the stream itself.
class FakePeer {
public:
    // One read_some brings at most one portion.
    void arrive(ByteView portion) {
        incoming_.push_back(Bytes::copy_of(portion));
        changed_.notify_all();
    }
    void end() {
        ended_ = true;
        changed_.notify_all();
    }
    void break_off() {
        broken_ = true;
        changed_.notify_all();
    }
    // Writes go on until this many bytes are taken in all. Unlimited at first.
    void take_until(std::size_t bytes) {
        take_until_ = bytes;
        changed_.notify_all();
    }

    ByteBuffer taken;                // everything that was written
    std::size_t writes = 0;          // calls of write()
    std::size_t most_pieces = 0;     // of one write()
    std::size_t most_offered = 0;    // room of one read_some()
    bool closed = false;
    bool tries = false;              // whether some is written at once
    bool told_end = false;           // our end has ended its direction
    bool closes_when_told = true;    // then the peer ends its own

private:
    friend class FakeStream;
    std::deque<Bytes> incoming_;
    bool ended_ = false;
    bool broken_ = false;
    std::size_t take_until_ = SIZE_MAX;
    Signal changed_;
};

class FakeStream final : public ByteStream {
public:
    explicit FakeStream(std::shared_ptr<FakePeer> peer) : peer_{std::move(peer)} {}
    ~FakeStream() override { peer_->closed = true; }

    Task<Result<std::size_t>> read_some(MutableByteView into) override {
        MR_CHECK(!into.empty());
        peer_->most_offered = std::max(peer_->most_offered, into.size());
        for (;;) {
            if (peer_->closed) co_return Error{ErrorCode::kClosed, "closed here"};
            if (!peer_->incoming_.empty()) {
                Bytes& front = peer_->incoming_.front();
                const std::size_t count = std::min(front.size(), into.size());
                std::copy_n(front.data(), count, into.begin());
                if (count == front.size()) peer_->incoming_.pop_front();
                else front = front.slice(count);
                co_return count;
            }
            if (peer_->broken_) co_return Error{ErrorCode::kUnavailable, "broken"};
            if (peer_->ended_) co_return std::size_t{0};
            co_await peer_->changed_.wait();
        }
    }

    Task<Result<void>> write(std::span<const ByteView> pieces) override {
        ++peer_->writes;
        peer_->most_pieces = std::max(peer_->most_pieces, pieces.size());
        for (const ByteView piece : pieces) {
            for (std::size_t at = 0; at < piece.size();) {
                if (peer_->closed) co_return Error{ErrorCode::kClosed, "closed here"};
                if (peer_->broken_) co_return Error{ErrorCode::kUnavailable, "broken"};
                const std::size_t room = peer_->take_until_ - std::min(peer_->taken.size(), peer_->take_until_);
                const std::size_t count = std::min(room, piece.size() - at);
                peer_->taken.append(piece.subspan(at, count));
                at += count;
                if (count == 0) co_await peer_->changed_.wait();
            }
        }
        co_return ok();
    }

    std::size_t try_write(std::span<const ByteView> pieces) override {
        if (peer_->closed || peer_->broken_ || !peer_->tries) return 0;
        std::size_t written = 0;
        for (const ByteView piece : pieces) {
            const std::size_t room = peer_->take_until_ - std::min(peer_->taken.size(), peer_->take_until_);
            const std::size_t count = std::min(room, piece.size());
            peer_->taken.append(piece.first(count));
            written += count;
            if (count < piece.size()) break;
        }
        return written;
    }

    void end_writing() override {
        peer_->told_end = true;
        if (peer_->closes_when_told) peer_->end();
    }

    void close() override {
        peer_->closed = true;
        peer_->changed_.notify_all();
    }

    std::string peer() const override { return "test:1"; }

private:
    std::shared_ptr<FakePeer> peer_;
};

}  // namespace millrace::transport::testing
