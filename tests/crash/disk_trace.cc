// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/disk_trace.h"

#include <utility>

namespace millrace::crash {
namespace {

using Kind = DiskEvent::Kind;

class RecordingFile final : public File {
public:
    RecordingFile(std::unique_ptr<File> inner, DiskTrace& trace, std::size_t number)
        : inner_{std::move(inner)}, trace_{trace}, number_{number} {}

    Task<Result<std::size_t>> read_at(std::uint64_t offset, MutableByteView into) override {
        return inner_->read_at(offset, into);
    }
    Task<Result<void>> write_at(std::uint64_t offset, ByteView bytes) override {
        DiskEvent write{.kind = Kind::kWrite, .file = number_, .offset = offset, .length = bytes.size()};
        write.bytes.append(bytes);
        trace_.events.push_back(std::move(write));
        co_return co_await inner_->write_at(offset, bytes);
    }
    Task<Result<void>> sync() override {
        const std::size_t covers = trace_.events.size();
        MR_CO_TRY_VOID(co_await inner_->sync());
        trace_.events.push_back({.kind = Kind::kSync, .file = number_, .covers = covers});
        co_return ok();
    }
    Task<Result<void>> write_and_sync(std::uint64_t offset, ByteView bytes) override {
        MR_CO_TRY_VOID(co_await write_at(offset, bytes));
        co_return co_await sync();
    }
    Task<Result<void>> zero_fill(std::uint64_t length) override {
        trace_.events.push_back({.kind = Kind::kResize, .file = number_});
        trace_.events.push_back({.kind = Kind::kZero, .file = number_, .length = length});
        const std::size_t covers = trace_.events.size();
        MR_CO_TRY_VOID(co_await inner_->zero_fill(length));
        trace_.events.push_back({.kind = Kind::kSync, .file = number_, .covers = covers});
        co_return ok();
    }
    Task<Result<void>> truncate(std::uint64_t length) override {
        trace_.events.push_back({.kind = Kind::kResize, .file = number_, .offset = length});
        co_return co_await inner_->truncate(length);
    }
    Task<Result<std::uint64_t>> size() override { return inner_->size(); }
    bool direct() const override { return inner_->direct(); }
    const std::string& path() const override { return inner_->path(); }

private:
    std::unique_ptr<File> inner_;
    DiskTrace& trace_;
    std::size_t number_;
};

}  // namespace

DiskTrace::DiskTrace(const sim::SimDisk::Image& image) : before{image} {
    for (const auto& [path, bytes] : image.files) names[path] = files++;
}

void RecordingDisk::change_name(std::size_t file, std::string from, std::string to) {
    if (!from.empty()) trace_.names.erase(from);
    if (!to.empty()) trace_.names[to] = file;
    trace_.events.push_back({.kind = Kind::kName, .file = file, .from = std::move(from), .to = std::move(to)});
}

Task<Result<std::unique_ptr<File>>> RecordingDisk::open(std::string path, OpenOptions options) {
    MR_CO_TRY(std::unique_ptr<File> opened, co_await disk_.open(path, options));
    if (!trace_.names.contains(path)) change_name(trace_.files++, {}, path);
    std::unique_ptr<File> file = std::make_unique<RecordingFile>(std::move(opened), trace_, trace_.names.at(path));
    co_return std::move(file);
}

Task<Result<void>> RecordingDisk::rename(std::string from, std::string to) {
    if (const auto found = trace_.names.find(from); found != trace_.names.end()) change_name(found->second, from, to);
    co_return co_await disk_.rename(from, to);
}

Task<Result<void>> RecordingDisk::remove(std::string path) {
    if (const auto found = trace_.names.find(path); found != trace_.names.end()) change_name(found->second, path, {});
    co_return co_await disk_.remove(path);
}

Task<Result<void>> RecordingDisk::sync_directory(std::string path) {
    const std::size_t covers = trace_.events.size();
    MR_CO_TRY_VOID(co_await disk_.sync_directory(path));
    trace_.events.push_back({.kind = Kind::kSyncDirectory, .covers = covers});
    co_return ok();
}

}  // namespace millrace::crash
