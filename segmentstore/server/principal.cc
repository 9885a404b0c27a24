// SPDX-License-Identifier: Apache-2.0
#include "segmentstore/server/principal.h"

namespace millrace::segmentstore {

namespace {

class Anybody final : public Principal {
public:
    bool may(Permission, std::string_view) const override { return true; }
    std::optional<WallTime> expires() const override { return std::nullopt; }
};

class AcceptEverybody final : public TokenVerifier {
public:
    Result<std::shared_ptr<const Principal>> verify(std::string_view) const override { return anybody_; }

private:
    const std::shared_ptr<const Principal> anybody_ = std::make_shared<Anybody>();
};

}  // namespace

const TokenVerifier& accept_everybody() {
    static const AcceptEverybody everybody;
    return everybody;
}

}  // namespace millrace::segmentstore
