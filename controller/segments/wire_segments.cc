// SPDX-License-Identifier: Apache-2.0
#include "controller/segments/wire_segments.h"

#include <chrono>
#include <type_traits>

#include "common/transport/hello.h"

namespace millrace::controller::segments {

namespace {

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr transport::ConnectionOptions kLinkOptions{
    .max_payload_bytes = 1024 * 1024, .receive_buffer_bytes = 32 * 1024, .send_queue_bytes = 1024 * 1024};

Error no_longer(const Endpoint& store) {
    return {ErrorCode::kClosed, "calls to the segment store " + store.to_string() + " are closed", Fate::kUnknown};
}

std::optional<wire::RequestId> request_id_of(const wire::Message& message) {
    return std::visit(
        [](const auto& m) -> std::optional<wire::RequestId> {
            if constexpr (requires { m.request_id; }) return m.request_id;
            else return std::nullopt;
        },
        message);
}

// A reply that none of the calls takes for success.
Error refusal(const std::string& what, const wire::Message& reply) {
    return std::visit(
        [&](const auto& m) -> Error {
            using Kind = std::decay_t<decltype(m)>;
            if constexpr (std::is_same_v<Kind, wire::WrongHost>) {
                return {ErrorCode::kWrongHost, what + ": another store owns the segment, " + m.correct_host};
            } else if constexpr (std::is_same_v<Kind, wire::NoSuchSegment>) {
                return {ErrorCode::kNotFound, what + ": the store does not have the segment"};
            } else if constexpr (std::is_same_v<Kind, wire::AuthTokenCheckFailed>) {
                return {ErrorCode::kUnauthenticated, what + ": the store refused our token"};
            } else if constexpr (std::is_same_v<Kind, wire::OperationUnsupported>) {
                return {ErrorCode::kUnsupported, what + ": the store does not support it"};
            } else if constexpr (std::is_same_v<Kind, wire::ErrorMessage>) {
                return {ErrorCode::kInternal, what + ": the store says: " + m.message, Fate::kUnknown};
            } else {
                return {ErrorCode::kInternal, what + ": the store sent a reply that does not belong to it", Fate::kUnknown};
            }
        },
        reply);
}

}  // namespace

struct WireSegments::Link {
    Link(Runtime runtime, std::unique_ptr<ByteStream> stream) : connection{runtime, std::move(stream), kLinkOptions} {}

    void fail(const Error& error) {
        for (auto& [id, reply] : waiting) reply->set(error);
        waiting.clear();
    }

