// SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value or an Error. Ours because C++20 has no std::expected, and because Asio builds
// an empty result on its exception path: a default Result is an internal error, never a value.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "common/base/check.h"
#include "common/base/error.h"

namespace millrace {

template <class T>
class [[nodiscard]] Result {
public:
    using value_type = T;

    Result() : state_{std::in_place_index<1>, ErrorCode::kInternal, "result was never set"} {}
    Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}      // NOLINT(google-explicit-constructor)
    Result(Error error) : state_{std::in_place_index<1>, std::move(error)} {}  // NOLINT(google-explicit-constructor)

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    // REQUIRES: ok().
    T& value() & { MR_CHECK(ok()); return *std::get_if<0>(&state_); }
    const T& value() const& { MR_CHECK(ok()); return *std::get_if<0>(&state_); }
    T&& value() && { MR_CHECK(ok()); return std::move(*std::get_if<0>(&state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    // REQUIRES: !ok().
    const Error& error() const& { MR_CHECK(!ok()); return *std::get_if<1>(&state_); }
    Error&& error() && { MR_CHECK(!ok()); return std::move(*std::get_if<1>(&state_)); }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;

    Result() : error_{std::in_place, ErrorCode::kInternal, "result was never set"} {}
    Result(Error error) : error_{std::move(error)} {}  // NOLINT(google-explicit-constructor)

    static Result success() { return Result{Success{}}; }

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    void value() const { MR_CHECK(ok()); }

    const Error& error() const& { MR_CHECK(!ok()); return *error_; }
    Error&& error() && { MR_CHECK(!ok()); return std::move(*error_); }

private:
    struct Success {};
    explicit Result(Success) {}

    std::optional<Error> error_;
};

// The success of an operation without a value: `return ok();`.
inline Result<void> ok() { return Result<void>::success(); }

}  // namespace millrace

#define MR_CONCAT_INNER(a, b) a##b
#define MR_CONCAT(a, b) MR_CONCAT_INNER(a, b)

// MR_TRY(auto x, f()): x = the value of f(), or return its error. In a coroutine: MR_CO_TRY.
#define MR_TRY(declaration, ...) MR_TRY_INNER(return, MR_CONCAT(mr_result_, __COUNTER__), declaration, __VA_ARGS__)
#define MR_CO_TRY(declaration, ...) \
    MR_TRY_INNER(co_return, MR_CONCAT(mr_result_, __COUNTER__), declaration, __VA_ARGS__)
#define MR_TRY_INNER(leave, temporary, declaration, ...)         \
    auto temporary = (__VA_ARGS__);                              \
    if (!temporary) [[unlikely]] leave std::move(temporary).error(); \
    declaration = std::move(temporary).value()

// The same for results without a value.
#define MR_TRY_VOID(...)                                                                        \
    do {                                                                                        \
        if (auto mr_result = (__VA_ARGS__); !mr_result) [[unlikely]] return std::move(mr_result).error(); \
    } while (false)
#define MR_CO_TRY_VOID(...)                                                                        \
    do {                                                                                           \
        if (auto mr_result = (__VA_ARGS__); !mr_result) [[unlikely]] co_return std::move(mr_result).error(); \
    } while (false)
