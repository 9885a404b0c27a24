// SPDX-License-Identifier: Apache-2.0
//
// The application's end of a reader: takes single events from what was handed over and keeps the
// position behind the last one taken.
// Thread rule: one thread at a time.
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "client/reader/handover.h"
#include "common/base/result.h"
#include "millrace/event_reader.h"

namespace millrace::client {

class Consumer {
public:
    // `resume` is called when a fetcher that waited for room may go on.
    Consumer(Handover& handover, Position start, std::function<void()> resume)
        : handover_{handover}, position_{std::move(start)}, resume_{std::move(resume)} {}

    // The next event, or the end, or an error; nothing when more must be handed over first. The end
    // and a final error stay.
    std::optional<Result<EventReader::Next>> poll();
    void add(std::deque<Handed> items);

    const Position& position() const { return position_; }

private:
    EventReader::Next take_event();

    Handover& handover_;
    Position position_;
    const std::function<void()> resume_;
    std::deque<Handed> items_;
    std::optional<EventRun> run_;  // events are being taken from it
    std::size_t run_taken_ = 0;
    std::int64_t* run_place_ = nullptr;  // its segment in position_
    bool ended_ = false;
    std::optional<Error> failed_;
};

}  // namespace millrace::client
