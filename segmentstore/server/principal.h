// SPDX-License-Identifier: Apache-2.0
//
// On whose behalf requests come: what stands behind the delegation token that each of them carries.
// Thread rule: any thread; implementations are immutable.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "common/base/result.h"
#include "common/model/permission.h"
#include "common/runtime/clock.h"

namespace millrace::segmentstore {

class Principal {
public:
    virtual ~Principal() = default;
    virtual bool may(Permission permission, std::string_view segment) const = 0;
    // Until when that holds; empty: for ever.
    virtual std::optional<WallTime> expires() const = 0;
};

class TokenVerifier {
public:
    virtual ~TokenVerifier() = default;
    // Whom `token` stands for, expired or not. Clients send an empty one where the controller gave them none.
    // Errors: kUnauthenticated; its detail never shows the token.
    virtual Result<std::shared_ptr<const Principal>> verify(std::string_view token) const = 0;
};

// Security is off: every token stands for somebody who may do everything.
const TokenVerifier& accept_everybody();

}  // namespace millrace::segmentstore
