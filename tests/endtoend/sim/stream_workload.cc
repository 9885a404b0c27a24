// SPDX-License-Identifier: Apache-2.0
#include "tests/endtoend/sim/stream_workload.h"

#include <charconv>
#include <thread>

#include "client/reader/consumer.h"
#include "client/reader/reader_core.h"
#include "client/segment/request_connection.h"
#include "common/base/crc32c.h"
#include "common/model/routing_hash.h"
#include "common/runtime/rare.h"

namespace millrace::testing {

using namespace std::chrono_literals;

namespace {

const StreamName kStream{"scope", "stream"};

// How long things may take once everything is well again.
constexpr std::chrono::minutes kSettleMax{5};

std::chrono::milliseconds random_ms(Random& random, std::uint64_t low, std::uint64_t high) {
    return std::chrono::milliseconds{random.between(low, high + 1)};
}

// An event says who wrote it: "<writer> <key> <sequence> ", then anything.
std::string make_payload(const std::string& writer, const std::string& key, std::uint64_t sequence, std::size_t filler) {
    std::string payload = writer + " " + key + " " + std::to_string(sequence) + " ";
    for (std::size_t i = 0; i < filler; ++i) payload += static_cast<char>('a' + (sequence + i) % 26);
    return payload;
}

std::string spell_segment(SegmentId segment) {
    return std::to_string(segment.epoch().number()) + "." + std::to_string(segment.number());
}

struct Origin {
    std::string writer;
    std::string key;
    std::uint64_t sequence = 0;
};

// Of bytes that are no event of ours: a writer without a name, who wrote nothing.
Origin origin_of(std::string_view payload) {
    Origin origin;
    const std::size_t first = payload.find(' ');
    const std::size_t second = first == std::string_view::npos ? first : payload.find(' ', first + 1);
    if (second == std::string_view::npos) return {};
    origin.writer = payload.substr(0, first);
    origin.key = payload.substr(first + 1, second - first - 1);
    const std::string_view rest = payload.substr(second + 1);
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), origin.sequence);
    if (error != std::errc{}) return {};
    return origin;
}

sim::FaultPlan draw_plan(SeededRandom& random, const std::optional<sim::FaultPlan>& given) {
    sim::FaultPlan plan = given ? *given : sim::FaultPlan::draw(random);
    plan.pause_max = std::chrono::milliseconds{random.between(100, 2000)};
    return plan;
}

bool plan_fails_disks(const sim::FaultPlan& plan) {
    return plan.has(sim::Fault::kDiskErrors) || plan.has(sim::Fault::kDiskFull);
}

}  // namespace

struct StreamWorkload::Writer {
    std::string name;
    std::shared_ptr<client::WriterCore> core;
    std::vector<std::uint64_t> sequences;  // by key
    std::size_t outstanding = 0;
    std::uint64_t events_max = 0;
    std::uint64_t gives_up_after = 0;  // 0: does not
};

// A reader that goes on from where it was when it is opened anew.
class StreamWorkload::Reader {
public:
    Reader(StreamWorkload& workload, std::string name_in, std::uint64_t pause_after)
        : name{std::move(name_in)}, began{workload.time()}, pause_after_{pause_after}, w_{workload} {}

    Task<Result<void>> open() {
        ReaderOptions options;
        options.position = position_;
        auto core = co_await client::ReaderCore::open(*w_.client_, kStream, options);
        if (!core) co_return std::move(core).error();
        core_ = std::move(core).value();
        consumer_ = std::make_unique<client::Consumer>(core_->handover(), core_->start_position(), [core = core_] { core->resume(); });
        co_return ok();
    }
    // True: the end of the stream has come.
    Task<Result<bool>> read_until_pause() {
        std::uint64_t taken = 0;
        for (;;) {
            auto next = consumer_->poll();
            if (!next) {
                co_await core_->wait_arrived(w_.world_.now() + 1h);
                continue;
            }
            if (!*next && next->error().is(ErrorCode::kTruncated)) {
                MR_PROBE("endtoend.reader_was_truncated");
                skipped = true;
                continue;
            }
            if (!*next) co_return std::move(*next).error();
            if ((*next)->outcome == EventReader::Outcome::kEndOfStream) co_return true;
            note((*next)->event);
            if (pause_after_ > 0 && ++taken >= pause_after_) co_return false;
        }
    }
    Task<void> close() {
        if (!core_) co_return;
        // As one that was saved.
        const std::string saved = consumer_->position().to_string();
        auto position = Position::parse(saved);
        if (position) position_ = std::move(position).value();
        else w_.problems_.insert("reader " + name + " stands at '" + saved + "', which is no position");
        co_await core_->stop();
        consumer_.reset();
        core_.reset();
    }

