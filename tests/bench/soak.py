#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""soak.py OUT_DIRECTORY [--minutes 20] [-- SERVER_OPTION...]: a server under half load for long: what grows, and what gets slower?

A standalone server (MILLRACE names the executable) with long-term storage takes events of 1 KB with keys into a stream that keeps between
--keep-at-least and --keep-at-most bytes. First a short run finds out how fast one client is as it lasts; then it writes at half of that, or at
--rate, in an open loop, while a reader follows the tail. Once a second goes into OUT_DIRECTORY/soak.csv what the process holds, what the directory
takes, what was acknowledged in that second and how long that took, and some of the server's metrics. Afterwards soak.svg shows it, and soak.json
and the last lines say how much the last three quarters climbed and how the last quarter's p99.9 compares with the first's.

Data lies below OUT_DIRECTORY, or --work, and is removed at the end. Needs 30 GB of disk there: what is kept, the journal, and what comes between
two looks at the retention policy. When less than --keep-free GB are left, the soak ends early and says so.
"""
import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from bench_server import BenchServer, measured
import plots
import process
from harness import spawn

EVENT_BYTES = 1_000
SEGMENTS = 4
GIGABYTE = 10**9
DISK_BYTES = 30 * GIGABYTE
# What the server says of itself, each summed over its labels.
METRICS = ("millrace_segmentstore_cache_bytes", "millrace_segmentstore_admitted_bytes", "millrace_segmentstore_untiered_bytes",
           "millrace_segmentstore_tiered_bytes_total", "millrace_segmentstore_appends_braked_total", "millrace_segmentstore_receive_memory_bytes",
           "millrace_segmentstore_unsent_bytes", "millrace_log_journal_files_count", "millrace_log_journal_batches_total")
QUANTILES = ("p50", "p99", "p999", "max")


class Load:
    """Writes in an open loop and reads at the tail. What each second was like, as the writer tells it."""

    def __init__(self, server, stream, rate, seconds, log):
        self.seconds = []
        self.reader = spawn("read", stream, "--from", "tail", "--follow", controller=server.controller, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=log)
        self.writer = spawn("bench", "write", stream, "--events", str(int(rate * seconds)), "--size", str(EVENT_BYTES), "--rate", str(rate),
                            "--every", "1s", "--output", "json", controller=server.controller, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=log)
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        for line in self.writer.stdout:
            self.seconds.append(json.loads(line))

    def ended(self):
        """Why the load is over, or None."""
        if self.reader.poll() is not None:
            return f"the reader ended with exit code {self.reader.returncode}"
        if self.writer.poll() is not None:
            return "done" if self.writer.returncode == 0 else f"the writer ended with exit code {self.writer.returncode}"
        return None

    def close(self):
        for each in (self.writer, self.reader):
            if each.poll() is None:
                each.kill()
            each.wait()
        self.thread.join()
        self.writer.stdout.close()


def scraped(server):
    """The server's metrics by name, summed over their labels."""
    values = dict.fromkeys(METRICS, 0.0)
    for line in server.get("/metrics")[1].splitlines():
        name, _, value = line.rpartition(" ")
        name = name.split("{", 1)[0]
        if name in values:
            values[name] += float(value)
    return values


def observed(server):
    pid = server.process.pid
    # Journal and long-term storage, by the names that they have in the data directory.
    return {**process.status(pid), "cpu_seconds": process.cpu_seconds(pid),
            "storage_bytes": process.disk_bytes(os.path.join(server.directory, "storage")), "all_bytes": process.disk_bytes(server.directory),
            **scraped(server)}


def observe(server, load, keep_free):
    """A row each second until the load is over. Rows, and why it ended."""
    rows = []
    begin = time.monotonic()
    while True:
        due = begin + len(rows) + 1
        time.sleep(max(0, due - time.monotonic()))
        if server.process.poll() is not None:
            return rows, f"the server ended with exit code {server.process.returncode}"
        if ended := load.ended():
            return rows, ended
        rows.append({"second": len(rows) + 1, **observed(server)})
        if shutil.disk_usage(server.directory).free < keep_free * GIGABYTE:
            return rows, f"less than {keep_free} GB were left on the disk: size retention does not keep up, or is off"


