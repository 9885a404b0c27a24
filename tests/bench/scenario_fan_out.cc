// SPDX-License-Identifier: Apache-2.0
#include <sys/epoll.h>
#include <unistd.h>

#include <cstring>

#include <nlohmann/json.hpp>

#include "common/wire/event.h"
#include "tests/bench/frame_call.h"
#include "tests/bench/store_scenario.h"
#include "tests/bench/tail_reader.h"

namespace millrace::bench {
namespace {

constexpr std::size_t kReaders[] = {1, 100};
constexpr std::size_t kBlockBytes = 64 * 1024;
// How far the writer may be ahead of the slowest reader: little enough that all read from memory, enough that nobody
// waits for it.
constexpr std::uint64_t kAheadBytes = 4 * kMiB;
constexpr std::size_t kScratchBytes = 256 * 1024;
constexpr std::chrono::milliseconds kWarmUp{500};
constexpr std::uint64_t kFramedEvent = kMediumEvent + wire::kEventHeaderBytes;
constexpr std::size_t kLoneEvents = 1000;

// From the sending of an event, one at a time, to its acknowledgement and to each reader.
struct TailTimes {
    Latencies acknowledged;
    Latencies read;
};

// One thread of plain system calls is the writer and all readers.
class FanOut {
public:
    FanOut(std::uint16_t port, std::size_t readers)
        : epoll_{checked(::epoll_create1(EPOLL_CLOEXEC))}, scratch_(kScratchBytes) {
        writer_ = frame_appender(port, bench_segment(0), kMediumEvent, Framing::kBlocks);
        watch(writer_->socket(), nullptr);
        for (std::size_t i = 0; i < readers; ++i) {
            readers_.push_back(std::make_unique<TailReader>(port, bench_segment(0)));
            watch(readers_.back()->socket(), readers_.back().get());
        }
    }
    FanOut(const FanOut&) = delete;
    FanOut& operator=(const FanOut&) = delete;
    ~FanOut() { ::close(epoll_); }

    // Bytes a second, over all readers.
    double run(std::chrono::milliseconds time) {
        const auto begin = SteadyClock::now();
        const std::uint64_t before = read();
        go_on_until(begin + time);
        return static_cast<double>(read() - before) / seconds_between(begin, SteadyClock::now());
    }

    // REQUIRES: before any other run.
    TailTimes one_at_a_time(std::size_t events) {
        TailTimes times;
        for (std::size_t i = 0; i < events; ++i) {
            const auto begin = SteadyClock::now();
            send(1);
            std::size_t missing = 1 + readers_.size();
            while (missing > 0) {
                take_events([&](const TailReader* reader) {
                    // An event may come in two replies.
                    if (reader != nullptr && reader->bytes() < sent_ * kFramedEvent) return;
                    (reader == nullptr ? times.acknowledged : times.read)
                        .add(seconds_between(begin, SteadyClock::now()) * 1e6);
                    --missing;
                });
            }
        }
        return times;
    }

private:
    void watch(int socket, TailReader* reader) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = reader;
        checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event));
    }

    std::uint64_t read() const {
        std::uint64_t bytes = 0;
        for (const auto& reader : readers_) bytes += reader->bytes();
        return bytes;
    }
    std::uint64_t slowest() const {
        const auto least = std::min_element(readers_.begin(), readers_.end(), [](const auto& one, const auto& other) {
            return one->bytes() < other->bytes();
        });
        return (*least)->bytes();
    }

    void go_on_until(SteadyClock::time_point end) {
        while (SteadyClock::now() < end) {
            const std::uint64_t limit = slowest() + kAheadBytes;
            while (sent_ * kFramedEvent + kBlockBytes <= limit) send(kBlockBytes / kFramedEvent);
            take_events([](const TailReader*) {});
        }
    }

    void send(std::uint64_t events) {
        out_.clear();
        writer_->encode(sent_, events, out_);
        sent_ += events;
        send_all(writer_->socket(), out_.view());
    }

    // Tells of each reader that got a whole reply, and with null of an acknowledgement.
    template <class OnReply>
    void take_events(OnReply on_reply) {
        epoll_event events[64];
        const int count = checked(::epoll_wait(epoll_, events, 64, 100));
        for (int i = 0; i < count; ++i) {
            auto* const reader = static_cast<TailReader*>(events[i].data.ptr);
            const auto progress = [&] { return reader == nullptr ? writer_->acknowledged() : reader->bytes(); };
            const std::uint64_t before = progress();
            if (reader == nullptr) {
                take_acknowledgements();
            } else {
                reader->receive(scratch_.mutable_view());
            }
            if (progress() > before) on_reply(reader);
        }
    }

    void take_acknowledgements() {
        const auto got = static_cast<std::size_t>(
            checked(::recv(writer_->socket(), in_.data() + in_end_, in_.size() - in_end_, MSG_DONTWAIT)));
        if (got == 0) {
            std::fprintf(stderr, "the server ended the writer's connection\n");
            std::exit(1);
        }
        in_end_ += got;
        const std::size_t taken = writer_->take_replies(in_.view().first(in_end_));
        std::memmove(in_.data(), in_.data() + taken, in_end_ - taken);
        in_end_ -= taken;
    }

    const int epoll_;
    ByteBuffer scratch_;
    std::unique_ptr<Appender> writer_;
    std::vector<std::unique_ptr<TailReader>> readers_;
    std::uint64_t sent_ = 0;  // events
    ByteBuffer out_;
    ByteBuffer in_ = ByteBuffer(64 * 1024);
    std::size_t in_end_ = 0;
};

}  // namespace

