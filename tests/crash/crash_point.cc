// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/crash_point.h"

#include <algorithm>

namespace millrace::crash {
namespace {

using Kind = DiskEvent::Kind;

void apply(const DiskEvent& event, sim::SparseBytes& to) {
    if (event.kind == Kind::kWrite) to.write(event.offset, event.bytes.view());
    if (event.kind == Kind::kZero) to.zero(event.offset, event.length);
    if (event.kind == Kind::kResize) to.resize(event.offset);
}

void apply_name(const DiskEvent& event, std::map<std::string, std::size_t>& names) {
    if (!event.from.empty()) {
        // The name may stand for another file by now.
        const auto found = names.find(event.from);
        if (found != names.end() && found->second == event.file) names.erase(found);
    }
    if (!event.to.empty()) names[event.to] = event.file;
}

void happen(const DiskTrace& trace, std::size_t number, CrashPoint& point) {
    const DiskEvent& event = trace.events[number];
    switch (event.kind) {
        case Kind::kWrite:
        case Kind::kZero:
        case Kind::kResize:
            point.unsynced.push_back(number);
            break;
        case Kind::kName:
            point.unsynced_names.push_back(number);
            break;
        case Kind::kSync:
            std::erase_if(point.unsynced, [&](std::size_t change) {
                if (trace.events[change].file != event.file || change >= event.covers) return false;
                apply(trace.events[change], point.contents[event.file]);
                return true;
            });
            break;
        case Kind::kSyncDirectory:
            std::erase_if(point.unsynced_names, [&](std::size_t change) {
                if (change >= event.covers) return false;
                apply_name(trace.events[change], point.names);
                return true;
            });
            break;
    }
}

}  // namespace

std::vector<CrashPoint> crash_points(const DiskTrace& trace) {
    CrashPoint point;
    for (const auto& [path, bytes] : trace.before.files) {
        point.names[path] = point.contents.size();
        point.contents.push_back(bytes);
    }
    point.contents.resize(trace.files);
    std::vector<CrashPoint> points{point};
    for (std::size_t i = 0; i < trace.events.size(); ++i) {
        happen(trace, i, point);
        points.push_back(point);
    }
    return points;
}

std::vector<Piece> pieces_of(const DiskTrace& trace, const CrashPoint& point, std::uint64_t bytes) {
    std::vector<Piece> pieces;
    for (const std::size_t number : point.unsynced) {
        const DiskEvent& event = trace.events[number];
        if (event.kind != Kind::kWrite) {
            pieces.push_back({number, event.offset, event.length});
            continue;
        }
        const std::uint64_t end = event.offset + event.length;
        for (std::uint64_t at = event.offset; at < end;) {
            const std::uint64_t piece_end = std::min(end, (at / bytes + 1) * bytes);
            pieces.push_back({number, at, piece_end - at});
            at = piece_end;
        }
    }
    return pieces;
}

void ImageBuilder::write(const Piece& piece, ByteView instead) {
    const DiskEvent& event = trace_.events[piece.event];
    sim::SparseBytes& contents = point_.contents[event.file];
    if (event.kind != Kind::kWrite) return apply(event, contents);
    contents.write(piece.offset,
                   instead.empty() ? event.bytes.view().subspan(piece.offset - event.offset, piece.length) : instead);
}

void ImageBuilder::survive_name(std::size_t event) { apply_name(trace_.events[event], point_.names); }

sim::SimDisk::Image ImageBuilder::image() const {
    sim::SimDisk::Image image;
    image.directories = trace_.before.directories;
    for (const auto& [path, file] : point_.names) image.files[path] = point_.contents[file];
    return image;
}

}  // namespace millrace::crash
