#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [release|asan|tsan|dev] [TARGET...]: configures and builds into build/<preset>; the
# executable is build/<preset>/bin/millrace. Without targets everything is built, tests included.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

preset=${1:-release}
shift || true
case $preset in
release | asan | tsan | dev) ;;
*) die "build.sh: '$preset' is not a preset; it can be release, asan, tsan or dev." ;;
esac
for tool in cmake ninja clang++-19 mold; do
    command -v "$tool" >/dev/null || die "build.sh: $tool is not installed; run scripts/install-build.sh first."
done

mkdir -p "$logs"
log=$logs/build-$preset.log
begin=$SECONDS
cd "$root"
if ! cmake --preset "$preset" >"$log" 2>&1; then
    grep -A6 'CMake Error' "$log" >&2 || tail -n 20 "$log" >&2
    die "build.sh: configuring $preset failed (log: $log). Usually a package is missing: run scripts/install-build.sh. \
After a change of compiler remove build/$preset first."
fi

# Ninja's own lines go to the log; of its progress every twentieth part is shown. (Not with awk:
# Debian's reads a pipe in large blocks.)
show_progress() {
    local line step last=
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
        step=$((BASH_REMATCH[1] * 20 / BASH_REMATCH[2]))
        [[ $step == "$last" ]] || say "  ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} steps, $((SECONDS - begin)) s"
        last=$step
    done
}
if ! NINJA_STATUS='[%f/%t] ' ninja -C "build/$preset" "$@" 2>&1 | show_progress; then
    grep -E -A12 '^FAILED|error:' "$log" | head -n 40 >&2 || true
    die "build.sh: building $preset failed after $((SECONDS - begin)) s (log: $log). If the compiler was killed, memory ran \
out: try 'ninja -j1 -C build/$preset'. Otherwise the first error above is the place to look."
fi
say "build.sh: $preset built in $((SECONDS - begin)) s"
