// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/echo/echo_workload.h"

#include "common/base/binary.h"
#include "common/runtime/rare.h"

namespace millrace::sim::echo {

using namespace std::chrono_literals;

namespace {

const std::vector<std::string>& node_names() {
    static const std::vector<std::string> names{"a", "b", "c"};
    return names;
}

std::chrono::milliseconds random_ms(Random& random, std::uint64_t low, std::uint64_t high) {
    return std::chrono::milliseconds{random.between(low, high)};
}

}  // namespace

EchoWorkload::EchoWorkload(std::uint64_t seed, Bugs bugs, std::optional<FaultPlan> plan)
    : world_{seed},
      random_{world_.fork_seed()},
      bugs_{bugs},
      plan_{plan ? *plan : FaultPlan::draw(world_.random())},
      count_{random_.between(10, 80)},
      window_{random_.between(1, 6)},
      think_ms_max_{random_.one_in(3) ? 0 : random_.between(10, 400)} {
    world_.enable_rare();
    DiskOptions disk;
    disk.tear_bytes = random_.one_in(2) ? 512 : 4096;
    disk.slow_one_in = random_.one_in(2) ? 50 : 0;
    disk.capacity_bytes = 64 * 1024 * 1024;
    for (const std::string& name : node_names()) slots_.push_back(Slot{.node = &world_.add_node(name, disk), .life = {}});
    client_node_ = &world_.add_node("client");
    vandal_node_ = &world_.add_node("vandal");
    NetworkOptions& network = world_.network().options();
    if (random_.one_in(3)) network.send_buffer_bytes = network.receive_buffer_bytes = random_.between(400, 5000);
    if (random_.one_in(4)) {
        MessageOptions& messages = world_.network().message_options();
        messages.queue_max = random_.between(1, 8);
        messages.under_way_max = random_.between(2, 20);
    }
    if (random_.one_in(3)) network.latency_max = std::chrono::microseconds{random_.between(1000, 20000)};
}

EchoWorkload::~EchoWorkload() = default;

Record EchoWorkload::record(std::uint64_t number) const {
    SeededRandom random{world_.seed() * 1000003 + number};
    ByteBuffer body;
    body.resize(random.between(1, 3000));
    random.fill(body.mutable_view());
    return Record{number, Bytes{std::move(body)}};
}

void EchoWorkload::violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
}

void EchoWorkload::start(std::size_t index) {
    Slot& slot = slots_[index];
    if (slot.stopping) {
        slot.start_wanted = true;
        return;
    }
    if (slot.life || over_) return;
    EchoNode::Config config{.leader = node_names()[0],
                            .followers = {node_names()[1], node_names()[2]},
                            .bugs = bugs_,
                            .failed = [this, index, life = ++slot.lives](const Error&) { failed(index, life); },
                            .committed = [this](std::uint64_t number) { check_committed(number); }};
    slot.life = std::make_unique<EchoNode>(slot.node->name(), slot.node->runtime(), slot.node->messages(),
                                           std::move(config));
    slot.life->start();
}

void EchoWorkload::bury(Slot& slot) {
    burials_.push_back(slot.life.get());
    world_.spawn(
        [this, dead = std::shared_ptr<EchoNode>{std::move(slot.life)}]() -> Task<void> {
            co_await dead->close();
            std::erase(burials_, dead.get());
        },
        "close of " + slot.node->name());
}

void EchoWorkload::stop(std::size_t index, Death death) {
    Slot& slot = slots_[index];
    if (death == Death::kPowerCut) {
        slot.node->crash();
        if (slot.life) bury(slot);
        return;
    }
    if (!slot.life) return;
    if (random_.one_in(2)) {
        slot.node->kill();
        return bury(slot);
    }
    // In order first, and then not waited for too long.
    MR_PROBE("echo.stopped_in_order");
    slot.stopping = true;
    bury(slot);
    world_.after(random_ms(random_, 0, 20), [this, &slot, index] {
        slot.node->kill();
        slot.stopping = false;
        if (std::exchange(slot.start_wanted, false)) start(index);
    });
}

