// SPDX-License-Identifier: Apache-2.0
#include "common/wire/event.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/base/binary.h"

namespace millrace::wire {

std::array<std::byte, kEventHeaderBytes> event_header(std::size_t payload_bytes) {
    MR_CHECK(payload_bytes <= INT32_MAX);
    const auto length = millrace::detail::in_order<std::endian::big>(static_cast<std::uint32_t>(payload_bytes));
    std::array<std::byte, kEventHeaderBytes> header{};
    std::memcpy(header.data() + 4, &length, sizeof length);
    return header;
}

void encode_event(ByteView payload, ByteBuffer& out) {
    const auto header = event_header(payload.size());
    const std::size_t begin = out.size();
    out.resize(begin + header.size() + payload.size());
    std::memcpy(out.data() + begin, header.data(), header.size());
    if (!payload.empty()) std::memcpy(out.data() + begin + header.size(), payload.data(), payload.size());
}

Result<void> EventSplitter::feed(Bytes piece, std::vector<Bytes>& events) {
    if (failed_) return *failed_;
    std::size_t at = 0;

    // What an earlier piece began.
    if (!header_.empty()) {
        if (header_.size() < kEventHeaderBytes) {
            const std::size_t part = std::min(kEventHeaderBytes - header_.size(), piece.size());
            header_.append(piece.view().first(part));
            at = part;
            if (header_.size() < kEventHeaderBytes) return ok();
            MR_TRY(payload_due_, payload_bytes_of(header_));
        }
        const std::size_t part = std::min(payload_due_ - payload_.size(), piece.size() - at);
        if (payload_.empty() && part == payload_due_) {
            events.push_back(piece.slice(at, part));
        } else {
            payload_.append(piece.view().subspan(at, part));
            if (payload_.size() < payload_due_) return ok();
            events.push_back(Bytes{std::move(payload_)});
        }
        at += part;
        consumed_bytes_ += kEventHeaderBytes + payload_due_;
        header_.clear();
        payload_ = ByteBuffer{};
    }

    while (piece.size() - at >= kEventHeaderBytes) {
        MR_TRY(const std::size_t size, payload_bytes_of(piece.view().subspan(at, kEventHeaderBytes)));
        if (piece.size() - at - kEventHeaderBytes < size) break;
        events.push_back(piece.slice(at + kEventHeaderBytes, size));
        at += kEventHeaderBytes + size;
        consumed_bytes_ += kEventHeaderBytes + size;
    }

    // Copied, so that the piece is not kept alive by what is left of it.
    const ByteView left = piece.view().subspan(at);
    header_.append(left.first(std::min(kEventHeaderBytes, left.size())));
    if (header_.size() == kEventHeaderBytes) {
        MR_TRY(payload_due_, payload_bytes_of(header_));
        payload_.append(left.subspan(kEventHeaderBytes));
    }
    return ok();
}

Result<std::size_t> EventSplitter::payload_bytes_of(ByteView header) {
    BigEndianReader reader{header};
    const std::int32_t type = reader.i32();
    const std::int32_t length = reader.i32();
    const std::string where = std::to_string(consumed_bytes_);
    if (type != 0 || length < 0) {
        failed_ = Error{ErrorCode::kCorrupt, "no event starts at byte " + where + ": type " + std::to_string(type) +
                                                 ", length " + std::to_string(length)};
        return *failed_;
    }
    if (static_cast<std::size_t>(length) > max_payload_bytes_) {
        failed_ = Error{ErrorCode::kTooLarge, "the event at byte " + where + " has " + std::to_string(length) +
                                                  " bytes; at most " + std::to_string(max_payload_bytes_) +
                                                  " are allowed"};
        return *failed_;
    }
    return static_cast<std::size_t>(length);
}

}  // namespace millrace::wire
