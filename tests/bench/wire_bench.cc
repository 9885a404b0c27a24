// SPDX-License-Identifier: Apache-2.0
//
// How fast the bytes of appends are decoded: frames cut out of one buffer, decoded, and assembled to
// appends, on one thread, against memcpy of the same bytes in the same run (decoding copies no
// payload, so it may well be faster). Also "touched": the assembled payload is copied once, as the
// first thing that keeps it would. Prints GB/s and the ratio of each round: its median and spread.
//
//     millrace_wire_bench [rounds] [part of a load's name]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/check.h"
#include "common/wire/append_assembler.h"
#include "common/wire/event.h"
#include "common/wire/messages.h"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

// More than the caches nearest to a core hold.
constexpr std::size_t kTrafficBytes = std::size_t{32} << 20;
constexpr std::size_t kEventPayload = 100;

struct Traffic {
    std::string name;
    Bytes bytes;
    std::size_t payload_bytes = 0;
    std::uint64_t events = 0;
};

WriterId some_writer() {
    WriterId id;
    for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::byte>(i + 1);
    return id;
}

// Blocks of as many events as fit into `block_bytes`; at least one. Sent with or without AppendBlock.
Traffic make_traffic(std::string name, std::size_t block_bytes, bool with_block) {
    Traffic traffic;
    traffic.name = std::move(name);
    ByteBuffer block;
    std::int32_t block_events = 0;
    const std::string payload(kEventPayload, 'x');
    do {
        wire::encode_event(as_bytes(payload), block);
        ++block_events;
    } while (block.size() + kEventPayload + wire::kEventHeaderBytes <= block_bytes);
    const Bytes data{std::move(block)};
    ByteBuffer out;
    out.reserve(kTrafficBytes + data.size() + 1024);
    while (out.size() < kTrafficBytes) {
        traffic.events += static_cast<std::uint64_t>(block_events);
        traffic.payload_bytes += data.size();
        const auto number = static_cast<std::int64_t>(traffic.events);
        if (with_block) {
            wire::encode(wire::AppendBlock{some_writer(), data}, out);
            wire::encode(wire::AppendBlockEnd{some_writer(), static_cast<std::int32_t>(data.size()), {}, block_events, number, 1},
                         out);
        } else {
            wire::encode(wire::AppendBlockEnd{some_writer(), 0, data, block_events, number, 1}, out);
        }
    }
    traffic.bytes = Bytes{std::move(out)};
    return traffic;
}

struct Taken {
    std::size_t payload_bytes = 0;
    std::uint64_t events = 0;
};

// What a session does with each frame, up to the append. `sink` gets the payload, if there is one.
Taken take(const Traffic& traffic, std::byte* sink) {
    wire::AppendAssembler assembler;
    MR_CHECK(assembler.setup_append({1, some_writer(), "s/t/0.#epoch.0", ""}));
    Taken taken;
    const Bytes& all = traffic.bytes;
    for (std::size_t at = 0; at < all.size();) {
        const auto header = wire::read_frame_header(all.view().subspan(at, wire::kFrameHeaderBytes));
        const auto size = static_cast<std::size_t>(header.length);
        auto message = wire::decode({header.type, all.slice(at + wire::kFrameHeaderBytes, size)});
        MR_CHECK(message.ok());
        if (auto* block = std::get_if<wire::AppendBlock>(&*message)) {
            MR_CHECK(assembler.append_block(std::move(*block)));
        } else {
            const auto append = assembler.append_block_end(std::move(std::get<wire::AppendBlockEnd>(*message)));
            MR_CHECK(append.ok());
            taken.payload_bytes += append->data.size();
            taken.events += static_cast<std::uint64_t>(append->event_count);
            if (sink != nullptr) {
                for (const Bytes& piece : append->data.pieces()) {
                    std::memcpy(sink, piece.data(), piece.size());
                    sink += piece.size();
                }
            }
        }
        at += wire::kFrameHeaderBytes + size;
    }
    return taken;
}

template <class Work>
double seconds_of(Work work) {
    const auto begin = SteadyClock::now();
    work();
    return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void run(const Traffic& traffic, int rounds) {
    ByteBuffer sink(traffic.bytes.size());
    std::vector<double> decode_rates, touched_rates, copy_rates, decode_ratios, touched_ratios;
    const auto size = static_cast<double>(traffic.bytes.size());
    for (int i = 0; i <= rounds; ++i) {
        Taken taken;
        const double decode = seconds_of([&] { taken = take(traffic, nullptr); });
        MR_CHECK(taken.payload_bytes == traffic.payload_bytes && taken.events == traffic.events);
        const double touched = seconds_of([&] { taken = take(traffic, sink.data()); });
        MR_CHECK(taken.payload_bytes == traffic.payload_bytes && taken.events == traffic.events);
        const double copy = seconds_of([&] { std::memcpy(sink.data(), traffic.bytes.data(), traffic.bytes.size()); });
        MR_CHECK(sink.back() == traffic.bytes.view().back());
        if (i == 0) continue;  // the first round finds memory that was never touched
        decode_rates.push_back(size / decode / 1e9);
        touched_rates.push_back(size / touched / 1e9);
        copy_rates.push_back(size / copy / 1e9);
        decode_ratios.push_back(copy / decode);
        touched_ratios.push_back(copy / touched);
    }
    const auto [least, most] = std::ranges::minmax(decode_ratios);
    std::printf("%-24s %8.2f GB/s decoded %8.2f with payload copied %8.2f memcpy   ratio %7.2f (%.2f to %.2f), copied %.2f   "
                "%6.1f M events/s\n",
                traffic.name.c_str(), median(decode_rates), median(touched_rates), median(copy_rates), median(decode_ratios),
                least, most, median(touched_ratios),
                static_cast<double>(traffic.events) * median(decode_rates) * 1e9 / size / 1e6);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    using namespace millrace::bench;
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
    const std::string part = argc > 2 ? argv[2] : "";
    std::printf("events of %zu B, %zu MiB of frames a round, %d rounds; GB/s of frames, medians\n", kEventPayload,
                kTrafficBytes >> 20, rounds);
    for (const auto& [name, block, with_block] : {std::tuple{"64 KiB blocks", std::size_t{64} << 10, true},
                                                  std::tuple{"4 KiB blocks", std::size_t{4} << 10, true},
                                                  std::tuple{"one event per block", std::size_t{0}, true},
                                                  std::tuple{"one event, no block", std::size_t{0}, false}}) {
        if (std::string{name}.find(part) == std::string::npos) continue;
        run(make_traffic(name, block, with_block), rounds);
    }
    return 0;
}
