#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py OUT_DIRECTORY [SCENARIO...]: one run of the scenarios of docs/performance.md, as tables and plots.

Starts the measuring programs one after the other, each of which takes its servers in turns, and writes into OUT_DIRECTORY:

    figures.md      scenario, figure, median, spread, target, whether it is met
    figures.json    the same for programs, with the machine and the version
    samples.jsonl   every round's value, as it came
    *.svg           plots, where gnuplot is installed
    NAME.log        what each program printed

SCENARIO is a number such as B1; default all. --quick runs all in a tiny form, to try the report itself: its figures say nothing. What is
measured needs 30 GB of disk (--quick: 8), all of it below OUT_DIRECTORY or --work, and is removed at the end. A whole run takes some forty minutes, on
a machine that does nothing else. Run it as report.sh, which builds first, or with MILLRACE naming an executable in a build directory.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

from bench_server import MILLRACE, limits
import plots
from figures import read_samples, summed_up, verdict

HERE = os.path.dirname(os.path.abspath(__file__))
STORE_BENCH = os.path.join(os.path.dirname(os.path.abspath(MILLRACE)), "..", "tests", "bench", "millrace_store_bench")
GIGABYTE = 10**9
DISK_BYTES = 30 * GIGABYTE
QUICK_DISK_BYTES = 8 * GIGABYTE
ROUNDS_MIN = 5


class Part:
    """One measuring program."""

    def __init__(self, name, scenarios, program, whole=(), quick=(), rounds=True, needs=()):
        self.name = name
        self.scenarios = scenarios
        self.program = program
        self.whole = whole
        self.quick = quick
        self.rounds = rounds
        self.needs = needs

    def missing(self):
        return [tool for tool in self.needs if not shutil.which(tool)]

    def command(self, directory, samples, rounds, quick):
        command = [STORE_BENCH, MILLRACE] if self.program == "store" else [sys.executable, "-B", os.path.join(HERE, self.program + ".py")]
        command += [directory, "--json", samples, *(self.quick if quick else self.whole)]
        return command + (["--rounds", str(rounds)] if self.rounds else [])


def store(name, scenario, whole=(), quick=()):
    return Part(name, [scenario], "store", (*whole, name), ("--seconds", "1", "--bulk-seconds", "2", "--journal-mib", "256", *quick, name))


def client(name, scenario, quick=()):
    return Part("client-" + name, [scenario], "client_bench", (name,), (*quick, name))


PARTS = [
    store("rate", "B1", quick=("--shape", "one event")),
    client("rate", "B1", quick=("--events", "500000")),
    store("lone", "B2"),
    client("lone", "B2"),
    Part("java", ["B1", "B2", "B8"], "java_bench", (), ("--events", "200000", "--lone-events", "1000"), needs=("java", "mvn")),
    store("closed", "B3"),
    client("closed", "B3", quick=("--closed-events", "50000")),
    store("bulk", "B4", whole=("--bulk-seconds", "30")),
    client("bulk", "B4", quick=("--bulk-gb", "0.5")),
    store("connections", "B7", whole=("--seconds", "5")),
    client("tail", "B8"),
    store("fan_out", "B8"),
    Part("catch_up", ["B9"], "catch_up_bench", (), ("--gigabytes", "0.5", "--alone-seconds", "2")),
    Part("kills", ["B12"], "kills_bench", (), ("--client-kills", "1", "--raw-kills", "2"), rounds=False),
    store("ready", "B12", whole=("--log-mib", "1024"), quick=("--log-mib", "64")),
    store("cost", "B13", whole=("--bulk-seconds", "30")),
    client("cost", "B13", quick=("--events", "500000", "--cost-seconds", "1")),
]
SCENARIOS = sorted({scenario for part in PARTS for scenario in part.scenarios}, key=lambda name: int(name[1:]))


