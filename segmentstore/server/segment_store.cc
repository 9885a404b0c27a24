// SPDX-License-Identifier: Apache-2.0
//
// Start, stop, accept.
#include "segmentstore/server/segment_store.h"

#include <algorithm>
#include <utility>

#include "common/telemetry/log.h"
#include "segmentstore/server/segment_store_impl.h"
#include "segmentstore/server/store_format.h"

namespace millrace::segmentstore {

namespace {

Result<void> check_store_options(const SegmentStoreOptions& options) {
    const auto refuse = [](std::string what) { return Error{ErrorCode::kInvalidArgument, std::move(what)}; };
    constexpr std::size_t kMiB = 1024 * 1024;
    if (options.data_directory.empty()) return refuse("the segment store needs a data directory");
    if (options.containers < 1 || options.containers > SegmentStoreImpl::kMaxContainers) {
        return refuse(std::to_string(options.containers) + " containers: it can be 1 to " +
                      std::to_string(SegmentStoreImpl::kMaxContainers));
    }
    if (options.cache_bytes < 8 * kMiB || options.cache_bytes > 64 * 1024 * kMiB) {
        return refuse("a cache of " + std::to_string(options.cache_bytes) + " bytes: it can be 8 MiB to 64 GiB");
    }
    if (options.connections_max < 1) return refuse("no connections at all: at least 1 is needed");
    if (options.admitted_bytes_max < 32 * kMiB) {
        return refuse("admitted bytes of " + std::to_string(options.admitted_bytes_max) + ": at least 32 MiB are needed");
    }
    // A frame waits for the half that is kept for large ones.
    if (options.received_bytes_max < 64 * kMiB) {
        return refuse("memory for received bytes of " + std::to_string(options.received_bytes_max) +
                      ": at least 64 MiB are needed");
    }
    if (options.unsent_bytes_max < 16 * kMiB) {
        return refuse("unsent bytes of " + std::to_string(options.unsent_bytes_max) + ": at least 16 MiB are needed");
    }
    if (options.send_queue_bytes < 64 * 1024) {
        return refuse("send queues of " + std::to_string(options.send_queue_bytes) + " bytes: at least 64 KiB are needed");
    }
    if (options.journal_file_bytes < SegmentStoreImpl::kMinJournalFileBytes) {
        return refuse("journal files of " + std::to_string(options.journal_file_bytes) + " bytes: at least " +
                      std::to_string(SegmentStoreImpl::kMinJournalFileBytes) + " are needed");
    }
    if (options.tiering_window_bytes < 64 * 1024 || options.tiering_window_bytes > 1024 * kMiB) {
        return refuse("tiering windows of " + std::to_string(options.tiering_window_bytes) + " bytes: they can be 64 KiB to 1 GiB");
    }
    if (options.tiering_age_max <= std::chrono::nanoseconds{0}) return refuse("an age of no time for tiering: it must be positive");
    return ok();
}

std::uint64_t window_bytes(const SegmentStoreOptions& options) {
    constexpr std::uint64_t kLeast = 64 * 1024;
    if (options.journal_total_bytes_max == 0) return options.tiering_window_bytes;
    // All containers may fill a window while each writes one.
    const std::uint64_t share = options.journal_total_bytes_max / options.containers / 6;
    return std::max(kLeast, std::min(options.tiering_window_bytes, share));
}

}  // namespace

Task<Result<std::unique_ptr<SegmentStore>>> SegmentStore::start(Runtime runtime, SegmentStoreOptions options) {
    MR_CO_TRY_VOID(check_store_options(options));
    auto store = std::make_unique<SegmentStoreImpl>(runtime, std::move(options));
    Result<void> opened = co_await store->open();
    if (!opened) {
        co_await store->close();
        co_return std::move(opened).error().while_doing("start the segment store");
    }
    std::unique_ptr<SegmentStore> started = std::move(store);
    co_return started;
}

SegmentStoreImpl::SegmentStoreImpl(Runtime runtime, SegmentStoreOptions options)
    : runtime_{runtime},
      options_{std::move(options)},
      connections_{.received = std::make_shared<MemoryBudget>(options_.received_bytes_max), .pool = BufferPool{}, .counters = {}, .queued_bytes_max = options_.unsent_bytes_max, .reserved_bytes = 0, .queued_less = {}},
      bad_peers_{runtime_.clock},
      refused_{runtime_.clock},
      credits_{options_.admitted_bytes_max},
      cache_{options_.cache_bytes} {}

SegmentStoreImpl::~SegmentStoreImpl() { MR_CHECK(sessions_.empty()); }

Task<Result<void>> SegmentStoreImpl::open() {
    const MonotonicTime began = runtime_.clock.now();
    const std::string storage_directory =
        options_.storage_directory.empty() ? options_.data_directory + "/storage" : options_.storage_directory;
    MR_CO_TRY(OpenedStore opened, co_await open_store(runtime_, options_.data_directory, storage_directory, options_.containers));
    storage_ = std::move(opened.storage);
    log::JournalOptions journal;
    journal.store = opened.format.journal;
    journal.directory = options_.data_directory + "/journal";
    journal.file_bytes = options_.journal_file_bytes;
    journal.total_bytes_max = options_.journal_total_bytes_max;
    journal.batch_bytes_max = options_.journal_batch_bytes_max;
    journal.keep_free_bytes = options_.journal_keep_free_bytes;
    journal.crowded = [this](ContainerId log) {
        Slot& slot = slots_.at(log.number());
        if (slot.container) slot.container->tier_now();
    };
    journal.more_room = [this] { credits_.changed().notify_all(); };
    const std::size_t in_flight = container::LogWriter::kMaxInFlight * container::kMaxEntryBytes;
    journal.queue_bytes_max = std::max(journal.queue_bytes_max, (options_.containers + 1) * in_flight);
    MR_CO_TRY(journal_, co_await log::Journal::open(runtime_, std::move(journal)));
    if (!opened.format.journal) {
        // Before anything is acknowledged: from now on a start without this journal is refused.
        opened.format.journal = journal_->store();
        MR_CO_TRY_VOID(co_await write_store_format(runtime_, options_.data_directory, opened.format));
    }

    if (options_.journal_total_bytes_max != 0) {
        credits_.limit_log([this] { return journal_->room(); }, options_.journal_total_bytes_max / 4);
    }
    credits_.limit_log([this] { return journal_->disk_room(); }, options_.journal_file_bytes / 2);
    // On one disk a backlog only gets dearer: what memory does not have any more is read from the journal again.
    if (options_.storage_directory.empty()) {
        credits_.hold_back_while([this] { return cache_.backlogged(runtime_.clock.now(), credits_.taken()); });
    }

    MR_CO_TRY_VOID(co_await open_containers());
    std::uint64_t segments = 0;
    std::vector<container::Container*> containers;
    for (const Slot& slot : slots_) {
        if (slot.container) segments += slot.container->counts().segments;
        containers.push_back(slot.container.get());
    }

    // The journal may be crowded by what an earlier process left.
    journal_->ask_for_truncation();

    shared_ = std::make_unique<SessionShared>(
        SessionShared{runtime_, std::move(containers), credits_, metrics_,
                      [this](const std::string& peer, const Error& reason) {
                          metrics_.protocol_errors.add();
                          metrics_.errors.count(reason.code());
                          if (const auto dropped = bad_peers_.line()) {
                              MR_LOG_WARN("connection closed because of its peer", {"peer", peer},
                                          {"reason", reason.to_string()}, {"lines_dropped", *dropped});
                          }
                      },
                      [this](const Error& reason) {
                          metrics_.errors.count(reason.code());
                          MR_LOG_ERROR("committed bytes cannot be read", {"error", reason.to_string()});
                      },
                      0, &connections_, options_.send_queue_bytes, options_.first_frame_limit, options_.incomplete_limit,
                      options_.stall_limit});
    MR_CO_TRY(listener_, co_await runtime_.network.listen(options_.listen));
    listener_gate_.spawn(runtime_.executor, [this] { return accept_loop(); });
    housekeeping();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.clock.now() - began);
    MR_LOG_INFO("segment store serves", {"address", listener_->local().to_string()}, {"containers", options_.containers},
                {"segments", segments}, {"start_ms", took.count()});
    co_return ok();
}

