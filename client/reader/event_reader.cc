// SPDX-License-Identifier: Apache-2.0
//
// The public face of ReaderCore: blocking calls from any thread.
#include "client/reader/event_reader.h"

#include <algorithm>
#include <utility>

#include "client/reader/consumer.h"

namespace millrace::client {

namespace {

class EventReaderFace final : public EventReader {
public:
    EventReaderFace(ClientCore& client, std::shared_ptr<ReaderCore> core)
        : client_{client},
          core_{std::move(core)},
          consumer_{core_->handover(), core_->start_position(), [this] { resume(); }} {}

    ~EventReaderFace() override {
        if (client_.home.is_here()) {
            // Destroyed in a callback: the rest happens behind it.
            client_.gate.spawn(client_.runtime.executor, [core = core_]() -> Task<void> { co_await core->stop(); });
            return;
        }
        (void)block_on<bool>(client_.home, [core = core_]() -> Task<Result<bool>> {
            co_await core->stop();
            co_return true;
        });
    }

    Result<Next> next(std::chrono::milliseconds timeout) override {
        // Waiting longer than this is waiting for ever, and the sum below must not overflow.
        constexpr std::chrono::milliseconds kLongest = std::chrono::hours{24 * 365};
        Clock& clock = client_.runtime.clock;
        std::optional<MonotonicTime> end;  // the clock is read only when there is nothing to return
        while (true) {
            {
                const MutexLock lock{mutex_};
                if (auto next = consumer_.poll()) return std::move(*next);
            }
            const MonotonicTime now = clock.now();
            if (!end) end = now + std::clamp(timeout, std::chrono::milliseconds{0}, kLongest);
            if (now >= *end) return Next{};
            if (client_.home.is_here()) {
                return Error{ErrorCode::kFailedPrecondition, "next() called from a callback would wait for itself"};
            }
            auto items = core_->handover().take(*end - now);
            const MutexLock lock{mutex_};
            consumer_.add(std::move(items));
        }
    }

    Position position() const override {
        const MutexLock lock{mutex_};
        return consumer_.position();
    }

private:
    void resume() {
        post(client_.runtime.executor, [core = core_] { core->resume(); });
    }

    ClientCore& client_;
    const std::shared_ptr<ReaderCore> core_;
    mutable Mutex mutex_;
    Consumer consumer_ MR_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<EventReader>> make_event_reader(ClientCore& client, StreamName stream, ReaderOptions options) {
    MR_TRY(auto core, block_on<std::shared_ptr<ReaderCore>>(
                          client.home, [&client, stream, options]() -> Task<Result<std::shared_ptr<ReaderCore>>> {
                              co_return co_await ReaderCore::open(client, stream, options);
                          }));
    return std::unique_ptr<EventReader>{std::make_unique<EventReaderFace>(client, std::move(core))};
}

}  // namespace millrace::client
