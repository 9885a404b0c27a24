#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what building and testing Millrace needs, from Debian 12's own archive. Runs as root or
# with sudo; does nothing when everything is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

packages=(
    # The compiler, its sanitizers' runtime and symbolizer, and g++ for libstdc++ 12.
    clang-19 libclang-rt-19-dev llvm-19 g++
    mold ccache ninja-build cmake pkg-config ca-certificates
    libboost1.81-dev
    libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler
    librocksdb-dev
    libspdlog-dev libcli11-dev nlohmann-json3-dev libre2-dev
    libgtest-dev libgmock-dev
    # The system tests.
    python3
)
install_packages "build packages" install-build.log "${packages[@]}"
