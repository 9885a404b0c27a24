// SPDX-License-Identifier: Apache-2.0
#include "client/reader/prefetch.h"

#include <utility>

namespace millrace::client {

Prefetch::ReadPtr Prefetch::take(std::int64_t offset) {
    if (reads_.empty()) return nullptr;
    if (reads_.front()->offset != offset) {
        reads_.clear();
        return nullptr;
    }
    ReadPtr read = std::move(reads_.front());
    reads_.pop_front();
    return read;
}

Prefetch::ReadPtr Prefetch::ask(std::int64_t offset, std::int64_t length) {
    ++under_way_;
    return reads_.emplace_back(std::make_shared<Read>(offset, length));
}

void Prefetch::answer(Read& read, Result<wire::Message> reply) {
    --under_way_;
    read.reply.set(std::move(reply));
}

}  // namespace millrace::client
