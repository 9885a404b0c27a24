// SPDX-License-Identifier: Apache-2.0
//
// A callable that may own move-only things (C++20 has no std::move_only_function). Called at most
// as often as its target allows; an empty one must not be called.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "common/base/check.h"

namespace millrace {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
public:
    UniqueFunction() = default;
    UniqueFunction(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)

    template <class F>
        requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> && std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
    UniqueFunction(F&& f)  // NOLINT(google-explicit-constructor,bugprone-forwarding-reference-overload)
        : target_{std::make_unique<Target<std::decay_t<F>>>(std::forward<F>(f))} {}

    explicit operator bool() const { return target_ != nullptr; }
    R operator()(Args... args) {
        MR_CHECK(target_ != nullptr);
        return target_->call(std::forward<Args>(args)...);
    }

private:
    struct Base {
        virtual ~Base() = default;
        virtual R call(Args&&... args) = 0;
    };
    template <class F>
    struct Target final : Base {
        explicit Target(F&& f) : f_{std::move(f)} {}
        explicit Target(const F& f) : f_{f} {}
        R call(Args&&... args) override { return f_(std::forward<Args>(args)...); }
        F f_;
    };
    std::unique_ptr<Base> target_;
};

}  // namespace millrace
