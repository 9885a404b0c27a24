// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/log/journal/journal_workload.h"

#include <algorithm>

namespace millrace::log {

namespace {
using namespace std::chrono_literals;
constexpr std::uint64_t kMiB = 1024 * 1024;
}  // namespace

ByteBuffer workload_body(std::uint64_t number, std::size_t size) {
    ByteBuffer body;
    body.resize(size);
    // Every eight bytes differ from all others, so that bytes in a wrong place show.
    for (std::size_t at = 0; at < size; at += 8) {
        const std::uint64_t word = number * 0x9e3779b97f4a7c15 + at;
        std::memcpy(body.data() + at, &word, std::min<std::size_t>(8, size - at));
    }
    return body;
}

JournalWorkload::JournalWorkload(std::uint64_t seed, JournalMutations mutations)
    : world_{seed}, mutations_{mutations} {
    Random& random = world_.random();
    sim::DiskOptions disk;
    disk.tear_bytes = random.one_in(4) ? 512 : 4096;
    disk.grants_direct = !random.one_in(4);
    disk.slow_one_in = random.one_in(2) ? 50 : 0;
    tight_disk_ = random.one_in(4);
    if (tight_disk_) disk.capacity_bytes = random.between(3, 7) * kMiB + 300 * 1024;
    if (random.one_in(4)) total_bytes_max_ = random.between(2, 6) * kMiB;
    if (random.one_in(3)) eio_one_in_ = 3;
    truncates_ = !random.one_in(4);
    node_ = &world_.add_node("a", disk);
    const std::uint64_t count = random.between(1, 5);
    for (std::uint64_t i = 0; i < count; ++i) {
        const ContainerId id{static_cast<std::uint32_t>(i * 7)};
        logs_[id].id = id;
    }
}

JournalWorkload::~JournalWorkload() = default;

void JournalWorkload::violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
}