void EchoWorkload::failed(std::size_t index, std::uint64_t life) {
    world_.after(0ns, [this, index, life] {
        Slot& slot = slots_[index];
        if (!slot.life || slot.lives != life) return;
        slot.node->kill();
        bury(slot);
        world_.after(random_ms(random_, 1, 1000), [this, index] { start(index); });
    });
}

void EchoWorkload::check_committed(std::uint64_t number) {
    if (number <= checked_) return;
    std::vector<Log::Contents> durable;
    for (const Slot& slot : slots_) {
        auto bytes = slot.node->disk().durable_contents(Log::kPath);
        durable.push_back(bytes ? Log::parse(Bytes{std::move(*bytes)}) : Log::Contents{});
    }
    for (; checked_ < number; ++checked_) {
        const Record expected = record(checked_ + 1);
        std::size_t copies = 0;
        for (const Log::Contents& contents : durable) {
            copies += contents.records.size() > checked_ && contents.records[checked_] == expected;
        }
        if (copies < 2) {
            violation("record " + std::to_string(expected.number) + " is committed and durable on " +
                      std::to_string(copies) + " of 3 disks");
        }
    }
}

Task<void> EchoWorkload::send_writes() {
    const Runtime runtime = client_node_->runtime();
    while (!over_ && !all_acknowledged()) {
        std::size_t sent = 0;
        for (std::uint64_t number = 1; number <= count_ && sent < window_; ++number) {
            if (acknowledged_.contains(number)) continue;
            ++sent;
            (void)socket_->send({node_names()[0], kClientPort},
                                Bytes{encode(Frame{FrameType::kWrite, 1, {record(number)}})});
        }
        (void)co_await answered_.wait_until(runtime.clock, runtime.clock.now() + random_ms(random_, 20, 400));
        if (think_ms_max_ > 0) co_await sleep_for(runtime.clock, random_ms(random_, 0, think_ms_max_));
    }
}

Task<void> EchoWorkload::take_answers() {
    for (;;) {
        auto message = co_await socket_->receive();
        if (!message) co_return;
        if (message->returned) {
            MR_PROBE("echo.leader_not_there");
            continue;
        }
        const auto frame = decode(message->bytes, {});
        if (!frame || frame->type != FrameType::kAck) {
            violation("the client got something that is no answer");
            co_return;
        }
        if (frame->number == 0 || frame->number > count_) violation("an answer to what was never asked");
        // Only news: a writer that answers each old answer with writes multiplies them without end.
        if (!acknowledged_.insert(frame->number).second) continue;
        world_.note("acknowledged", {}, frame->number);
        answered_.notify_all();
    }
}

Task<void> EchoWorkload::send_nonsense() {
    const Runtime runtime = vandal_node_->runtime();
    auto socket = vandal_node_->messages().open(0);
    while (!over_) {
        co_await sleep_for(runtime.clock, random_ms(random_, 10, 500));
        // Something that looks like a frame up to the length inside it.
        ByteBuffer nonsense;
        BigEndianWriter writer{nonsense};
        const auto plausible = static_cast<std::uint8_t>(random_.one_in(2) ? FrameType::kAppend : FrameType::kAdopt);
        writer.u8(random_.one_in(8) ? static_cast<std::uint8_t>(random_.next()) : plausible);
        writer.u64(0);
        writer.u64(random_.between(0, 3));
        writer.u32(static_cast<std::uint32_t>(random_.next() >> random_.between(32, 60)));
        if (random_.one_in(3)) (void)(*socket)->send({node_names()[0], kClientPort}, Bytes::copy_of(nonsense.view()));
        auto stream = co_await runtime.network.connect(Endpoint{node_names()[random_.between(0, 3)], kReplicaPort},
                                                       Deadline::after(runtime.clock, 1s));
        if (!stream) continue;
        ByteBuffer header;
        // The true length, one that nobody may ask for, or one that never comes.
        const std::uint64_t kind = random_.between(0, 3);
        const auto length = kind == 0   ? nonsense.size()
                            : kind == 1 ? kFrameBytesMax + 1 + random_.between(0, 1u << 31)
                                        : nonsense.size() + 100;
        BigEndianWriter{header}.u32(static_cast<std::uint32_t>(length));
        const std::vector<ByteView> pieces{header.view(), nonsense.view()};
        (void)co_await (*stream)->write(pieces);
        co_await sleep_for(runtime.clock, random_ms(random_, 0, 100));
        (*stream)->close();
    }
}

