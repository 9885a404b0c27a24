// SPDX-License-Identifier: Apache-2.0
#include "tests/endtoend/sim/reply_faults.h"

#include <algorithm>
#include <utility>

#include "common/runtime/rare.h"
#include "common/runtime/signal.h"
#include "common/wire/frame.h"

namespace millrace::testing {

namespace {

constexpr std::size_t kReadAtOnce = 64 * 1024;

class StreamWithReplyFaults final : public ByteStream {
public:
    StreamWithReplyFaults(std::unique_ptr<ByteStream> inner, Clock& clock, std::uint64_t seed,
                          std::shared_ptr<const ReplyFaults> faults)
        : inner_{std::move(inner)}, clock_{clock}, random_{seed}, faults_{std::move(faults)} {}

    Task<Result<std::size_t>> read_some(MutableByteView into) override {
        for (;;) {
            if (const auto late_until = std::exchange(late_until_, std::nullopt)) {
                // An early wake-up can only be close().
                if (co_await closed_.wait_until(clock_, *late_until)) break;
            }
            if (lost_) {
                MR_CO_TRY_VOID(co_await break_down());
            }
            if (!ready_.empty()) {
                const std::size_t count = std::min(into.size(), ready_.size());
                std::copy_n(ready_.begin(), count, into.begin());
                ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(count));
                co_return count;
            }
            if (meddle()) continue;
            const std::size_t before = arrived_.size();
            arrived_.resize(before + kReadAtOnce);
            const auto count = co_await inner_->read_some(MutableByteView{arrived_}.subspan(before));
            arrived_.resize(before + (count ? *count : 0));
            if (!count) co_return count;
            if (*count == 0) {
                // The end of the stream, maybe inside a frame.
                if (arrived_.empty()) co_return count;
                ready_ = std::exchange(arrived_, {});
            }
        }
        co_return Error{ErrorCode::kClosed, "the connection was closed here"};
    }

    Task<Result<void>> write(std::span<const ByteView> pieces) override { return inner_->write(pieces); }
    std::size_t try_write(std::span<const ByteView> pieces) override { return inner_->try_write(pieces); }
    void end_writing() override { inner_->end_writing(); }
    void close() override {
        inner_->close();
        closed_.notify_all();
    }
    std::string peer() const override { return inner_->peer(); }

private:
    std::chrono::milliseconds a_while() {
        return std::chrono::milliseconds{random_.between(1, static_cast<std::uint64_t>(faults_->late_max.count()) + 1)};
    }
    bool strikes(std::uint32_t one_in) { return one_in > 0 && random_.one_in(one_in); }

    // Decides the fate of the next whole frame. False when there is none.
    bool meddle() {
        if (arrived_.size() < wire::kFrameHeaderBytes) return false;
        const std::size_t size =
            wire::kFrameHeaderBytes + static_cast<std::size_t>(wire::read_frame_header(ByteView{arrived_}).length);
        if (arrived_.size() < size) return false;
        const ByteView frame = ByteView{arrived_}.first(size);
        if (strikes(faults_->lose_one_in)) {
            MR_PROBE("endtoend.reply_lost");
            lost_ = true;
            return true;
        }
        if (strikes(faults_->late_one_in)) {
            MR_PROBE("endtoend.reply_late");
            late_until_ = clock_.now() + a_while();
        }
        ready_.append(frame);
        ready_.append(ByteView{again_});
        again_.clear();
        if (strikes(faults_->double_one_in)) {
            MR_PROBE("endtoend.reply_doubled");
            (random_.one_in(2) ? ready_ : again_).append(frame);
        }
        arrived_.erase(arrived_.begin(), arrived_.begin() + static_cast<std::ptrdiff_t>(size));
        return true;
    }

    Task<Result<void>> break_down() {
        const bool closed = co_await closed_.wait_until(clock_, clock_.now() + a_while());
        inner_->close();
        if (closed) co_return Error{ErrorCode::kClosed, "the connection was closed here"};
        co_return Error{ErrorCode::kUnavailable, "connection to " + peer() + " broke", Fate::kUnknown};
    }

    const std::unique_ptr<ByteStream> inner_;
    Clock& clock_;
    SeededRandom random_;
    const std::shared_ptr<const ReplyFaults> faults_;
    ByteBuffer arrived_;  // not decided yet
    ByteBuffer ready_;    // for the reader
    ByteBuffer again_;    // comes behind the next frame
    std::optional<MonotonicTime> late_until_;
    bool lost_ = false;
    Signal closed_;
};

}  // namespace

Task<Result<std::unique_ptr<ByteStream>>> NetworkWithReplyFaults::connect(Endpoint endpoint, Deadline deadline) {
    MR_CO_TRY(auto stream, co_await inner_.connect(std::move(endpoint), deadline));
    co_return std::make_unique<StreamWithReplyFaults>(std::move(stream), clock_, random_.next(), faults_);
}

}  // namespace millrace::testing
