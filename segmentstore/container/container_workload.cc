// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/container/container_workload.h"

#include <algorithm>

namespace millrace::container {

namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kWorkloadMiB = 1024 * 1024;

WriterId workload_writer(std::size_t n) {
    WriterId id;
    id.bytes[0] = std::byte{0xAB};
    id.bytes[15] = static_cast<std::byte>(n);
    return id;
}

AttributeId workload_attribute(std::size_t n) {
    AttributeId id;
    id.bytes[0] = std::byte{0xCD};
    id.bytes[15] = static_cast<std::byte>(n);
    return id;
}

std::string status_text(Status status) { return "status " + std::to_string(static_cast<int>(status)); }

}  // namespace

void ContainerWorkload::Model::apply(ModelOperation operation, std::uint64_t lsn) {
    operation.lsn = lsn;
    switch (operation.type) {
        case OperationType::kCreateSegment: {
            ModelSegment segment;
            segment.incarnation = operation.incarnation;
            segments[operation.name] = std::move(segment);
            break;
        }
        case OperationType::kAppend: {
            ModelSegment& segment = segments.at(operation.name);
            segment.bytes += operation.data;
            segment.appended.emplace_back(static_cast<std::int64_t>(segment.bytes.size()), lsn);
            segment.writers[operation.writer] = operation.event_number;
            break;
        }
        case OperationType::kSealSegment:
            segments.at(operation.name).sealed = true;
            break;
        case OperationType::kDeleteSegment:
            segments.erase(operation.name);
            deleted_at[operation.name] = lsn;
            break;
        case OperationType::kTruncateSegment:
            segments.at(operation.name).start = operation.event_number;
            break;
        case OperationType::kObjectPlanned:
        case OperationType::kWindowTiered:
            break;  // the container's own business
        case OperationType::kSetAttribute:
            segments.at(operation.name).attributes[operation.writer] = operation.event_number;
            break;
    }
    const auto segment = segments.find(operation.name);
    if (segment != segments.end()) segment->second.newest = lsn;
    operations.push_back(std::move(operation));
}

void ContainerWorkload::Model::rebuild(std::uint64_t survivors) {
    std::vector<ModelOperation> kept = std::move(operations);
    std::erase_if(kept, [&](const ModelOperation& operation) { return operation.lsn > survivors; });
    operations.clear();
    segments.clear();
    deleted_at.clear();
    for (ModelOperation& operation : kept) {
        const std::uint64_t lsn = operation.lsn;
        apply(std::move(operation), lsn);
    }
}

std::uint64_t ContainerWorkload::Model::newest(std::size_t name) const {
    const auto segment = segments.find(name);
    if (segment != segments.end()) return segment->second.newest;
    const auto deleted = deleted_at.find(name);
    return deleted == deleted_at.end() ? 0 : deleted->second;
}

ContainerWorkload::ContainerWorkload(std::uint64_t seed, bool reply_without_waiting)
    : world_{seed}, reply_without_waiting_{reply_without_waiting} {
    Random& random = world_.random();
    sim::DiskOptions disk;
    disk.tear_bytes = random.one_in(4) ? 512 : 4096;
    disk.slow_one_in = random.one_in(2) ? 50 : 0;
    tight_disk_ = random.one_in(4);
    if (tight_disk_) disk.capacity_bytes = random.between(5, 10) * kWorkloadMiB;
    if (random.one_in(4)) eio_one_in_ = 2;
    node_ = &world_.add_node("a", disk);
    cache_bytes_ = random.one_in(2) ? 64 * 1024 : 8 * kWorkloadMiB;
    large_one_in_ = tight_disk_ ? 30 : random.one_in(2) ? 60 : 1000;
    tiers_ = !random.one_in(3);
    tiering_.window_bytes = random.between(4, 400) * 1024;
    tiering_.max_age = std::chrono::milliseconds{random.between(1, 40)};
    tiering_.retry = std::chrono::milliseconds{random.between(1, 10)};
    pause_one_in_ = static_cast<std::uint32_t>(random.between(2, 30));
}

ContainerWorkload::~ContainerWorkload() = default;

void ContainerWorkload::violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
}

std::string ContainerWorkload::name_of(std::size_t name) const {
    return "scope/stream/" + std::to_string(name) + ".#epoch.0";
}

std::string ContainerWorkload::next_data(std::size_t size) {
    std::string data(size, '\0');
    SeededRandom{++data_made_}.fill({reinterpret_cast<std::byte*>(data.data()), data.size()});
    return data;
}

