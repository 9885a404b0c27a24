// SPDX-License-Identifier: Apache-2.0
#include "cli/null_server.h"

#include <utility>
#include <variant>
#include <vector>

#include "common/telemetry/log.h"
#include "common/transport/hello.h"
#include "common/wire/append_assembler.h"
#include "common/wire/messages.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kReceivedBytesMax = 512ull << 20;
constexpr std::size_t kQueuedBytesMax = 256 * 1024;

}  // namespace

class NullServer::Session {
public:
    Session(NullServer& server, std::unique_ptr<ByteStream> stream)
        : server_{server}, connection_{server.runtime_, std::move(stream), [&server] {
                                           transport::ConnectionOptions options;
                                           options.resources = &server.connections_;
                                           return options;
                                       }()} {}

    Task<void> run() {
        if (const auto served = co_await serve(); !served && !connection_.over()) {
            MR_LOG_WARN("connection ended", {"peer", connection_.peer()}, {"reason", served.error().to_string()});
        }
        co_await connection_.close();
    }
    void shut() { connection_.shut(Error{ErrorCode::kClosed, "the server stops"}); }

private:
    struct Writer {
        std::int64_t* length = nullptr;  // of its segment
        std::int64_t acknowledged = kNoEventNumber;
        // Of the newest append that is not acknowledged, if there is one.
        bool ready = false;
        std::int64_t ready_number = 0;
        wire::RequestId ready_request = 0;
    };

    Task<Result<void>> serve() {
        for (;;) {
            {
                MR_CO_TRY(const transport::FrameRun run, co_await connection_.receive_run());
                for (const transport::FrameView frame : run) {
                    MR_CO_TRY(wire::Message message, wire::decode(frame.type, frame.payload, run.bytes()));
                    MR_CO_TRY_VOID(std::visit([this](auto& m) { return on(std::move(m)); }, message));
                }
                acknowledge();
            }
            MR_CO_TRY_VOID(co_await connection_.drained(kQueuedBytesMax));
        }
    }

    template <class M>
    Result<void> on(M message) {
        return Error{ErrorCode::kUnsupported, wire::to_string(wire::type_of(message)) + " is more than a null server knows"};
    }
    Result<void> on(wire::Hello message) { return transport::answer_hello(connection_, message); }
    Result<void> on(wire::KeepAlive message) {
        send(message);
        return ok();
    }
    Result<void> on(wire::Padding) { return assembler_.padding(); }
    Result<void> on(wire::CreateSegment message) {
        wire::SegmentCreated created;
        created.request_id = message.request_id;
        created.segment = std::move(message.segment);
        send(created);
        return ok();
    }
    Result<void> on(wire::DeleteSegment message) {
        if (const auto found = server_.lengths_.find(message.segment); found != server_.lengths_.end()) found->second = 0;
        wire::SegmentDeleted deleted;
        deleted.request_id = message.request_id;
        deleted.segment = std::move(message.segment);
        send(deleted);
        return ok();
    }
    Result<void> on(wire::SetupAppend message) {
        acknowledge();
        MR_TRY_VOID(assembler_.setup_append(message));
        writers_.insert_or_assign(message.writer_id, Writer{.length = &server_.lengths_[message.segment]});
        wire::AppendSetup answer;
        answer.request_id = message.request_id;
        answer.segment = std::move(message.segment);
        answer.writer_id = message.writer_id;
        send(answer);
        return ok();
    }
    Result<void> on(wire::AppendBlock message) { return assembler_.append_block(std::move(message)); }
    Result<void> on(wire::AppendBlockEnd message) {
        MR_TRY(const wire::Append append, assembler_.append_block_end(std::move(message)));
        return take(append);
    }
    Result<void> on(wire::ConditionalAppend message) {
        MR_TRY(const wire::Append append, assembler_.conditional_append(std::move(message)));
        return take(append);
    }
    Result<void> on(wire::ConditionalBlockEnd message) {
        MR_TRY(const wire::Append append, assembler_.conditional_block_end(std::move(message)));
        return take(append);
    }

    Result<void> take(const wire::Append& append) {
        Writer& writer = writers_.at(append.writer->id);
        if (append.expected_offset && *append.expected_offset != *writer.length) {
            wire::ConditionalCheckFailed failed;
            failed.writer_id = append.writer->id;
            failed.event_number = append.event_number;
            failed.request_id = append.request_id;
            send(failed);
            return ok();
        }
        // The request of a conditional append is waited for by its id; others become one acknowledgement.
        if (append.expected_offset) acknowledge();
        *writer.length += static_cast<std::int64_t>(append.data.size());
        writer.ready_number = append.event_number;
        writer.ready_request = append.request_id;
        if (!std::exchange(writer.ready, true)) ready_.emplace_back(append.writer->id, &writer);
        if (append.expected_offset) acknowledge();
        return ok();
    }

    void acknowledge() {
        for (const auto& [id, writer] : ready_) {
            wire::DataAppended ack;
            ack.writer_id = id;
            ack.event_number = writer->ready_number;
            ack.previous_event_number = std::exchange(writer->acknowledged, writer->ready_number);
            ack.request_id = writer->ready_request;
            ack.current_segment_write_offset = *writer->length;
            writer->ready = false;
            send(ack);
        }
        ready_.clear();
    }

    template <class M>
    void send(const M& message) {
        connection_.send_encoded([&message](ByteBuffer& out) { wire::encode(message, out); });
    }

    NullServer& server_;
    transport::Connection connection_;
    wire::AppendAssembler assembler_;
    std::unordered_map<WriterId, Writer> writers_;
    std::vector<std::pair<WriterId, Writer*>> ready_;
};

NullServer::NullServer(Runtime runtime)
    : runtime_{runtime},
      connections_{.received = std::make_shared<MemoryBudget>(kReceivedBytesMax), .pool = BufferPool{}, .counters = {}} {}

NullServer::~NullServer() { MR_CHECK(sessions_.empty()); }

Task<Result<void>> NullServer::start(Endpoint listen) {
    MR_CO_TRY(listener_, co_await runtime_.network.listen(listen));
    gate_.spawn(runtime_.executor, [this] { return accept_loop(); });
    co_return ok();
}

Task<void> NullServer::close() {
    if (listener_) listener_->close();
    for (const auto& session : sessions_) session->shut();
    co_await gate_.close();
}

Task<void> NullServer::accept_loop() {
    for (;;) {
        auto stream = co_await listener_->accept();
        if (!stream) co_return;
        sessions_.push_back(std::make_unique<Session>(*this, std::move(stream).value()));
        gate_.spawn(runtime_.executor, [this, place = std::prev(sessions_.end())]() -> Task<void> {
            co_await (*place)->run();
            sessions_.erase(place);
        });
    }
}

}  // namespace millrace::cli
