#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# crash_images.sh [COUNT [FIRST]]: makes journal directories as crashes and bad disks leave them, starts on each, and sees
# whether every promise was kept or the damage was named (tests/crash). COUNT images (default 100,000; 0: all there are) of
# all classes, from the FIRST on; the same ones each time. Prints counts by class and core-seconds; a broken promise is
# printed with the command that tries its image again, and ends with exit code 1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

count=${1:-100000}
first=${2:-0}
[[ $count =~ ^[0-9]+$ && $first =~ ^[0-9]+$ ]] || die "crash_images.sh: say how many images, such as: scripts/crash_images.sh 100000"
"$root/scripts/build.sh" release millrace_crash_images
exec nice "$root/build/release/tests/crash/millrace_crash_images" "$count" "$first"
