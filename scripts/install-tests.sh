#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what testing Millrace needs beyond building it: Java and Maven, for the client that users have, curl for the tour of
# the README, and the shells that complete commands. Runs as root or with sudo; does nothing when everything is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

"$root/scripts/install-build.sh"
install_packages "test packages" install-tests.log openjdk-17-jdk-headless maven curl zsh fish
