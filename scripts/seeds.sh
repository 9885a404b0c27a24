#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# seeds.sh [COUNT]: runs the simulated crashes and torn writes of journal and container for COUNT seeds
# each (default 2,000; test.sh runs a slice). A failure prints the command that replays its seed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

count=${1:-2000}
[[ $count =~ ^[1-9][0-9]*$ ]] || die "seeds.sh: '$count' is not a number of seeds."
programs=(segmentstore/log/millrace_log_sim_test segmentstore/container/millrace_container_sim_test)
"$root/scripts/build.sh" release "${programs[@]##*/}"
mkdir -p "$logs"
failed=0
for program in "${programs[@]}"; do
    begin=$SECONDS
    log=$logs/${program##*/}.log
    if MILLRACE_SEEDS=$count "$root/build/release/$program" >"$log" 2>&1; then
        say "${program##*/}: $(grep -c '^\[       OK \]' "$log") cases passed in $((SECONDS - begin)) s"
    else
        grep -E '^replay:|^\[  FAILED  \]' "$log" | sort -u | head -n 20 >&2 || tail -n 20 "$log" >&2
        say "${program##*/}: FAILED after $((SECONDS - begin)) s (log: $log)"
        failed=1
    fi
done
exit "$failed"
