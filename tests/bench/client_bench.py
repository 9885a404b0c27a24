#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""client_bench.py DIRECTORY [SCENARIO...]: how fast the C++ client is, as ratios of neighbours in the same round.

Runs `millrace bench` and `millrace write` (MILLRACE names the executable) against a standalone server with its data below DIRECTORY and
against a null server that has a controller. Prints each round, then median and spread. Scenarios, default all:

    rate      one writer, one segment, events of 100 B as fast as it goes, against the null server
    lone      one event of 100 B under way, against a sync and a ping-pong
    closed    500 writers with one event of 100 B under way each, against the null server
    bulk      events of 10 KB and of 1 MB to 16 segments, against half of a direct write, while long-term storage takes them on the same disk
    cost      the server's CPU per event of 100 B and per MB of 1 KB at half the rate
    tail      how much later than its acknowledgement an event is read, one at a time
    read      events of 1 KB, from the store's memory and from its disk
    lines     `millrace write` of a file of short lines

Needs some 8 GB of disk, and --bulk-gb beside its journal of 2 GiB.
"""
import argparse
import os
import shutil
import tempfile

from bench_server import BenchServer, NullServer, limits, measured
from figures import Figures
from process import cpu_seconds


CLOSED_WRITERS = 500
BULK_SEGMENTS = 16
BULK_JOURNAL = 2 * 1024**3


class ClientBench:
    def __init__(self, arguments, directory, figures):
        self.events = arguments.events
        self.closed_events = arguments.closed_events
        self.bulk_bytes = arguments.bulk_gb * 1e9
        self.cost_seconds = arguments.cost_seconds
        self.lines_mb = arguments.lines_mb
        self.old_events = arguments.old_events
        self.directory = directory
        self.figures = figures
        self.server = BenchServer(os.path.join(directory, "data")).start()
        self.bulk_server = BenchServer(os.path.join(directory, "bulk"), "--journal-total-bytes-max", str(BULK_JOURNAL))
        self.null = NullServer()
        self.lines_path = os.path.join(directory, "lines")

    def close(self):
        self.null.close()
        self.server.close()
        self.bulk_server.close()

    def turns(self, number):
        """Who is first changes, so that nobody profits from the others' warm machine."""
        return (self.server, self.null) if number % 2 else (self.null, self.server)

    def rate(self, number):
        done = {}
        for server in self.turns(number):
            stream = server.stream("rate", 1)
            before = cpu_seconds(server.process.pid)
            report = measured("bench", "write", stream, "--events", str(self.events), "--size", "100", controller=server.controller)
            report["server_cpu_seconds"] = cpu_seconds(server.process.pid) - before
            done[server] = report
        of_store, of_null = done[self.server], done[self.null]
        add = self.figures.add
        add("B1", "million e/s, C++ client", of_store["events_per_second"] / 1e6, at_least=1.0)
        add("B1", "million e/s of the null server, C++ client", of_null["events_per_second"] / 1e6)
        add("B1", "e/s of the null server's, C++ client", of_store["events_per_second"] / of_null["events_per_second"], at_least=0.6)
        add("B1", "us of server CPU per event, C++ client", of_store["server_cpu_seconds"] / self.events * 1e6)
        add("B1", "us of client CPU per event, C++ client", of_store["client_cpu_seconds"] / self.events * 1e6)

    def lone(self, _):
        bounds = limits(self.directory)
        stream = self.server.stream("lone", 1)
        times = measured("bench", "latency", stream, "--events", "3000", "--size", "100", controller=self.server.controller)["latency_us"]
        ping = bounds["ping_pong_p50_us"]
        add = self.figures.add
        add("B2", "append p50 of sync and ping-pong, C++ client", times["p50"] / (bounds["fdatasync_4k_p50_us"] + ping), at_most=1.25)
        add("B2", "append p99 of sync and ping-pong, C++ client", times["p99"] / (bounds["fdatasync_4k_p99_us"] + ping), at_most=1.5)
        add("B2", "append p50, us, C++ client", times["p50"])
        add("B2", "append p99, us, C++ client", times["p99"])

    def closed(self, number):
        done = {}
        for server in self.turns(number):
            stream = server.stream("closed", 1)
            before = cpu_seconds(server.process.pid)
            done[server] = measured("bench", "latency", stream, "--writers", str(CLOSED_WRITERS), "--events", str(self.closed_events),
                                    "--size", "100", controller=server.controller)
            done[server]["server_us"] = (cpu_seconds(server.process.pid) - before) / self.closed_events * 1e6
        of_store, of_null = done[self.server], done[self.null]
        add = self.figures.add
        add("B3", "thousand e/s, C++ client", of_store["events_per_second"] / 1e3)
        add("B3", "e/s of the null server's, C++ client", of_store["events_per_second"] / of_null["events_per_second"], at_least=0.6)
        add("B3", "append p50, times the null server's, C++ client", of_store["latency_us"]["p50"] / of_null["latency_us"]["p50"], at_most=1.7)
        add("B3", "append p50, us, C++ client", of_store["latency_us"]["p50"])
        add("B3", "append p99, us, C++ client", of_store["latency_us"]["p99"])
        add("B3", "us of server CPU per event, C++ client", of_store["server_us"])
        add("B3", "us of client CPU per event, C++ client", of_store["client_cpu_seconds"] / self.closed_events * 1e6)

    def bulk(self, _):
        for size, name in ((10_000, "10 KB"), (1_000_000, "1 MB")):
            disk = limits(self.directory)["direct_write_mb_s"]
            server = self.bulk_server.start()
            stream = server.stream("bulk", BULK_SEGMENTS)
            # Through all files of the journal first, so that none is made while the time counts.
            self.written(server, stream, BULK_JOURNAL, size)
            before = cpu_seconds(server.process.pid)
            report = self.written(server, stream, self.bulk_bytes, size)
            cpu = cpu_seconds(server.process.pid) - before
            server.terminate()
            shutil.rmtree(server.directory)
            megabytes = report["bytes_per_second"] * report["seconds"] / 1e6
            add = self.figures.add
            add("B4", f"MB/s of half the disk's, events of {name}, C++ client", report["bytes_per_second"] / 1e6 / (disk / 2), at_least=0.8)
            add("B4", f"MB/s, events of {name}, C++ client", report["bytes_per_second"] / 1e6)
            add("B4", f"ms of server CPU per MB, events of {name}, C++ client", cpu * 1e3 / megabytes)
            add("B4", f"ms of client CPU per MB, events of {name}, C++ client", report["client_cpu_seconds"] * 1e3 / megabytes)

    @staticmethod
    def written(server, stream, amount, size, *options):
        return measured("bench", "write", stream, "--events", str(max(1, int(amount / size))), "--size", str(size), *options,
                        controller=server.controller)

    def cost(self, _):
        server = self.server
        for size, name, target in ((100, "us of server CPU per event of 100 B", 1.0), (1_000, "ms of server CPU per MB, events of 1 KB", 3)):
            stream = server.stream("cost", 1)
            rate = self.written(server, stream, self.events * 100, size)["events_per_second"] / 2
            before = cpu_seconds(server.process.pid)
            self.written(server, stream, rate * self.cost_seconds * size, size, "--rate", str(rate))
            per_event = (cpu_seconds(server.process.pid) - before) / (rate * self.cost_seconds)
            # us of an event; of one of 1 KB these are also ms of a MB.
            self.figures.add("B13", f"{name}, C++ client", per_event * 1e6, at_most=target)

    def tail(self, _):
        bounds = limits(self.directory)
        stream = self.server.stream("tail", 1)
        times = measured("bench", "latency", stream, "--end-to-end", "--events", "3000", "--size", "100", controller=self.server.controller)
        later = times["end_to_end_us"]["p50"] - times["latency_us"]["p50"]
        self.figures.add("B8", "end to end p50 less acknowledgement p50, us, C++ client", later)
        self.figures.add("B8", "end to end p50 less acknowledgement p50, in ping-pongs, C++ client", later / bounds["ping_pong_p50_us"], at_most=2)

    def prepare_read(self):
        measured("bench", "write", self.server.stream("old", 1), "--events", str(self.old_events + self.old_events // 2), "--size", "1000",
                 controller=self.server.controller)
        # The one that finds it all does not have it in memory.
        self.server.terminate()
        self.server.start()

    def read(self, _):
        measured("bench", "write", self.server.stream("fresh", 1), "--events", "150000", "--size", "1000", controller=self.server.controller)
        fresh = measured("bench", "read", "bench/fresh", controller=self.server.controller)
        self.figures.add("reads", "MB/s from memory", fresh["bytes_per_second"] / 1e6, at_least=400)
        old = measured("bench", "read", "bench/old", "--events", str(self.old_events), controller=self.server.controller)
        bounds = limits(self.directory)
        self.figures.add("reads", "MB/s from disk", old["bytes_per_second"] / 1e6)
        self.figures.add("reads", "MB/s from disk, of a direct sequential read", old["bytes_per_second"] / 1e6 / bounds["direct_read_mb_s"],
                         at_least=0.7)

    def prepare_lines(self):
        block = "".join(f"{i % 1000} the quick brown fox jumps over {i}\n" for i in range(100_000))
        with open(self.lines_path, "w", encoding="ascii") as file:
            while file.tell() < self.lines_mb * 1_000_000:
                file.write(block)

    def lines(self, _):
        self.server.stream("lines", 4)
        for options in ([], ["--key-field", "1", "--number"]):
            done = measured("write", "bench/lines", self.lines_path, *options, controller=self.server.controller)
            self.figures.add("lines", "MB/s of a file of short lines" + (", keyed and numbered" if options else ""),
                             done["bytes"] / done["seconds"] / 1e6, at_least=150)


def main():
    scenarios = ("rate", "lone", "closed", "bulk", "cost", "tail", "read", "lines")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(scenarios))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=6_000_000, help="of rate")
    parser.add_argument("--closed-events", type=int, default=300_000)
    parser.add_argument("--bulk-gb", type=float, default=8)
    parser.add_argument("--cost-seconds", type=float, default=3)
    parser.add_argument("--old-events", type=int, default=1_000_000, help="of 1 KB, that read finds on disk")
    parser.add_argument("--lines-mb", type=int, default=1000)
    parser.add_argument("--json", metavar="FILE", help="each round's figures go to its end, a line of JSON each")
    arguments = parser.parse_intermixed_args()
    if unknown := set(arguments.scenarios) - set(scenarios):
        parser.error(f"no scenario '{unknown.pop()}'; there are {', '.join(scenarios)}")
    wanted = [name for name in scenarios if name in arguments.scenarios or not arguments.scenarios]
    figures = Figures(arguments.json)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        bench = ClientBench(arguments, directory, figures)
        try:
            for name in wanted:
                getattr(bench, "prepare_" + name, lambda: None)()
            for number in range(1, arguments.rounds + 1):
                print(f"round {number}", flush=True)
                for name in wanted:
                    getattr(bench, name)(number)
        finally:
            bench.close()
    figures.summary()


if __name__ == "__main__":
    main()
