// SPDX-License-Identifier: Apache-2.0
//
// A DurableLog whose only replica is the local journal.
// Thread rule: the journal's executor.
#pragma once

#include "common/runtime/gate.h"
#include "segmentstore/log/durable_log.h"

namespace millrace::log {

class JournalImpl;
struct LogSlot;

class SingleLog final : public DurableLog {
public:
    // Both outlive this object.
    SingleLog(JournalImpl& journal, LogSlot& slot);

    Index first() const override;
    Index next() const override;
    OwnerEpoch epoch() const override { return epoch_; }
    Task<Result<Index>> append(std::vector<Bytes> body) override;
    Task<Result<Bytes>> read(Index index, std::size_t offset, std::size_t length) override;
    Task<Result<void>> truncate(Index first_needed, Bytes anchor) override;
    const Bytes& anchor() const override;
    Task<Result<void>> confirm_ownership() override;
    bool is_exclusive() const override { return true; }
    Task<void> close() override { return gate_.close(); }

private:
    JournalImpl& journal_;
    LogSlot& slot_;
    const OwnerEpoch epoch_;
    bool failed_ = false;
    Gate gate_;
};

}  // namespace millrace::log
