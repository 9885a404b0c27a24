// SPDX-License-Identifier: Apache-2.0
//
// Long-term storage in memory, for tests that decide when a call completes and how.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "common/runtime/signal.h"
#include "segmentstore/storage/object_storage.h"

namespace millrace::storage {

class FakeStorage final : public ObjectStorage {
public:
    // While set, no append to an object completes.
    void hold(bool held) {
        held_ = held;
        changed_.notify_all();
    }
    std::size_t held() const { return waiting_; }
    // While set, no read completes.
    void hold_reads(bool held) {
        reads_held_ = held;
        changed_.notify_all();
    }
    std::size_t reads_under_way() const { return reads_under_way_; }
    // Begun, ever.
    std::size_t reads() const { return reads_; }
    // After `after` more objects, so many fail when they are finished.
    void refuse(int objects, int after = 0) {
        refuse_ = objects;
        accept_ = after;
    }
    // So many objects are there in the end, though it is said that they failed.
    void deny(int objects) { deny_ = objects; }
    // An object of somebody else.
    void put(ObjectName name, Bytes bytes) { objects_[name] = std::move(bytes); }
    // While set, nothing can be made.
    void away(bool is_away) { away_ = is_away; }
    // Objects of more bytes do not fit.
    void room(std::size_t bytes) { room_ = bytes; }
    std::size_t tried() const { return tried_; }
    const std::map<ObjectName, Bytes>& objects() const { return objects_; }

    Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectName name) override {
        ++tried_;
        if (away_) co_return Error{ErrorCode::kUnavailable, "the fake storage is away"};
        if (objects_.contains(name)) co_return Error{ErrorCode::kAlreadyExists, name.to_string()};
        std::unique_ptr<ObjectWriter> writer = std::make_unique<Writer>(*this, name);
        co_return writer;
    }
    Task<Result<Bytes>> read(ObjectName name, std::uint64_t offset, std::size_t length) override {
        ++reads_;
        ++reads_under_way_;
        while (reads_held_) co_await changed_.wait();
        --reads_under_way_;
        const auto found = objects_.find(name);
        if (found == objects_.end()) co_return Error{ErrorCode::kNotFound, name.to_string()};
        const std::uint64_t begin = std::min<std::uint64_t>(offset, found->second.size());
        co_return found->second.slice(begin, std::min<std::uint64_t>(length, found->second.size() - begin));
    }
    Task<Result<std::uint64_t>> size(ObjectName name) override {
        const auto found = objects_.find(name);
        if (found == objects_.end()) co_return Error{ErrorCode::kNotFound, name.to_string()};
        co_return found->second.size();
    }
    Task<Result<void>> remove(ObjectName name) override {
        objects_.erase(name);
        co_return ok();
    }
    Task<Result<std::vector<ObjectName>>> list(ContainerId container) override {
        std::vector<ObjectName> names;
        for (const auto& [name, bytes] : objects_) {
            if (name.container == container) names.push_back(name);
        }
        co_return names;
    }

private:
    class Writer final : public ObjectWriter {
    public:
        Writer(FakeStorage& storage, ObjectName name) : storage_{storage}, name_{name} {}

        Task<Result<void>> append(std::vector<Bytes> pieces) override {
            ++storage_.waiting_;
            while (storage_.held_) co_await storage_.changed_.wait();
            --storage_.waiting_;
            for (const Bytes& piece : pieces) bytes_.append(piece.view());
            if (bytes_.size() > storage_.room_) co_return Error{ErrorCode::kNoSpace, "the fake storage is full"};
            co_return ok();
        }
        Task<Result<void>> finish() override {
            if (storage_.accept_ > 0) {
                --storage_.accept_;
            } else if (storage_.refuse_ > 0) {
                --storage_.refuse_;
                co_return Error{ErrorCode::kIo, "the fake storage refuses"};
            }
            storage_.objects_[name_] = Bytes{std::move(bytes_)};
            if (storage_.deny_ > 0) {
                --storage_.deny_;
                co_return Error{ErrorCode::kUnavailable, "the fake storage says nothing", Fate::kUnknown};
            }
            co_return ok();
        }
        std::uint64_t size() const override { return bytes_.size(); }

    private:
        FakeStorage& storage_;
        const ObjectName name_;
        ByteBuffer bytes_;
    };

    std::map<ObjectName, Bytes> objects_;
    bool held_ = false;
    std::size_t waiting_ = 0;
    bool reads_held_ = false;
    std::size_t reads_under_way_ = 0;
    std::size_t reads_ = 0;
    bool away_ = false;
    std::size_t room_ = std::size_t{1} << 40;
    std::size_t tried_ = 0;
    int refuse_ = 0;
    int accept_ = 0;
    int deny_ = 0;
    Signal changed_;
};

}  // namespace millrace::storage
