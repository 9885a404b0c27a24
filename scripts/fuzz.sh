#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh MINUTES [ENTRY...]: builds the libFuzzer programs of tests/fuzz (address and undefined-behaviour
# sanitizers) and runs each for MINUTES, from the kept corpus and from what earlier runs found. A finding
# is written to build/fuzz/findings and ends with exit code 1; keep it below tests/fuzz/corpus when it is mended.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

minutes=${1:-}
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "fuzz.sh: say for how many minutes each fuzzer should run, such as: scripts/fuzz.sh 10"
shift
build=$root/build/fuzz
cmake --preset asan -S "$root" -B "$build" -DMILLRACE_FUZZ=ON >/dev/null
ninja -C "$build" millrace_fuzzers
entries=("$@")
if ((${#entries[@]} == 0)); then
    for program in "$build"/tests/fuzz/millrace_fuzz_*; do
        [[ -x $program && -f $program ]] && entries+=("${program##*/millrace_fuzz_}")
    done
fi
mkdir -p "$logs" "$build/findings"
failed=0
for entry in "${entries[@]}"; do
    program=$build/tests/fuzz/millrace_fuzz_$entry
    [[ -x $program ]] || die "fuzz.sh: there is no fuzzer '$entry'."
    log=$logs/fuzz-$entry.log
    mkdir -p "$build/corpus/$entry"
    if "$program" -max_total_time=$((60 * minutes)) -max_len=8192 -rss_limit_mb=1024 -malloc_limit_mb=64 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$entry-" "$build/corpus/$entry" "$root/tests/fuzz/corpus/$entry" >"$log" 2>&1; then
        say "$entry: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions," \
            "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1) edges covered, no finding"
    else
        tail -n 30 "$log" >&2
        say "$entry: FINDING (log: $log, input in $build/findings)"
        failed=1
    fi
done
exit "$failed"
