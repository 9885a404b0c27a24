#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which unlikely places did simulations reach?

probes.py FILE...   sums files that programs wrote under MILLRACE_PROBES, prints a line per probe, and names the
                    declared ones that were never reached (exit 1 with --strict if there are any)
probes.py --check   looks only whether each MR_PROBE and MR_RARE name is well formed and belongs to one place
"""
import argparse
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ("cli", "client", "common", "controller", "segmentstore", "tests")
SITE = re.compile(r'\bMR_(PROBE|RARE)\(\s*"([^"]*)"')
NAME = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")


def declared():
    """{name: [(kind, "file:line"), ...]} over the tree; tests of the macros themselves left out."""
    sites = collections.defaultdict(list)
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix not in (".h", ".cc") or path.name in ("rare.h", "seeded_run_test.cc"):
                continue
            text = path.read_text(encoding="utf-8")
            for match in SITE.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                sites[match.group(2)].append((match.group(1), f"{path.relative_to(ROOT)}:{line}"))
    return sites


def check(sites):
    wrong = []
    for name, places in sorted(sites.items()):
        where = ", ".join(place for _, place in places)
        if not NAME.match(name):
            wrong.append(f'"{name}" is not <room>.<what>: {where}')
        if len(places) > 1:
            wrong.append(f'"{name}" belongs to several places: {where}')
    return wrong


def sums(files):
    counts = collections.Counter()
    for file in files:
        for number, line in enumerate(pathlib.Path(file).read_text(encoding="utf-8").splitlines(), 1):
            name, _, count = line.rpartition(" ")
            if not name or not count.isdigit():
                sys.exit(f"probes.py: {file}:{number}: not '<name> <count>': {line}")
            counts[name] += int(count)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a declared probe was never reached")
    parser.add_argument("--only", default="", metavar="PREFIX", help="names that begin so, e.g. sim.")
    options = parser.parse_args()
    sites = declared()
    wrong = check(sites)
    if options.check:
        print("\n".join(wrong) or f"{len(sites)} names, each of one place")
        return 1 if wrong else 0
    if not options.files:
        parser.error("no files")
    counts = sums(options.files)
    for name in sorted(counts):
        if name.startswith(options.only):
            print(f"{counts[name]:>12}  {name}")
    wanted = [name for name in sorted(sites) if name.startswith(options.only)]
    missed = [name for name in wanted if counts[name] == 0]
    for name in missed:
        print(f"never reached: {name} ({sites[name][0][1]})")
    print(f"{len(wanted) - len(missed)} of {len(wanted)} declared were reached")
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
