// SPDX-License-Identifier: Apache-2.0
//
// The life of a segment writer: connect, set up, send and be acknowledged, until the segment is
// sealed or the writer stops.
#include "client/writer/segment_writer.h"

#include <algorithm>
#include <utility>

#include "client/writer/writer_core.h"

namespace millrace::client {

namespace {

constexpr std::chrono::seconds kAppendConnectAttempt{5};
// A store that has just started answers when it has recovered the segment's container.
constexpr std::chrono::seconds kSetupAttempt{40};

}  // namespace

SegmentWriter::SegmentWriter(WriterCore& owner, SegmentRange segment, WriterId id, std::int64_t request_id)
    : owner_{owner},
      segment_{segment},
      name_{segment_name(owner.stream_, segment.id)},
      id_{id},
      request_id_{request_id},
      retry_{owner.client_.runtime.clock,
             owner.connected_before_ ? owner.client_.timeouts.retry : owner.client_.timeouts.connect,
             owner.client_.timeouts.retry} {}

bool SegmentWriter::has_work() {
    // Both questions are asked: the second also says that write() shall wake us.
    const bool staged = owner_.staging_.not_ready(segment_.id, true);
    return staged || !unacknowledged_.empty();
}

void SegmentWriter::work() {
    if (owner_.stopping()) return;
    if (ready_) {
        pump();
    } else if (!running_) {
        running_ = true;
        owner_.gate_.spawn(owner_.client_.runtime.executor, [this]() -> Task<void> {
            co_await run();
            running_ = false;
        });
    } else {
        work_.notify_all();
    }
}

void SegmentWriter::interrupt() {
    if (link_) link_->shut(Error{ErrorCode::kClosed, "the writer is closing"});
    work_.notify_all();
}

std::deque<BlockPtr> SegmentWriter::surrender() {
    unacknowledged_bytes_ = 0;
    return std::exchange(unacknowledged_, {});
}

Task<void> SegmentWriter::run() {
    while (true) {
        while (!owner_.stopping() && !has_work()) {
            retry_.rested();
            co_await work_.wait();
        }
        if (owner_.stopping()) co_return;
        owner_.staging_.not_ready(segment_.id, false);

        retry_.trying();
        Ending ending = co_await one_connection();
        ready_ = false;
        if (link_) {
            co_await link_->close();
            link_.reset();
        }
        if (owner_.stopping()) co_return;

        if (ending.end == End::kSealed || ending.end == End::kGone) {
            const auto handed_over = co_await owner_.hand_over(*this, ending.end == End::kGone);
            if (!handed_over && !owner_.stopping()) owner_.fail(handed_over.error());
            co_return;
        }
        if (ending.end == End::kFatal) {
            owner_.fail(std::move(ending.error).while_doing("writing segment " + name_));
            co_return;
        }
        const auto wait = retry_.failed(std::move(ending.error), "writing segment " + name_);
        if (!wait) {
            owner_.fail(wait.error());
            co_return;
        }
        if (!co_await owner_.pause(*wait)) co_return;
    }
}

Task<SegmentWriter::Ending> SegmentWriter::one_connection() {
    const Runtime& runtime = owner_.client_.runtime;
    auto endpoint = co_await owner_.client_.locations.find(owner_.stream_, segment_.id, refresh_location_);
    if (!endpoint) co_return Ending{End::kBroken, std::move(endpoint).error()};
    // Only a store that took up the writer proves the location.
    refresh_location_ = true;
    if (owner_.stopping()) co_return broken("the writer is closing");

    const MonotonicTime attempt_end = std::min(runtime.clock.now() + kAppendConnectAttempt, retry_.give_up_at());
    auto link = co_await SegmentLink::open(runtime, std::move(*endpoint), Deadline{attempt_end}, &owner_.client_.connections);
    if (!link) co_return Ending{End::kBroken, std::move(link).error()};
    link_ = std::move(*link);
    if (owner_.stopping()) co_return broken("the writer is closing");

    link_->send(wire::SetupAppend{request_id_, id_, name_, ""});
    const MonotonicTime setup_end = std::min(runtime.clock.now() + kSetupAttempt, retry_.give_up_at());
    // The timer lives no longer than this coroutine, which outlives neither the object nor the link.
    const Clock::TimerId timer = runtime.clock.schedule(setup_end, runtime.executor, [this] {
        if (!ready_ && link_) {
            link_->shut(Error{ErrorCode::kTimedOut, "segment store " + link_->peer() + " did not answer in time"});
        }
    });
    while (true) {
        auto messages = co_await link_->receive();
        if (!messages) {
            runtime.clock.cancel(timer);
            Error error = std::move(messages).error();
            const bool fatal = error.is(ErrorCode::kUnsupported);
            // A connection that is closed here was closed for a reason that receive() gives.
            co_return Ending{fatal ? End::kFatal : End::kBroken, std::move(error)};
        }
        for (const wire::Message& message : *messages) {
            auto ending = handle(message);
            // A callback may have failed or stopped the writer.
            if (!ending && owner_.stopping()) ending = broken("the writer is closing");
            if (ending) {
                runtime.clock.cancel(timer);
                co_return std::move(*ending);
            }
        }
        pump();
    }
}

SegmentWriter::Ending SegmentWriter::broken(std::string detail) const {
    return {End::kBroken, Error{ErrorCode::kUnavailable, std::move(detail)}};
}

std::optional<SegmentWriter::Ending> SegmentWriter::handle(const wire::Message& message) {
    const std::string at = "segment store " + link_->peer();
    if (const auto* appended = std::get_if<wire::DataAppended>(&message)) return handle_acknowledgement(*appended);
    if (const auto* setup = std::get_if<wire::AppendSetup>(&message)) return handle_setup(*setup);
    if (std::holds_alternative<wire::SegmentIsSealed>(message)) {
        return Ending{End::kSealed, Error{ErrorCode::kSealed, name_ + " is sealed"}};
    }
    if (std::holds_alternative<wire::NoSuchSegment>(message)) {
        return Ending{End::kGone, Error{ErrorCode::kNotFound, name_ + " does not exist"}};
    }
    if (std::holds_alternative<wire::WrongHost>(message)) return broken(at + " does not serve " + name_);
    if (std::holds_alternative<wire::InvalidEventNumber>(message)) {
        // An append of an earlier connection arrived late; the next setup tells the number.
        return broken(at + " has another event number for this writer");
    }
    if (const auto* check = std::get_if<wire::AuthTokenCheckFailed>(&message)) {
        const bool expired = check->error_code == 1;
        if (expired) return broken(at + " says that the token has expired");
        return Ending{End::kFatal, Error{ErrorCode::kUnauthenticated, at + " refused the token"}};
    }
    if (const auto* refused = std::get_if<wire::ErrorMessage>(&message)) return broken(at + ": " + refused->message);
    if (const auto* refused = std::get_if<wire::OperationUnsupported>(&message)) {
        return broken(at + " does not support " + refused->operation_name);
    }
    return broken(at + " sent a message that answers no append");
}

std::optional<SegmentWriter::Ending> SegmentWriter::handle_setup(const wire::AppendSetup& setup) {
    if (setup.writer_id != id_ || ready_) return broken("segment store " + link_->peer() + " set up another writer");
    if (setup.last_event_number != kNoEventNumber && setup.last_event_number > last_number_) {
        return Ending{End::kFatal, Error{ErrorCode::kInternal, "the segment store has event " +
                                                                   std::to_string(setup.last_event_number) +
                                                                   " of a writer that has written only " +
                                                                   std::to_string(last_number_)}};
    }
    if (std::exchange(was_ready_, true)) owner_.reconnects_.fetch_add(1, std::memory_order_relaxed);
    owner_.connected_before_ = true;
    refresh_location_ = false;

    const std::size_t before = unacknowledged_.size();
    if (!owner_.client_.mutations.resend_without_asking) acknowledge_up_to(setup.last_event_number);
    // A connection that is taken up but never gets anything done must not look like progress, or a
    // store that closes it at each append would be asked without a pause.
    if (unacknowledged_.size() < before || unacknowledged_.empty()) retry_.worked();
    if (owner_.stopping()) return std::nullopt;
    ready_ = true;
    for (const BlockPtr& block : unacknowledged_) link_->send(Bytes{block, block->frame()});
    pump();
    return std::nullopt;
}

std::optional<SegmentWriter::Ending> SegmentWriter::handle_acknowledgement(const wire::DataAppended& appended) {
    const std::string at = "segment store " + link_->peer();
    if (!ready_ || appended.writer_id != id_) return broken(at + " acknowledged another writer's events");
    if (unacknowledged_.empty()) return broken(at + " acknowledged events when none were outstanding");
    const std::int64_t lowest =
        unacknowledged_.front()->last_event_number() - static_cast<std::int64_t>(unacknowledged_.front()->events()) + 1;
    // The acknowledgement covers (previous, event]; anything else means that we and the store disagree
    // on what has been sent, and a new setup settles that.
    if (appended.previous_event_number >= appended.event_number || lowest <= appended.previous_event_number) {
        return broken(at + " acknowledged events out of order");
    }
    const auto last = std::find_if(unacknowledged_.begin(), unacknowledged_.end(), [&](const BlockPtr& block) {
        return block->last_event_number() >= appended.event_number;
    });
    if (last == unacknowledged_.end() || (*last)->last_event_number() != appended.event_number) {
        return broken(at + " acknowledged an event that ends no block");
    }
    retry_.worked();
    acknowledge_up_to(appended.event_number);
    return std::nullopt;
}

void SegmentWriter::acknowledge_up_to(std::int64_t event_number) {
    std::deque<BlockPtr> stored;
    while (!unacknowledged_.empty() && unacknowledged_.front()->last_event_number() <= event_number) {
        unacknowledged_bytes_ -= unacknowledged_.front()->event_bytes();
        stored.push_back(std::move(unacknowledged_.front()));
        unacknowledged_.pop_front();
    }
    if (!unacknowledged_.empty()) {
        const Block& front = *unacknowledged_.front();
        const std::int64_t before = front.last_event_number() - static_cast<std::int64_t>(front.events());
        if (event_number > before) {
            split_front(event_number);
            unacknowledged_bytes_ -= unacknowledged_.front()->event_bytes();
            stored.push_back(std::move(unacknowledged_.front()));
            unacknowledged_.pop_front();
        }
    }
    if (!stored.empty()) owner_.finish(std::move(stored), ok());
}

void SegmentWriter::split_front(std::int64_t last_stored) {
    const BlockPtr whole = std::move(unacknowledged_.front());
    unacknowledged_.pop_front();
    auto stored = std::make_shared<Block>();
    auto rest = std::make_shared<Block>();
    stored->generation = rest->generation = whole->generation;
    std::int64_t number = whole->last_event_number() - static_cast<std::int64_t>(whole->events());
    for (Block::Event& event : whole->dissolve()) {
        Block& into = ++number <= last_stored ? *stored : *rest;
        into.add_framed(event.position, event.framed, std::move(event.acknowledged));
    }
    stored->number(id_, last_stored, request_id_);
    rest->number(id_, whole->last_event_number(), request_id_);
    unacknowledged_.push_front(std::move(rest));
    unacknowledged_.push_front(std::move(stored));
}

void SegmentWriter::pump() {
    while (ready_ && !owner_.stopping()) {
        BlockPtr block = owner_.staging_.take(segment_.id, {unacknowledged_.size(), unacknowledged_bytes_});
        if (!block) return;
        last_number_ += static_cast<std::int64_t>(block->events());
        block->number(id_, last_number_, request_id_);
        unacknowledged_bytes_ += block->event_bytes();
        link_->send(Bytes{block, block->frame()});
        if (owner_.client_.mutations.acknowledge_when_sent) block->notify(ok());
        unacknowledged_.push_back(std::move(block));
    }
}

}  // namespace millrace::client
