// SPDX-License-Identifier: Apache-2.0
//
// The public face of WriterCore: blocking calls from any thread.
#include "client/writer/event_writer.h"

#include <optional>
#include <utility>

#include "common/model/routing_hash.h"

namespace millrace::client {

namespace {

class EventWriterFace final : public EventWriter {
public:
    EventWriterFace(ClientCore& client, std::shared_ptr<WriterCore> core) : client_{client}, core_{std::move(core)} {}

    ~EventWriterFace() override { stop(); }

    Result<void> write(std::string_view routing_key, std::string_view payload, Acknowledged acknowledged) override {
        return core_->write(routing_position(routing_key), payload, std::move(acknowledged));
    }

    Result<void> write_unkeyed(std::string_view payload, Acknowledged acknowledged) override {
        return core_->write(std::nullopt, payload, std::move(acknowledged));
    }

    Result<bool> try_write(std::string_view routing_key, std::string_view payload, Acknowledged acknowledged) override {
        return core_->try_write(routing_position(routing_key), payload, std::move(acknowledged));
    }

    Result<void> write_and_wait(std::string_view routing_key, std::string_view payload) override {
        MR_TRY_VOID(not_at_home("write_and_wait"));
        struct Meeting {
            Mutex mutex;
            Condition arrived;
            std::optional<Result<void>> outcome MR_GUARDED_BY(mutex);
        };
        const auto meeting = std::make_shared<Meeting>();
        MR_TRY_VOID(write(routing_key, payload, [meeting](const Result<void>& stored) {
            const MutexLock lock{meeting->mutex};
            meeting->outcome = stored;
            meeting->arrived.notify_all();
        }));
        const MutexLock lock{meeting->mutex};
        while (!meeting->outcome) meeting->arrived.wait(meeting->mutex);
        return *meeting->outcome;
    }

    void flush(std::function<void(const Result<void>&)> flushed) override {
        // What is written from here on is not waited for, also when the coroutine begins later.
        const std::uint64_t flush = core_->staging().begin_flush();
        client_.gate.spawn(client_.runtime.executor, [core = core_, flush, flushed = std::move(flushed)]() -> Task<void> {
            flushed(co_await core->flush(flush));
        });
    }

    Result<void> flush() override {
        MR_TRY_VOID(not_at_home("flush"));
        Staging& staging = core_->staging();
        return staging.wait_flushed(staging.begin_flush());
    }

    Result<void> close() override {
        MR_TRY_VOID(not_at_home("close"));
        Staging& staging = core_->staging();
        // Writes are refused first: what is accepted is flushed, or its loss reported.
        staging.refuse(Error{ErrorCode::kClosed, "the writer is closed"});
        auto flushed = staging.wait_flushed(staging.begin_flush());
        stop();
        return flushed;
    }

    Stats stats() const override { return core_->stats(); }

private:
    Result<void> not_at_home(std::string_view call) const {
        if (!client_.home.is_here()) return ok();
        return Error{ErrorCode::kFailedPrecondition,
                     std::string{call} + "() called from a callback would wait for itself"};
    }

    void stop() {
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

    ClientCore& client_;
    const std::shared_ptr<WriterCore> core_;
};

}  // namespace

Result<std::unique_ptr<EventWriter>> make_event_writer(ClientCore& client, StreamName stream, WriterOptions options) {
    MR_TRY(auto core, block_on<std::shared_ptr<WriterCore>>(
                          client.home, [&client, stream, options]() -> Task<Result<std::shared_ptr<WriterCore>>> {
                              co_return co_await WriterCore::open(client, stream, options);
                          }));
    return std::unique_ptr<EventWriter>{std::make_unique<EventWriterFace>(client, std::move(core))};
}

}  // namespace millrace::client
