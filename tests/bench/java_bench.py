#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""java_bench.py DIRECTORY: the same of the unmodified Java client as client_bench.py of ours: rate, lone and tail.

Runs java/ against a standalone server (MILLRACE names the executable) with its data below DIRECTORY and against a null server that has a
controller. Needs Java and Maven, and some 4 GB of disk.
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile

from bench_server import MILLRACE, BenchServer, NullServer, limits
import maven  # after bench_server, which knows where it is
from figures import Figures
from process import cpu_seconds

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("JAVA_BENCH_BUILD", os.path.join(os.path.dirname(os.path.abspath(MILLRACE)), "..", "java-bench"))
RUN_S = 600


class JavaBench:
    def __init__(self, arguments, directory, figures):
        self.arguments = arguments
        self.directory = directory
        self.figures = figures
        self.classpath = maven.build(os.path.join(HERE, "java"), BUILD)
        self.server = BenchServer(os.path.join(directory, "data")).start()
        self.null = NullServer()

    def close(self):
        self.null.close()
        self.server.close()

    def java(self, server, what, events):
        scope, stream = server.stream("java-" + what, 1).split("/")
        done = subprocess.run(
            ["java", "-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", self.classpath, "millrace.bench.Main",
             f"tcp://{server.controller}", what, scope, stream, str(events)], capture_output=True, text=True, timeout=RUN_S, check=False)
        if done.returncode != 0:
            raise SystemExit(f"the Java client failed at {what}: {done.stderr[-4000:]}")
        return json.loads(done.stdout)

    def rate(self, number):
        events = self.arguments.events
        done = {}
        for server in (self.server, self.null) if number % 2 else (self.null, self.server):
            before = cpu_seconds(server.process.pid)
            done[server] = self.java(server, "rate", events)
            # A fifth came before, to warm up.
            done[server]["server_us"] = (cpu_seconds(server.process.pid) - before) / (1.2 * events) * 1e6
        of_store, of_null = done[self.server], done[self.null]
        add = self.figures.add
        add("B1", "million e/s, Java client", of_store["events_per_second"] / 1e6)
        add("B1", "million e/s of the null server, Java client", of_null["events_per_second"] / 1e6)
        add("B1", "e/s of the null server's, Java client", of_store["events_per_second"] / of_null["events_per_second"], at_least=0.6)
        add("B1", "us of server CPU per event, Java client", of_store["server_us"])
        add("B1", "us of client CPU per event, Java client", of_store["client_cpu_seconds"] / events * 1e6)

    def lone(self, _):
        bounds = limits(self.directory)
        times = self.java(self.server, "lone", self.arguments.lone_events)["latency_us"]
        of_null = self.java(self.null, "lone", self.arguments.lone_events)["latency_us"]
        add = self.figures.add
        add("B2", "append p50 of sync and ping-pong, Java client", times["p50"] / (bounds["fdatasync_4k_p50_us"] + bounds["ping_pong_p50_us"]))
        add("B2", "append p50, us, Java client", times["p50"])
        add("B2", "append p99, us, Java client", times["p99"])
        add("B2", "append p50 at the null server, us, Java client", of_null["p50"])

    def tail(self, _):
        bounds = limits(self.directory)
        times = self.java(self.server, "tail", self.arguments.lone_events)
        later = times["end_to_end_us"]["p50"] - times["latency_us"]["p50"]
        self.figures.add("B8", "end to end p50, us, Java client", times["end_to_end_us"]["p50"])
        self.figures.add("B8", "end to end p50 less acknowledgement p50, in ping-pongs, Java client", later / bounds["ping_pong_p50_us"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=2_000_000, help="of rate")
    parser.add_argument("--lone-events", type=int, default=5_000, help="of lone and tail")
    parser.add_argument("--json", metavar="FILE", help="each round's figures go to its end, a line of JSON each")
    arguments = parser.parse_args()
    for tool in ("java", "mvn"):
        if not shutil.which(tool):
            parser.error(f"{tool} is not installed; scripts/install-tests.sh installs it")
    figures = Figures(arguments.json)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        bench = JavaBench(arguments, directory, figures)
        try:
            for number in range(1, arguments.rounds + 1):
                print(f"round {number}", flush=True)
                for scenario in (bench.rate, bench.lone, bench.tail):
                    scenario(number)
        finally:
            bench.close()
    figures.summary()


if __name__ == "__main__":
    main()