    // Behind the last event that was taken; none while it is closed.
    std::optional<Position> position() const {
        return consumer_ ? std::optional{consumer_->position()} : std::nullopt;
    }
    const std::set<SegmentId>& segments() const { return segments_; }

    const std::string name;
    const history::Time began;
    std::uint64_t events = 0;
    bool at_end = false;
    bool skipped = false;  // it heard that events before its place were truncated

private:
    void note(const Event& event) {
        ++events;
        segments_.insert(event.segment);
        const std::string_view payload = as_text(event.payload);
        const Origin origin = origin_of(payload);
        w_.segments_max_ = std::max(w_.segments_max_, event.segment.number() + 1);
        w_.epochs_max_ = std::max(w_.epochs_max_, event.segment.epoch().number() + 1);
        history::Read read;
        read.reader = name;
        read.stream = kStream.to_string();
        read.segment = spell_segment(event.segment);
        read.offset = event.offset;
        read.writer = origin.writer;
        read.key = origin.key;
        read.sequence = origin.sequence;
        read.length = static_cast<std::uint32_t>(payload.size());
        read.hash = crc32c(event.payload);
        read.time = w_.time();
        w_.history_.add(read);
    }

    const std::uint64_t pause_after_;
    StreamWorkload& w_;
    std::shared_ptr<client::ReaderCore> core_;
    std::unique_ptr<client::Consumer> consumer_;
    std::optional<Position> position_;
    std::set<SegmentId> segments_;  // that it got events of
};

StreamWorkload::StreamWorkload(std::uint64_t seed, Options options)
    : seed_{seed},
      options_{std::move(options)},
      world_{seed},
      random_{world_.fork_seed()},
      plan_{draw_plan(random_, options_.plan)},
      client_node_{world_.add_node("client")},
      cluster_{world_,
               {.one_machine = random_.one_in(2),
                .containers = static_cast<std::uint32_t>(random_.between(1, 5)),
                .seed = random_.next(),
                .disks_fail = disks_fail()},
               history_},
      network_{client_node_.runtime().network, client_node_.runtime().clock, random_.next(), cluster_.shared_reply_faults()},
      runtime_{with_network(client_node_.runtime(), network_)},
      truncates_{random_.one_in(2)},
      rpc_{world_, client_node_, cluster_.shared_rpc_faults()} {}

bool StreamWorkload::disks_fail() const { return plan_fails_disks(plan_); }

StreamWorkload::~StreamWorkload() {
    if (client_) {
        const bool ended = [this] {
            auto done = std::make_shared<bool>(false);
            world_.spawn([this, done]() -> Task<void> {
                for (const auto& writer : writers_) {
                    if (writer->core) co_await writer->core->stop();
                }
                for (const auto& reader : readers_) co_await reader->close();
                co_await client_->close();
                *done = true;
            });
            return world_.run_until([done] { return *done; }, 10min);
        }();
        MR_CHECK(ended);
    }
    writers_.clear();
    readers_.clear();
    cluster_.stop();
}

std::string StreamWorkload::wait(UniqueFunction<bool()> done, std::chrono::nanoseconds limit, const std::string& what) {
    const bool reached = world_.run_until(std::move(done), limit);
    if (reached && problems_.empty()) return {};
    std::string text = reached ? "" : "waited in vain for " + what + "; cluster: " + cluster_.describe() + "; tasks: " +
                                          world_.blocked_tasks() + "\n";
    for (const std::string& one : problems_) text += one + "\n";
    return text;
}

