#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test.sh [PART...]: installs what tests need, builds, and runs the tests. Parts, in this order:
#   install  packages
#   asan     unit, simulation and conformance tests below the command line with the address and undefined-behaviour sanitizers
#   tsan     tests of the rooms with threads, with the thread sanitizer
#   release  all tests, system tests included, as shipped
# Without PART all of them. Exits with 0 only when every part passed; the last lines are ctest's.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

parts=("$@")
((${#parts[@]} > 0)) || parts=(install asan tsan release)
for part in "${parts[@]}"; do
    case $part in
    install | asan | tsan | release) ;;
    *) die "test.sh: '$part' is not a part; they are install, asan, tsan and release." ;;
    esac
done
jobs=$(nproc)
failed=()

wanted() { [[ " ${parts[*]} " == *" $1 "* ]]; }
# What a part may take from scratch on two cores, in minutes. Reported, not enforced: machines are shared.
declare -A budget=([install]=3 [asan]=9 [tsan]=3 ["release build"]=12 ["release tests"]=10)
# part NAME COMMAND...: runs it, says how long it took, remembers a failure and goes on.
part() {
    local name=$1 begin=$SECONDS
    shift
    say "== $name"
    if "$@"; then
        say "== $name: passed in $((SECONDS - begin)) s (budget $((60 * ${budget[$name]})) s)"
    else
        failed+=("$name")
        say "== $name: FAILED after $((SECONDS - begin)) s"
    fi
}
# Names of the test programs of a build directory that match a pattern.
test_programs() { ninja -C "$root/build/$1" -t targets all | sed -n 's/^\(millrace_[a-z_]*_test\): phony$/\1/p' | grep -E "$2"; }
run_ctest() {
    local preset=$1
    shift
    ctest --test-dir "$root/build/$preset" --output-on-failure --no-tests=error -j "$jobs" "$@"
}

# Code that meets threads: the runtime on the kernel, and what lets other threads in.
threaded='^millrace_(runtime|runtime_asio|transport|telemetry|rpc|rpc_grpc|client|endtoend)_test$'

if wanted install; then part "install" "$root/scripts/install-tests.sh"; fi
if wanted asan; then
    # The undefined-behaviour sanitizer opens a pipe to find out whether memory can be read; where a test
    # leaves no descriptors, that fails and good objects look bad. The other parts run that test.
    without_descriptors='TooManyOpenFilesConcernsOneConnectionOnly'
    # They ask for much of the schedule and little of the memory; the release part runs them.
    long='SimEndToEndRun.MeetsWhatItIsThereFor|OwnersWorkloadTest.ReachesEveryGap|CrashImages.KeepThePromises|^model\.log'
    asan() {
        # Building nothing of it still configures it, which is what makes the list of programs.
        "$root/scripts/build.sh" asan millrace_base || return 1
        local -a programs
        # Not the command line, a seventh of the build: what it decodes is decoded by the rooms below.
        mapfile -t programs < <(test_programs asan . | grep -vxE 'millrace_(cli|endtoend)_test')
        "$root/scripts/build.sh" asan "${programs[@]}" millrace_log_model millrace_check_history &&
            run_ctest asan -L 'unit|sim|conformance' -E "$without_descriptors|$long"
    }
    part "asan" asan
fi
if wanted tsan; then
    tsan() {
        # Building nothing of it still configures it, which is what makes the list of programs.
        "$root/scripts/build.sh" tsan millrace_base || return 1
        local -a programs
        mapfile -t programs < <(test_programs tsan "$threaded")
        "$root/scripts/build.sh" tsan "${programs[@]}" && run_ctest tsan -L 'unit|system' -E '^(system|history)\.'
    }
    part "tsan" tsan
fi
if wanted release; then
    part "release build" "$root/scripts/build.sh" release
    ((${#failed[@]} == 0)) || say "== failed so far: ${failed[*]}"
    say "== release tests"
    [[ " ${failed[*]} " == *" release build "* ]] || run_ctest release || failed+=("release tests")
fi
((${#failed[@]} == 0))
