// SPDX-License-Identifier: Apache-2.0
//
// Changes that happen together or not at all. Later ones win over earlier ones of the same batch.
// Thread rule: a value, of whoever holds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"

namespace millrace::keyvalue {

class WriteBatch {
public:
    enum class Kind : std::uint8_t { kPut, kRemove, kRemoveRange };

    void put(std::string_view key, std::string_view value) { add(Kind::kPut, key, value); }
    // Of a key that is not there: nothing.
    void remove(std::string_view key) { add(Kind::kRemove, key, {}); }
    // All keys in [begin, end); an empty `end` means to the last key. Nothing when the range is empty. Costs the same
    // whatever the number of keys.
    void remove_range(std::string_view begin, std::string_view end) {
        if (end.empty() || begin < end) add(Kind::kRemoveRange, begin, end);
    }
    // The other batch's changes after these.
    void append(const WriteBatch& other);

    bool empty() const { return entries_.empty(); }
    std::size_t count() const { return entries_.size(); }
    // Of keys and values.
    std::size_t bytes() const { return memory_.size(); }
    void clear() {
        entries_.clear();
        memory_.clear();
        key_bytes_most_ = 0;
        value_bytes_most_ = 0;
    }
    std::size_t key_bytes_most() const { return key_bytes_most_; }
    std::size_t value_bytes_most() const { return value_bytes_most_; }

    // visit(kind, key, value) in order; of a range the key is its begin and the value its end.
    template <class Visit>
    void for_each(Visit&& visit) const {
        std::size_t at = 0;
        const std::string_view memory = as_text(memory_.view());
        for (const Entry& entry : entries_) {
            visit(entry.kind, memory.substr(at, entry.key_bytes), memory.substr(at + entry.key_bytes, entry.value_bytes));
            at += std::size_t{entry.key_bytes} + entry.value_bytes;
        }
    }

private:
    struct Entry {
        Kind kind;
        std::uint32_t key_bytes;
        std::uint32_t value_bytes;
    };

    void add(Kind kind, std::string_view key, std::string_view value);

    std::vector<Entry> entries_;
    ByteBuffer memory_;  // key, value, key, value, ...
    std::size_t key_bytes_most_ = 0;
    std::size_t value_bytes_most_ = 0;
};

}  // namespace millrace::keyvalue
