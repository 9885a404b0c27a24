// SPDX-License-Identifier: Apache-2.0
//
// Finding event boundaries.
#include "client/reader/run_cutter.h"

#include <algorithm>
#include <utility>

#include "common/base/binary.h"

namespace millrace::client {

namespace {

// A small piece would keep a whole receive buffer alive for as long as the application keeps one of
// its events.
constexpr std::size_t kCopyBelowBytes = 16 * 1024;

}  // namespace

Result<std::size_t> framed_event_bytes(ByteView header) {
    BigEndianReader reader{header};
    const std::int32_t type = reader.i32();
    const std::int32_t length = reader.i32();
    MR_CHECK(!reader.failed());
    if (type != 0 || length < 0 || static_cast<std::size_t>(length) > kMaxReadEventBytes) {
        return Error{ErrorCode::kCorrupt, "no event begins here (type " + std::to_string(type) + ", length " +
                                              std::to_string(length) +
                                              "): written by something else than an event writer, or the position "
                                              "lies inside an event"};
    }
    return wire::kEventHeaderBytes + static_cast<std::size_t>(length);
}

Result<void> RunCutter::feed(Bytes piece, std::vector<Bytes>& runs) {
    if (!pending_.empty()) {
        // First its header, which says how much more is needed.
        const auto top_up = [&](std::size_t size) {
            const std::size_t taken = std::min(size - pending_.size(), piece.size());
            pending_.append(piece.view().first(taken));
            piece = piece.slice(taken);
            return pending_.size() == size;
        };
        if (pending_.size() < wire::kEventHeaderBytes && !top_up(wire::kEventHeaderBytes)) return ok();
        MR_TRY(const std::size_t whole, framed_event_bytes(pending_.view()));
        if (!top_up(whole)) return ok();
        runs.emplace_back(std::exchange(pending_, {}));
    }

    const ByteView bytes = piece.view();
    std::size_t end = 0;
    Result<void> outcome = ok();
    while (bytes.size() - end >= wire::kEventHeaderBytes) {
        const auto whole = framed_event_bytes(bytes.subspan(end));
        if (!whole) outcome = whole.error();
        if (!whole || *whole > bytes.size() - end) break;
        end += *whole;
    }
    // What comes before the damage is good.
    if (end > 0) runs.push_back(end < kCopyBelowBytes ? Bytes::copy_of(bytes.first(end)) : piece.slice(0, end));
    if (outcome) pending_.append(bytes.subspan(end));
    return outcome;
}

}  // namespace millrace::client
