// SPDX-License-Identifier: Apache-2.0
//
// A file's contents in memory: pages that were never written are zeros and cost nothing, copies
// share pages until one of them writes. Thread rule: one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "common/base/bytes.h"

namespace millrace::sim {

class SparseBytes {
public:
    static constexpr std::uint64_t kPageBytes = 4096;

    std::uint64_t size() const { return size_; }

    void resize(std::uint64_t size) {
        if (size < size_) zero(size, size_ - size);
        size_ = size;
    }

    // Extends as needed.
    void write(std::uint64_t offset, ByteView bytes) {
        size_ = std::max(size_, offset + bytes.size());
        while (!bytes.empty()) {
            const std::uint64_t in_page = offset % kPageBytes;
            const std::size_t length = std::min<std::uint64_t>(bytes.size(), kPageBytes - in_page);
            Page& page = own(offset / kPageBytes);
            std::memcpy(page.data() + in_page, bytes.data(), length);
            bytes = bytes.subspan(length);
            offset += length;
        }
    }

    void zero(std::uint64_t offset, std::uint64_t length) {
        size_ = std::max(size_, offset + length);
        while (length > 0) {
            const std::uint64_t in_page = offset % kPageBytes;
            const std::uint64_t piece = std::min(length, kPageBytes - in_page);
            if (piece == kPageBytes) {
                pages_.erase(offset / kPageBytes);
            } else if (pages_.contains(offset / kPageBytes)) {
                std::memset(own(offset / kPageBytes).data() + in_page, 0, piece);
            }
            offset += piece;
            length -= piece;
        }
    }

    // How much there was to read.
    std::size_t read(std::uint64_t offset, MutableByteView into) const {
        if (offset >= size_) return 0;
        const std::size_t total = std::min<std::uint64_t>(into.size(), size_ - offset);
        std::size_t done = 0;
        while (done < total) {
            const std::uint64_t in_page = offset % kPageBytes;
            const std::size_t piece = std::min<std::uint64_t>(total - done, kPageBytes - in_page);
            const auto page = pages_.find(offset / kPageBytes);
            if (page == pages_.end()) {
                std::memset(into.data() + done, 0, piece);
            } else {
                std::memcpy(into.data() + done, page->second->data() + in_page, piece);
            }
            done += piece;
            offset += piece;
        }
        return total;
    }

private:
    using Page = std::array<std::byte, kPageBytes>;

    Page& own(std::uint64_t number) {
        std::shared_ptr<Page>& page = pages_[number];
        if (page == nullptr) {
            page = std::make_shared<Page>();
            page->fill(std::byte{0});
        } else if (page.use_count() > 1) {
            page = std::make_shared<Page>(*page);
        }
        return *page;
    }

    std::uint64_t size_ = 0;
    std::map<std::uint64_t, std::shared_ptr<Page>> pages_;
};

}  // namespace millrace::sim
