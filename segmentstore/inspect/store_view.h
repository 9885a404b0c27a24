// SPDX-License-Identifier: Apache-2.0
//
// A segment store's data directory, for looking at: journal, containers and long-term storage, read the way a start
// reads them. Nothing is written. Of a store that runs meanwhile the view is of the moment it was opened, and what it
// leads to may be gone since.
// Thread rule: one executor. Lifetime: close() must have completed before destruction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/runtime.h"
#include "segmentstore/container/container.h"
#include "segmentstore/log/journal/journal_view.h"
#include "segmentstore/storage/file/file_storage.h"

namespace millrace::inspect {

struct StorePlace {
    std::string data_directory;
    std::string storage_directory;  // empty: <data_directory>/storage

    std::string journal() const { return data_directory + "/journal"; }
    std::string storage() const { return storage_directory.empty() ? data_directory + "/storage" : storage_directory; }
};

class StoreView {
public:
    // Errors: kNotFound (not a data directory, no storage), kFailedPrecondition (another store's storage), those of
    // JournalView::open. What is wrong with one container is told by trouble().
    static Task<Result<std::unique_ptr<StoreView>>> open(Runtime runtime, StorePlace place);
    ~StoreView();
    Task<void> close();

    // Numbers 0 to so many - 1.
    std::uint32_t container_count() const { return static_cast<std::uint32_t>(slots_.size()); }
    // nullptr: it was never opened by a store, or has trouble.
    const container::Container* container(ContainerId id) const;
    const log::DurableLog* log(ContainerId id) const;
    const std::optional<Error>& trouble(ContainerId id) const { return slots_.at(id.number()).trouble; }
    storage::FileStorage& storage() { return *storage_; }
    // Where the journal's last write was cut off; empty: nowhere.
    const std::string& torn() const { return journal_->torn(); }

private:
    struct Slot {
        std::unique_ptr<log::DurableLog> log;
        std::unique_ptr<container::Container> container;
        std::optional<Error> trouble;
    };

    StoreView();

    container::AdmissionCredits credits_;
    container::DataCache cache_;
    std::unique_ptr<storage::FileStorage> storage_;
    std::unique_ptr<log::JournalView> journal_;
    std::vector<Slot> slots_;
};

}  // namespace millrace::inspect
