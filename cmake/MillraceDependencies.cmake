# SPDX-License-Identifier: Apache-2.0
#
# Libraries from Debian 12 (scripts/install-build.sh installs them). Protobuf's module comes before
# gRPC's package, which would otherwise look for a package that Debian does not ship.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(RocksDB CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(GTest REQUIRED)
find_package(Boost 1.81 REQUIRED)