// All at once: the journal takes the logs over in one batch, and replay waits for the disk.
Task<Result<void>> SegmentStoreImpl::open_containers() {
    slots_.resize(options_.containers);
    Gate opening;
    for (std::uint32_t number = 0; number < options_.containers; ++number) {
        opening.spawn(runtime_.executor, [this, number]() -> Task<void> {
            slots_[number].opened = co_await open_container(number);
        });
    }
    co_await opening.close();
    bool some_serve = false;
    for (std::uint32_t number = 0; number < options_.containers; ++number) {
        Slot& slot = slots_[number];
        if (slot.opened) {
            some_serve = true;
        } else if (slot.opened.error().is(ErrorCode::kCorrupt)) {
            co_await halt(number);
        } else {
            co_return std::move(slot.opened).error();
        }
    }
    if (!some_serve) co_return *slots_.front().halted;
    co_return ok();
}

// Damage of one container is no reason to keep the others' segments from anybody.
Task<void> SegmentStoreImpl::halt(std::uint32_t number) {
    Slot& slot = slots_[number];
    slot.halted = slot.opened.error();
    MR_LOG_ERROR("container halted", {"container", number}, {"error", slot.halted->to_string()});
    metrics_.errors.count(slot.halted->code());
    metrics_.containers_halted.add(1);
    if (slot.container) co_await slot.container->close();
    slot.container.reset();
}

