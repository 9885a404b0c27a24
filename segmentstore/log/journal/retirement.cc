// SPDX-License-Identifier: Apache-2.0
//
// Where files go when nothing of them is needed any more. A durable record takes them off the list of files that must
// exist; only then are they used anew (their blocks are written already, so the next life costs no metadata) or removed.
#include <algorithm>

#include "common/telemetry/log.h"
#include "segmentstore/log/journal/journal_impl.h"

namespace millrace::log {

namespace {

// More ready files than this only take space.
constexpr std::size_t kReadyMax = 2;

}  // namespace

// Called when truncations are durable. The list travels through the queue like everything else.
void JournalImpl::retire_dead_files() {
    if (retiring_ || failure_) return;
    const auto first_needed = [this](std::uint32_t log) { return slots_.at(ContainerId{log})->entries.first().number(); };
    std::vector<std::uint64_t> dead;
    for (const SealedFile& file : sealed_) {
        if (file.use.dead(first_needed)) dead.push_back(file.item.file_seq);
    }
    if (dead.empty()) return;
    ByteBuffer body;
    encode_retired(dead, body);
    const std::size_t bytes = body.size();
    Bytes list{std::move(body)};
    if (options_.mutations.retire_before_durable) {
        dispose_of_retired(list);
        return;
    }
    // The record belongs to no log; any slot will do for what the queue asks of it.
    retiring_ = submit(*slots_.begin()->second, RecordType::kRetired, {std::move(list)}, bytes).ok();
}

void JournalImpl::dispose_of_retired(ByteView body) {
    const auto dead = decode_retired(body);
    MR_CHECK(dead.ok());
    for (const std::uint64_t seq : *dead) {
        const auto found = std::find_if(sealed_.begin(), sealed_.end(),
                                        [&](const SealedFile& file) { return file.item.file_seq == seq; });
        MR_CHECK(found != sealed_.end());
        SealedFile file = std::move(*found);
        sealed_.erase(found);
        gate_.spawn(runtime_.executor, [this, file = std::move(file)]() mutable { return dispose_of(std::move(file)); });
    }
    ++stats_.retirements;
    metrics_.files.set(static_cast<double>(sealed_.size() + 1));
}

Task<void> JournalImpl::dispose_of(SealedFile file) {
    reader_.forget(static_cast<std::uint32_t>(file.item.file_seq));
    while (preparing_ && !closing_) co_await prepared_changed_.wait();
    const bool fits = file.disk_bytes == options_.file_bytes && !file.cut_failed &&
                      (options_.total_bytes_max == 0 || total_bytes_ <= options_.total_bytes_max);
    std::string name = file_name(file.item.file_seq);
    if (fits && ready_.size() < kReadyMax && !closing_ && !failure_) {
        preparing_ = true;
        OpenFile next;
        next.header = new_header(file.disk_bytes, active_.header.file_seq);
        const Result<void> recycled = co_await recycle(name, next);
        if (recycled) ready_.push_back(std::move(next));
        preparing_ = false;
        prepare_failed_ = false;
        prepared_changed_.notify_all();
        if (recycled) {
            ++stats_.recycled;
            tell_of_room();
            co_return;
        }
        if (!closing_) MR_LOG_WARN("journal file not recycled", {"reason", recycled.error().to_string()});
    }
    // What cannot be removed now goes at the next start: nothing lists it.
    const Result<void> removed = co_await runtime_.disk.remove(options_.directory + "/" + name);
    if (removed || removed.error().is(ErrorCode::kNotFound)) {
        total_bytes_ -= file.disk_bytes;
        disk_free_ += file.disk_bytes;
        prepare_failed_ = false;
        tell_of_room();
    } else if (!closing_) {
        MR_LOG_WARN("retired journal file not removed", {"reason", removed.error().to_string()});
    }
}

void JournalImpl::tell_of_room() {
    if (options_.more_room) options_.more_room();
}

// Gives the file another number and another salt. Under its old name it keeps its old header until that name is
// durably gone: a crash in between finds either the whole old file, which nothing lists, or an unfinished new one.
// `name` is that of the file in the end, whatever happened.
Task<Result<void>> JournalImpl::recycle(std::string& name, OpenFile& next) {
    const std::string new_name = file_name(next.header.file_seq);
    const std::string path = options_.directory + "/" + new_name;
    const std::string unfinished = path + std::string{kUnfinishedSuffix};
    MR_CO_TRY_VOID(co_await runtime_.disk.rename(options_.directory + "/" + name, unfinished));
    name = new_name + std::string{kUnfinishedSuffix};
    MR_CO_TRY_VOID(co_await runtime_.disk.sync_directory(options_.directory));
    MR_CO_TRY(next.file, co_await runtime_.disk.open(unfinished, {.mode = OpenMode::kReadWrite, .direct = true}));
    AlignedBuffer block{kBlockBytes};
    encode_file_header(next.header, block.mutable_view());
    MR_CO_TRY_VOID(co_await next.file->write_and_sync(0, block.view()));
    MR_CO_TRY_VOID(co_await runtime_.disk.rename(unfinished, path));
    name = new_name;
    MR_CO_TRY_VOID(co_await runtime_.disk.sync_directory(options_.directory));
    MR_CO_TRY(next.file, co_await runtime_.disk.open(path, {.mode = OpenMode::kReadWrite, .direct = true}));
    co_return ok();
}

}  // namespace millrace::log