std::string EchoWorkload::states() const {
    std::string text;
    for (const Slot& slot : slots_) text += "; " + (slot.life ? slot.life->state() : slot.node->name() + " is down");
    return text;
}

// After the last crash: what is on the disks.
std::string EchoWorkload::read_back() {
    std::vector<Log::Contents> logs;
    for (const Slot& slot : slots_) {
        const auto files = slot.node->disk().files();
        const bool there = std::find(files.begin(), files.end(), Log::kPath) != files.end();
        logs.push_back(there ? Log::parse(Bytes{slot.node->disk().contents(Log::kPath)}) : Log::Contents{});
    }
    for (const std::uint64_t number : acknowledged_) {
        const Record expected = record(number);
        std::size_t copies = 0;
        for (const Log::Contents& log : logs) {
            copies += log.records.size() >= number && log.records[number - 1] == expected;
        }
        if (copies < 2) {
            return "record " + std::to_string(number) + " was acknowledged and is on " + std::to_string(copies) +
                   " of 3 disks";
        }
    }
    return {};
}

std::string EchoWorkload::run() {
    const MonotonicTime begin = world_.now();
    std::vector<FaultTarget> targets;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        start(i);
        targets.push_back(FaultTarget{slots_[i].node, [this, i](Death death) { stop(i, death); }, [this, i] { start(i); }});
    }
    targets.push_back(FaultTarget{client_node_, {}, {}});
    socket_ = std::move(client_node_->messages().open(0)).value();
    world_.spawn_on(*client_node_, [this] { return send_writes(); }, "client's writes");
    world_.spawn_on(*client_node_, [this] { return take_answers(); }, "client's answers");
    if (random_.one_in(2)) world_.spawn_on(*vandal_node_, [this] { return send_nonsense(); });

    FaultInjector faults{world_, plan_, std::move(targets)};
    faults.start();
    const auto done = [this] { return !violation_.empty() || all_acknowledged(); };
    (void)world_.run_until(done, random_ms(random_, 1000, 15000));
    // A fault may also meet what is idle.
    if (random_.one_in(3)) world_.run_for(random_ms(random_, 1, 2000));
    faults.heal();
    strikes_ = faults.strikes();
    if (!world_.run_until(done, 10min)) {
        violation("no progress after healing: " + std::to_string(acknowledged_.size()) + " of " +
                  std::to_string(count_) + " acknowledged, blocked: " + world_.blocked_tasks() + states());
    }
    finished_ = world_.now() - begin;
    over_ = true;
    socket_->close();
    // The power fails everywhere at once, sometimes a while after.
    if (random_.one_in(2)) world_.run_for(random_ms(random_, 1, 1000));
    for (std::size_t i = 0; i < slots_.size(); ++i) stop(i, Death::kPowerCut);
    if (violation_.empty()) violation(read_back());
    if (!world_.run_until([this] { return burials_.empty(); }, 10min)) {
        violation("a process does not close: " + world_.blocked_tasks());
        // It could not be destroyed.
        while (!burials_.empty()) {
            for (EchoNode* node : std::vector{burials_}) node->nudge();
            world_.run_for(10ms);
        }
    }
    world_.run_for(2s);
    return violation_;
}

}  // namespace millrace::sim::echo
