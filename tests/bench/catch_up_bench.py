#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""catch_up_bench.py DIRECTORY: a reader that comes late. It reads GIGABYTES of cold data of one stream while 50 MB/s are written to another.

In each round a server (MILLRACE names the executable) starts anew on the same data, nothing of it in the page cache. Writing goes on alone for
some seconds, and then while the C++ client reads. Compares the reader with a direct sequential read, and the writes' p99 with that before:
the median over the seconds of each, in an open loop. Needs three times GIGABYTES on disk.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import threading

from bench_server import BenchServer, limits, measured
from figures import Figures
from harness import spawn, wait_for
from process import drop_from_page_cache

EVENT_BYTES = 10_000
WRITE_EVENT_BYTES = 1_000
WRITES_PER_SECOND = 50_000
# More than any run takes: the writer is ended when the reader is done.
WRITE_SECONDS_MAX = 3600


class Writer(threading.Thread):
    """Writes at a fixed rate until it is ended; what each second was like."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.seconds = []
        self.process = spawn(
            "bench", "write", server.stream("now", 4), "--events", str(WRITES_PER_SECOND * WRITE_SECONDS_MAX), "--size", str(WRITE_EVENT_BYTES),
            "--rate", str(WRITES_PER_SECOND), "--every", "1s", "--output", "json", controller=server.controller, stdout=subprocess.PIPE)
        self.start()

    def run(self):
        for line in self.process.stdout:
            self.seconds.append(json.loads(line))

    def wait_for_seconds(self, count):
        def enough():
            if self.process.poll() is not None:
                raise SystemExit("the writer ended early")
            return len(self.seconds) >= count
        wait_for(enough, f"second {count} of the writer")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.join()
        self.process.stdout.close()


def p99(seconds):
    # A second without an acknowledgement is the worst there is.
    return statistics.median(second["latency_us"]["p99"] if second["events"] else math.inf for second in seconds)


def one_round(server, directory, arguments, figures):
    server.start()
    drop_from_page_cache(server.directory)
    disk = limits(directory)["direct_read_mb_s"]
    writer = Writer(server)
    try:
        # The first second has connections to make.
        alone = 1 + arguments.alone_seconds
        writer.wait_for_seconds(alone)
        read = measured("bench", "read", "bench/old", controller=server.controller)
        # The second in which the reader began counts as the reader's, as far as it has any whole one.
        until = len(writer.seconds)
        writer.wait_for_seconds(alone + 1)
        before, during = writer.seconds[1:alone], writer.seconds[alone:max(until, alone + 1)]
    finally:
        writer.end()
    rate = read["bytes_per_second"] / 1e6
    figures.add("B9", "catch-up MB/s of a direct sequential read", rate / disk, at_least=0.9)
    figures.add("B9", "catch-up MB/s", rate)
    figures.add("B9", "us of client CPU per KB read", read["client_cpu_seconds"] / (read["events"] * EVENT_BYTES / 1e3) * 1e6)
    figures.add("B9", "write p99 while reading to before", p99(during) / p99(before), at_most=1.3)
    figures.add("B9", "write p99 before, us", p99(before))
    server.terminate()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--alone-seconds", type=int, default=10)
    parser.add_argument("--json", metavar="FILE", help="each round's figures go to its end, a line of JSON each")
    arguments = parser.parse_args()
    figures = Figures(arguments.json)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        server = BenchServer(os.path.join(directory, "data"), "--journal-total-bytes-max", "2GiB").start()
        try:
            print(f"writing {arguments.gigabytes} GB", flush=True)
            measured("bench", "write", server.stream("old", 1), "--events", str(int(arguments.gigabytes * 1e9 / EVENT_BYTES)), "--size",
                     str(EVENT_BYTES), controller=server.controller)
            server.terminate()
            for number in range(1, arguments.rounds + 1):
                print(f"round {number}", flush=True)
                one_round(server, directory, arguments, figures)
        finally:
            server.close()
    figures.summary()


if __name__ == "__main__":
    main()
