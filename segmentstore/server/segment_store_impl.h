// SPDX-License-Identifier: Apache-2.0
//
// The store as wired: one journal, its containers, one listener, the sessions.
// Thread rule: the shard's executor.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "common/runtime/gate.h"
#include "common/runtime/signal.h"
#include "segmentstore/container/container.h"
#include "segmentstore/log/journal/journal.h"
#include "segmentstore/server/rate_limit.h"
#include "segmentstore/server/segment_store.h"
#include "segmentstore/server/server_metrics.h"
#include "segmentstore/server/session.h"
#include "segmentstore/storage/file/file_storage.h"

namespace millrace::segmentstore {

class SegmentStoreImpl final : public SegmentStore {
public:
    static constexpr std::uint32_t kMaxContainers = 1024;
    // Entries are up to 1 MiB, and a file must take four.
    static constexpr std::uint64_t kMinJournalFileBytes = 4 * 1024 * 1024;
    static constexpr std::chrono::seconds kHousekeepingEvery{5};
    static constexpr std::chrono::milliseconds kAcceptRetry{100};
    // Under a load that is more than long-term storage takes the journal has no room for moments.
    static constexpr std::chrono::seconds kShortTold{5};

    SegmentStoreImpl(Runtime runtime, SegmentStoreOptions options);
    ~SegmentStoreImpl() override;

    // For SegmentStore::start(). After an error, close() ends what was begun.
    Task<Result<void>> open();

    Endpoint local() const override;
    Task<void> close() override;
    Health health() const override;
    std::string storage_trouble() const override;
    std::string halted() const override;
    Task<Error> failed() override;

private:
    struct Slot {
        std::unique_ptr<log::DurableLog> log;
        std::unique_ptr<container::Container> container;
        Result<void> opened;
        std::optional<Error> halted;  // what it needs is damaged; there is no container then
    };

    Task<Result<void>> open_containers();
    Task<Result<void>> open_container(std::uint32_t number);
    Task<void> halt(std::uint32_t number);
    Task<void> accept_loop();
    void start_session(std::unique_ptr<ByteStream> stream);
    void housekeeping();
    void on_container_failed(Error error);

    const Runtime runtime_;
    const SegmentStoreOptions options_;
    ServerMetrics metrics_;
    transport::ConnectionResources connections_;
    RateLimit bad_peers_;
    RateLimit refused_;

    std::unique_ptr<storage::FileStorage> storage_;
    std::unique_ptr<log::Journal> journal_;
    container::AdmissionCredits credits_;
    container::DataCache cache_;
    std::vector<Slot> slots_;
    std::unique_ptr<SessionShared> shared_;

    std::unique_ptr<Listener> listener_;
    std::list<std::unique_ptr<Session>> sessions_;
    std::optional<Clock::TimerId> housekeeping_timer_;

    // Since when the journal has no room for appends, as far as was looked.
    std::optional<MonotonicTime> short_since_;
    std::optional<Error> failure_;
    OneShot<Error> failed_;
    bool closing_ = false;
    Gate listener_gate_;
    Gate session_gate_;
};

}  // namespace millrace::segmentstore
