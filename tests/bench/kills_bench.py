#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kills_bench.py DIRECTORY: what kill -9 under load costs: events lost, doubled or out of order, as the kill loops of tests/system count them."""
import argparse
import os
import re
import subprocess
import sys

from figures import Figures

SYSTEM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system")
COUNTED = re.compile(r"\b(?:lost|doubled|reordered|damaged)=(\d+)")


def wrong_events(loop, kills, directory):
    """Over everything that the loop read. One that did not come to its end ends this program too."""
    done = subprocess.run([sys.executable, "-B", os.path.join(SYSTEM, loop + ".py"), str(kills)], stdout=subprocess.PIPE, text=True,
                          check=False, env={**os.environ, "TMPDIR": directory})
    print(done.stdout, end="", flush=True)
    counts = [int(count) for count in COUNTED.findall(done.stdout)]
    if not counts or (done.returncode != 0 and sum(counts) == 0):
        raise SystemExit(f"{loop} {kills} failed; it says why above")
    return sum(counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("--client-kills", type=int, default=30, help="under the C++ client, while segments split and merge")
    parser.add_argument("--raw-kills", type=int, default=70, help="under raw frames, in all kinds of moments")
    parser.add_argument("--json", metavar="FILE", help="figures go to its end, a line of JSON each")
    arguments = parser.parse_args()
    figures = Figures(arguments.json)
    for loop, kills, what in (("kill_loop", arguments.client_kills, "C++ client"), ("raw_kill_loop", arguments.raw_kills, "raw frames")):
        figures.add("B12", f"lost, doubled and reordered in {kills} kills, {what}", wrong_events(loop, kills, arguments.directory), at_most=0)


if __name__ == "__main__":
    main()
