// SPDX-License-Identifier: Apache-2.0
//
// A Millrace in this process, for tests: metadata store, segment store and controller on one shard,
// with a temporary directory that lives as long as the object. stop() and start() keep ports and
// data, as a restarted server does.
// Thread rule: the test's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/runtime/runtime.h"

namespace millrace::testing {

class LocalCluster {
public:
    LocalCluster();
    ~LocalCluster();

    // Test failures are reported by aborting: a test without its server means nothing.
    void start();
    void stop();

    // "127.0.0.1:port"; the same after a restart.
    std::string controller() const;

private:
    struct Server;

    std::string directory_;
    std::uint16_t controller_port_ = 0;
    std::uint16_t segment_store_port_ = 0;
    std::unique_ptr<Server> server_;
};

}  // namespace millrace::testing
