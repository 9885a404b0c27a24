// SPDX-License-Identifier: Apache-2.0
//
// At most so many at a time; who comes when all are given waits, oldest first.
// Thread rule: executor-confined. Lifetime: outlives its permits and whoever waits for one.
#pragma once

#include <cstddef>
#include <utility>

#include "common/runtime/signal.h"
#include "common/runtime/task.h"

namespace millrace {

class Permits {
public:
    explicit Permits(std::size_t limit) : limit_{limit} {}
    Permits(const Permits&) = delete;
    Permits& operator=(const Permits&) = delete;

    class Permit {
    public:
        Permit(Permit&& other) noexcept : permits_{std::exchange(other.permits_, nullptr)} {}
        Permit& operator=(Permit&&) = delete;
        ~Permit() {
            if (permits_ != nullptr) permits_->give_back();
        }

    private:
        friend class Permits;
        explicit Permit(Permits& permits) : permits_{&permits} {}
        Permits* permits_;
    };

    Task<Permit> take() {
        if (taken_ < limit_) {
            ++taken_;
        } else {
            co_await given_back_.wait();
        }
        co_return Permit{*this};
    }

private:
    // Who waits gets it, still taken: whoever comes before that one runs again finds none.
    void give_back() {
        if (given_back_.waiting() > 0) {
            given_back_.notify_one();
        } else {
            --taken_;
        }
    }

    const std::size_t limit_;
    std::size_t taken_ = 0;
    Signal given_back_;
};

}  // namespace millrace