std::size_t JournalWorkload::random_size() {
    Random& random = world_.random();
    switch (random.between(0, 20)) {
        case 0:
            return random.between(20'000, 200'000);
        case 1:
            return random.between(3'800, 4'300);
        case 2:
        case 3:
        case 4:
            return random.between(300, 20'000);
        default:
            return random.between(1, 300);
    }
}

JournalOptions JournalWorkload::options() const {
    JournalOptions options;
    options.directory = "/data/journal";
    options.file_bytes = kMiB;
    options.keep_free_bytes = 64 * 1024;
    options.total_bytes_max = quiet_ ? 0 : total_bytes_max_;
    options.mutations = mutations_;
    return options;
}

void JournalWorkload::draw_faults() {
    if (eio_one_in_ == 0 || quiet_ || !world_.random().one_in(eio_one_in_)) return;
    sim::DiskFaults& faults = node_->disk().faults();
    switch (world_.random().between(0, 3)) {
        case 0:
            faults.fail_write_in = world_.random().between(1, 40);
            break;
        case 1:
            faults.fail_sync_in = world_.random().between(1, 40);
            break;
        default:
            faults.fail_read_in = world_.random().between(1, 20);
            break;
    }
}

std::string JournalWorkload::run() {
    const std::uint64_t generations = world_.random().between(3, 8);
    for (std::uint64_t i = 0; i < generations && violation_.empty(); ++i) {
        draw_faults();
        const LifePtr life = start(true);
        if (!life) continue;
        work(life, std::chrono::microseconds{world_.random().between(0, 80'000)});
        if (world_.random().one_in(5)) {
            // An orderly end: everything sent is answered, nothing may be lost.
            world_.run_until([&] { return life->running == 0; }, 1min);
            bury(life);
            if (world_.random().one_in(2)) die();
        } else {
            life->dead = true;
            die();
            bury(life);
        }
    }
    if (!violation_.empty()) return violation_;
    // Peace: it must come up, take appends and keep them.
    quiet_ = true;
    node_->disk().faults() = {};
    node_->disk().options().capacity_bytes = 1ull << 40;
    for (int i = 0; i < 2 && violation_.empty(); ++i) {
        const LifePtr life = start(false);
        if (!life) {
            violation("does not come up in peace");
            break;
        }
        work(life, 20ms);
        if (!world_.run_until([&] { return life->running == 0; }, 1min))
            violation("appends do not end");
        check_space_returns(life);
        for (auto& [id, log] : logs_) {
            if (log.acknowledged != log.sent.size()) violation("an append failed in peace");
        }
        bury(life);
    }
    return violation_;
}

JournalWorkload::LifePtr JournalWorkload::start(bool may_crash) {
    for (int attempt = 0; attempt < 10; ++attempt) {
        auto life = std::make_shared<Life>();
        auto done = std::make_shared<bool>(false);
        world_.spawn([this, life, done] { return bring_up(life, done); });
        if (may_crash && world_.random().one_in(4)) {
            world_.run_until([done] { return *done; },
                             std::chrono::microseconds{world_.random().between(1, 15'000)});
            if (!*done) {
                life->dead = true;
                die();
            }
        }
        if (!world_.run_until([done] { return *done; }, 1min)) {
            violation("opening the journal does not end");
            return nullptr;
        }
        if (life->dead || !violation_.empty()) {
            bury(life);
            continue;
        }
        if (life->logs.size() == logs_.size()) {
            check_recovered(life);
            if (violation_.empty()) return life;
        }
        bury(life);
        if (!violation_.empty()) return nullptr;
        // A start that met a fault or a full disk: the operator does something about it.
        node_->disk().faults() = {};
        node_->disk().options().capacity_bytes += 2 * kMiB;
        node_->kill();
    }
    if (!may_crash) violation("the journal does not come up");
    return nullptr;
}

Task<void> JournalWorkload::bring_up(LifePtr life, std::shared_ptr<bool> done) {
    Result<std::unique_ptr<Journal>> opened = co_await Journal::open(node_->runtime(), options());
    if (opened) {
        life->journal = std::move(*opened);
        for (auto& [id, log] : logs_) {
            ++life->running;
            world_.spawn([this, life, &log] { return take_over(life, log); });
        }
        while (life->running > 0) co_await sleep_for(world_.clock(), 100us);
    } else if (!life->dead && !opened.error().is(ErrorCode::kIo) &&
               !(tight_disk_ && opened.error().is(ErrorCode::kNoSpace))) {
        violation("opening fails: " + opened.error().to_string());
    }
    *done = true;
}

Task<void> JournalWorkload::take_over(LifePtr life, LogModel& log) {
    auto taken = co_await life->journal->take_over(log.id);
    --life->running;
    if (taken) {
        if (!life->dead && (*taken)->epoch().number() <= log.epoch)
            violation("an epoch did not rise");
        log.epoch = std::max(log.epoch, (*taken)->epoch().number());
        life->logs.emplace(log.id, std::move(*taken));
    }
}

void JournalWorkload::check_recovered(LifePtr life) {
    world_.run([this, life]() -> Task<void> {
        for (auto& [id, log] : logs_) co_await check_log(life, log);
    });
}

Task<void> JournalWorkload::check_log(LifePtr life, LogModel& log) {
    DurableLog& durable = *life->logs.at(log.id);
    const std::string name = "log " + to_string(log.id);
    const std::size_t count = durable.next().number() - 1;
    const std::uint64_t first = durable.first().number();
    if (first < log.first) violation(name + " has entries again that were truncated");
    const auto anchor = log.anchors.find(first);
    if (anchor == log.anchors.end()) {
        violation(name + " begins with entry " + std::to_string(first) + ", to which nobody truncated it");
        co_return;
    }
    if (as_text(durable.anchor().view()) != anchor->second) violation(name + " has the anchor of another truncation");
    log.first = first;
    log.truncating = false;
    const std::size_t promised = log.durable.size() + log.acknowledged;
    if (count < promised) {
        violation(name + " has " + std::to_string(count) + " entries, " + std::to_string(promised) +
                  " were acknowledged");
        co_return;
    }
    if (count > log.durable.size() + log.sent.size()) {
        violation(name + " has more entries than were sent");
        co_return;
    }
    const std::size_t old = log.durable.size();
    recovered_unacknowledged_ += count - promised;
    log.sent.resize(count - log.durable.size());
    log.durable.insert(log.durable.end(), log.sent.begin(), log.sent.end());
    log.sent.clear();
    log.acknowledged = 0;
    for (std::size_t i = first - 1; i < count; ++i) {
        const SentEntry entry = log.durable[i];
        // Old ones are looked at again now and then, and all of them at the end.
        if (i < old && !quiet_ && !world_.random().one_in(4)) continue;
        // A part now and then; the whole body is verified all the same.
        const bool part = world_.random().one_in(4);
        const std::size_t offset = part ? world_.random().between(0, entry.size) : 0;
        const std::size_t length =
            part ? world_.random().between(1, entry.size + 1) : entry.size + 1;
        Result<Bytes> bytes = co_await durable.read(Index{i + 1}, offset, length);
        if (!bytes && bytes.error().is(ErrorCode::kIo))
            bytes = co_await durable.read(Index{i + 1}, offset, length);
        const std::string which = name + " entry " + std::to_string(i + 1);
        if (!bytes) {
            violation(which + " cannot be read: " + bytes.error().to_string());
            co_return;
        }
        const ByteBuffer body = workload_body(entry.number, entry.size);
        const ByteView expected =
            body.view().subspan(offset, std::min(length, entry.size - offset));
        if (!std::ranges::equal(bytes->view(), expected)) {
            violation(which + " has the wrong bytes");
            co_return;
        }
    }
}

void JournalWorkload::begin_append(LifePtr life, LogModel& log) {
    const SentEntry entry{next_number_++, random_size()};
    ++life->running;
    world_.spawn([this, life, &log, entry] { return append(life, log, entry); });
}

Task<void> JournalWorkload::append(LifePtr life, LogModel& log, SentEntry entry) {
    log.sent.push_back(entry);
    const ByteBuffer body = workload_body(entry.number, entry.size);
    const std::size_t cut = world_.random().between(0, body.size() + 1);
    std::vector<Bytes> pieces{Bytes::copy_of(body.view().first(cut)),
                              Bytes::copy_of(body.view().subspan(cut))};
    const Result<Index> index = co_await life->logs.at(log.id)->append(std::move(pieces));
    --life->running;
    if (!index && index.error().is(ErrorCode::kNoSpace)) {
        if (total_bytes_max_ == 0 && !tight_disk_)
            violation("an append met a full disk that is not full");
        std::erase_if(log.sent, [&](const SentEntry& e) { return e.number == entry.number; });
        co_return;
    }
    if (life->dead || !index) co_return;  // nobody saw the answer, or its fate is open
    ++acknowledged_;
    if (log.sent.size() <= log.acknowledged || log.sent[log.acknowledged].number != entry.number) {
        violation("log " + to_string(log.id) + ": acknowledged out of order");
    }
    ++log.acknowledged;
    if (index->number() != log.durable.size() + log.acknowledged)
        violation("an append got the wrong index");
}

void JournalWorkload::begin_truncate(LifePtr life, LogModel& log) {
    const std::uint64_t next = life->logs.at(log.id)->next().number();
    if (log.truncating || log.first >= next) return;
    // Mostly all of it, as a store does that keeps up.
    const std::uint64_t first = world_.random().one_in(3) ? world_.random().between(log.first + 1, next + 1) : next;
    log.truncating = true;
    log.anchors[first] = "anchor " + std::to_string(first) + std::string(world_.random().between(0, 200), '.');
    ++life->running;
    world_.spawn([this, life, &log, first] { return truncate(life, log, first); });
}

Task<void> JournalWorkload::truncate(LifePtr life, LogModel& log, std::uint64_t first) {
    DurableLog& durable = *life->logs.at(log.id);
    const Result<void> truncated = co_await durable.truncate(Index{first}, Bytes::copy_of(log.anchors.at(first)));
    --life->running;
    if (!truncated && truncated.error().is(ErrorCode::kNoSpace) && !life->dead) log.truncating = false;
    if (life->dead || !truncated) co_return;  // nobody saw the answer, or its fate is open
    log.first = first;
    log.truncating = false;
    if (durable.first() != Index{first}) violation("a truncation did not change the beginning");
    const Result<Bytes> gone = co_await durable.read(Index{first - 1}, 0, 1);
    if (gone || !(gone.error().is(ErrorCode::kNotFound) || gone.error().is(ErrorCode::kClosed)))
        violation("a truncated entry is still read");
}

// With everything truncated and a few files filled, the journal keeps only what it needs to go on.
void JournalWorkload::check_space_returns(LifePtr life) {
    const auto settle = [&] { world_.run_until([&] { return life->running == 0; }, 1min); };
    for (int round = 0; round < 3 && violation_.empty(); ++round) {
        for (int i = 0; i < 12; ++i) {
            LogModel& log = logs_.begin()->second;
            const SentEntry entry{next_number_++, 100'000};
            ++life->running;
            world_.spawn([this, life, &log, entry] { return append(life, log, entry); });
            settle();
        }
        for (auto& [id, log] : logs_) {
            const std::uint64_t next = life->logs.at(log.id)->next().number();
            if (log.first >= next) continue;
            log.anchors[next] = "all";
            ++life->running;
            world_.spawn([this, life, &log, next] { return truncate(life, log, next); });
        }
        settle();
        world_.run_for(1s);  // retired files are disposed of in the background
    }
    const Journal::Stats stats = life->journal->stats();
    files_recycled_ += stats.recycled;
    if (stats.files > 4) violation(std::to_string(stats.files) + " files are left of an empty journal");
}

void JournalWorkload::work(LifePtr life, std::chrono::nanoseconds duration) {
    const MonotonicTime end = world_.now() + duration;
    const std::uint64_t pace_max = world_.random().one_in(3) ? 60'000 : 800;
    while (world_.now() < end && violation_.empty()) {
        auto log = logs_.begin();
        std::advance(log, world_.random().between(0, logs_.size()));
        const std::uint64_t burst = world_.random().one_in(10) ? world_.random().between(2, 20) : 1;
        for (std::uint64_t i = 0; i < burst; ++i) begin_append(life, log->second);
        if (truncates_ && world_.random().one_in(20)) begin_truncate(life, log->second);
        const auto pause = std::chrono::microseconds{world_.random().between(1, pace_max)};
        world_.run_for(std::min<std::chrono::nanoseconds>(pause, end - world_.now()));
    }
    files_seen_ = std::max(files_seen_, life->journal->stats().files);
    files_recycled_ += life->journal->stats().recycled;
    retirements_ += life->journal->stats().retirements;
}

void JournalWorkload::die() {
    if (world_.random().one_in(3)) {
        node_->kill();
    } else {
        node_->crash();
    }
    node_->disk().faults() = {};
}

void JournalWorkload::bury(LifePtr life) {
    world_.run([this, life]() -> Task<void> {
        for (auto& [id, log] : life->logs) co_await log->close();
        while (life->running > 0) co_await sleep_for(world_.clock(), 1ms);
        if (life->journal) co_await life->journal->close();
    });
    life->logs.clear();
    life->journal.reset();
}

}  // namespace millrace::log
