// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/journal_life.h"

#include <memory>
#include <utility>

#include "segmentstore/log/journal/format.h"
#include "tests/crash/journal_session.h"

namespace millrace::crash {
namespace {

using namespace std::chrono_literals;

constexpr ContainerId kLog{1};
constexpr ContainerId kOther{7};

class Player {
public:
    // `seed`: another one for each process, so that no two files have the same salt, and no two entries the same body.
    Player(std::uint64_t seed, sim::SimDisk::Image before, Histories past, const log::JournalMutations& mutations)
        : world_{seed},
          trace_{std::move(before)},
          histories_{std::move(past)},
          mutations_{mutations},
          next_number_{seed << 32} {
        node_.disk().load(trace_.before);
        for (const ContainerId id : {kLog, kOther}) histories_[id];
    }

    bool start() {
        const Runtime real = node_.runtime();
        disk_ = std::make_unique<RecordingDisk>(real.disk, trace_);
        session_ = std::make_unique<JournalSession>(
            world_, Runtime{real.executor, real.clock, *disk_, real.network, real.random, real.blocking, *disk_},
            mutations_);
        const Bounds bounds = bounds_at(histories_, 0);
        if (!session_->open(bounds) || !session_->check(bounds).empty()) return false;
        for (auto& [id, history] : histories_) {
            const FoundLog found = session_->found(id);
            history.found(now(), found.first, found.next);
            history.owned(now(), found.epoch);
        }
        return true;
    }

    // The entries are on their way together.
    void append(ContainerId id, const std::vector<std::size_t>& sizes) {
        auto left = std::make_shared<std::size_t>(sizes.size());
        for (const std::size_t size : sizes) {
            const Body body{next_number_++, size};
            histories_[id].sent(now(), body);
            world_.spawn([this, id, body, left]() -> Task<void> {
                const Result<log::Index> appended = co_await session_->log(id).append({Bytes{bytes_of(body)}});
                MR_CHECK(appended.ok());
                histories_[id].acknowledged(now());
                --*left;
            });
        }
        MR_CHECK(world_.run_until([left] { return *left == 0; }, 1min));
    }

    void truncate_all(ContainerId id) {
        const std::uint64_t first = session_->log(id).next().number();
        const std::string anchor = "anchor of " + std::to_string(first);
        histories_[id].asked_to_truncate(now(), first, anchor);
        const Result<void> truncated =
            world_.run([&] { return session_->log(id).truncate(log::Index{first}, Bytes::copy_of(anchor)); });
        MR_CHECK(truncated.ok());
        histories_[id].truncated(now(), first);
    }

    // Long enough for a witness, and for files to be made and disposed of.
    void idle() { world_.run_for(1s); }

    void close() { session_->close(); }

    JournalLife end(std::string name) && {
        // What closing writes is part of the life only where close() was called.
        DiskTrace trace = trace_;
        session_.reset();
        std::vector<CrashPoint> points = crash_points(trace);
        return {std::move(name), std::move(trace), std::move(histories_), std::move(points)};
    }

private:
    std::size_t now() const { return trace_.events.size(); }

    static sim::DiskOptions even_disk() {
        sim::DiskOptions options;
        options.slow_one_in = 0;
        return options;
    }

    sim::World world_;
    sim::Node& node_ = world_.add_node("a", even_disk());
    DiskTrace trace_;
    Histories histories_;
    log::JournalMutations mutations_;
    std::unique_ptr<RecordingDisk> disk_;
    std::unique_ptr<JournalSession> session_;
    std::uint64_t next_number_;
};

sim::SimDisk::Image empty_disk() {
    sim::SimDisk::Image image;
    image.directories = {"/data", kJournalDirectory};
    return image;
}

struct Crash {
    sim::SimDisk::Image image;
    Histories past;
};
// At the last moment at which something was not synced; all of that survives.
Crash crash_with_unproven_tail(const JournalLife& life) {
    std::size_t at = life.points.size() - 1;
    while (life.points[at].unsynced.empty()) --at;
    ImageBuilder builder{life.trace, life.points[at]};
    for (const Piece& piece : pieces_of(life.trace, life.points[at], log::kBlockBytes)) builder.survive(piece);
    for (const std::size_t name : life.points[at].unsynced_names) builder.survive_name(name);
    return {builder.image(), past_of(life.histories, at)};
}

void fill_files(Player& player, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < 6; ++i) player.append(kLog, {150'000});
        player.append(kOther, {200, 300});
        player.truncate_all(kLog);
        player.truncate_all(kOther);
        player.idle();
    }
}

}  // namespace

std::vector<JournalLife> record_lives(const log::JournalMutations& mutations) {
    std::vector<JournalLife> lives;
    {
        Player player{1, empty_disk(), {}, mutations};
        MR_CHECK(player.start());
        player.append(kLog, {1});
        player.append(kLog, {5000, 90, 3900});
        player.append(kOther, {4000});
        player.idle();
        player.append(kLog, {9000, 20});
        player.append(kOther, {7, 30'000, 7});
        player.close();
        lives.push_back(std::move(player).end("start"));
    }
    {
        Player player{2, empty_disk(), {}, mutations};
        MR_CHECK(player.start());
        player.append(kLog, {100, 6000});
        player.append(kOther, {10'000});
        player.append(kLog, {200, 17'000, 3});
        const JournalLife first = std::move(player).end("");
        const Crash crash = crash_with_unproven_tail(first);
        Player again{3, crash.image, crash.past, mutations};
        if (again.start()) {
            again.append(kLog, {300, 4096});
            again.append(kOther, {5});
            again.idle();
            again.append(kOther, {12'000});
            lives.push_back(std::move(again).end("again"));
        }
    }
    {
        Player player{4, empty_disk(), {}, mutations};
        MR_CHECK(player.start());
        fill_files(player, 6);
        player.append(kLog, {20'000, 30});
        lives.push_back(std::move(player).end("files"));
        const Crash crash = crash_with_unproven_tail(lives.back());
        Player again{5, crash.image, crash.past, mutations};
        if (again.start()) {
            fill_files(again, 3);
            again.append(kLog, {500});
            lives.push_back(std::move(again).end("recycled"));
        }
    }
    return lives;
}

std::optional<JournalLife> record_start(const sim::SimDisk::Image& image, Histories past,
                                        const log::JournalMutations& mutations) {
    constexpr std::uint64_t kSeed = 100;
    Player player{kSeed, image, std::move(past), mutations};
    if (!player.start()) return std::nullopt;
    player.append(kLog, {40});
    return std::move(player).end("start on an image");
}

}  // namespace millrace::crash
