// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/inspect/store_view.h"

#include <algorithm>
#include <utility>

#include "segmentstore/server/store_format.h"

namespace millrace::inspect {

namespace {

// Nothing is admitted, and little is read.
constexpr std::size_t kCreditBytes = 1;
constexpr std::size_t kCacheBytes = 8 * 1024 * 1024;

}  // namespace

StoreView::StoreView() : credits_{kCreditBytes}, cache_{kCacheBytes} {}

StoreView::~StoreView() {
    // Containers go before their logs, and all before what they share.
    for (Slot& slot : slots_) slot.container.reset();
}

Task<Result<std::unique_ptr<StoreView>>> StoreView::open(Runtime runtime, StorePlace place) {
    MR_CO_TRY(const segmentstore::StoreFormat format, co_await segmentstore::read_store_format(runtime, place.data_directory));
    std::unique_ptr<StoreView> view{new StoreView};
    MR_CO_TRY(view->storage_, co_await storage::FileStorage::open(runtime, place.storage()));
    if (view->storage_->id() != format.storage) {
        co_return Error{ErrorCode::kFailedPrecondition,
                        "'" + place.storage() + "' is the long-term storage of another store than '" + place.data_directory + "'"};
    }
    MR_CO_TRY(view->journal_, co_await log::JournalView::open(runtime, place.journal(), format.journal));
    view->slots_.resize(format.containers);
    for (const ContainerId id : view->journal_->logs()) {
        if (id.number() >= format.containers) {
            co_await view->close();
            co_return Error{ErrorCode::kCorrupt, place.journal() + " has log " + to_string(id) + ", the store has " +
                                                     std::to_string(format.containers) + " containers"};
        }
        Slot& slot = view->slots_[id.number()];
        slot.log = view->journal_->log(id);
        container::ContainerOptions options;
        options.id = id;
        options.storage = view->storage_.get();
        options.read_only = true;
        slot.container = std::make_unique<container::Container>(runtime.executor, runtime.clock, *slot.log, view->credits_,
                                                                view->cache_, std::move(options), [](Error) {});
        Result<void> recovered = co_await slot.container->recover();
        if (!recovered) {
            co_await slot.container->close();
            slot.container.reset();
            slot.trouble = std::move(recovered).error();
        }
    }
    co_return std::move(view);
}

Task<void> StoreView::close() {
    for (Slot& slot : slots_) {
        if (slot.container) co_await slot.container->close();
    }
}

const container::Container* StoreView::container(ContainerId id) const { return slots_.at(id.number()).container.get(); }

const log::DurableLog* StoreView::log(ContainerId id) const { return slots_.at(id.number()).log.get(); }

}  // namespace millrace::inspect