def joined(rows, seconds):
    """The observations with the writer's seconds beside them; both began within one."""
    table = []
    for row, second in zip(rows, seconds):
        if "latency_us" not in second or "events_per_second" in second:  # the report at the end
            break
        row = dict(row)
        row["journal_bytes"] = max(0, row.pop("all_bytes") - row["storage_bytes"])
        row["events"] = second["events"]
        row.update({name + "_us": second["latency_us"][name] for name in QUANTILES})
        table.append(row)
    return table


def calibrated(server, seconds):
    """Events a second of one client that writes as fast as it goes, behind a first part that fills what can be filled."""
    stream = server.stream("calibration", SEGMENTS)
    short = measured("bench", "write", stream, "--events", "200000", "--size", str(EVENT_BYTES), controller=server.controller)
    events = int(short["events_per_second"] * seconds)
    rate = measured("bench", "write", stream, "--events", str(events), "--size", str(EVENT_BYTES), controller=server.controller)["events_per_second"]
    server.stream("calibration", 1)  # its bytes go
    return rate


def slope(values):
    """By least squares, per step."""
    middle = (len(values) - 1) / 2
    mean = statistics.fmean(values)
    return sum((i - middle) * (value - mean) for i, value in enumerate(values)) / sum((i - middle) ** 2 for i in range(len(values)))


def judged(table):
    """How much the last three quarters climbed, and the last quarter's latency against the first's."""
    quarter = len(table) // 4
    late = table[quarter:]
    climbs = {}
    for name in ("resident_bytes", "descriptors", "threads", "journal_bytes", "storage_bytes"):
        values = [row[name] for row in late]
        climbs[name] = {"median": statistics.median(values), "least": min(values), "most": max(values), "slope_per_minute": slope(values) * 60}
    times = {}
    for name in ("p50_us", "p99_us", "p999_us"):
        # Seconds without events have no latency; they are counted apart.
        first, last = (statistics.median([row[name] for row in part if row["events"]] or [0]) for part in (table[:quarter], table[-quarter:]))
        times[name] = {"first_quarter": first, "last_quarter": last, "ratio": last / first if first else None,
                       "worst_second": max(row[name] for row in table)}
    events = [row["events"] for row in table]
    return {"seconds": len(table), "events": sum(events), "events_per_second": statistics.fmean(events),
            "seconds_without_events": events.count(0), "climbs": climbs, "times": times}


def told(verdict):
    print(f"{verdict['seconds']} s, {verdict['events']:,} events acknowledged, {verdict['events_per_second']:,.0f} a second; "
          f"{verdict['seconds_without_events']} seconds without any")
    for name, climb in verdict["climbs"].items():
        scale, unit = (1e6, " MB") if name.endswith("bytes") else (1, "")
        median, least, most = (f"{climb[which] / scale:,.1f}" for which in ("median", "least", "most"))
        print(f"{name.replace('_', ' ')}: median {median}{unit} ({least} to {most}), "
              f"climbs {climb['slope_per_minute'] / scale:+,.2f}{unit} a minute over the last three quarters")
    for name, time_ in verdict["times"].items():
        ratio = "" if time_["ratio"] is None else f", {time_['ratio']:.2f} times"
        print(f"{name.removesuffix('_us').replace('p999', 'p99.9')}: median of its seconds {time_['first_quarter']:,.0f} us in the first quarter and "
              f"{time_['last_quarter']:,.0f} us in the last{ratio}; worst second {time_['worst_second']:,.0f} us")


