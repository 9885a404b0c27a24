#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""client_bench.py DIRECTORY [--rounds N] [--lines-mb N]: how fast the C++ client is, as ratios of neighbours in the same round.

Runs `millrace bench` and `millrace write` (MILLRACE names the executable) against a standalone server with its data below DIRECTORY and
against a null server that has a controller. Prints each round, then median and spread. Needs some 8 GB of disk.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
from harness import MILLRACE, Server, run  # noqa: E402

EVENTS = 6_000_000


def measured(*arguments, controller=None):
    result = run(*arguments, "--output", "json", controller=controller, timeout=600)
    if result.code != 0:
        raise SystemExit(f"millrace {' '.join(arguments)}: {result}")
    return json.loads(result.out)


class Figures:
    """Samples by name, printed as they come and summed up at the end."""

    def __init__(self):
        self.samples = {}

    def add(self, name, value):
        print(f"  {name}: {value:.2f}", flush=True)
        self.samples.setdefault(name, []).append(value)

    def summary(self):
        for name, samples in self.samples.items():
            print(f"{name}: median {statistics.median(samples):.2f} ({min(samples):.2f} to {max(samples):.2f})")


def null_server():
    process = subprocess.Popen([MILLRACE, "bench", "null-server", "--controller-port", "0"], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().split("controller=")[1].split()[0]


def rate(figures, server, null):
    """One writer, one segment, events of 100 B as fast as it goes."""
    server.stream("rate", 1)
    of_null = measured("bench", "write", "any/stream", "--events", str(EVENTS), "--size", "100", controller=null)
    of_store = measured("bench", "write", "bench/rate", "--events", str(EVENTS), "--size", "100", controller=server.controller)
    figures.add("rate, million events a second", of_store["events_per_second"] / 1e6)
    figures.add("rate, of the null server's", of_store["events_per_second"] / of_null["events_per_second"])
    figures.add("rate, us of client CPU per event", of_store["client_cpu_seconds"] / EVENTS * 1e6)


def tail(figures, server, directory):
    """How much later than its acknowledgement an event is read, one at a time."""
    server.stream("tail", 1)
    times = measured("bench", "latency", "bench/tail", "--end-to-end", "--events", "3000", "--size", "100", controller=server.controller)
    limits = measured("bench", "limits", "--dir", directory)
    later = times["end_to_end_us"]["p50"] - times["latency_us"]["p50"]
    figures.add("tail, end to end less acknowledgement, us", later)
    figures.add("tail, the same in ping-pongs", later / limits["ping_pong_p50_us"])


def read_back(figures, server, directory):
    """Events of 1 KB: fresh ones from memory, old ones from disk, where a server that was started anew finds them all."""
    server.stream("fresh", 1)
    measured("bench", "write", "bench/fresh", "--events", "150000", "--size", "1000", controller=server.controller)
    fresh = measured("bench", "read", "bench/fresh", controller=server.controller)
    figures.add("read from memory, MB/s", fresh["bytes_per_second"] / 1e6)
    old = measured("bench", "read", "bench/old", "--events", "1000000", controller=server.controller)
    limits = measured("bench", "limits", "--dir", directory)
    figures.add("read from disk, MB/s", old["bytes_per_second"] / 1e6)
    figures.add("read from disk, of a direct sequential read", old["bytes_per_second"] / 1e6 / limits["direct_read_mb_s"])


def write_lines(figures, server, lines):
    server.stream("lines", 4)
    for options in ([], ["--key-field", "1", "--number"]):
        done = measured("write", "bench/lines", lines, *options, controller=server.controller)
        figures.add("write of a file of short lines" + (", keyed and numbered" if options else "") + ", MB/s",
                    done["bytes"] / done["seconds"] / 1e6)


class BenchServer(Server):
    def stream(self, name, segments):
        """A new one in each round: what the last left is deleted."""
        for arguments in (["seal", f"bench/{name}"], ["delete", f"bench/{name}"]):
            run("stream", *arguments, controller=self.controller)
        measured("stream", "create", f"bench/{name}", "--segments", str(segments), controller=self.controller)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines-mb", type=int, default=1000)
    arguments = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        lines = os.path.join(directory, "lines")
        block = "".join(f"{i % 1000} the quick brown fox jumps over {i}\n" for i in range(100_000))
        with open(lines, "w", encoding="ascii") as file:
            while file.tell() < arguments.lines_mb * 1_000_000:
                file.write(block)
        server = BenchServer(os.path.join(directory, "data")).start()
        null, null_controller = null_server()
        try:
            measured("scope", "create", "bench", controller=server.controller)
            server.stream("old", 1)
            measured("bench", "write", "bench/old", "--events", "1500000", "--size", "1000", controller=server.controller)
            server.terminate()
            server.start()
            for number in range(1, arguments.rounds + 1):
                print(f"round {number}", flush=True)
                rate(figures, server, null_controller)
                tail(figures, server, directory)
                read_back(figures, server, directory)
                write_lines(figures, server, lines)
        finally:
            null.terminate()
            null.wait()
            null.stdout.close()
            server.close()
    figures.summary()


if __name__ == "__main__":
    main()
