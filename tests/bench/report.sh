#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# report.sh OUT_DIRECTORY [--rounds N] [--quick] [--work DIRECTORY] [SCENARIO...]: measures Millrace against what bounds it and against its
# peers on this machine, and writes figures.json, figures.md and plots (report.py says how). Builds what is measured, unless MILLRACE names an
# executable in a build directory. Installs gnuplot; the columns of Redis and of the Java client are there where these are.
set -euo pipefail
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$bench/../../scripts/packages.sh"

# Help and bad arguments are told before anything takes long.
case " $* " in *" -h "* | *" --help "*) exec python3 -B "$bench/report.py" --help ;; esac
python3 -B "$bench/report.py" --check "$@"
install_packages "report packages" install-report.log gnuplot-nox
if [[ -z ${MILLRACE:-} ]]; then
    "$root/scripts/build.sh" release millrace millrace_store_bench
    export MILLRACE=$root/build/release/bin/millrace
fi
exec python3 -B "$bench/report.py" "$@"
