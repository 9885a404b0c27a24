#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the libraries that a built millrace needs to run, and nothing to build it with: for a
# machine that gets only the executable.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

packages=(
    ca-certificates
    libgrpc++1.51 libgrpc29 libprotobuf32
    librocksdb7.8
    libspdlog1.10 libfmt9 libre2-9
)
install_packages "runtime packages" install-runtime.log "${packages[@]}"
