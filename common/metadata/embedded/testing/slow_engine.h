// SPDX-License-Identifier: Apache-2.0
//
// For tests: an engine whose answers to reads take a while to arrive, so that what they show may be out of date by then.
// Thread rule: the executor of the stores' runtime.
#pragma once

#include <memory>
#include <utility>

#include "common/keyvalue/keyvalue.h"
#include "common/runtime/clock.h"

namespace millrace::keyvalue {

// After the answer is known.
inline Task<void> late(Runtime runtime) {
    if (!runtime.random.one_in(3)) co_await sleep_for(runtime.clock, std::chrono::microseconds{runtime.random.between(0, 3000)});
}

class SlowSnapshot final : public Snapshot {
public:
    SlowSnapshot(Runtime runtime, std::unique_ptr<Snapshot> inner) : runtime_{runtime}, inner_{std::move(inner)} {}
    Task<Result<std::optional<std::string>>> get(std::string key) override {
        auto found = co_await inner_->get(std::move(key));
        co_await late(runtime_);
        co_return found;
    }
    Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys) override {
        auto found = co_await inner_->multi_get(std::move(keys));
        co_await late(runtime_);
        co_return found;
    }
    Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit) override {
        auto found = co_await inner_->scan(std::move(begin), std::move(end), limit);
        co_await late(runtime_);
        co_return found;
    }

private:
    const Runtime runtime_;
    const std::unique_ptr<Snapshot> inner_;
};

class SlowStore final : public Store {
public:
    SlowStore(Runtime runtime, std::unique_ptr<Store> inner) : runtime_{runtime}, inner_{std::move(inner)} {}

    Task<Result<std::optional<std::string>>> get(std::string key) override {
        auto found = co_await inner_->get(std::move(key));
        co_await late(runtime_);
        co_return found;
    }
    Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys) override {
        auto found = co_await inner_->multi_get(std::move(keys));
        co_await late(runtime_);
        co_return found;
    }
    Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit) override {
        auto found = co_await inner_->scan(std::move(begin), std::move(end), limit);
        co_await late(runtime_);
        co_return found;
    }
    // Visible before it returns.
    Task<Result<void>> write(WriteBatch batch, Durability durability) override {
        auto written = co_await inner_->write(std::move(batch), durability);
        co_await late(runtime_);
        co_return written;
    }
    Task<Result<void>> flush() override { return inner_->flush(); }
    Task<Result<std::unique_ptr<Snapshot>>> snapshot() override {
        auto made = co_await inner_->snapshot();
        co_await late(runtime_);
        if (!made) co_return std::move(made).error();
        co_return std::unique_ptr<Snapshot>{std::make_unique<SlowSnapshot>(runtime_, std::move(*made))};
    }
    Task<Result<std::unique_ptr<PinnedFiles>>> pin_files() override { return inner_->pin_files(); }
    Task<Result<void>> compact() override { return inner_->compact(); }
    Task<Result<void>> verify() override { return inner_->verify(); }
    Task<Result<Statistics>> statistics() override { return inner_->statistics(); }
    std::optional<Error> stopped() const override { return inner_->stopped(); }
    Task<Error> failed() override { return inner_->failed(); }
    Task<void> close() override { return inner_->close(); }

private:
    const Runtime runtime_;
    const std::unique_ptr<Store> inner_;
};

class SlowEngine final : public Engine {
public:
    explicit SlowEngine(std::shared_ptr<Engine> inner) : inner_{std::move(inner)} {}

    Task<Result<std::unique_ptr<Store>>> open(Runtime runtime, StoreOptions options) override {
        auto opened = co_await inner_->open(runtime, std::move(options));
        if (!opened) co_return std::move(opened).error();
        co_return std::unique_ptr<Store>{std::make_unique<SlowStore>(runtime, std::move(*opened))};
    }
    Task<Result<std::unique_ptr<Restore>>> restore(Runtime runtime, std::string directory) override {
        return inner_->restore(runtime, std::move(directory));
    }
    Task<Result<void>> destroy(Runtime runtime, std::string directory) override {
        return inner_->destroy(runtime, std::move(directory));
    }
    std::size_t cache_bytes_used() const override { return inner_->cache_bytes_used(); }
    std::size_t write_buffers_bytes_used() const override { return inner_->write_buffers_bytes_used(); }

private:
    const std::shared_ptr<Engine> inner_;
};

}  // namespace millrace::keyvalue
