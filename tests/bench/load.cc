// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/load.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <optional>

namespace millrace::bench {
namespace {

// Small blocks go out together.
constexpr std::size_t kSendBytes = 64 * 1024;
constexpr timespec kIdle{.tv_sec = 0, .tv_nsec = 100'000'000};
// A server that acknowledges nothing for so long has failed.
constexpr std::chrono::seconds kPatience{30};

double own_cpu_seconds() {
    rusage usage{};
    checked(::getrusage(RUSAGE_SELF, &usage));
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// One connection's part of the load.
struct Lane {
    Appender* appender = nullptr;
    std::uint64_t first = 0;  // event of this run
    std::uint64_t turn = 0;   // which connection's turn at a fixed rate
    std::uint64_t sent = 0;   // events
    SteadyClock::time_point sent_at;
    ByteBuffer out;
    std::size_t out_at = 0;
    ByteBuffer in = ByteBuffer(64 * 1024);
    std::size_t in_end = 0;
    bool waits_to_write = false;
};

class LoadRun {
public:
    LoadRun(const std::vector<std::unique_ptr<Appender>>& appenders, const Load& load)
        : load_{load}, lanes_(appenders.size()), epoll_{checked(::epoll_create1(EPOLL_CLOEXEC))} {
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            lanes_[i].appender = appenders[i].get();
            lanes_[i].turn = i;
            lanes_[i].sent = lanes_[i].first = appenders[i]->acknowledged();
            watch(lanes_[i], EPOLLIN, EPOLL_CTL_ADD);
        }
        // Waits until something is due end then and not when the kernel finds it convenient.
        checked(::prctl(PR_SET_TIMERSLACK, 1));
    }
    LoadRun(const LoadRun&) = delete;
    LoadRun& operator=(const LoadRun&) = delete;
    ~LoadRun() { ::close(epoll_); }

    Figures run(const std::function<double()>& server_cpu_seconds) {
        struct Mark {
            SteadyClock::time_point at;
            std::uint64_t acknowledged;
            double server;
            double client;
        };
        const auto mark = [&] {
            return Mark{SteadyClock::now(), acknowledged(), server_cpu_seconds(), own_cpu_seconds()};
        };
        const auto begin = SteadyClock::now();
        std::optional<Mark> first;
        begin_ = begin;
        const std::uint64_t before = acknowledged();
        for (Lane& lane : lanes_) send_more(lane);
        while (load_.events != 0 ? !first || acknowledged() - before < load_.events * lanes_.size()
                                 : !first || SteadyClock::now() < first->at + load_.time) {
            if (paced()) send_due();
            take_events();
            if (!first && SteadyClock::now() >= begin + load_.warm_up) {
                first = mark();
                latencies_.clear();
            }
        }
        const Mark last = mark();
        // What comes late belongs to the latencies all the same.
        ending_ = true;
        while (acknowledged() < sent()) take_events();
        const double seconds = seconds_between(first->at, last.at);
        const auto events = static_cast<double>(last.acknowledged - first->acknowledged);
        return {.seconds = seconds,
                .events_per_second = events / seconds,
                .megabytes_per_second = events / seconds * static_cast<double>(lanes_[0].appender->event_bytes()) / 1e6,
                .server_us = (last.server - first->server) * 1e6 / events,
                .client_us = (last.client - first->client) * 1e6 / events,
                .latencies = std::move(latencies_)};
    }

private:
    std::uint64_t acknowledged() const {
        std::uint64_t events = 0;
        for (const Lane& lane : lanes_) events += lane.appender->acknowledged();
        return events;
    }
    std::uint64_t sent() const {
        std::uint64_t events = 0;
        for (const Lane& lane : lanes_) events += lane.sent;
        return events;
    }

    void watch(Lane& lane, std::uint32_t events, int operation) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = &lane;
        checked(::epoll_ctl(epoll_, operation, lane.appender->socket(), &event));
    }

    bool paced() const { return load_.events_per_second > 0; }
    // How many of all connections' events, and when the one with this number among them is.
    std::uint64_t due() const {
        return static_cast<std::uint64_t>(seconds_between(begin_, SteadyClock::now()) * load_.events_per_second) + 1;
    }
    SteadyClock::time_point due_at(std::uint64_t number) const {
        const double nanoseconds = static_cast<double>(number) * 1e9 / load_.events_per_second;
        return begin_ + std::chrono::nanoseconds{static_cast<std::int64_t>(nanoseconds)};
    }
    // Only to those whose turn has come: hundreds of connections are looked at as often as one is.
    void send_due() {
        const std::uint64_t all = due();
        for (std::uint64_t number = all - std::min<std::uint64_t>(all - turned_, lanes_.size()); number < all;
             ++number) {
            send_more(lanes_[number % lanes_.size()]);
        }
        turned_ = all;
    }

    // How many events the next block may have: a full one, or none; at a fixed rate what is due.
    std::uint64_t next_block(const Lane& lane) const {
        if (ending_) return 0;
        const std::size_t event_bytes = lane.appender->event_bytes();
        const std::uint64_t block = std::max<std::uint64_t>(1, load_.block_bytes / event_bytes);
        const std::uint64_t window = std::max<std::uint64_t>(block, load_.window_bytes / event_bytes);
        const std::uint64_t room = window - (lane.sent - lane.appender->acknowledged());
        if (load_.events != 0) return room >= block ? std::min(block, lane.first + load_.events - lane.sent) : 0;
        if (load_.events_per_second == 0) return room >= block ? block : 0;
        const std::uint64_t all = lane.first + (due() + lanes_.size() - 1 - lane.turn) / lanes_.size();
        return all <= lane.sent ? 0 : std::min({all - lane.sent, block, room});
    }

