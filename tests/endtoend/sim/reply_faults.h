// SPDX-License-Identifier: Apache-2.0
//
// A process' network whose segment stores answer badly: single replies are lost, late or doubled, at whichever of a caller's
// waits the seed hits. The network below breaks connections at any byte, which loses replies too, but seldom exactly one, and
// never doubles any.
// - Lost: the request was carried out. The connection says nothing more, and breaks within late_max, as when a store or the
//   way to it dies; requests that are sent meanwhile still arrive.
// - Late: by up to late_max, and what follows on the connection comes behind it. What waits with a deadline gives up first.
// - Doubled: the same frame again behind itself or behind the one that follows. TCP does not do this; a client must survive a store
//   that does.
// Only connections that this process makes are meddled with, from their first byte on: frames of docs/protocol/wire.md.
// Thread rule: the world's thread. Lifetime: outlives its streams; `inner` and `clock` outlive it.
#pragma once

#include <cstdint>
#include <memory>

#include "common/runtime/clock.h"
#include "common/runtime/network.h"
#include "common/runtime/random.h"
#include "common/runtime/runtime.h"

namespace millrace::testing {

// Chances are "one in so many", 0: never. Changed at any time; all connections obey.
struct ReplyFaults {
    std::uint32_t lose_one_in = 0;
    std::uint32_t late_one_in = 0;
    std::chrono::milliseconds late_max{3000};
    std::uint32_t double_one_in = 0;

    // All chances zero.
    void heal() { *this = ReplyFaults{}; }
};

class NetworkWithReplyFaults final : public Network {
public:
    NetworkWithReplyFaults(Network& inner, Clock& clock, std::uint64_t seed, std::shared_ptr<const ReplyFaults> faults)
        : inner_{inner}, clock_{clock}, random_{seed}, faults_{std::move(faults)} {}

    Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint endpoint, Deadline deadline) override;
    Task<Result<std::unique_ptr<Listener>>> listen(Endpoint endpoint) override {
        return inner_.listen(std::move(endpoint));
    }

private:
    Network& inner_;
    Clock& clock_;
    SeededRandom random_;
    const std::shared_ptr<const ReplyFaults> faults_;
};

// The same machine, seen through another network.
inline Runtime with_network(const Runtime& runtime, Network& network) {
    return {runtime.executor, runtime.clock, runtime.disk, network, runtime.random, runtime.blocking, runtime.remote_disk};
}

}  // namespace millrace::testing
