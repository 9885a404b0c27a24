// SPDX-License-Identifier: Apache-2.0
//
// From runs of events to events.
#include "client/reader/consumer.h"

#include <iterator>
#include <utility>

#include "client/reader/run_cutter.h"

namespace millrace::client {

void Consumer::add(std::deque<Handed> items) {
    if (items_.empty()) items_ = std::move(items);
    else std::move(items.begin(), items.end(), std::back_inserter(items_));
}

EventReader::Next Consumer::take_event() {
    const auto whole = framed_event_bytes(run_->data.view().subspan(run_taken_));
    MR_CHECK(whole.ok() && *whole <= run_->data.size() - run_taken_);  // the cutter saw to it
    EventReader::Next next;
    next.outcome = EventReader::Outcome::kEvent;
    next.event.segment = run_->segment;
    next.event.offset = run_->offset + static_cast<std::int64_t>(run_taken_);
    next.event.payload =
        run_->data.slice(run_taken_ + wire::kEventHeaderBytes, *whole - wire::kEventHeaderBytes);
    run_taken_ += *whole;
    *run_place_ = run_->offset + static_cast<std::int64_t>(run_taken_);
    return next;
}

std::optional<Result<EventReader::Next>> Consumer::poll() {
    while (true) {
        if (failed_) return Result<EventReader::Next>{*failed_};
        if (ended_) return Result<EventReader::Next>{EventReader::Next{EventReader::Outcome::kEndOfStream, {}}};
        if (run_) {
            EventReader::Next next = take_event();
            if (run_taken_ == run_->data.size()) {
                const EventRun done = *std::exchange(run_, std::nullopt);
                if (handover_.consumed(*done.read_ahead, done.data.size())) resume_();
            }
            return Result<EventReader::Next>{std::move(next)};
        }
        if (items_.empty()) items_ = handover_.take(std::chrono::nanoseconds{0});
        if (items_.empty()) return std::nullopt;
        Handed item = std::move(items_.front());
        items_.pop_front();
        if (auto* run = std::get_if<EventRun>(&item)) {
            run_ = std::move(*run);
            run_taken_ = 0;
            run_place_ = &position_.offsets[run_->segment];
        } else if (const auto* change = std::get_if<PositionChange>(&item)) {
            for (const auto& [segment, offset] : change->set) position_.offsets[segment] = offset;
            for (const SegmentId segment : change->forget) position_.offsets.erase(segment);
        } else if (auto* failure = std::get_if<Failure>(&item)) {
            if (failure->final) failed_ = std::move(failure->error);
            else return Result<EventReader::Next>{std::move(failure->error)};
        } else {
            ended_ = true;
        }
    }
}

}  // namespace millrace::client