def plotted(table, path, title):
    rows = [[row["second"], row["resident_bytes"] / 1e6, row["millrace_segmentstore_cache_bytes"] / 1e6, row["descriptors"], row["threads"],
             row["journal_bytes"] / 1e9, row["storage_bytes"] / 1e9, row["events"] / 1e3, row["p50_us"] / 1e3, row["p99_us"] / 1e3,
             row["p999_us"] / 1e3] for row in table]
    panels = [("memory, MB", "", [("resident", 2), ("cache", 3)]), ("count", "", [("file descriptors", 4), ("threads", 5)]),
              ("disk, GB", "", [("journal and metadata", 6), ("long-term storage", 7)]), ("thousand events a second", "", [("acknowledged", 8)]),
              ("ms", "set logscale y\nset yrange [*:*]\n", [("p50", 9), ("p99", 10), ("p99.9", 11)])]
    script = (plots.block("soak", rows) + f"set multiplot layout {len(panels)},1 title {plots.quoted(title)}\n"
              "set key outside right\nset rmargin 26\nset lmargin 10\n")
    for label, more, lines in panels:
        drawn = ", ".join(f"$soak using 1:{column} with lines lw 1.2 lc rgb {plots.quoted(plots.COLOURS[i])} title {plots.quoted(name)}"
                          for i, (name, column) in enumerate(lines))
        script += f"set yrange [0:*]\n{more}set ylabel {plots.quoted(label)}\nplot {drawn}\n"
    return plots.gnuplot(path, script + "unset multiplot\n", width=1100, height=1300)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT_DIRECTORY")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, help="events a second; default half of what one client reaches")
    parser.add_argument("--calibration-seconds", type=float, default=10)
    parser.add_argument("--keep-at-least", default="2GiB")
    parser.add_argument("--keep-at-most", default="8GiB")
    parser.add_argument("--keep-free", type=float, default=10, metavar="GB")
    parser.add_argument("--work", metavar="DIRECTORY", help="for the data; default OUT_DIRECTORY")
    # What is behind -- is millrace standalone's.
    own, options = (sys.argv[1:], []) if "--" not in sys.argv else (sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:])
    arguments = parser.parse_args(own)
    # Between two looks at the policy there comes more than it keeps, at the default period.
    period = [] if "--retention-period-seconds" in options else ["--retention-period-seconds", "10s"]
    arguments.server_options = [*period, *options]
    if arguments.minutes * 60 < 8:
        parser.error("--minutes: quarters need some seconds")
    if arguments.rate is not None and arguments.rate <= 0:
        parser.error("--rate: more than 0")
    os.makedirs(arguments.out, exist_ok=True)
    arguments.work = arguments.work or arguments.out
    free = shutil.disk_usage(arguments.work).free
    if free < DISK_BYTES:
        parser.error(f"'{arguments.work}' has {free // GIGABYTE} GB free; this needs {DISK_BYTES // GIGABYTE} GB there")
    return arguments


def main():
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.work, prefix="soak-") as directory, \
            open(os.path.join(arguments.out, "clients.log"), "wb") as log:
        server = BenchServer(os.path.join(directory, "data"), "--journal-total-bytes-max", "2GiB", *arguments.server_options)
        load = None
        try:
            server.start()
            rate = arguments.rate or calibrated(server, arguments.calibration_seconds) / 2
            print(f"{rate:,.0f} events of {EVENT_BYTES} B a second for {arguments.minutes:g} minutes", flush=True)
            stream = server.stream("soak", SEGMENTS, "--retention", "size", "--keep-at-least", arguments.keep_at_least,
                                   "--keep-at-most", arguments.keep_at_most)
            load = Load(server, stream, rate, arguments.minutes * 60, log)
            rows, why = observe(server, load, arguments.keep_free)
        finally:
            if load:
                load.close()
            server.close()
            shutil.copy(server.log_path, os.path.join(arguments.out, "server.log"))
    table = joined(rows, load.seconds)
    print(f"ended: {why}")
    if len(table) < 8:
        print("that is too short to say anything; see clients.log and server.log")
        return 1
    with open(os.path.join(arguments.out, "soak.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table)
    verdict = {"ended": why, "rate": rate, **judged(table)}
    with open(os.path.join(arguments.out, "soak.json"), "w", encoding="utf-8") as file:
        json.dump(verdict, file, indent=1)
    told(verdict)
    title = f"{rate / 1e3:,.0f} thousand events of 1 KB a second, half load, keeping {arguments.keep_at_least} to {arguments.keep_at_most}"
    if not plotted(table, os.path.join(arguments.out, "soak.svg"), title):
        print("gnuplot is not installed: there is no plot")
    return 0 if why == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