Task<Result<void>> StreamWorkload::make_stream() {
    const auto segments = static_cast<std::int32_t>(random_.between(1, 5));
    MR_CO_TRY([[maybe_unused]] const bool scope, co_await admin_->create_scope(kStream.scope));
    MR_CO_TRY([[maybe_unused]] const bool stream, co_await admin_->create_stream(kStream, {.min_segments = segments}));
    const auto writers = random_.between(1, 5);
    for (std::uint64_t i = 0; i < writers; ++i) {
        auto writer = std::make_shared<Writer>();
        writer->name = "w" + std::to_string(i);
        writer->sequences.resize(random_.between(1, 20));
        writer->events_max = random_.between(50, 400);
        if (random_.one_in(4)) writer->gives_up_after = random_.between(1, writer->events_max);
        MR_CO_TRY(writer->core, co_await client::WriterCore::open(*client_, kStream, {}));
        writers_.push_back(std::move(writer));
    }
    co_return ok();
}

std::string StreamWorkload::set_up() {
    world_.enable_rare();
    cluster_.start();
    if (auto problem = wait([this] { return cluster_.serving(); }, 1min, "the cluster's first start"); !problem.empty()) return problem;
    client_ = std::make_unique<client::ClientCore>(runtime_, client::Home{runtime_.executor, std::this_thread::get_id()},
                                                   rpc_.channel(cluster_.controller()), cluster_.controller(),
                                                   client::Timeouts{.connect = 1min, .retry = 0s}, options_.mutations);
    admin_ = std::make_unique<client::StreamAdmin>(*client_);
    const Result<void> made = world_.run([this] { return make_stream(); });
    if (!made) return "making a stream: " + made.error().to_string();
    return {};
}

// What a writer had sent may be behind a truncation before it knows what became of it.
bool StreamWorkload::is_lost_to_truncation(const Error& error) const {
    return truncates_ && error.is(ErrorCode::kTruncated);
}

