// SPDX-License-Identifier: Apache-2.0
#include "common/metadata/write_slots.h"

#include "common/metadata/tree_rules.h"

namespace millrace::metadata {

namespace {

std::string hexadecimal(std::uint64_t value, int digits) {
    std::string text;
    for (int i = digits - 1; i >= 0; --i) text.push_back("0123456789abcdef"[(value >> (4 * i)) & 0xF]);
    return text;
}

std::string slots_root() { return std::string{kReservedRoot} + "/writes"; }

// Sessions are spread, because a node has at most 1,000 children.
std::string slots_bucket(SessionId session) {
    return slots_root() + "/" + hexadecimal((session.number() * 0x9e3779b97f4a7c15u) >> 56, 2);
}

}  // namespace

std::vector<std::string> WriteSlots::parents(SessionId session) {
    return {std::string{kReservedRoot}, slots_root(), slots_bucket(session)};
}

std::string WriteSlots::path_of_slot(SessionId session, std::size_t slot) {
    return slots_bucket(session) + "/" + hexadecimal(session.number(), 16) + "-" + hexadecimal(slot, 2);
}

std::vector<Operation> WriteSlots::creation(SessionId session) {
    std::vector<Operation> operations;
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
        operations.emplace_back(Create{path_of_slot(session, slot), "", Lifetime::kEphemeral});
    }
    return operations;
}

WriteSlots::Slot* WriteSlots::find(Nonce nonce, Use use) {
    for (Slot& slot : slots_) {
        if (slot.use == use && slot.nonce == nonce) return &slot;
    }
    return nullptr;
}

std::size_t WriteSlots::pick() {
    std::size_t oldest = kSlots;
    for (std::size_t i = 0; i < kSlots; ++i) {
        if (slots_[i].use == Use::kFree) return i;
        if (slots_[i].use == Use::kUnsettled && (oldest == kSlots || slots_[i].since < slots_[oldest].since)) oldest = i;
    }
    MR_CHECK(oldest < kSlots);
    return oldest;
}

void WriteSlots::begin(Nonce nonce, std::vector<Operation>& operations) {
    MR_CHECK(!full());
    ++in_flight_;
    const std::size_t slot = pick();
    slots_[slot] = {Use::kInFlight, nonce, ++last_};
    operations.emplace_back(Set{path_of_slot(session_, slot), hexadecimal(nonce.number(), 16)});
}

void WriteSlots::ended(Nonce nonce) {
    Slot* const slot = find(nonce, Use::kInFlight);
    MR_CHECK(slot != nullptr);
    slot->use = Use::kFree;
    --in_flight_;
}

void WriteSlots::unknown(Nonce nonce) {
    Slot* const slot = find(nonce, Use::kInFlight);
    MR_CHECK(slot != nullptr);
    slot->use = Use::kUnsettled;
    --in_flight_;
}

std::optional<std::string> WriteSlots::where(Nonce nonce) const {
    for (std::size_t i = 0; i < kSlots; ++i) {
        if (slots_[i].use == Use::kUnsettled && slots_[i].nonce == nonce) return path_of_slot(session_, i);
    }
    return std::nullopt;
}

void WriteSlots::settled(Nonce nonce) {
    if (Slot* const slot = find(nonce, Use::kUnsettled)) slot->use = Use::kFree;
}

bool WriteSlots::tells_of(const std::string& value, Nonce nonce) { return value == hexadecimal(nonce.number(), 16); }

}  // namespace millrace::metadata
