// SPDX-License-Identifier: Apache-2.0
//
// Writers, readers, scalers and truncators on a SimCluster by seed, while it and the network fail; what came of it as a history.
//
// 1. A stream is made. Writers write keyed events of many sizes, some of them give up half-way (their outcomes are then what
//    the client says of them). Segments split and merge. One reader follows from the head, others stop and go on from their
//    positions, now and then. In half of the seeds the stream is truncated, where the first reader is.
// 2. Everything heals. Writers flush, the stream is sealed, all readers come to its end, one more reads all of it.
// 3. The stream is removed; no segment of it may be left, and no workflow be unfinished.
// Thread rule: the world's thread.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/client_core.h"
#include "client/streams/stream_admin.h"
#include "client/writer/writer_core.h"
#include "common/runtime/gate.h"
#include "tests/endtoend/sim/sim_cluster.h"
#include "tests/history/check.h"

namespace millrace::testing {

class StreamWorkload {
public:
    struct Options {
        std::optional<sim::FaultPlan> plan;  // else by seed
        bool rpc_faults = true;              // by seed
        bool reply_faults = true;            // by seed
        client::ClientMutations mutations;
    };

    explicit StreamWorkload(std::uint64_t seed) : StreamWorkload(seed, Options{}) {}
    StreamWorkload(std::uint64_t seed, Options options);
    ~StreamWorkload();

    // What is wrong, or empty.
    std::string run();

    std::uint64_t digest() const { return world_.digest(); }
    std::uint64_t acked() const { return acked_; }
    std::uint64_t scales() const { return scales_; }
    std::uint64_t truncations() const { return truncations_; }
    std::uint64_t reconnects() const { return reconnects_; }
    std::uint64_t unknown() const { return unknown_; }
    const SimCluster::Counts& cluster_counts() const { return cluster_.counts(); }
    std::uint64_t strikes() const { return strikes_; }
    bool disks_fail() const;

private:
    struct Writer;
    class Reader;

    Task<Result<void>> make_stream();
    std::string set_up();
    void make_trouble();
    std::string settle();
    std::string read_all();
    std::string clean_up();

    Task<void> write_events(std::shared_ptr<Writer> writer);
    Task<void> scale_now_and_then();
    Task<Result<void>> scale_once();
    Task<void> truncate_now_and_then();
    bool is_lost_to_truncation(const Error& error) const;
    Task<Result<void>> truncate_once();
    Task<void> follow(std::shared_ptr<Reader> reader);
    Task<Result<std::uint64_t>> segments_left();
    std::string wait(UniqueFunction<bool()> done, std::chrono::nanoseconds limit, const std::string& what);
    history::Time time() const { return world_.now().time_since_epoch().count(); }

    const std::uint64_t seed_;
    const Options options_;
    sim::World world_;
    SeededRandom random_;
    history::History history_;
    sim::FaultPlan plan_;
    sim::Node& client_node_;
    SimCluster cluster_;
    NetworkWithReplyFaults network_;
    Runtime runtime_;
    const bool truncates_;
    sim::SimRpc rpc_;
    std::unique_ptr<client::ClientCore> client_;
    std::unique_ptr<client::StreamAdmin> admin_;
    std::unique_ptr<sim::FaultInjector> injector_;
    std::vector<std::shared_ptr<Writer>> writers_;
    std::vector<std::shared_ptr<Reader>> readers_;
    bool stop_writing_ = false;
    bool stop_scaling_ = false;
    std::size_t writing_ = 0;   // writers that still write
    std::size_t following_ = 0; // readers that have not come to the end
    bool scaling_ = false;
    bool truncating_ = false;
    std::set<std::string> problems_;
    std::int32_t segments_max_ = 0;  // numbers below this were given out
    std::int32_t epochs_max_ = 0;
    std::uint64_t flushed_ = 0;  // events of writers that did not give up
    std::uint64_t acked_ = 0;
    std::uint64_t unknown_ = 0;
    std::uint64_t scales_ = 0;
    std::uint64_t truncations_ = 0;
    std::uint64_t reconnects_ = 0;
    std::uint64_t strikes_ = 0;
};

}  // namespace millrace::testing
