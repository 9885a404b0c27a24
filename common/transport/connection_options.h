// SPDX-License-Identifier: Apache-2.0
//
// What a connection may use and how long it waits, why connections end, and what is counted of them.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "common/base/buffer_pool.h"
#include "common/runtime/memory_budget.h"
#include "common/runtime/signal.h"
#include "common/wire/frame.h"

namespace millrace::transport {

inline constexpr std::size_t kMaxQueuedFrameBytes = wire::kFrameHeaderBytes + wire::kMaxSentPayload;
// What every connection may receive into without asking: 10,000 of them hold 160 MB.
inline constexpr std::size_t kBaseReceiveBytes = 16 * 1024;

// Why a connection ended. The first reason counts.
enum class EndReason : std::uint8_t {
    kClosedHere,          // close(), or drained and closed
    kByOwner,             // shut(): what the frames said, not how they came
    kPeerEnded,           // in order, between frames
    kPeerEndedInFrame,    //
    kBroken,              // by the network or by the peer's reset
    kBadLength,           // a header announced less than nothing or too much
    kNothingCame,         // no frame's header within first_frame_limit
    kFrameStalled,        // the rest of a frame, or what the owner waits for, came too slowly
    kWriteStalled,        // the peer took nothing of what waits for it
    kSendQueueFull,       // more was sent than may wait for a peer that does not read
    kSilent,              // nothing came within silence_limit
    kNoMemory,            // a frame waited too long for the process's budget of received bytes
    kTooSlowForMemory,    // it held budget that others waited for, and its bytes came too slowly
};
inline constexpr std::size_t kEndReasons = 13;
// "peer_ended", for metrics.
std::string_view to_string(EndReason reason);

// Of one shard's connections. Thread rule: the shard's.
struct ConnectionCounters {
    std::uint64_t opened = 0;
    std::size_t open = 0;
    std::array<std::uint64_t, kEndReasons> ended{};
    std::uint64_t received_frames = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t budget_waits = 0;
    std::size_t queued_bytes = 0;       // unsent, now
    std::size_t most_queued_bytes = 0;  // ever

    std::uint64_t ended_by(EndReason reason) const { return ended[static_cast<std::size_t>(reason)]; }
};

// What the connections of a shard share. Outlives them.
struct ConnectionResources {
    // Memory for received bytes beyond kBaseReceiveBytes a connection, for the whole process. It is
    // held as long as anybody holds a slice of what was received into it. Usual buffers grow while
    // less than half is taken; the other half is for frames that do not fit into them, one grant for a
    // whole frame, so that no frame waits for memory once it has some.
    std::shared_ptr<MemoryBudget> received;
    BufferPool pool;
    ConnectionCounters counters;
    // Unsent bytes of all connections together beyond which drained() waits. 0: no bound.
    std::size_t queued_bytes_max = 0;
    std::size_t reserved_bytes = 0;  // SendReservation
    Signal queued_less{};            // crowded() or full() has ended

    bool crowded() const { return queued_bytes_max != 0 && counters.queued_bytes > queued_bytes_max; }
    // With what is being put together. Does not keep others from sending what they have: putting together may take
    // as long as a storage that hangs.
    bool full() const { return queued_bytes_max != 0 && counters.queued_bytes + reserved_bytes > queued_bytes_max; }
    // Changes queued_bytes or reserved_bytes.
    template <class Change>
    void change_unsent(Change&& change) {
        const bool was_crowded = crowded();
        const bool was_full = full();
        std::forward<Change>(change)();
        if ((was_crowded && !crowded()) || (was_full && !full())) queued_less.notify_all();
    }
};

// Limits of zero are none.
struct ConnectionOptions {
    // A frame that announces more ends the connection with kBadRequest.
    std::size_t max_payload_bytes = wire::kMaxReceivedPayload;
    // read_some is asked for at most this much, except for the rest of a larger frame. Starts lower
    // and grows with what arrives, so that a quiet connection costs little memory.
    std::size_t receive_buffer_bytes = 256 * 1024;
    // Callers wait with drained(send_queue_bytes) before they send another frame, so no more than
    // this and one largest frame (kMaxQueuedFrameBytes) is ever queued. A send() that finds more than
    // that closes the connection with kTooLarge: the peer does not read and the caller did not wait.
    std::size_t send_queue_bytes = 4 * 1024 * 1024;

    // Until the first frame's header. For the end that was connected to: clients say Hello at once.
    std::chrono::nanoseconds first_frame_limit{0};
    // In which a frame that has begun must end or bring frame_bytes_min more, and in which what the
    // owner waits for (expect_more()) must come. Clients send both in one go, or within milliseconds.
    std::chrono::nanoseconds frame_limit = std::chrono::seconds{60};
    std::size_t frame_bytes_min = 64 * 1024;
    // In which a peer must take what one write offers it, at most 256 KiB, while bytes wait for it.
    std::chrono::nanoseconds write_limit = std::chrono::seconds{60};
    // After so long without a received byte a KeepAlive is sent. Only for the end that connected: some
    // clients take whatever comes unasked for a reply.
    std::chrono::nanoseconds keep_alive_every{0};
    // Without a received byte.
    std::chrono::nanoseconds silence_limit{0};
    // For a frame's memory.
    std::chrono::nanoseconds budget_limit = std::chrono::seconds{30};

    // None: memory is unbounded over all connections, and nothing is counted.
    ConnectionResources* resources = nullptr;
};

// While others wait for budget, a frame that has some must come at this rate after a moment's grace.
inline constexpr std::chrono::seconds kPressureGrace{5};
inline constexpr std::size_t kPressureBytesPerSecond = 256 * 1024;
// While there are too many unsent bytes, a peer that leaves more than this to be sent must take them at that rate.
inline constexpr std::size_t kPressureQueuedBytes = 256 * 1024;

}  // namespace millrace::transport
