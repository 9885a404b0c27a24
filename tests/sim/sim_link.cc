// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_link.h"

#include <algorithm>

#include "common/runtime/rare.h"

namespace millrace::sim {

NetworkFabric::Impl::Impl(Seams seams)
    : executor{seams.executor},
      clock{seams.clock},
      trace{seams.trace},
      random{seams.seed},
      messages{MessageFabric::Seams{seams.executor, seams.clock, seams.trace, random.next(), conditions}} {}

std::chrono::nanoseconds NetworkFabric::Impl::latency(const std::string& from, const std::string& to) {
    const auto low = static_cast<std::uint64_t>(options.latency_min.count());
    const auto high = std::max(low, static_cast<std::uint64_t>(options.latency_max.count()));
    std::chrono::nanoseconds takes = std::chrono::microseconds{random.between(low, high + 1)};
    if (strikes(options.spike_one_in)) {
        MR_PROBE("sim.network.delay_spike");
        takes = std::chrono::milliseconds{
            random.between(0, static_cast<std::uint64_t>(options.spike_max.count()) + 1)};
    }
    return takes + conditions.slowness(from, to);
}

LinkPtr NetworkFabric::Impl::make_link(const std::string& from, const std::string& to) {
    auto link = std::make_shared<Link>();
    link->hosts = {from, to};
    link->number = ++last_link;
    if (links.size() >= prune_links_at_) {
        std::erase_if(links, [](const std::weak_ptr<Link>& old) { return old.expired(); });
        prune_links_at_ = 2 * links.size() + 64;
    }
    links.push_back(link);
    return link;
}

std::vector<LinkPtr> NetworkFabric::Impl::all_links() {
    std::vector<LinkPtr> found;
    for (const auto& weak : links) {
        if (LinkPtr link = weak.lock()) found.push_back(std::move(link));
    }
    return found;
}

std::vector<LinkPtr> NetworkFabric::Impl::links_between(const std::string& a, const std::string& b) {
    std::vector<LinkPtr> found = all_links();
    std::erase_if(found, [&](const LinkPtr& link) {
        return std::minmax(link->hosts[0], link->hosts[1]) != std::minmax(a, b);
    });
    return found;
}

void NetworkFabric::Impl::wait_for_clog(const LinkPtr& link, int side, MonotonicTime until) {
    Pipe& pipe = link->pipes[side];
    if (pipe.waits_for_clog) return;
    pipe.waits_for_clog = true;
    MR_PROBE("sim.network.clogged");
    clock.schedule(until, executor, [self = shared_from_this(), link, side] {
        link->pipes[side].waits_for_clog = false;
        self->pump(link, side);
        self->settle(link, 1 - side);
    });
}

void NetworkFabric::Impl::pump(const LinkPtr& link, int side) {
    Pipe& pipe = link->pipes[side];
    if (link->broken[side] || pipe.end_arrives) return;
    if (!passes(*link, side)) return;
    const std::string& from = link->hosts[side];
    const std::string& to = link->hosts[1 - side];
    if (pipe.queued.empty() && !pipe.end_asked) return;
    if (const MonotonicTime until = conditions.clogged_until(from, to); until > clock.now()) {
        wait_for_clog(link, side, until);
        return;
    }
    while (!pipe.queued.empty()) {
        const std::size_t window =
            options.receive_buffer_bytes - std::min(options.receive_buffer_bytes, pipe.window_used);
        if (window == 0) {
            MR_PROBE("sim.network.window_full");
            return;
        }
        Pipe::Piece& front = pipe.queued.front();
        Pipe::Piece sent;
        if (front.bytes.size() <= window) {
            sent = std::move(front);
            pipe.queued.pop_front();
        } else {
            sent.bytes.append(front.bytes.view().first(window));
            front.bytes.erase(front.bytes.begin(), front.bytes.begin() + static_cast<std::ptrdiff_t>(window));
        }
        pipe.queued_bytes -= sent.bytes.size();
        pipe.window_used += sent.bytes.size();
        // In order: never before what was sent earlier.
        sent.arrives = pipe.last_arrival = std::max(pipe.last_arrival, clock.now() + latency(from, to));
        clock.schedule(sent.arrives, executor,
                       [self = shared_from_this(), link, side, generation = pipe.generation] {
                           self->deliver(link, side, generation);
                       });
        pipe.flight.push_back(std::move(sent));
        pipe.writable.notify_all();
    }
    if (pipe.end_asked) {
        pipe.end_arrives = pipe.last_arrival = std::max(pipe.last_arrival, clock.now() + latency(from, to));
        clock.schedule(*pipe.end_arrives, executor,
                       [self = shared_from_this(), link, side, generation = pipe.generation] {
                           self->deliver(link, side, generation);
                       });
    }
}

void NetworkFabric::Impl::deliver(const LinkPtr& link, int side, std::uint64_t generation) {
    Pipe& pipe = link->pipes[side];
    const int reader = 1 - side;
    if (pipe.generation != generation || link->broken[reader]) return;
    bool unwanted = false;
    while (!pipe.flight.empty() && pipe.flight.front().arrives <= clock.now()) {
        if (link->closed[reader]) {
            unwanted = true;
        } else {
            pipe.received.push_back(std::move(pipe.flight.front()));
        }
        pipe.flight.pop_front();
    }
    if (pipe.end_arrives && *pipe.end_arrives <= clock.now()) pipe.ended = true;
    pipe.readable.notify_all();
    // Bytes for a stream that its owner has closed are answered by a reset.
    if (unwanted && passes(*link, reader)) {
        break_later(link, side, latency(link->hosts[reader], link->hosts[side]));
    }
}

void NetworkFabric::Impl::acknowledge(const LinkPtr& link, int side, std::size_t count) {
    Pipe& pipe = link->pipes[side];
    pipe.owed += count;
    // Not for every byte: pieces would become ever smaller.
    if (pipe.received.empty() || pipe.owed >= options.receive_buffer_bytes / 4) settle(link, side);
}

void NetworkFabric::Impl::settle(const LinkPtr& link, int side) {
    Pipe& pipe = link->pipes[side];
    const int reader = 1 - side;
    if (pipe.owed == 0 || !passes(*link, reader)) return;
    if (const auto until = conditions.clogged_until(link->hosts[reader], link->hosts[side]); until > clock.now()) {
        wait_for_clog(link, reader, until);
        return;
    }
    pipe.window_used -= pipe.owed;
    pipe.owed = 0;
    pump(link, side);
}

void NetworkFabric::Impl::close(const LinkPtr& link, int side) {
    if (link->closed[side]) return;
    link->closed[side] = true;
    note("closed", *link, static_cast<std::uint64_t>(side));
    Pipe& in = link->pipes[1 - side];
    Pipe& out = link->pipes[side];
    if (!in.received.empty() && !link->broken[side]) {
        MR_PROBE("sim.network.closed_with_bytes_unread");
        link->broken[side] = true;
        out.queued.clear();
        out.queued_bytes = 0;
        if (passes(*link, side)) {
            const auto arrives = std::max(out.last_arrival, clock.now() + latency(link->hosts[side], link->hosts[1 - side]));
            break_later(link, 1 - side, arrives - clock.now());
        } else {
            arm_give_up(link, 1 - side);
        }
    } else {
        out.end_asked = true;
        pump(link, side);
    }
    in.received.clear();
    link->wake(side);
}

void NetworkFabric::Impl::break_later(const LinkPtr& link, int side, std::chrono::nanoseconds delay) {
    after(delay, [self = shared_from_this(), link, side] { self->break_side(link, side); });
}

void NetworkFabric::Impl::break_side(const LinkPtr& link, int side) {
    if (link->broken[side]) return;
    note("broken", *link, static_cast<std::uint64_t>(side));
    link->broken[side] = true;
    Pipe& out = link->pipes[side];
    Pipe& in = link->pipes[1 - side];
    out.queued.clear();
    out.queued_bytes = 0;
    // Some kernels hand out what had arrived, some do not.
    if (random.one_in(2)) in.received.clear();
    link->wake(side);
    if (link->broken[1 - side]) return;
    if (passes(*link, side)) {
        const auto arrives = std::max(out.last_arrival, clock.now() + latency(link->hosts[side], link->hosts[1 - side]));
        break_later(link, 1 - side, arrives - clock.now());
    } else {
        MR_PROBE("sim.network.half_open");
        arm_give_up(link, 1 - side);
    }
}

void NetworkFabric::Impl::break_both(const LinkPtr& link) {
    for (const int side : {0, 1}) {
        if (link->broken[side]) continue;
        link->broken[side] = true;
        link->pipes[side].queued.clear();
        link->pipes[side].queued_bytes = 0;
        if (random.one_in(2)) link->pipes[1 - side].received.clear();
        link->wake(side);
    }
}

void NetworkFabric::Impl::silence(const LinkPtr& link) {
    if (link->dead) return;
    MR_PROBE("sim.network.silent_death");
    note("silent", *link);
    link->dead = true;
    ways_shut(link);
}

void NetworkFabric::Impl::arm_give_up(const LinkPtr& link, int side) {
    if (link->gives_up[side] || link->broken[side] || link->closed[side]) return;
    link->gives_up[side] = true;
    const auto low = static_cast<std::uint64_t>(options.give_up_min.count());
    const auto high = std::max(low, static_cast<std::uint64_t>(options.give_up_max.count()));
    after(std::chrono::milliseconds{random.between(low, high + 1)}, [self = shared_from_this(), link, side] {
        link->gives_up[side] = false;
        if (link->broken[1 - side] || !self->passes(*link, 0) || !self->passes(*link, 1)) self->break_side(link, side);
    });
}

void NetworkFabric::Impl::ways_shut(const LinkPtr& link) {
    for (const int side : {0, 1}) {
        if (passes(*link, side)) continue;
        // What was on the wire is lost; the kernel sends it again if the way opens in time.
        Pipe& pipe = link->pipes[side];
        ++pipe.generation;
        pipe.end_arrives.reset();
        for (; !pipe.flight.empty(); pipe.flight.pop_back()) {
            pipe.window_used -= pipe.flight.back().bytes.size();
            pipe.queued_bytes += pipe.flight.back().bytes.size();
            pipe.queued.push_front(std::move(pipe.flight.back()));
        }
    }
    arm_give_up(link, 0);
    arm_give_up(link, 1);
}

void NetworkFabric::Impl::ways_opened() {
    for (const LinkPtr& link : all_links()) {
        for (const int side : {0, 1}) {
            pump(link, side);
            settle(link, side);
        }
    }
    ways_changed.notify_all();
}

}  // namespace millrace::sim
