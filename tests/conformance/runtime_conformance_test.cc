// SPDX-License-Identifier: Apache-2.0
//
// Goal: code that was tried on the simulated disk and network meets nothing else on the real ones.
// Method: one suite per seam, run on both.
#include <stdlib.h>

#include <filesystem>

#include "common/runtime/asio/asio_runtime.h"
#include "common/runtime/asio/block_on.h"
#include "tests/conformance/disk_conformance.h"
#include "tests/conformance/network_conformance.h"
#include "tests/sim/world.h"

namespace millrace::conformance {
namespace {

// The kernel's disk and TCP on the loopback interface.
class RealHarness {
public:
    RealHarness() {
        std::string pattern = ::testing::TempDir() + "millrace_conformance_XXXXXX";
        MR_CHECK(::mkdtemp(pattern.data()) != nullptr);
        directory_ = pattern;
        runtime_.start_thread("shard");
    }
    ~RealHarness() { std::filesystem::remove_all(directory_); }

    Disk& disk() { return bundle_.disk; }
    std::string directory() const { return directory_; }
    Network& server() { return bundle_.network; }
    Network& client() { return bundle_.network; }
    std::string server_host() const { return "127.0.0.1"; }
    Clock& clock() { return bundle_.clock; }
    Executor executor() { return bundle_.executor; }
    template <class F>
    auto run(F start) {
        return block_on(runtime_.executor(), std::move(start));
    }

private:
    AsioRuntime runtime_;
    Runtime bundle_ = runtime_.bundle();
    std::string directory_;
};

class SimulatedHarness {
public:
    SimulatedHarness() {
        MR_CHECK(world_.run([this] { return server_.runtime().disk.create_directories("/data"); }).ok());
    }

    Disk& disk() { return server_.runtime().disk; }
    std::string directory() const { return "/data"; }
    Network& server() { return server_.runtime().network; }
    Network& client() { return client_.runtime().network; }
    std::string server_host() const { return "server"; }
    Clock& clock() { return server_.runtime().clock; }
    Executor executor() { return world_.executor(); }
    template <class F>
    auto run(F start) {
        return world_.run(std::move(start));
    }

private:
    sim::World world_{1};
    sim::Node& server_ = world_.add_node("server");
    sim::Node& client_ = world_.add_node("client");
};

INSTANTIATE_TYPED_TEST_SUITE_P(Real, DiskConformance, RealHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Simulated, DiskConformance, SimulatedHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Real, NetworkConformance, RealHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Simulated, NetworkConformance, SimulatedHarness);

}  // namespace
}  // namespace millrace::conformance