    void send_more(Lane& lane) {
        while (flush(lane)) {
            while (lane.out.size() < kSendBytes) {
                const std::uint64_t count = next_block(lane);
                if (count == 0) break;
                lane.appender->encode(lane.sent, count, lane.out);
                lane.sent += count;
                if (load_.latencies) lane.sent_at = SteadyClock::now();
            }
            if (lane.out.empty()) return;
        }
    }

    // Whether everything that was put together is sent.
    bool flush(Lane& lane) {
        while (lane.out_at < lane.out.size()) {
            const ssize_t count = ::send(lane.appender->socket(), lane.out.data() + lane.out_at,
                                         lane.out.size() - lane.out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0) {
                if (errno != EAGAIN) checked(count);
                if (!std::exchange(lane.waits_to_write, true)) watch(lane, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
                return false;
            }
            lane.out_at += static_cast<std::size_t>(count);
        }
        lane.out.clear();
        lane.out_at = 0;
        if (std::exchange(lane.waits_to_write, false)) watch(lane, EPOLLIN, EPOLL_CTL_MOD);
        return true;
    }

    timespec until_more_is_due() const {
        if (!paced() || ending_) return kIdle;
        std::chrono::nanoseconds left = load_.pace;
        if (left.count() == 0) left = due_at(turned_) - SteadyClock::now();
        return {.tv_sec = 0, .tv_nsec = std::clamp<long>(left.count(), 0, kIdle.tv_nsec)};
    }

    // Those that have room again go on.
    void take_events() {
        epoll_event events[64];
        const timespec patience = until_more_is_due();
        const int count = checked(::epoll_pwait2(epoll_, events, 64, &patience, nullptr));
        for (int i = 0; i < count; ++i) {
            Lane& lane = *static_cast<Lane*>(events[i].data.ptr);
            if ((events[i].events & EPOLLIN) != 0) receive(lane);
            send_more(lane);
        }
        if (count > 0) heard_ = SteadyClock::now();
        if (SteadyClock::now() - heard_ > kPatience) {
            std::fprintf(stderr, "no acknowledgement for %lld s\n", static_cast<long long>(kPatience.count()));
            std::exit(1);
        }
    }

    void receive(Lane& lane) {
        const ssize_t got =
            ::recv(lane.appender->socket(), lane.in.data() + lane.in_end, lane.in.size() - lane.in_end, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) return;
        if (checked(got) == 0) {
            std::fprintf(stderr, "the server ended the connection\n");
            std::exit(1);
        }
        lane.in_end += static_cast<std::size_t>(got);
        const std::uint64_t before = lane.appender->acknowledged();
        const std::size_t taken = lane.appender->take_replies(lane.in.view().first(lane.in_end));
        if (load_.latencies) note_latencies(lane, before);
        std::memmove(lane.in.data(), lane.in.data() + taken, lane.in_end - taken);
        lane.in_end -= taken;
    }

    void note_latencies(const Lane& lane, std::uint64_t first) {
        const auto now = SteadyClock::now();
        for (std::uint64_t event = first; event < lane.appender->acknowledged(); ++event) {
            const auto from = paced() ? due_at((event - lane.first) * lanes_.size() + lane.turn) : lane.sent_at;
            latencies_.add(seconds_between(from, now) * 1e6);
        }
    }

    const Load load_;
    std::vector<Lane> lanes_;
    const int epoll_;
    std::uint64_t turned_ = 0;  // events that were due when their connections were last looked at
    bool ending_ = false;
    Latencies latencies_;
    SteadyClock::time_point begin_;
    SteadyClock::time_point heard_ = SteadyClock::now();
};

}  // namespace

Appender::Appender(std::uint16_t port, std::size_t event_bytes) : socket_{connect_loopback(port)}, event_(event_bytes) {
    for (std::size_t i = 0; i < event_bytes; ++i) event_[i] = static_cast<std::byte>('a' + i % 26);
}

Appender::~Appender() { ::close(socket_); }

ByteView Appender::event(std::uint64_t number) {
    std::memcpy(event_.data(), &number, std::min(sizeof number, event_.size()));
    return event_.view();
}

double Latencies::at(double share) const {
    std::vector<double> values = values_;
    const auto wanted = static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(values.size())));
    const auto place = values.begin() + std::max<std::ptrdiff_t>(wanted, 1) - 1;
    std::nth_element(values.begin(), place, values.end());
    return *place;
}

Figures run_load(const std::vector<std::unique_ptr<Appender>>& appenders, const Load& load,
                 const std::function<double()>& server_cpu_seconds) {
    return LoadRun{appenders, load}.run(server_cpu_seconds);
}

Latencies lone_appends(Appender& appender, std::size_t count) {
    Latencies latencies;
    ByteBuffer out;
    ByteBuffer in(4096);
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto begin = SteadyClock::now();
        out.clear();
        const std::uint64_t number = appender.acknowledged();
        appender.encode(number, 1, out);
        for (std::size_t at = 0; at < out.size();) {
            at += static_cast<std::size_t>(
                checked(::send(appender.socket(), out.data() + at, out.size() - at, MSG_NOSIGNAL)));
        }
        for (std::size_t end = 0; appender.acknowledged() == number;) {
            const ssize_t got = checked(::recv(appender.socket(), in.data() + end, in.size() - end, 0));
            if (got == 0) {
                std::fprintf(stderr, "the server ended the connection\n");
                std::exit(1);
            }
            end += static_cast<std::size_t>(got);
            const std::size_t taken = appender.take_replies(in.view().first(end));
            std::memmove(in.data(), in.data() + taken, end - taken);
            end -= taken;
        }
        latencies.add(seconds_between(begin, SteadyClock::now()) * 1e6);
    }
    return latencies;
}

}  // namespace millrace::bench