Task<Result<void>> SegmentStoreImpl::open_container(std::uint32_t number) {
    const ContainerId id{number};
    MR_CO_TRY(slots_[number].log, co_await journal_->take_over(id));
    container::ContainerOptions options;
    options.id = id;
    options.log_refusing = [this] { return journal_->stats().full; };
    options.storage = storage_.get();
    options.tiering.window_bytes = window_bytes(options_);
    options.tiering.max_age = options_.tiering_age_max;
    slots_[number].container =
        std::make_unique<container::Container>(runtime_.executor, runtime_.clock, *slots_[number].log, credits_, cache_,
                                               std::move(options), [this](Error error) { on_container_failed(std::move(error)); });
    co_return co_await slots_[number].container->recover();
}

Endpoint SegmentStoreImpl::local() const { return listener_->local(); }

Task<void> SegmentStoreImpl::close() {
    closing_ = true;
    if (housekeeping_timer_) runtime_.clock.cancel(*housekeeping_timer_);
    housekeeping_timer_.reset();
    if (listener_) listener_->close();
    co_await listener_gate_.close();
    // Requests no longer come in; what was admitted is committed and answered.
    for (const auto& session : sessions_) session->stop_intake();
    Gate containers;
    for (Slot& slot : slots_) {
        if (!slot.container) continue;
        containers.spawn(runtime_.executor, [&slot] { return slot.container->close(); });
    }
    co_await containers.close();
    for (const auto& session : sessions_) session->end_after_drain();
    co_await session_gate_.close();
    for (Slot& slot : slots_) {
        if (slot.log) co_await slot.log->close();
    }
    if (journal_) co_await journal_->close();
}

SegmentStore::Health SegmentStoreImpl::health() const {
    if (failure_) return Health::kFailed;
    const bool full = std::any_of(slots_.begin(), slots_.end(),
                                  [](const Slot& slot) { return slot.container && slot.container->full(); });
    if (full) return Health::kFull;
    const bool waiting = credits_.log_short() && short_since_ && runtime_.clock.now() - *short_since_ >= kShortTold;
    return waiting ? Health::kShort : Health::kServing;
}

std::string SegmentStoreImpl::storage_trouble() const {
    for (const Slot& slot : slots_) {
        std::string trouble = slot.container ? slot.container->tiering_trouble() : std::string{};
        if (!trouble.empty()) return trouble;
    }
    return {};
}

std::string SegmentStoreImpl::halted() const {
    std::string told;
    for (std::uint32_t number = 0; number < slots_.size(); ++number) {
        if (!slots_[number].halted) continue;
        told += (told.empty() ? "" : "; ") + std::string{"container "} + std::to_string(number) + " is halted: " +
                slots_[number].halted->detail();
    }
    return told;
}

Task<Error> SegmentStoreImpl::failed() { return failed_.wait(); }

void SegmentStoreImpl::on_container_failed(Error error) {
    if (failure_ || closing_) return;
    failure_ = error;
    metrics_.errors.count(error.code());
    MR_LOG_ERROR("segment store failed: the process must stop and recover", {"error", error.to_string()});
    failed_.set(std::move(error));
}

Task<void> SegmentStoreImpl::accept_loop() {
    for (;;) {
        auto stream = co_await listener_->accept();
        if (closing_) co_return;
        if (!stream) {
            if (stream.error().is(ErrorCode::kClosed)) co_return;
            if (const auto dropped = refused_.line()) {
                MR_LOG_WARN("cannot accept", {"reason", stream.error().to_string()}, {"lines_dropped", *dropped});
            }
            co_await sleep_for(runtime_.clock, kAcceptRetry);  // such as too many open files
            continue;
        }
        if (sessions_.size() >= options_.connections_max) {
            metrics_.connections_refused.add();
            if (const auto dropped = refused_.line()) {
                MR_LOG_WARN("connection refused: too many", {"peer", stream.value()->peer()},
                            {"connections", sessions_.size()}, {"lines_dropped", *dropped});
            }
            continue;  // closes it
        }
        start_session(std::move(stream).value());
    }
}

void SegmentStoreImpl::start_session(std::unique_ptr<ByteStream> stream) {
    sessions_.push_back(std::make_unique<Session>(*shared_, std::move(stream)));
    metrics_.connections_accepted.add();
    metrics_.connections.set(static_cast<double>(sessions_.size()));
    session_gate_.spawn(runtime_.executor, [this, place = std::prev(sessions_.end())]() -> Task<void> {
        co_await (*place)->run();
        sessions_.erase(place);
        metrics_.connections.set(static_cast<double>(sessions_.size()));
    });
}

void SegmentStoreImpl::housekeeping() {
    if (!credits_.log_short()) short_since_.reset();
    else if (!short_since_) short_since_ = runtime_.clock.now();
    metrics_.count(connections_);
    metrics_.cache_bytes.set(static_cast<double>(cache_.bytes()));
    metrics_.admitted_bytes.set(static_cast<double>(credits_.taken()));
    metrics_.admitted_bytes_max.set(static_cast<double>(options_.admitted_bytes_max));
    housekeeping_timer_ = runtime_.clock.schedule(runtime_.clock.now() + kHousekeepingEvery, runtime_.executor,
                                                  [this] { housekeeping(); });
}

}  // namespace millrace::segmentstore