    transport::Connection connection;
    std::map<wire::RequestId, std::shared_ptr<Reply>> waiting;
};

WireSegments::WireSegments(Runtime runtime, Endpoint store) : runtime_{runtime}, store_{std::move(store)} {}
WireSegments::~WireSegments() = default;

Task<Result<void>> WireSegments::create(std::string segment, CreateOptions options, Deadline deadline) {
    wire::CreateSegment request;
    request.segment = segment;
    request.scale_type = options.scale_type;
    request.target_rate = options.target_rate;
    request.rollover_size_bytes = options.rollover_bytes;
    MR_CO_TRY(const wire::Message reply, co_await ask(std::move(request), deadline));
    if (std::holds_alternative<wire::SegmentCreated>(reply)) co_return ok();
    if (std::holds_alternative<wire::SegmentAlreadyExists>(reply)) co_return ok();
    co_return refusal("creating segment " + segment, reply);
}

Task<Result<void>> WireSegments::seal(std::string segment, Deadline deadline) {
    wire::SealSegment request;
    request.segment = segment;
    MR_CO_TRY(const wire::Message reply, co_await ask(std::move(request), deadline));
    if (std::holds_alternative<wire::SegmentSealed>(reply)) co_return ok();
    if (std::holds_alternative<wire::SegmentIsSealed>(reply)) co_return ok();
    co_return refusal("sealing segment " + segment, reply);
}

Task<Result<void>> WireSegments::truncate(std::string segment, std::int64_t offset, Deadline deadline) {
    wire::TruncateSegment request;
    request.segment = segment;
    request.truncation_offset = offset;
    MR_CO_TRY(const wire::Message reply, co_await ask(std::move(request), deadline));
    if (std::holds_alternative<wire::SegmentTruncated>(reply)) co_return ok();
    if (std::holds_alternative<wire::SegmentIsTruncated>(reply)) co_return ok();
    co_return refusal("truncating segment " + segment, reply);
}

Task<Result<void>> WireSegments::remove(std::string segment, Deadline deadline) {
    wire::DeleteSegment request;
    request.segment = segment;
    MR_CO_TRY(const wire::Message reply, co_await ask(std::move(request), deadline));
    if (std::holds_alternative<wire::SegmentDeleted>(reply)) co_return ok();
    if (std::holds_alternative<wire::NoSuchSegment>(reply)) co_return ok();
    co_return refusal("deleting segment " + segment, reply);
}

Task<Result<std::int64_t>> WireSegments::length(std::string segment, Deadline deadline) {
    wire::GetStreamSegmentInfo request;
    request.segment = segment;
    MR_CO_TRY(const wire::Message reply, co_await ask(std::move(request), deadline));
    const auto* const info = std::get_if<wire::StreamSegmentInfo>(&reply);
    if (info == nullptr) co_return refusal("looking at segment " + segment, reply);
    if (!info->exists || info->is_deleted) {
        co_return Error{ErrorCode::kNotFound, "the store does not have the segment " + segment};
    }
    co_return info->write_offset;
}

template <class Message>
Task<Result<wire::Message>> WireSegments::ask(Message message, Deadline deadline) {
    MR_CO_TRY(const Gate::Pass pass, gate_.enter());
    MR_CO_TRY(const std::shared_ptr<Link> to, co_await link(deadline));
    if (closed_) co_return no_longer(store_);

    message.request_id = ++last_request_id_;
    auto reply = std::make_shared<Reply>();
    to->waiting.emplace(message.request_id, reply);
    ByteBuffer frame;
    wire::encode(wire::Message{message}, frame);
    to->connection.send(std::move(frame));

    std::optional<Result<wire::Message>> result = co_await reply->wait_until(runtime_.clock, deadline.when());
    if (result) co_return std::move(*result);
    // A store that does not answer one request in time is not asked more on the same connection.
    to->waiting.erase(message.request_id);
    Error late{ErrorCode::kTimedOut, "the segment store " + store_.to_string() + " did not answer in time", Fate::kUnknown};
    if (link_ == to) link_.reset();
    to->connection.shut(late);
    co_return late;
}

Task<Result<std::shared_ptr<WireSegments::Link>>> WireSegments::link(Deadline deadline) {
    for (;;) {
        if (closed_) co_return no_longer(store_);
        if (link_) co_return link_;
        if (!connecting_) break;
        // Somebody connects already; share the outcome.
        if (!co_await connected_.wait_until(runtime_.clock, deadline.when())) {
            co_return Error{ErrorCode::kTimedOut, "the segment store " + store_.to_string() + " cannot be reached in time"};
        }
    }
    connecting_ = true;
    const Deadline connect_by{std::min(deadline.when(), runtime_.clock.now() + kConnectTimeout)};
    Result<std::unique_ptr<ByteStream>> stream = co_await runtime_.network.connect(store_, connect_by);
    connecting_ = false;
    connected_.notify_all();
    if (!stream) co_return std::move(stream).error();
    if (closed_) co_return no_longer(store_);

    auto made = std::make_shared<Link>(runtime_, std::move(stream).value());
    ByteBuffer hello;
    // Without waiting for the answer: requests may follow at once.
    wire::encode(wire::Message{transport::kOurHello}, hello);
    made->connection.send(std::move(hello));
    link_ = made;
    gate_.spawn(runtime_.executor, [this, made]() -> Task<void> { return read_replies(made); });
    co_return made;
}

Task<void> WireSegments::read_replies(std::shared_ptr<Link> link) {
    std::optional<Error> over;
    while (!over) {
        Result<std::vector<wire::Frame>> frames = co_await link->connection.receive();
        if (!frames) {
            over = frames.error();
            break;
        }
        for (const wire::Frame& frame : *frames) {
            Result<wire::Message> message = wire::decode(frame);
            if (!message) {
                over = std::move(message).error();
                break;
            }
            if (const auto* hello = std::get_if<wire::Hello>(&*message)) {
                const Result<void> compatible = transport::check_compatible(*hello);
                if (compatible) continue;
                over = compatible.error();
                break;
            }
            const std::optional<wire::RequestId> id = request_id_of(*message);
            if (!id) continue;  // KeepAlive
            const auto found = link->waiting.find(*id);
            if (found == link->waiting.end()) continue;  // nobody waits any more
            found->second->set(std::move(*message));
            link->waiting.erase(found);
        }
    }
    if (link_ == link) link_.reset();
    link->fail(closed_ ? no_longer(store_)
                       : Error{ErrorCode::kUnavailable,
                               "the connection to the segment store " + store_.to_string() + " broke: " + over->detail(),
                               Fate::kUnknown});
    co_await link->connection.close();
}

Task<void> WireSegments::close() {
    closed_ = true;
    gate_.shut();
    connected_.notify_all();
    if (link_) {
        const std::shared_ptr<Link> link = link_;
        link->fail(no_longer(store_));
        link->connection.shut(no_longer(store_));
    }
    co_await gate_.close();
}

}  // namespace millrace::controller::segments
