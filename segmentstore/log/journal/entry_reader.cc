// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/entry_reader.h"

#include <algorithm>

#include "common/base/crc32c.h"
#include "segmentstore/log/journal/format.h"

namespace millrace::log {

Task<Result<Bytes>> EntryReader::read(EntryLocation location, std::size_t offset,
                                      std::size_t length) {
    while (reading_ >= kReadsMax) co_await turn_.wait();
    ++reading_;
    Result<Bytes> result = co_await read_now(location, offset, length);
    --reading_;
    turn_.notify_one();
    co_return result;
}

Task<Result<Bytes>> EntryReader::read_now(EntryLocation location, std::size_t offset,
                                          std::size_t length) {
    MR_CO_TRY(const std::shared_ptr<File> from, co_await file(location.file_seq));
    const std::uint64_t begin = align_down(location.offset);
    const std::size_t wanted = align_up(location.offset + std::size_t{location.bytes}) - begin;
    AlignedBuffer buffer = take_buffer(wanted);
    Result<std::size_t> got = co_await from->read_at(begin, buffer.mutable_view().first(wanted));
    if (!got) {
        give_back(std::move(buffer));
        co_return std::move(got).error();
    }
    const std::size_t body_at = location.offset - begin;
    const bool whole = *got >= body_at + location.bytes;
    const ByteView body = whole ? buffer.view().subspan(body_at, location.bytes) : ByteView{};
    if (!whole || (check_bodies_ && crc32c(body) != location.crc)) {
        give_back(std::move(buffer));
        co_return Error{
            ErrorCode::kCorrupt,
            directory_ + "/" + file_name(location.file_seq) + " is damaged at offset " +
                std::to_string(location.offset) +
                (whole ? ": the entry fails its checksum" : ": the file ends inside an entry")};
    }
    offset = std::min(offset, body.size());
    Bytes part = Bytes::copy_of(body.subspan(offset, std::min(length, body.size() - offset)));
    give_back(std::move(buffer));
    co_return std::move(part);
}

Task<Result<std::shared_ptr<File>>> EntryReader::file(std::uint32_t file_seq) {
    for (auto at = files_.begin(); at != files_.end(); ++at) {
        if (at->first != file_seq) continue;
        files_.splice(files_.begin(), files_, at);
        co_return at->second;
    }
    const std::string path = directory_ + "/" + file_name(file_seq);
    MR_CO_TRY(auto opened, co_await runtime_.disk.open(
                               path, OpenOptions{.mode = OpenMode::kReadOnly, .direct = true}));
    std::shared_ptr<File> shared = std::move(opened);
    // Another read may have opened it meanwhile; a second handle does no harm and ages out.
    files_.emplace_front(file_seq, shared);
    if (files_.size() > kFilesMax) files_.pop_back();
    co_return shared;
}

AlignedBuffer EntryReader::take_buffer(std::size_t bytes) {
    const auto fits = std::find_if(buffers_.begin(), buffers_.end(),
                                   [&](const AlignedBuffer& b) { return b.size() >= bytes; });
    if (fits == buffers_.end()) return AlignedBuffer{bytes};
    AlignedBuffer taken = std::move(*fits);
    buffers_.erase(fits);
    return taken;
}

void EntryReader::give_back(AlignedBuffer buffer) {
    if (buffers_.size() >= kBuffersMax) {
        // The larger one serves more reads.
        const auto least =
            std::min_element(buffers_.begin(), buffers_.end(),
                             [](const auto& a, const auto& b) { return a.size() < b.size(); });
        if (least->size() >= buffer.size()) return;
        buffers_.erase(least);
    }
    buffers_.push_back(std::move(buffer));
}

}  // namespace millrace::log
