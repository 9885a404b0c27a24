// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/storage/testing/shared_storage.h"

#include <algorithm>
#include <utility>

namespace millrace::storage {

class SharedStorage::Writer final : public ObjectWriter {
public:
    Writer(Client& client, ObjectName name) : client_{client}, name_{name} {}

    Task<Result<void>> append(std::vector<Bytes> pieces) override {
        MR_CO_TRY_VOID(co_await client_.call());
        for (const Bytes& piece : pieces) bytes_.append(piece.view());
        co_return ok();
    }
    Task<Result<void>> finish() override {
        MR_CO_TRY_VOID(co_await client_.call());
        SharedStorage& storage = client_.storage_;
        if (storage.objects_.contains(name_)) co_return Error{ErrorCode::kAlreadyExists, name_.to_string()};
        const bool unknown = storage.draw(storage.faults_.finish_unknown_in);
        if (!unknown || storage.random_.one_in(2)) storage.objects_[name_] = Bytes{std::move(bytes_)};
        co_await sleep_for(client_.clock_, storage.draw_delay());
        if (unknown) co_return Error{ErrorCode::kUnavailable, "nobody says whether it is there", Fate::kUnknown};
        co_return ok();
    }
    std::uint64_t size() const override { return bytes_.size(); }

private:
    Client& client_;
    const ObjectName name_;
    ByteBuffer bytes_;
};

std::chrono::nanoseconds SharedStorage::draw_delay() {
    return std::chrono::nanoseconds{random_.between(0, static_cast<std::uint64_t>(faults_.delay_max.count()) + 1)};
}

Task<Result<void>> SharedStorage::Client::call() {
    co_await sleep_for(clock_, storage_.draw_delay());
    if (dead_) co_return Error{ErrorCode::kClosed, "the process is dead"};
    if (storage_.draw(storage_.faults_.unavailable_in)) co_return Error{ErrorCode::kUnavailable, "the storage is away"};
    co_return ok();
}

Task<Result<std::unique_ptr<ObjectWriter>>> SharedStorage::Client::create(ObjectName name) {
    MR_CO_TRY_VOID(co_await call());
    if (storage_.objects_.contains(name)) co_return Error{ErrorCode::kAlreadyExists, name.to_string()};
    std::unique_ptr<ObjectWriter> writer = std::make_unique<Writer>(*this, name);
    co_return writer;
}

Task<Result<Bytes>> SharedStorage::Client::read(ObjectName name, std::uint64_t offset, std::size_t length) {
    MR_CO_TRY_VOID(co_await call());
    const auto found = storage_.objects_.find(name);
    if (found == storage_.objects_.end()) co_return Error{ErrorCode::kNotFound, name.to_string()};
    const std::uint64_t begin = std::min<std::uint64_t>(offset, found->second.size());
    co_return found->second.slice(begin, std::min<std::uint64_t>(length, found->second.size() - begin));
}

Task<Result<std::uint64_t>> SharedStorage::Client::size(ObjectName name) {
    MR_CO_TRY_VOID(co_await call());
    const auto found = storage_.objects_.find(name);
    if (found == storage_.objects_.end()) co_return Error{ErrorCode::kNotFound, name.to_string()};
    co_return found->second.size();
}

Task<Result<void>> SharedStorage::Client::remove(ObjectName name) {
    MR_CO_TRY_VOID(co_await call());
    storage_.objects_.erase(name);
    co_return ok();
}

Task<Result<std::vector<ObjectName>>> SharedStorage::Client::list(ContainerId container) {
    MR_CO_TRY_VOID(co_await call());
    std::vector<ObjectName> names;
    for (const auto& [name, bytes] : storage_.objects_) {
        if (name.container == container) names.push_back(name);
    }
    co_return names;
}

}  // namespace millrace::storage
