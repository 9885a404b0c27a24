// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/log_history.h"

#include <algorithm>
#include <utility>

namespace millrace::crash {

ByteBuffer bytes_of(const Body& body) {
    ByteBuffer bytes(body.size);
    for (std::size_t at = 0; at < body.size; at += 8) {
        const std::uint64_t word = body.number * 0x9e3779b97f4a7c15 + at;
        std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, body.size - at));
    }
    return bytes;
}

void LogHistory::asked_to_truncate(std::size_t at, std::uint64_t first, std::string anchor) {
    Happened& happened = add(at, Kind::kAskedToTruncate);
    happened.number = first;
    happened.anchor = std::move(anchor);
}

void LogHistory::found(std::size_t at, std::uint64_t first, std::uint64_t next) {
    Happened& happened = add(at, Kind::kFound);
    happened.number = first;
    happened.next = next;
}

LogBounds LogHistory::at(std::size_t events) const {
    LogBounds bounds;
    const auto begin_at = [&bounds](std::uint64_t first) {
        bounds.first = first;
        std::erase_if(bounds.anchors, [&](const auto& anchor) { return anchor.first < first; });
    };
    for (const Happened& one : happened_) {
        if (one.at > events) break;
        switch (one.kind) {
            case Kind::kSent:
                bounds.sent.push_back(one.body);
                break;
            case Kind::kAcknowledged:
                ++bounds.promised;
                break;
            case Kind::kAskedToTruncate:
                bounds.anchors[one.number] = one.anchor;
                break;
            case Kind::kTruncated:
                begin_at(one.number);
                break;
            case Kind::kOwned:
                bounds.epoch = std::max(bounds.epoch, one.number);
                break;
            case Kind::kFound:
                bounds.sent.resize(one.next - 1);
                bounds.promised = bounds.sent.size();
                begin_at(one.number);
                std::erase_if(bounds.anchors, [&](const auto& anchor) { return anchor.first > one.number; });
                break;
        }
    }
    return bounds;
}

LogHistory LogHistory::past(std::size_t events) const {
    LogHistory past;
    for (const Happened& one : happened_) {
        if (one.at > events) break;
        past.happened_.push_back(one);
        past.happened_.back().at = 0;
    }
    return past;
}

Bounds bounds_at(const Histories& histories, std::size_t events) {
    Bounds bounds;
    for (const auto& [id, history] : histories) bounds[id] = history.at(events);
    return bounds;
}

Histories past_of(const Histories& histories, std::size_t events) {
    Histories past;
    for (const auto& [id, history] : histories) past[id] = history.past(events);
    return past;
}

}  // namespace millrace::crash
