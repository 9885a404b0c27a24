// SPDX-License-Identifier: Apache-2.0
//
// Bytes that will be sent once they have been put together. Taken as soon as Connection::room_to_prepare() completes;
// without it all who waited there would begin together.
// Thread rule: the shard's executor.
#pragma once

#include <cstddef>

#include "common/transport/connection_options.h"

namespace millrace::transport {

class SendReservation {
public:
    // `resources` may be null, and outlives this.
    SendReservation(ConnectionResources* resources, std::size_t bytes) : resources_{resources}, bytes_{bytes} {
        if (resources_ != nullptr) resources_->reserved_bytes += bytes_;
    }
    SendReservation(const SendReservation&) = delete;
    SendReservation& operator=(const SendReservation&) = delete;
    ~SendReservation() {
        if (resources_ != nullptr) resources_->change_unsent([this] { resources_->reserved_bytes -= bytes_; });
    }

private:
    ConnectionResources* const resources_;
    const std::size_t bytes_;
};

}  // namespace millrace::transport
