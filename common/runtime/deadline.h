// SPDX-License-Identifier: Apache-2.0
//
// Until when an operation may try. A point in time inside a process, time left on the wire.
#pragma once

#include <chrono>

#include "common/runtime/clock.h"

namespace millrace {

class Deadline {
public:
    explicit Deadline(MonotonicTime when) : when_{when} {}
    static Deadline never() { return Deadline{MonotonicTime::max()}; }
    static Deadline after(const Clock& clock, std::chrono::nanoseconds duration) {
        return Deadline{clock.now() + duration};
    }

    MonotonicTime when() const { return when_; }
    bool is_never() const { return when_ == MonotonicTime::max(); }
    bool passed(const Clock& clock) const { return clock.now() >= when_; }
    std::chrono::nanoseconds left(const Clock& clock) const { return when_ - clock.now(); }

private:
    MonotonicTime when_;
};

}  // namespace millrace
