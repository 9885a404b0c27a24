// SPDX-License-Identifier: Apache-2.0
//
// For tests: two containers on a journal on a simulated machine that crashes, driven at random and
// compared step by step with a model that is as simple as can be: the list of operations in LSN
// order. What was answered must survive; what survives must be exactly a prefix of that list.
// Thread rule: the world's thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "segmentstore/container/container.h"
#include "segmentstore/log/journal/journal.h"
#include "segmentstore/storage/file/file_storage.h"
#include "tests/sim/world.h"

namespace millrace::container {

class ContainerWorkload {
public:
    // `reply_without_waiting` breaks that rule, to see that the checker notices.
    ContainerWorkload(std::uint64_t seed, bool reply_without_waiting);
    ~ContainerWorkload();

    // The first violation, or nothing.
    std::string run();

    std::uint64_t digest() const { return world_.digest(); }
    std::uint64_t operations_survived_unanswered() const { return survived_unanswered_; }
    std::uint64_t operations_lost_unanswered() const { return lost_unanswered_; }
    std::uint64_t operations() const { return operations_; }
    std::uint64_t full_disks() const { return full_disks_; }
    std::uint64_t cold_reads() const { return cold_reads_; }
    std::uint64_t windows() const { return windows_; }
    std::uint64_t snapshots() const { return snapshots_; }
    std::uint64_t recoveries_from_snapshots() const { return recoveries_from_snapshots_; }

private:
    static constexpr std::uint32_t kContainers = 2;
    static constexpr std::size_t kNames = 5;
    static constexpr std::size_t kWriters = 3;
    static constexpr std::size_t kAttributes = 2;

    // What a segment is according to the operations so far.
    struct ModelSegment {
        std::int32_t incarnation = 0;
        bool sealed = false;
        std::string bytes;
        std::vector<std::pair<std::int64_t, std::uint64_t>> appended;  // (end, LSN), for readers
        std::map<std::size_t, std::int64_t> writers;                   // last event numbers
        std::int64_t start = 0;
        std::map<std::size_t, std::int64_t> attributes;
        std::uint64_t newest = 0;                                      // LSN
    };
    struct ModelOperation {
        std::uint64_t lsn = 0;
        OperationType type{};
        std::size_t name = 0;
        std::int32_t incarnation = 0;
        std::size_t writer = 0;  // or attribute
        std::int64_t event_number = 0;  // or value, or start offset
        std::string data;
    };
    struct Model {
        std::vector<ModelOperation> operations;  // by LSN; the container's own have some too
        std::map<std::size_t, ModelSegment> segments;
        std::map<std::size_t, std::uint64_t> deleted_at;  // LSN of a name's last deletion
        std::uint64_t must_survive = 0;                    // LSN

        void apply(ModelOperation operation, std::uint64_t lsn);
        void rebuild(std::uint64_t survivors);
        std::uint64_t newest(std::size_t name) const;
    };
    // A set-up, perhaps overtaken, perhaps of a segment that is gone.
    struct Session {
        std::size_t name = 0;
        std::size_t writer = 0;
        std::int32_t incarnation = 0;
        WriterHandle handle;
    };
    struct Life {
        std::unique_ptr<log::Journal> journal;
        AdmissionCredits credits{64 * 1024 * 1024};
        std::unique_ptr<storage::FileStorage> storage;
        std::unique_ptr<DataCache> cache;
        std::vector<std::unique_ptr<log::DurableLog>> logs;
        std::vector<std::unique_ptr<Container>> containers;
        std::vector<std::uint64_t> recovered;  // LSN that each container came back with
        std::vector<Session> sessions;
        std::map<std::pair<std::size_t, std::size_t>, std::size_t> current;  // (name, writer) -> session
        std::list<ReadWait> waits;
        bool failed = false;
        bool dead = false;
        Gate gate;
    };
    using LifePtr = std::shared_ptr<Life>;

    void violation(std::string what);
    std::string name_of(std::size_t name) const;
    static std::uint32_t container_index(std::size_t name) { return static_cast<std::uint32_t>(name % kContainers); }
    std::string next_data(std::size_t size);
    std::size_t random_size();

    LifePtr start();
    Task<bool> open(LifePtr life);
    void end(const LifePtr& life);
    Task<void> close(LifePtr life);
    Task<void> check_recovered(LifePtr life);
    Task<void> check_objects(LifePtr life, std::uint32_t container);
    Task<void> check_segment(LifePtr life, std::size_t name);

    Task<void> work(LifePtr life, std::shared_ptr<bool> done);
    void step(const LifePtr& life);
    void do_create(const LifePtr& life, std::size_t name);
    void do_seal(const LifePtr& life, std::size_t name);
    void do_delete(const LifePtr& life, std::size_t name);
    void do_info(const LifePtr& life, std::size_t name);
    void do_setup(const LifePtr& life, std::size_t name, std::size_t writer);
    void do_append(const LifePtr& life);
    void do_truncate(const LifePtr& life, std::size_t name);
    void do_attribute(const LifePtr& life, std::size_t name);
    void do_read(const LifePtr& life, std::size_t name);
    Task<void> read(LifePtr life, std::size_t name, std::int64_t offset, std::size_t length, ReadWait& wait);
    // The outcome may leave when `depends_on` is committed; then `fact` must survive.
    void answer(const LifePtr& life, std::uint32_t container, Lsn depends_on, std::uint64_t fact);

    sim::World world_;
    sim::Node* node_ = nullptr;
    const bool reply_without_waiting_;
    std::size_t cache_bytes_ = 0;
    bool tight_disk_ = false;
    std::uint32_t large_one_in_ = 0;
    std::uint32_t pause_one_in_ = 10;
    std::uint64_t eio_one_in_ = 0;

    Model models_[kContainers];
    std::int32_t last_incarnation_ = 0;
    std::uint64_t data_made_ = 0;
    std::string violation_;
    std::uint64_t survived_unanswered_ = 0;
    std::uint64_t lost_unanswered_ = 0;
    std::uint64_t operations_ = 0;
    std::uint64_t full_disks_ = 0;
    std::uint64_t cold_reads_ = 0;
    std::uint64_t windows_ = 0;
    std::uint64_t snapshots_ = 0;
    std::uint64_t recoveries_from_snapshots_ = 0;
    bool tiers_ = false;
    TieringOptions tiering_;
};

}  // namespace millrace::container
