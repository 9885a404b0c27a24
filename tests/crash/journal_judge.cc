// SPDX-License-Identifier: Apache-2.0
//
// A start on an image, appends, a power cut that loses everything unsynced, and another start.
#include <algorithm>

#include "tests/crash/journal_image.h"

namespace millrace::crash {
namespace {

// Other than those of the lives (journal_life.cc).
constexpr std::uint64_t kSeed = 1000;
constexpr std::uint64_t kFirstNumberAfterwards = kSeed << 32;

// As a process that then dies.
Task<Result<void>> play(Disk& disk, CachedChange change) {
    const DiskEvent& event = change.event;
    if (event.kind == DiskEvent::Kind::kName && !event.from.empty()) {
        if (event.to.empty()) co_return co_await disk.remove(event.from);
        co_return co_await disk.rename(event.from, event.to);
    }
    MR_CO_TRY(auto file, co_await disk.open(change.path, {.mode = OpenMode::kCreate}));
    switch (event.kind) {
        case DiskEvent::Kind::kWrite:
            co_return co_await file->write_at(event.offset, event.bytes.view());
        case DiskEvent::Kind::kResize:
            co_return co_await file->truncate(event.offset);
        case DiskEvent::Kind::kZero: {
            const ByteBuffer zeros(event.length, std::byte{0});
            co_return co_await file->write_at(event.offset, zeros.view());
        }
        default: {
            ByteBuffer bytes(change.synced.size());
            change.synced.read(0, bytes.mutable_view());
            co_return co_await file->write_and_sync(0, bytes.view());
        }
    }
}

bool names_one_of(const std::string& text, const std::vector<std::string>& files) {
    return std::ranges::any_of(files, [&](const std::string& file) { return text.find(file) != std::string::npos; });
}

Verdict judge_refusal(const Error& error, const JournalImage& image) {
    if (image.damaged.empty()) return {"the start fails: " + error.to_string(), false};
    if (!error.is(ErrorCode::kCorrupt)) return {"damage is not called damage: " + error.to_string(), false};
    if (!names_one_of(error.detail(), image.damaged)) {
        return {"damage of " + image.damaged.front() + " is said to be elsewhere: " + error.to_string(), false};
    }
    // What nothing proves durable nobody can place.
    if (!image.missing && image.losses.empty() && error.detail().find(" offset ") == std::string::npos) {
        return {"damage without an offset: " + error.to_string(), false};
    }
    return {{}, true};
}

// What was there, and one more entry in each log.
std::string append_to_all(sim::World& world, JournalSession& session, const Bounds& before, Bounds& after) {
    for (const auto& [id, bounds] : before) {
        const FoundLog found = session.found(id);
        LogBounds& log = after[id];
        log.epoch = found.epoch;
        log.first = found.first;
        log.anchors = {{found.first, std::string{as_text(session.log(id).anchor().view())}}};
        log.sent.assign(bounds.sent.begin(), bounds.sent.begin() + static_cast<std::ptrdiff_t>(found.next - 1));
        log.sent.push_back({kFirstNumberAfterwards + id.number(), 1000});
        log.promised = log.sent.size();
        const Result<log::Index> appended =
            world.run([&] { return session.log(id).append({Bytes{bytes_of(log.sent.back())}}); });
        if (!appended) return "log " + to_string(id) + " takes no entry: " + appended.error().to_string();
        if (appended->number() != found.next) return "log " + to_string(id) + " gives a wrong index";
    }
    return {};
}

}  // namespace

Verdict judge(const JournalImage& image, const log::JournalMutations& mutations) {
    sim::World world{kSeed};
    sim::DiskOptions even;
    even.slow_one_in = 0;
    sim::Node& node = world.add_node("a", even);
    node.disk().load(image.platters);
    for (const CachedChange& change : image.cached) {
        const Result<void> played = world.run([&] { return play(node.runtime().disk, change); });
        MR_CHECK(played.ok());
    }
    if (!image.cached.empty()) node.kill();

    Bounds after;
    std::shared_ptr<const sim::SimDisk::Image> left;
    {
        JournalSession first{world, node.runtime(), mutations};
        if (const Result<void> opened = first.open(image.bounds); !opened) return judge_refusal(opened.error(), image);
        if (std::string wrong = first.check(image.bounds, image.losses, image.unreadable); !wrong.empty())
            return {std::move(wrong), false};
        if (std::string wrong = append_to_all(world, first, image.bounds, after); !wrong.empty())
            return {std::move(wrong), false};
        left = node.disk().image();
        node.crash();
    }
    node.disk().load(*left);
    JournalSession second{world, node.runtime(), mutations};
    if (const Result<void> opened = second.open(after); !opened) {
        return {"the start after it fails: " + opened.error().to_string(), false};
    }
    if (std::string wrong = second.check(after, {}, image.unreadable); !wrong.empty())
        return {"after another crash " + wrong, false};
    return {};
}

}  // namespace millrace::crash
