// SPDX-License-Identifier: Apache-2.0
//
// The log's bytes are checked by opening the view: recovery reads every batch, the containers every operation.
#include "segmentstore/inspect/verify.h"

#include <algorithm>
#include <map>
#include <utility>

#include "segmentstore/inspect/object_check.h"
#include "segmentstore/server/store_format.h"

namespace millrace::inspect {

namespace {

using container::Container;
using container::ObjectId;
using container::Segment;
using container::TieredExtent;

// What segments refer to, by object.
struct Reference {
    std::uint64_t segment = 0;
    std::string name;
    TieredExtent extent;
};
using References = std::map<ObjectId, std::vector<Reference>>;

class Verification {
public:
    Verification(Runtime runtime, StorePlace place) : runtime_{runtime}, place_{std::move(place)} {}

    Task<VerifyReport> run() {
        auto view = co_await StoreView::open(runtime_, place_);
        if (!view) {
            report_.damage.push_back(view.error().detail());
            co_await check_storage_alone();
            co_return std::move(report_);
        }
        report_.looked_at_all = true;
        if (!(*view)->torn().empty()) {
            report_.remarks.push_back("the last write was cut off, and was never acknowledged: " + (*view)->torn());
        }
        for (std::uint32_t number = 0; number < (*view)->container_count(); ++number) {
            co_await check_container(**view, ContainerId{number});
        }
        co_await (*view)->close();
        co_return std::move(report_);
    }

private:
    Task<void> check_container(StoreView& view, ContainerId id) {
        const Container* container = view.container(id);
        References references;
        if (const auto& trouble = view.trouble(id)) report_.damage.push_back(trouble->detail());
        if (container != nullptr) {
            ++report_.containers;
            report_.log_entries += view.log(id)->next().number() - view.log(id)->first().number();
            for (const auto& segment : container->segments()) check_segment(id, *segment, references);
        }
        co_await check_objects(view.storage(), id, container, references);
    }

    // Every byte between start and end has a place.
    void check_segment(ContainerId id, const Segment& segment, References& references) {
        ++report_.segments;
        const auto complain = [&](std::int64_t offset, std::string_view what) {
            report_.damage.push_back("segment '" + segment.name + "' of container " + to_string(id) + ": at offset " +
                                     std::to_string(offset) + " " + std::string{what});
        };
        std::int64_t covered = segment.committed.start_offset;
        for (const TieredExtent& extent : segment.tiered.extents()) {
            references[extent.object].push_back({segment.key.number(), segment.name, extent});
            if (extent.end() <= covered) continue;
            if (extent.offset > covered) complain(covered, "bytes are nowhere");
            covered = extent.end();
        }
        if (covered < segment.committed.length && segment.extents.begin() > covered) complain(covered, "bytes are nowhere");
        if (segment.extents.end() < segment.committed.length) complain(segment.extents.end(), "bytes are nowhere");
    }

    Task<void> check_objects(storage::ObjectStorage& storage, ContainerId id, const Container* container, References& references) {
        const auto names = co_await storage.list(id);
        if (!names) {
            report_.damage.push_back(names.error().detail());
            co_return;
        }
        for (const storage::ObjectName& name : *names) {
            const ObjectId object{name.epoch, name.sequence};
            const Result<CheckedObject> checked = co_await check_object(storage, name);
            if (checked) {
                ++report_.objects;
                report_.object_bytes += checked->bytes;
                check_references(name, checked->footer, references);
            } else {
                report_.damage.push_back(checked.error().detail());
            }
            references.erase(object);
            if (container != nullptr && container->objects().find(object) == nullptr) {
                report_.remarks.push_back("object " + name.to_string() + " is left over: nothing refers to it");
            }
        }
        for (const auto& [object, missing] : references) {
            const storage::ObjectName name{id, object.epoch, object.sequence};
            report_.damage.push_back("object " + name.to_string() + " is missing; segment '" + missing.front().name +
                                     "' has bytes from offset " + std::to_string(missing.front().extent.offset) + " on in it");
        }
    }

    void check_references(storage::ObjectName name, const tiering::ObjectFooter& footer, const References& references) {
        const auto found = references.find({name.epoch, name.sequence});
        if (found == references.end()) return;
        for (const Reference& reference : found->second) {
            const TieredExtent& extent = reference.extent;
            const tiering::StoredExtent stored{reference.segment, extent.offset, extent.position, extent.length, extent.crc};
            // A footer has its extents by position.
            const auto at = std::lower_bound(footer.extents.begin(), footer.extents.end(), stored.position,
                                             [](const tiering::StoredExtent& one, std::uint64_t position) { return one.position < position; });
            if (at != footer.extents.end() && *at == stored) continue;
            report_.damage.push_back("object " + name.to_string() + " does not have the bytes of segment '" + reference.name +
                                     "' from offset " + std::to_string(extent.offset) + " at " +
                                     std::to_string(extent.position));
        }
    }

    // Without a journal that can be read nobody knows what should be there, but what is can be checked.
    Task<void> check_storage_alone() {
        auto storage = co_await storage::FileStorage::open(runtime_, place_.storage());
        if (!storage) {
            report_.damage.push_back(storage.error().detail());
            co_return;
        }
        const auto format = co_await segmentstore::read_store_format(runtime_, place_.data_directory);
        if (!format) co_return;  // already told
        References none;
        for (std::uint32_t number = 0; number < format->containers; ++number) {
            co_await check_objects(**storage, ContainerId{number}, nullptr, none);
        }
    }

    const Runtime runtime_;
    const StorePlace place_;
    VerifyReport report_;
};

}  // namespace

Task<VerifyReport> verify(Runtime runtime, StorePlace place) {
    Verification verification{runtime, std::move(place)};
    co_return co_await verification.run();
}

}  // namespace millrace::inspect
