#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# seeds.sh [COUNT [PROGRAM...]]: runs the simulated workloads for COUNT seeds each (default 2,000; ctest runs a slice):
# log and container (crashes and torn writes of journal and container), owners (a container whose owners replace each other while
# they live), echo (every fault that the simulator has), endtoend (client, controller and segment store; 10,000 seeds take some minutes).
# A failure prints the command that replays its seed. MILLRACE_FIRST_SEED=n begins elsewhere. At the end: what it took in
# core-hours, and which unlikely places were reached (probes.py).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

count=${1:-2000}
[[ $count =~ ^[1-9][0-9]*$ ]] || die "seeds.sh: '$count' is not a number of seeds."
shift || true
declare -A known=([log]=segmentstore/log/millrace_log_sim_test
    [container]=segmentstore/container/millrace_container_sim_test
    [owners]=segmentstore/container/millrace_container_owners_test [echo]=tests/sim/echo/millrace_sim_echo_test
    [endtoend]=tests/endtoend/sim/millrace_sim_endtoend_test)
wanted=("$@")
((${#wanted[@]} > 0)) || wanted=(log container owners echo endtoend)
programs=()
for name in "${wanted[@]}"; do
    [[ -n ${known[$name]:-} ]] || die "seeds.sh: '$name' is no workload; there are log, container, owners, echo and endtoend."
    programs+=("${known[$name]}")
done
"$root/scripts/build.sh" release "${programs[@]##*/}"
mkdir -p "$logs"
export MILLRACE_PROBES=$logs/probes
rm -f "$MILLRACE_PROBES"
failed=0
TIMEFORMAT='%U %S'
core_seconds=0
for program in "${programs[@]}"; do
    begin=$SECONDS
    log=$logs/${program##*/}.log
    status=0
    cpu=$({ time MILLRACE_SEEDS=$count nice "$root/build/release/$program" --gtest_filter='Seeds/*' >"$log" 2>&1; } 2>&1) || status=1
    core_seconds=$(awk -v before="$core_seconds" '{ print before + $1 + $2 }' <<<"${cpu##*$'\n'}")
    if ((status == 0)); then
        say "${program##*/}: $(grep -c '^\[       OK \]' "$log") cases passed in $((SECONDS - begin)) s"
    else
        grep -E '^replay:|^\[  FAILED  \]' "$log" | sort -u | head -n 20 >&2 || tail -n 20 "$log" >&2
        say "${program##*/}: FAILED after $((SECONDS - begin)) s (log: $log)"
        failed=1
    fi
done
say "$(awk -v seconds="$core_seconds" 'BEGIN { printf "%.2f core-hours", seconds / 3600 }')"
if [[ -s $MILLRACE_PROBES ]]; then
    "$root/scripts/probes.py" "$MILLRACE_PROBES" >"$logs/probes.txt"
    say "$(tail -n 1 "$logs/probes.txt") (counts: $logs/probes.txt)"
fi
exit "$failed"