std::size_t ContainerWorkload::random_size() {
    Random& random = world_.random();
    if (random.one_in(large_one_in_)) return random.between(100'000, 1'500'000);
    switch (random.between(0, 10)) {
        case 0: return 0;
        case 1: return random.between(3'000, 40'000);
        case 2: return random.between(4'050, 4'150);
        default: return random.between(1, 300);
    }
}

std::string ContainerWorkload::run() {
    const std::uint64_t lives = world_.random().between(3, 7);
    for (std::uint64_t i = 0; i <= lives && violation_.empty(); ++i) {
        const bool peace = i == lives;  // in the end, it must come up and serve
        sim::DiskFaults& faults = node_->disk().faults();
        faults = {};
        if (!peace && eio_one_in_ != 0 && world_.random().one_in(eio_one_in_)) {
            (world_.random().one_in(2) ? faults.fail_write_in : faults.fail_sync_in) = world_.random().between(1, 60);
        }
        const LifePtr life = start();
        if (!life) {
            if (peace) violation("does not come up in peace");
            continue;
        }
        auto done = std::make_shared<bool>(false);
        world_.spawn([this, life, done] { return work(life, done); });
        if (peace || world_.random().one_in(4)) {
            if (!world_.run_until([done] { return *done; }, 10min)) violation("the workload does not end");
            node_->disk().options().capacity_bytes = 1ull << 40;
            const auto all_committed = [life] {
                return std::all_of(life->containers.begin(), life->containers.end(),
                                   [](const auto& c) { return c->stopped() || c->committed(c->admitted()); });
            };
            if (!world_.run_until(all_committed, 1min)) violation("what was admitted is never committed");
            end(life);
            if (world_.random().one_in(2)) node_->crash();
            else node_->kill();
            continue;
        }
        world_.run_until([done] { return *done; }, std::chrono::microseconds{world_.random().between(0, 60'000)});
        life->dead = true;
        if (world_.random().one_in(3)) node_->kill();
        else node_->crash();
        if (!world_.run_until([done] { return *done; }, 10min)) violation("the workload does not end after a crash");
        end(life);
    }
    return violation_;
}

ContainerWorkload::LifePtr ContainerWorkload::start() {
    for (int attempt = 0; attempt < 5 && violation_.empty(); ++attempt) {
        auto life = std::make_shared<Life>();
        const bool opened = world_.run([this, life] { return open(life); });
        if (opened) {
            world_.run([this, life] { return check_recovered(life); });
            return life;
        }
        end(life);
        // A fault or a full disk at the start: the operator does something about it.
        node_->disk().faults() = {};
        node_->disk().options().capacity_bytes += 8 * kWorkloadMiB;
        node_->kill();
    }
    return nullptr;
}

Task<bool> ContainerWorkload::open(LifePtr life) {
    log::JournalOptions options;
    options.directory = "/data/journal";
    options.file_bytes = 4 * kWorkloadMiB;
    options.keep_free_bytes = 64 * 1024;
    const Runtime runtime = node_->runtime();
    auto journal = co_await log::Journal::open(runtime, options);
    if (!journal) {
        if (journal.error().is(ErrorCode::kCorrupt)) violation("open: " + journal.error().to_string());
        co_return false;
    }
    life->journal = std::move(journal).value();
    life->cache = std::make_unique<DataCache>(cache_bytes_);
    if (tiers_) {
        auto storage = co_await storage::FileStorage::open(runtime, "/lts");
        if (!storage && storage.error().is(ErrorCode::kNotFound)) {
            if (!co_await storage::FileStorage::format(runtime, "/lts")) co_return false;
            storage = co_await storage::FileStorage::open(runtime, "/lts");
        }
        if (!storage) co_return false;
        life->storage = std::move(*storage);
    }
    for (std::uint32_t i = 0; i < kContainers; ++i) {
        auto log = co_await life->journal->take_over(ContainerId{i});
        if (!log) co_return false;
        life->logs.push_back(std::move(log).value());
        ContainerOptions container_options;
        container_options.id = ContainerId{i};
        container_options.log_refusing = [journal = life->journal.get()] { return journal->stats().full; };
        container_options.storage = life->storage.get();
        container_options.tiering = tiering_;
        container_options.test_only_reply_without_waiting = reply_without_waiting_;
        life->containers.push_back(std::make_unique<Container>(
            runtime.executor, runtime.clock, *life->logs.back(), life->credits, *life->cache,
            std::move(container_options), [life = life.get()](Error) { life->failed = true; }));
        const auto recovered = co_await life->containers.back()->recover();
        if (!recovered) {
            if (recovered.error().is(ErrorCode::kCorrupt)) violation("recover: " + recovered.error().to_string());
            co_return false;
        }
        life->recovered.push_back(life->containers.back()->committed().number());
    }
    co_return true;
}

void ContainerWorkload::end(const LifePtr& life) {
    world_.run([this, life] { return close(life); });
}

Task<void> ContainerWorkload::close(LifePtr life) {
    for (ReadWait& wait : life->waits) wait.cancel();
    for (const auto& container : life->containers) co_await container->close();
    co_await life->gate.close();
    for (const auto& log : life->logs) co_await log->close();
    if (life->journal) co_await life->journal->close();
    life->sessions.clear();
    for (const auto& container : life->containers) {
        windows_ += container->counts().windows;
        snapshots_ += container->counts().snapshots;
    }
    life->containers.clear();
    life->logs.clear();
    life->journal.reset();
}

Task<void> ContainerWorkload::check_recovered(LifePtr life) {
    for (std::uint32_t i = 0; i < kContainers; ++i) {
        Model& model = models_[i];
        const std::uint64_t survivors = life->recovered[i];
        const std::string where = "container " + std::to_string(i) + ": ";
        if (survivors < model.must_survive) {
            violation(where + "operation " + std::to_string(model.must_survive) + " was answered, but only " +
                      std::to_string(survivors) + " survived");
            co_return;
        }
        for (const ModelOperation& operation : model.operations) {
            if (operation.lsn > survivors) {
                ++lost_unanswered_;
            } else if (operation.lsn > model.must_survive) {
                ++survived_unanswered_;
            }
        }
        model.rebuild(survivors);
        model.must_survive = survivors;
    }
    for (std::size_t name = 0; name < kNames && violation_.empty(); ++name) co_await check_segment(life, name);
    for (std::uint32_t i = 0; i < kContainers && violation_.empty(); ++i) co_await check_objects(life, i);
}

// Whatever lies in long-term storage, the container knows of: nothing leaks.
Task<void> ContainerWorkload::check_objects(LifePtr life, std::uint32_t number) {
    if (!life->storage) co_return;
    Container& container = *life->containers[number];
    if (container.anchored_snapshot()) ++recoveries_from_snapshots_;
    const auto listed = co_await life->storage->list(ContainerId{number});
    if (!listed) co_return;
    for (const storage::ObjectName& name : *listed) {
        if (container.objects().find({name.epoch, name.sequence}) != nullptr) continue;
        // It may just have been removed.
        const auto again = co_await life->storage->list(ContainerId{number});
        if (again && std::find(again->begin(), again->end(), name) != again->end()) {
            violation("nobody knows object " + name.to_string());
        }
    }
}

// The segment as a client sees it, against the model.
Task<void> ContainerWorkload::check_segment(LifePtr life, std::size_t name) {
    Container& container = *life->containers[container_index(name)];
    Model& model = models_[container_index(name)];
    const auto found = model.segments.find(name);
    const InfoOutcome info = container.info(name_of(name));
    if (info.status == Status::kStopped) co_return;  // tiering met the disk's failure
    if ((info.status == Status::kOk) != (found != model.segments.end())) {
        violation(name_of(name) + (info.status == Status::kOk ? " exists and should not" : " is gone"));
        co_return;
    }
    if (found == model.segments.end()) co_return;
    const ModelSegment& expected = found->second;
    if (info.policy.target_rate != expected.incarnation || info.sealed != expected.sealed ||
        info.length != static_cast<std::int64_t>(expected.bytes.size()) || info.start_offset != expected.start) {
        const auto shape = [](std::int32_t incarnation, bool sealed, std::int64_t start, std::int64_t length) {
            return " (incarnation " + std::to_string(incarnation) + ", " + std::to_string(start) + " to " +
                   std::to_string(length) + (sealed ? ", sealed)" : ")");
        };
        violation(name_of(name) + " is not what it should be:" +
                  shape(info.policy.target_rate, info.sealed, info.start_offset, info.length) + " instead of" +
                  shape(expected.incarnation, expected.sealed, expected.start,
                        static_cast<std::int64_t>(expected.bytes.size())));
        co_return;
    }
    for (const auto& [attribute, value] : expected.attributes) {
        const AttributeOutcome present = container.attribute(name_of(name), workload_attribute(attribute));
        if (present.status == Status::kOk && present.value != value) {
            violation(name_of(name) + ": an attribute differs");
        }
    }
    // What was truncated is not looked at.
    std::string bytes = expected.bytes.substr(0, static_cast<std::size_t>(expected.start));
    while (bytes.size() < expected.bytes.size() && violation_.empty()) {
        ReadWait wait;
        const ReadOutcome read = co_await container.read(name_of(name), static_cast<std::int64_t>(bytes.size()),
                                                         300'000, wait);
        if (read.status != ReadStatus::kData || read.data.empty()) {
            if (!life->failed) {
                violation(name_of(name) + ": cannot be read back at " + std::to_string(bytes.size()) + " of " +
                          std::to_string(expected.bytes.size()) + ": " +
                          (read.error ? read.error->to_string() : "status " + std::to_string(static_cast<int>(read.status))));
            }
            co_return;
        }
        bytes += as_text(read.data.view());
    }
    if (bytes != expected.bytes) violation(name_of(name) + ": bytes differ");
    for (std::size_t writer = 0; writer < kWriters; ++writer) {
        SetupOutcome setup = container.setup_append(name_of(name), workload_writer(writer));
        if (setup.status == Status::kStopped) co_return;  // tiering met the disk's failure
        const auto number = expected.writers.find(writer);
        const std::int64_t last = number == expected.writers.end() ? kNoEventNumber : number->second;
        if (setup.last_event_number != last) {
            violation(name_of(name) + ": last event number of writer " + std::to_string(writer) + " is " +
                      std::to_string(setup.last_event_number) + " instead of " + std::to_string(last));
        }
        container.release(setup.handle);
    }
}

Task<void> ContainerWorkload::work(LifePtr life, std::shared_ptr<bool> done) {
    Clock& clock = world_.clock();
    Random& random = world_.random();
    const std::uint64_t steps = random.between(20, 300);
    for (std::uint64_t i = 0; i < steps && !life->dead && !life->failed && violation_.empty(); ++i) {
        step(life);
        if (random.one_in(pause_one_in_)) {
            co_await sleep_for(clock, std::chrono::microseconds{random.between(0, 2'000)});
        }
        const bool full = std::any_of(life->containers.begin(), life->containers.end(),
                                      [](const auto& container) { return container->full(); });
        if (full && !life->dead) {
            ++full_disks_;
            co_await sleep_for(clock, 300ms);
            node_->disk().options().capacity_bytes += 8 * kWorkloadMiB;
            while (!life->dead && !life->failed && std::any_of(life->containers.begin(), life->containers.end(), [](const auto& container) {
                       return container->full();
                   })) {
                co_await sleep_for(clock, 50ms);
            }
        }
    }
    *done = true;
}

void ContainerWorkload::step(const LifePtr& life) {
    Random& random = world_.random();
    const std::size_t name = random.between(0, kNames);
    switch (random.between(0, 40)) {
        case 0:
        case 1: return do_create(life, name);
        case 2:
            if (random.one_in(2)) return do_seal(life, name);
            return;
        case 3:
            if (random.one_in(4)) do_delete(life, name);
            if (random.one_in(2)) do_create(life, name);
            return;
        case 4: return do_info(life, name);
        case 5:
        case 6:
        case 7:
        case 8: return do_setup(life, name, random.between(0, kWriters));
        case 9:
        case 10:
        case 11: return do_read(life, name);
        case 12:
            if (random.one_in(3)) return do_truncate(life, name);
            return do_attribute(life, name);
        default: return do_append(life);
    }
}

void ContainerWorkload::answer(const LifePtr& life, std::uint32_t container, Lsn depends_on, std::uint64_t fact) {
    life->gate.spawn(world_.executor(), [this, life, container, depends_on, fact]() -> Task<void> {
        const bool left = co_await life->containers[container]->wait_committed(depends_on);
        // A process that is dead answers nobody.
        if (left && !life->dead) models_[container].must_survive = std::max(models_[container].must_survive, fact);
    });
}

void ContainerWorkload::do_create(const LifePtr& life, std::size_t name) {
    const std::uint32_t c = container_index(name);
    Model& model = models_[c];
    const std::int32_t incarnation = ++last_incarnation_;
    const Outcome outcome = life->containers[c]->create(name_of(name), {incarnation, 1, 0});
    if (outcome.status == Status::kStopped || outcome.status == Status::kFull) return;
    const bool exists = model.segments.contains(name);
    if (outcome.status != (exists ? Status::kAlreadyExists : Status::kOk)) {
        return violation("create: " + status_text(outcome.status));
    }
    if (!exists) {
        ++operations_;
        ModelOperation operation;
        operation.type = OperationType::kCreateSegment;
        operation.name = name;
        operation.incarnation = incarnation;
        model.apply(std::move(operation), life->containers[c]->admitted().number());
    }
    answer(life, c, outcome.depends_on, model.newest(name));
}

void ContainerWorkload::do_seal(const LifePtr& life, std::size_t name) {
    const std::uint32_t c = container_index(name);
    Model& model = models_[c];
    const Outcome outcome = life->containers[c]->seal(name_of(name));
    if (outcome.status == Status::kStopped || outcome.status == Status::kFull) return;
    const auto segment = model.segments.find(name);
    const Status expected = segment == model.segments.end() ? Status::kNoSuchSegment
                            : segment->second.sealed        ? Status::kSealed
                                                            : Status::kOk;
    if (outcome.status != expected) return violation("seal: " + status_text(outcome.status));
    if (expected == Status::kOk) {
        ++operations_;
        ModelOperation operation;
        operation.type = OperationType::kSealSegment;
        operation.name = name;
        model.apply(std::move(operation), life->containers[c]->admitted().number());
    }
    answer(life, c, outcome.depends_on, model.newest(name));
}

void ContainerWorkload::do_delete(const LifePtr& life, std::size_t name) {
    const std::uint32_t c = container_index(name);
    Model& model = models_[c];
    const Outcome outcome = life->containers[c]->remove(name_of(name));
    if (outcome.status == Status::kStopped || outcome.status == Status::kFull) return;
    const bool exists = model.segments.contains(name);
    if (outcome.status != (exists ? Status::kOk : Status::kNoSuchSegment)) {
        return violation("delete: " + status_text(outcome.status));
    }
    if (exists) {
        ++operations_;
        ModelOperation operation;
        operation.type = OperationType::kDeleteSegment;
        operation.name = name;
        model.apply(std::move(operation), life->containers[c]->admitted().number());
    }
    answer(life, c, outcome.depends_on, model.newest(name));
}

void ContainerWorkload::do_info(const LifePtr& life, std::size_t name) {
    const std::uint32_t c = container_index(name);
    const Model& model = models_[c];
    const InfoOutcome info = life->containers[c]->info(name_of(name));
    if (info.status == Status::kStopped || life->containers[c]->full()) return;
    const auto segment = model.segments.find(name);
    const bool exists = segment != model.segments.end();
    if (info.status != (exists ? Status::kOk : Status::kNoSuchSegment)) {
        return violation("info: " + status_text(info.status));
    }
    if (exists && (info.sealed != segment->second.sealed || info.start_offset != segment->second.start ||
                   info.length != static_cast<std::int64_t>(segment->second.bytes.size()))) {
        return violation("info: seal or length differ");
    }
    answer(life, c, info.depends_on, model.newest(name));
}

void ContainerWorkload::do_setup(const LifePtr& life, std::size_t name, std::size_t writer) {
    const std::uint32_t c = container_index(name);
    const Model& model = models_[c];
    SetupOutcome setup = life->containers[c]->setup_append(name_of(name), workload_writer(writer));
    if (setup.status == Status::kStopped) return;
    const auto segment = model.segments.find(name);
    if (segment == model.segments.end()) {
        if (setup.status != Status::kNoSuchSegment) violation("set up: " + status_text(setup.status));
    } else {
        const auto number = segment->second.writers.find(writer);
        const std::int64_t expected = number == segment->second.writers.end() ? kNoEventNumber : number->second;
        if (setup.status != Status::kOk || setup.last_event_number != expected) {
            violation("set up: event number " + std::to_string(setup.last_event_number));
        }
        life->current[{name, writer}] = life->sessions.size();
        life->sessions.push_back({name, writer, segment->second.incarnation, std::move(setup.handle)});
    }
    answer(life, c, setup.depends_on, model.newest(name));
}

void ContainerWorkload::do_append(const LifePtr& life) {
    if (life->sessions.empty()) return;
    Random& random = world_.random();
    const std::size_t index = random.between(0, life->sessions.size());
    const Session& session = life->sessions[index];
    const std::uint32_t c = container_index(session.name);
    Model& model = models_[c];
    const auto segment = model.segments.find(session.name);
    const bool same = segment != model.segments.end() && segment->second.incarnation == session.incarnation;
    // Set-ups of an earlier incarnation are current for that one until a later set-up of the same one.
    std::size_t newest_of_incarnation = index;
    for (std::size_t i = index + 1; i < life->sessions.size(); ++i) {
        const Session& other = life->sessions[i];
        if (other.name == session.name && other.writer == session.writer && other.incarnation == session.incarnation) {
            newest_of_incarnation = i;
        }
    }
    const std::int64_t last =
        same && segment->second.writers.contains(session.writer) ? segment->second.writers.at(session.writer) : 0;
    const bool repeat = last > 0 && random.one_in(30);
    const std::int64_t number = repeat ? last - static_cast<std::int64_t>(random.between(0, 2)) : last + static_cast<std::int64_t>(random.between(1, 4));
    const std::string data = next_data(random_size());
    std::vector<Bytes> pieces;
    const std::size_t cut = data.empty() ? 0 : random.between(0, data.size());
    pieces.push_back(Bytes::copy_of(std::string_view{data}.substr(0, cut)));
    pieces.push_back(Bytes::copy_of(std::string_view{data}.substr(cut)));
    std::optional<std::int64_t> condition;
    const std::int64_t length = same ? static_cast<std::int64_t>(segment->second.bytes.size()) : 0;
    const bool wrong = random.one_in(3);
    if (random.one_in(8)) condition = wrong ? length + 1 : length;
    const AppendOutcome outcome = life->containers[c]->append(session.handle, number, 1, pieces, condition);
    if (outcome.status == Status::kStopped || outcome.status == Status::kFull) return;
    Status expected = Status::kOk;
    if (newest_of_incarnation != index) expected = Status::kInvalidEventNumber;
    else if (!same) expected = Status::kNoSuchSegment;
    else if (segment->second.sealed) expected = Status::kSealed;
    else if (repeat) expected = Status::kInvalidEventNumber;
    else if (condition && wrong) expected = Status::kConditionFailed;
    if (outcome.status != expected) {
        return violation("append: " + status_text(outcome.status) + " instead of " + status_text(expected));
    }
    if (expected == Status::kOk) {
        ++operations_;
        ModelOperation operation;
        operation.type = OperationType::kAppend;
        operation.name = session.name;
        operation.writer = session.writer;
        operation.event_number = number;
        operation.data = data;
        model.apply(std::move(operation), life->containers[c]->admitted().number());
        if (outcome.length_after != static_cast<std::int64_t>(model.segments.at(session.name).bytes.size())) {
            violation("append: length after differs");
        }
        answer(life, c, outcome.depends_on, model.newest(session.name));
    } else if (expected == Status::kSealed || expected == Status::kConditionFailed) {
        answer(life, c, outcome.depends_on, model.newest(session.name));
    }
}

void ContainerWorkload::do_truncate(const LifePtr& life, std::size_t name) {
    const std::uint32_t c = container_index(name);
    Model& model = models_[c];
    const auto segment = model.segments.find(name);
    const bool exists = segment != model.segments.end();
    const auto length = exists ? static_cast<std::int64_t>(segment->second.bytes.size()) : 0;
    const std::int64_t offset = static_cast<std::int64_t>(world_.random().between(0, static_cast<std::uint64_t>(length) + 2));
    const TruncateOutcome outcome = life->containers[c]->truncate(name_of(name), offset);
    if (outcome.status == Status::kStopped || outcome.status == Status::kFull) return;
    const std::int64_t start = exists ? segment->second.start : 0;
    const Status expected = !exists                              ? Status::kNoSuchSegment
                            : offset < start || offset > length ? Status::kTruncated
                                                                 : Status::kOk;
    if (outcome.status != expected) return violation("truncate: " + status_text(outcome.status));
    if (expected == Status::kOk && offset > start) {
        ++operations_;
        ModelOperation operation;
        operation.type = OperationType::kTruncateSegment;
        operation.name = name;
        operation.event_number = offset;
        model.apply(std::move(operation), life->containers[c]->admitted().number());
    }
    answer(life, c, outcome.depends_on, model.newest(name));
}

void ContainerWorkload::do_attribute(const LifePtr& life, std::size_t name) {
    const std::uint32_t c = container_index(name);
    Model& model = models_[c];
    const auto segment = model.segments.find(name);
    const std::size_t attribute = world_.random().between(0, kAttributes);
    const bool exists = segment != model.segments.end();
    const auto known = exists ? segment->second.attributes.find(attribute) : decltype(segment->second.attributes.end()){};
    const bool set = exists && known != segment->second.attributes.end();
    const std::int64_t present = set ? known->second : kNoAttributeValue;
    const bool wrong = world_.random().one_in(3);
    const std::int64_t value = static_cast<std::int64_t>(world_.random().between(0, 1'000'000));
    const AttributeOutcome outcome = life->containers[c]->set_attribute(name_of(name), workload_attribute(attribute), value,
                                                                        wrong ? present + 1 : present);
    if (outcome.status == Status::kStopped || outcome.status == Status::kFull) return;
    const Status expected = !exists                  ? Status::kNoSuchSegment
                            : segment->second.sealed ? Status::kSealed
                            : wrong                  ? Status::kConditionFailed
                                                     : Status::kOk;
    if (outcome.status != expected) return violation("attribute: " + status_text(outcome.status));
    if (expected == Status::kOk) {
        ++operations_;
        ModelOperation operation;
        operation.type = OperationType::kSetAttribute;
        operation.name = name;
        operation.writer = attribute;
        operation.event_number = value;
        model.apply(std::move(operation), life->containers[c]->admitted().number());
    }
    answer(life, c, outcome.depends_on, model.newest(name));
}

void ContainerWorkload::do_read(const LifePtr& life, std::size_t name) {
    Random& random = world_.random();
    const auto& segments = models_[container_index(name)].segments;
    const auto segment = segments.find(name);
    const std::size_t length = segment == segments.end() ? 0 : segment->second.bytes.size();
    const auto offset = static_cast<std::int64_t>(random.one_in(3) ? length : random.between(0, length + 1));
    ReadWait& wait = life->waits.emplace_back();
    const std::size_t limit = random.one_in(3) ? random.between(8, 5000) : 2 * kWorkloadMiB;
    life->gate.spawn(world_.executor(), [this, life, name, offset, limit, &wait] {
        return read(life, name, offset, limit, wait);
    });
}

Task<void> ContainerWorkload::read(LifePtr life, std::size_t name, std::int64_t offset, std::size_t length,
                                   ReadWait& wait) {
    Container& container = *life->containers[container_index(name)];
    Model& model = models_[container_index(name)];
    ReadCursor cursor = container.open_read(name_of(name), offset);
    const auto at_start = model.segments.find(name);
    const std::int32_t incarnation = at_start == model.segments.end() ? 0 : at_start->second.incarnation;
    ReadOutcome outcome;
    for (;;) {
        outcome = container.read_now(cursor, length);
        if (outcome.status == ReadStatus::kNotCached) {
            ++cold_reads_;
            outcome = co_await container.read_back(cursor, length);
        }
        if (outcome.status != ReadStatus::kNotYet) break;
        co_await container.wait_readable(cursor, wait);
        if (wait.cancelled()) co_return;
    }
    if (life->dead || outcome.status != ReadStatus::kData) co_return;
    if (outcome.data.size() > length) violation("read: more than asked for");
    const auto segment = model.segments.find(name);
    // A reader may still get bytes of a segment whose deletion is only admitted.
    if (segment == model.segments.end() || segment->second.incarnation != incarnation) co_return;
    const ModelSegment& expected = segment->second;
    const auto end = offset + static_cast<std::int64_t>(outcome.data.size());
    if (end > static_cast<std::int64_t>(expected.bytes.size()) ||
        as_text(outcome.data.view()) != std::string_view{expected.bytes}.substr(static_cast<std::size_t>(offset),
                                                                                outcome.data.size())) {
        violation(name_of(name) + ": a reader got other bytes at " + std::to_string(offset));
        co_return;
    }
    if (outcome.end_of_segment && !expected.sealed) violation("read: the end of a segment that is not sealed");
    // What a reader saw must survive.
    const auto last = std::lower_bound(expected.appended.begin(), expected.appended.end(), end,
                                       [](const auto& appended, std::int64_t at) { return appended.first < at; });
    if (last != expected.appended.end() && !outcome.data.empty()) {
        model.must_survive = std::max(model.must_survive, last->second);
    }
}

}  // namespace millrace::container