Task<void> StreamWorkload::write_events(std::shared_ptr<Writer> writer) {
    constexpr std::size_t kOutstandingMax = 100;
    SeededRandom random{random_.next()};
    for (std::uint64_t i = 0; i < writer->events_max && !stop_writing_; ++i) {
        while (writer->outstanding >= kOutstandingMax && !stop_writing_) co_await sleep_for(runtime_.clock, 10ms);
        if (writer->gives_up_after > 0 && i >= writer->gives_up_after) {
            MR_PROBE("endtoend.writer_gave_up");
            co_await writer->core->stop();
            writer->core.reset();
            break;
        }
        const std::size_t key = random.between(0, writer->sequences.size());
        history::Write write;
        write.stream = kStream.to_string();
        write.writer = writer->name;
        // Some keys are shared by all writers, some are not.
        write.key = key % 2 == 0 ? "k" + std::to_string(key) : writer->name + "k" + std::to_string(key);
        write.sequence = ++writer->sequences[key];
        const std::size_t filler = random.one_in(20) ? random.between(0, 50'000) : random.between(0, 200);
        const std::string payload = make_payload(writer->name, write.key, write.sequence, filler);
        write.length = static_cast<std::uint32_t>(payload.size());
        write.hash = crc32c(as_bytes(payload));
        write.begin = time();
        ++writer->outstanding;
        const double place = routing_position(write.key);
        const Result<void> taken = writer->core->write(place, payload, [this, writer, write](const Result<void>& outcome) mutable {
            --writer->outstanding;
            write.end = time();
            if (outcome) {
                ++acked_;
                write.outcome = history::Outcome::kAcked;
            } else if (outcome.error().fate() == Fate::kNotApplied) {
                write.outcome = history::Outcome::kFailed;
            } else {
                ++unknown_;
            }
            history_.add(write);
        });
        if (!taken) {
            // The writer says that it never took it.
            --writer->outstanding;
            write.outcome = history::Outcome::kFailed;
            history_.add(write);
            if (!is_lost_to_truncation(taken.error())) {
                problems_.insert("writer " + writer->name + " failed: " + taken.error().to_string());
            }
            break;
        }
        if (random.one_in(3)) co_await sleep_for(runtime_.clock, random_ms(random, 0, 60));
    }
    if (writer->core) {
        const Result<void> flushed = co_await writer->core->flush(writer->core->staging().begin_flush());
        if (flushed) {
            for (const std::uint64_t count : writer->sequences) flushed_ += count;
        } else if (is_lost_to_truncation(flushed.error())) {
            MR_PROBE("endtoend.writer_was_truncated");
        } else {
            problems_.insert("writer " + writer->name + " cannot flush: " + flushed.error().to_string());
        }
        reconnects_ += writer->core->stats().reconnects;
        co_await writer->core->stop();
        writer->core.reset();
    }
    if (writer->outstanding > 0) problems_.insert("writer " + writer->name + " does not say what became of all events");
    --writing_;
}

Task<Result<void>> StreamWorkload::scale_once() {
    MR_CO_TRY(const StreamDescription now, co_await admin_->describe(kStream));
    for (const auto& segment : now.segments) {
        segments_max_ = std::max(segments_max_, segment.id.number() + 1);
        epochs_max_ = std::max(epochs_max_, segment.id.epoch().number() + 1);
    }
    if (now.segments.empty()) co_return Error{ErrorCode::kSealed, "the stream is sealed"};
    const std::size_t count = now.segments.size();
    const std::size_t first = random_.between(0, count);
    std::vector<SegmentId> gone{now.segments[first].id};
    double low = now.segments[first].range.low;
    double high = now.segments[first].range.high;
    std::vector<KeyRange> ranges;
    const bool merge = count > 1 && first + 1 < count && (count > 6 || random_.one_in(2));
    if (merge) {
        gone.push_back(now.segments[first + 1].id);
        high = now.segments[first + 1].range.high;
    }
    if (merge && random_.one_in(2)) {
        ranges = {{low, high}};
    } else {
        const double middle = low + (high - low) * (0.2 + 0.6 * random_.unit());
        ranges = {{low, middle}, {middle, high}};
    }
    co_return co_await admin_->scale(kStream, gone, ranges);
}

Task<void> StreamWorkload::scale_now_and_then() {
    while (!stop_scaling_) {
        co_await sleep_for(runtime_.clock, random_ms(random_, 50, 3000));
        if (stop_scaling_) break;
        const Result<void> scaled = co_await scale_once();
        if (scaled) ++scales_;
        else MR_PROBE("endtoend.scale_failed");
        if (!scaled && (scaled.error().is(ErrorCode::kInternal) || scaled.error().is(ErrorCode::kBadRequest))) {
            problems_.insert("scale: " + scaled.error().to_string());
        }
    }
    scaling_ = false;
}

// Where the reader that never stops is: it has read all that goes, and who begins later finds none of it.
Task<Result<void>> StreamWorkload::truncate_once() {
    const Reader& reader = *readers_.front();
    const std::optional<Position> position = reader.position();
    if (!position) co_return Error{ErrorCode::kUnavailable, "the reader has not begun"};
    std::vector<history::Truncation> cut;
    for (const auto& [segment, offset] : position->offsets) {
        cut.push_back({.stream = kStream.to_string(), .segment = spell_segment(segment), .offset = offset});
    }
    for (const SegmentId segment : reader.segments()) {
        if (!position->offsets.contains(segment)) cut.push_back({.stream = kStream.to_string(), .segment = spell_segment(segment)});
    }
    const Result<void> done = co_await admin_->truncate(kStream, *position);
    if (done) ++truncations_;
    // The place between segments that wait for each other is no cut; an older one was made then, and more is left.
    bool exactly = false;
    if (done) {
        const Result<Position> head = co_await admin_->head(kStream);
        exactly = head && *head == *position;
    }
    for (history::Truncation& record : cut) {
        if (exactly) record.end = time();
        if (done || done.error().fate() == Fate::kUnknown) history_.add(record);
    }
    co_return done;
}

Task<void> StreamWorkload::truncate_now_and_then() {
    while (!stop_scaling_) {
        co_await sleep_for(runtime_.clock, random_ms(random_, 100, 5000));
        if (stop_scaling_) break;
        const Result<void> done = co_await truncate_once();
        if (!done && (done.error().is(ErrorCode::kInternal) || done.error().is(ErrorCode::kBadRequest))) {
            problems_.insert("truncation: " + done.error().to_string());
        }
    }
    truncating_ = false;
}

Task<void> StreamWorkload::follow(std::shared_ptr<Reader> reader) {
    for (;;) {
        const Result<void> opened = co_await reader->open();
        if (!opened) {
            // The first contact may fail while everything fails.
            if (!opened.error().is(ErrorCode::kUnavailable)) {
                problems_.insert("reader " + reader->name + " cannot be opened: " + opened.error().to_string());
                break;
            }
            co_await sleep_for(runtime_.clock, 100ms);
            continue;
        }
        const Result<bool> ended = co_await reader->read_until_pause();
        if (!ended) problems_.insert("reader " + reader->name + " failed: " + ended.error().to_string());
        co_await reader->close();
        if (!ended) break;
        if (*ended) {
            reader->at_end = true;
            break;
        }
        MR_PROBE("endtoend.reader_goes_on_from_position");
        co_await sleep_for(runtime_.clock, 20ms);
    }
    --following_;
}

void StreamWorkload::make_trouble() {
    std::vector<sim::FaultTarget> targets = cluster_.targets();
    targets.push_back({&client_node_, {}, {}});
    injector_ = std::make_unique<sim::FaultInjector>(world_, plan_, std::move(targets));
    if (options_.rpc_faults) {
        sim::RpcFaults& faults = cluster_.rpc_faults();
        const auto chance = [this]() -> std::uint32_t {
            return random_.one_in(2) ? static_cast<std::uint32_t>(random_.between(3, 30)) : 0;
        };
        faults.lose_request_one_in = chance();
        faults.lose_reply_one_in = chance();
        faults.late_request_one_in = chance();
        faults.late_reply_one_in = chance();
        faults.run_twice_one_in = chance();
        faults.double_reply_one_in = chance();
    }
    if (options_.reply_faults) {
        ReplyFaults& faults = cluster_.reply_faults();
        const auto chance = [this](std::uint64_t least, std::uint64_t most) -> std::uint32_t {
            return random_.one_in(2) ? static_cast<std::uint32_t>(random_.between(least, most)) : 0;
        };
        faults.lose_one_in = chance(10, 300);
        faults.late_one_in = chance(10, 300);
        faults.late_max = random_ms(random_, 10, 3000);
        faults.double_one_in = chance(5, 100);
    }
    injector_->start();
}

// Until the writers are done, in good weather.
std::string StreamWorkload::settle() {
    strikes_ = injector_->strikes();
    injector_->heal();
    cluster_.rpc_faults().heal();
    cluster_.reply_faults().heal();
    stop_scaling_ = true;
    const history::Time healed = time();
    if (auto problem = wait([this] { return cluster_.serving(); }, kSettleMax, "the cluster to serve again"); !problem.empty()) {
        return problem;
    }
    if (auto problem = wait([this] { return writing_ == 0; }, kSettleMax, "the writers"); !problem.empty()) return problem;
    history_.add(history::Measure{"ns until all is acknowledged after healing", "", static_cast<std::uint64_t>(time() - healed),
                                  static_cast<std::uint64_t>(std::chrono::nanoseconds{1min}.count())});
    if (auto problem = wait([this] { return !scaling_ && !truncating_; }, kSettleMax, "the last scale and truncation"); !problem.empty()) {
        return problem;
    }
    if (!truncates_) return {};
    // In good weather a reader's place is one where a stream can be cut.
    if (auto problem = wait([this] { return readers_.front()->position().has_value(); }, kSettleMax, "the first reader"); !problem.empty()) {
        return problem;
    }
    const Result<void> cut = world_.run([this] { return truncate_once(); });
    return cut ? "" : "truncating where a reader is: " + cut.error().to_string();
}

std::string StreamWorkload::read_all() {
    const Result<StreamDescription> last = world_.run([this] { return admin_->describe(kStream); });
    if (!last) return "describing the stream: " + last.error().to_string();
    for (const auto& segment : last->segments) {
        segments_max_ = std::max(segments_max_, segment.id.number() + 1);
        epochs_max_ = std::max(epochs_max_, segment.id.epoch().number() + 1);
    }
    epochs_max_ = std::max(epochs_max_, last->epoch.number() + 1);
    const Result<void> sealed = world_.run([this] { return admin_->seal(kStream); });
    if (!sealed) return "sealing the stream: " + sealed.error().to_string();
    readers_.push_back(std::make_shared<Reader>(*this, "afterwards", 0));
    ++following_;
    world_.spawn_on(client_node_, [this] { return follow(readers_.back()); }, "reader afterwards");
    if (auto problem = wait([this] { return following_ == 0; }, kSettleMax, "readers at the end"); !problem.empty()) return problem;
    for (const auto& reader : readers_) {
        if (reader->skipped) continue;
        history_.add(history::ReadToEnd{.reader = reader->name, .stream = kStream.to_string(), .begin = reader->began});
    }
    return {};
}

Task<Result<std::uint64_t>> StreamWorkload::segments_left() {
    const Deadline deadline = Deadline::after(runtime_.clock, 5min);
    MR_CO_TRY(auto link, co_await client::SegmentLink::open(runtime_, cluster_.store(), deadline));
    auto connection = std::make_unique<client::RequestConnection>(runtime_, std::move(link));
    std::uint64_t left = 0;
    wire::RequestId id = 0;
    std::optional<Error> failed;
    // Scales that failed may have used numbers that nobody was told of.
    for (std::int32_t number = 0; number < segments_max_ + 8 && !failed; ++number) {
        for (std::int32_t epoch = 0; epoch <= std::min(number, epochs_max_ + 2) && !failed; ++epoch) {
            const std::string name = segment_name(kStream, SegmentId::of(number, StreamEpoch{epoch}));
            ++id;
            auto reply = co_await connection->call(wire::GetStreamSegmentInfo{id, name, ""}, id, deadline);
            if (!reply) failed = std::move(reply).error();
            else if (const auto* info = std::get_if<wire::StreamSegmentInfo>(&*reply)) left += info->exists ? 1 : 0;
        }
    }
    co_await connection->close();
    if (failed) co_return std::move(*failed);
    co_return left;
}

std::string StreamWorkload::clean_up() {
    // Requests that were held back may still come; workflows that they began end.
    world_.run_for(10s);
    const Result<void> removed = world_.run([this] { return admin_->remove(kStream); });
    if (!removed) return "removing the stream: " + removed.error().to_string();
    world_.run_for(10s);
    std::uint64_t unfinished = 0;
    std::string names;
    for (const std::string& path : cluster_.metadata().tree.paths()) {
        if (!path.starts_with("/controller/intents/") || path.find('+') == std::string::npos) continue;
        ++unfinished;
        names += path + " ";
    }
    history_.add(history::Measure{"workflows stuck", names, unfinished, 0});
    const auto left = world_.run([this] { return segments_left(); });
    if (!left) return "looking for segments: " + left.error().to_string();
    history_.add(history::Measure{"segments leaked", kStream.to_string(), *left, 0});
    return {};
}

std::string StreamWorkload::run() {
    if (auto problem = set_up(); !problem.empty()) return problem;
    make_trouble();
    for (const auto& writer : writers_) {
        ++writing_;
        world_.spawn_on(client_node_, [this, writer] { return write_events(writer); }, "writer " + writer->name);
    }
    const std::uint64_t readers = random_.between(1, 3);
    for (std::uint64_t i = 0; i <= readers; ++i) {
        // The first never stops.
        readers_.push_back(std::make_shared<Reader>(*this, "r" + std::to_string(i), i == 0 ? 0 : random_.between(20, 300)));
        ++following_;
        world_.spawn_on(client_node_, [this, reader = readers_.back()] { return follow(reader); }, "reader " + readers_.back()->name);
    }
    scaling_ = true;
    world_.spawn_on(client_node_, [this] { return scale_now_and_then(); }, "scaler");
    if (truncates_) {
        truncating_ = true;
        world_.spawn_on(client_node_, [this] { return truncate_now_and_then(); }, "truncator");
    }
    world_.run_for(random_ms(random_, 3000, 20'000));
    stop_writing_ = random_.one_in(2);

    if (auto problem = settle(); !problem.empty()) return problem;
    if (auto problem = read_all(); !problem.empty()) return problem;
    if (auto problem = clean_up(); !problem.empty()) return problem;
    history_.add(history::Count{"strikes", strikes_});
    // All that was written by those who did not give up.
    history_.add(history::Floor{"acked", flushed_});
    return history::to_text(history::check_history(history_));
}

}  // namespace millrace::testing