void measure_fan_out(StoreBench& bench) {
    for (const std::size_t count : kReaders) {
        const std::string readers = std::to_string(count) + (count == 1 ? " reader" : " readers");
        std::printf("fan_out: 1 KB, %s at the tail of one segment\n", readers.c_str());
        Figure of_loopback{bench.log, "B8", "fan-out MB/s of loopback's, " + readers,
                           count == 1 ? kNoTarget : at_least(0.8)};
        Figure rate{bench.log, "B8", "fan-out MB/s, " + readers};
        Figure later{bench.log, "B8", "end to end p50 less acknowledgement p50, us, " + readers};
        Figure in_ping_pongs{bench.log, "B8", "end to end p50 less acknowledgement p50, in ping-pongs, " + readers,
                             at_most(2)};
        Figure cpu{bench.log, "B8", "ms of server CPU per MB sent, " + readers};
        for (int round = 0; round < bench.options.rounds; ++round) {
            bench.servers.clear_store();
            const nlohmann::json limits = bench.servers.limits();
            const double loopback = limits.at("loopback_mb_s"), ping = limits.at("ping_pong_p50_us");
            const Running store = bench.servers.start(Kind::kStore);
            FanOut fan_out{store.port, count};
            const TailTimes times = fan_out.one_at_a_time(kLoneEvents);
            later.add(times.read.at(0.5) - times.acknowledged.at(0.5));
            in_ping_pongs.add(later.last() / ping);
            (void)fan_out.run(kWarmUp);
            const double cpu_before = store.process->cpu_seconds();
            const std::chrono::seconds time{bench.options.seconds};
            rate.add(fan_out.run(time) / 1e6);
            cpu.add((store.process->cpu_seconds() - cpu_before) * 1e3 /
                    (rate.last() * static_cast<double>(time.count())));
            of_loopback.add(rate.last() / loopback);
            store.process->terminate();
            std::printf(
                "  %d: %.0f MB/s, server CPU %.2f ms/MB, read %.1f us after the acknowledgement   loopback %.0f MB/s, "
                "ping-pong %.1f us\n",
                round + 1, rate.last(), cpu.last(), later.last(), loopback, ping);
            std::fflush(stdout);
        }
        for (const Figure* each : {&of_loopback, &rate, &cpu, &in_ping_pongs, &later}) each->print();
    }
    bench.servers.clear_store();
}

}  // namespace millrace::bench