def parse():
    parser = argparse.ArgumentParser(prog="report.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT_DIRECTORY", help="new or empty")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=" ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, help=f"at least {ROUNDS_MIN}, unless --quick; default {ROUNDS_MIN}, with --quick 1")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--work", metavar="DIRECTORY", help="on the disk that is measured; default OUT_DIRECTORY")
    parser.add_argument("--check", action="store_true", help="only look whether arguments and disk are right")
    arguments = parser.parse_intermixed_args()
    if unknown := set(arguments.scenarios) - set(SCENARIOS):
        parser.error(f"no scenario '{unknown.pop()}'; there are {', '.join(SCENARIOS)}")
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.quick else ROUNDS_MIN
    if arguments.rounds < (1 if arguments.quick else ROUNDS_MIN):
        parser.error(f"--rounds {arguments.rounds}: medians need at least {ROUNDS_MIN} rounds")
    if os.path.exists(arguments.out) and (not os.path.isdir(arguments.out) or os.listdir(arguments.out)):
        parser.error(f"'{arguments.out}' exists and is not an empty directory")
    if arguments.work and not os.path.isdir(arguments.work):
        parser.error(f"--work '{arguments.work}' is not a directory")
    try:
        os.makedirs(arguments.out, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot make '{arguments.out}': {error.strerror}")
    arguments.work = arguments.work or arguments.out
    needed = QUICK_DISK_BYTES if arguments.quick else DISK_BYTES
    free = shutil.disk_usage(arguments.work).free
    if free < needed:
        parser.error(f"'{arguments.work}' has {free // GIGABYTE} GB free; this needs {needed // GIGABYTE} GB there")
    if not arguments.check:
        for program in (MILLRACE, STORE_BENCH):
            if not os.access(program, os.X_OK):
                parser.error(f"there is no program {os.path.normpath(program)}; build millrace and millrace_store_bench first")
    return arguments


def run_part(part, arguments, directory, samples):
    """Why it has no figures, or None."""
    if missing := part.missing():
        return f"{part.name}: left out, because {' and '.join(missing)} are not installed"
    begin = time.monotonic()
    sampled = os.path.getsize(samples)
    print(f"{part.name} ...", end="", flush=True)
    log_path = os.path.join(arguments.out, part.name + ".log")
    with open(log_path, "wb") as log:
        done = subprocess.run(part.command(directory, samples, arguments.rounds, arguments.quick), stdout=log, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False)
    print(f" {time.monotonic() - begin:.0f} s", flush=True)
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    if done.returncode != 0:
        # Some of its rounds are no medians; they are in its log.
        os.truncate(samples, sampled)
        return f"{part.name}: FAILED with exit code {done.returncode}, see {part.name}.log"
    return None


def machine(directory):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory_kib = int(file.readline().split()[1])
    return {"processors": os.cpu_count(), "model": models[0] if models else platform.machine(), "memory_gib": round(memory_kib / 1024**2, 1),
            "kernel": platform.release(), "limits": limits(directory)}


def number(value):
    if value and abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def target_text(target):
    return next((f"{bound.replace('_', ' ')} {value:g}" for bound, value in target.items()), "")


def markdown(report):
    where = report["machine"]
    lines = [f"{report['version']}, {report['date']}: {where['processors']} processors ({where['model']}), {where['memory_gib']} GiB, "
             f"Linux {where['kernel']}; {report['rounds']} rounds." + (" A quick run: its figures say nothing." if report["quick"] else ""), "",
             "| scenario | figure | median | spread | target | |", "| --- | --- | --- | --- | --- | --- |"]
    for figure in report["figures"]:
        spread = f"{number(figure['least'])} to {number(figure['most'])}" if figure["rounds"] > 1 else ""
        lines.append(f"| {figure['scenario']} | {figure['figure']} | {number(figure['median'])} | {spread} | {target_text(figure['target'])} | "
                     f"{verdict(figure['met'])} |")
    lines += ["", "What the machine gives:", "", "| limit | figure |", "| --- | --- |"]
    lines += [f"| {name} | {value:,} |" for name, value in where["limits"].items()]
    if report["notes"]:
        lines += [""] + [f"- {note}" for note in report["notes"]]
    return "\n".join(lines) + "\n"


def main():
    arguments = parse()
    if arguments.check:
        return 0
    samples = os.path.join(os.path.abspath(arguments.out), "samples.jsonl")
    notes = [] if shutil.which("redis-server") else ["Redis is not installed: the figures against it are left out"]
    for note in notes:
        print(note, flush=True)
    with open(samples, "w", encoding="utf-8"), tempfile.TemporaryDirectory(dir=arguments.work, prefix="report-") as directory:
        version = subprocess.run([MILLRACE, "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
        report = {"version": version, "date": datetime.date.today().isoformat(), "quick": arguments.quick, "rounds": arguments.rounds,
                  "machine": machine(directory)}
        for part in PARTS:
            if arguments.scenarios and not set(arguments.scenarios) & set(part.scenarios):
                continue
            if note := run_part(part, arguments, directory, samples):
                print(note, flush=True)
                notes.append(note)
    figures = summed_up(read_samples(samples))
    if arguments.scenarios:
        figures = [figure for figure in figures if figure["scenario"] in arguments.scenarios]
    report.update(notes=notes, figures=figures)
    if not plots.plot_report(report, arguments.out):
        notes.append("gnuplot is not installed: there are no plots")
        print(notes[-1], flush=True)
    with open(os.path.join(arguments.out, "figures.json"), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    with open(os.path.join(arguments.out, "figures.md"), "w", encoding="utf-8") as file:
        file.write(markdown(report))
    missed = sum(1 for figure in figures if figure["met"] is False)
    print(f"{len(figures)} figures, {sum(1 for figure in figures if figure['met'])} targets met and {missed} missed: {arguments.out}/figures.md")
    return 1 if any("FAILED" in note for note in notes) else 0


if __name__ == "__main__":
    sys.exit(main())
