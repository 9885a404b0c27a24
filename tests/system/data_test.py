# SPDX-License-Identifier: Apache-2.0
"""Events in, events out: keys, positions, following, scaling, measuring."""

import json
import os
import re
import signal
import unittest

from harness import PATIENCE_S, SystemTest, run, spawn, wait_for


class DataTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.standalone = self.server()
        self.at = self.standalone.controller
        self.done(self.cli("scope", "create", "s"))
        self.done(self.cli("stream", "create", "s/t", "--segments", "4"))

    def cli(self, *arguments, stdin=b""):
        return run(*arguments, controller=self.at, stdin=stdin)

    def read(self, *options):
        return self.done(self.cli("read", "s/t", *options)).out

    def assert_keys_in_order(self, output, lines, key):
        """`output` has each numbered line of `lines` once, and each key's in order."""
        got = [line.split(b" ", 1) for line in output.splitlines()]
        self.assertEqual(sorted(int(number) for number, _ in got), list(range(1, len(lines) + 1)))
        last = {}
        for number, text in got:
            number = int(number)
            self.assertEqual(text, lines[number - 1])
            self.assertLess(last.get(key(text), 0), number)
            last[key(text)] = number

    def test_numbers_and_keys(self):
        lines = [b"line %d of user=%d" % (i, i * 7919 % 101) for i in range(20_000)]
        file = self.path("lines")
        with open(file, "wb") as out:
            out.write(b"\n".join(lines))  # the last without a newline
        result = self.done(self.cli("write", "s/t", file, "--key-regex", "user=([0-9]+)", "--number"))
        self.assertEqual(result.err, "acknowledged 20000 events\n")
        self.assert_keys_in_order(self.read(), lines, lambda text: text.rsplit(b"=", 1)[1])

    def test_one_key_keeps_everything_in_order(self):
        lines = b"".join(b"%d\n" % i for i in range(50_000))
        self.done(self.cli("write", "s/t", "--key", "", stdin=lines))
        self.assertEqual(self.read(), lines)

    def test_empty_events(self):
        self.done(self.cli("write", "s/t", "--key", "k", stdin=b"\n\nx\n\n"))
        self.assertEqual(self.read(), b"\n\nx\n\n")

    def test_without_a_key_all_segments_are_used(self):
        self.done(self.cli("write", "s/t", stdin=b"x\n" * 2000))
        described = json.loads(self.done(self.cli("stream", "describe", "s/t", "--output", "json")).out)
        self.assertTrue(all(segment["length"] > 0 for segment in described["segments"]), described)
        self.assertEqual(self.read(), b"x\n" * 2000)

    def test_positions(self):
        place = self.path("position")
        lines = [b"%d" % i for i in range(1000)]
        self.done(self.cli("write", "s/t", "--key-field", "1", stdin=b"\n".join(lines)))
        first = self.read("--count", "300", "--save-position", place)
        self.assertEqual(len(first.splitlines()), 300)
        with open(place) as file:
            position = file.read().strip()
        rest = self.read("--from", position)
        self.assertEqual(sorted(first.splitlines() + rest.splitlines()), sorted(lines))
        self.assertEqual(self.read("--from", "@" + place), rest)
        self.assertEqual(sorted(self.read("--until", "@" + place).splitlines()), sorted(first.splitlines()))
        self.assertEqual(self.read("--from", "tail", "--save-position", place), b"")
        self.assertEqual(self.read("--from", "@" + place), b"")
        self.done(self.cli("write", "s/t", "--key", "k", stdin=b"new\n"))
        self.assertEqual(self.read("--from", "@" + place), b"new\n")

    def test_json_events(self):
        self.done(self.cli("write", "s/t", "--key", "k", stdin="grüße\n".encode() + b"\xff\0\n"))
        events = [json.loads(line) for line in self.read("--output", "json").splitlines()]
        self.assertEqual(events[0]["payload"], "grüße")
        self.assertEqual(events[1]["payload_base64"], "/wA=")
        self.assertEqual(events[0]["segment"], events[1]["segment"])
        self.assertLess(events[0]["offset"], events[1]["offset"])

    def test_follow_sees_new_events_through_a_split_and_saves_where_it_stopped(self):
        place = self.path("position")
        reader = spawn("read", "s/t", "--follow", "--save-position", place, controller=self.at, stdout=-1)
        try:
            expected = []
            for step in range(3):
                lines = [b"%d" % (step * 100 + i) for i in range(100)]
                expected += lines
                self.done(self.cli("write", "s/t", "--key-field", "1", stdin=b"\n".join(lines)))
                got = [reader.stdout.readline().strip() for _ in range(100)]
                self.assertEqual(sorted(got), sorted(lines))
                if step == 0:
                    self.done(self.cli("stream", "scale", "s/t", "--seal", "0", "--ranges", "0-0.125,0.125-0.25"))
                if step == 1:
                    self.done(self.cli("stream", "scale", "s/t", "--seal", "2,3", "--ranges", "0.5-1"))
            reader.send_signal(signal.SIGINT)
            self.assertEqual(reader.wait(timeout=PATIENCE_S), 0)
        finally:
            if reader.poll() is None:
                reader.kill()
            reader.wait()
            reader.stdout.close()
        self.assertEqual(self.read("--from", "@" + place), b"")
        self.assertEqual(sorted(self.read().splitlines()), sorted(expected))

    def test_split_and_merge_while_writing(self):
        lines = [b"%d key-%d" % (i, i % 50) for i in range(60_000)]
        read_end, write_end = os.pipe()
        writer = spawn("write", "s/t", "--key-field", "2", "--number", controller=self.at, stdin=read_end, stderr=-1)
        os.close(read_end)
        try:
            with os.fdopen(write_end, "wb") as pipe:
                for i, line in enumerate(lines):
                    pipe.write(line + b"\n")
                    if i == 15_000:
                        result = self.cli("stream", "scale", "s/t", "--seal", "1", "--ranges", "0.25-0.3,0.3-0.5")
                        self.done(result)
                    if i == 30_000:
                        self.done(self.cli("stream", "scale", "s/t", "--seal", "2,3", "--ranges", "0.5-1.0"))
            self.assertEqual(writer.stderr.read(), b"acknowledged 60000 events\n")
            self.assertEqual(writer.wait(timeout=PATIENCE_S), 0)
        finally:
            if writer.poll() is None:
                writer.kill()
            writer.wait()
            writer.stderr.close()
        self.assert_keys_in_order(self.read(), lines, lambda text: text.split()[1])
        described = json.loads(self.done(self.cli("stream", "describe", "s/t", "--output", "json")).out)
        self.assertEqual(described["epoch"], 2)
        self.assertEqual([(s["min_key"], s["max_key"]) for s in described["segments"]],
                         [(0, 0.25), (0.25, 0.3), (0.3, 0.5), (0.5, 1.0)])

    def check_report(self, result, events, size, times=("latency_us",)):
        report = json.loads(self.done(result).out)
        self.assertEqual(set(report), {"events", "seconds", "events_per_second", "bytes_per_second", "client_cpu_seconds", *times})
        self.assertGreaterEqual(report["client_cpu_seconds"], 0)
        self.assertEqual(report["events"], events)
        self.assertGreater(report["seconds"], 0)
        self.assertAlmostEqual(report["events_per_second"] * size, report["bytes_per_second"],
                               delta=0.01 * report["bytes_per_second"] + 100)
        for time in times:
            self.assertEqual(list(report[time]), ["p50", "p95", "p99", "p999", "max"])
            self.assertEqual(list(report[time].values()), sorted(report[time].values()), report)
            self.assertGreater(report[time]["p50"], 0)
        return report

    def test_bench_write(self):
        self.check_report(self.cli("bench", "write", "s/t", "--events", "20000", "--size", "100", "--writers", "2", "--rate", "0",
                                   "--output", "json"), 20_000, 100)
        self.assertEqual(len(self.read().splitlines()), 20_000)
        report = self.check_report(self.cli("bench", "write", "s/t", "--events", "1000", "--size", "10", "--rate", "2000",
                                            "--output", "json"), 1_000, 10)
        # 1,000 events at 2,000 a second cannot take less than half a second.
        self.assertGreaterEqual(report["seconds"], 0.49)
        self.assertIn(b"events/s", self.done(self.cli("bench", "write", "s/t", "--events", "100", "--keys", "0")).out)

    def test_bench_write_tells_of_each_interval(self):
        *intervals, report = self.done(self.cli("bench", "write", "s/t", "--events", "1000", "--size", "10", "--rate", "2000", "--every", "100ms",
                                                "--output", "json")).out.splitlines()
        self.assertEqual(json.loads(report)["events"], 1_000)
        intervals = [json.loads(line) for line in intervals]
        self.assertGreaterEqual(len(intervals), 4)
        self.assertEqual(sum(one["events"] for one in intervals), 1_000)
        self.assertEqual([one["seconds"] for one in intervals[:4]], [0.1, 0.2, 0.3, 0.4])
        self.assertEqual(list(intervals[0]["latency_us"]), ["p50", "p95", "p99", "p999", "max"])

    def test_bench_latency(self):
        self.check_report(self.cli("bench", "latency", "s/t", "--events", "500", "--size", "100", "--output", "json"), 500, 100)
        self.check_report(self.cli("bench", "latency", "s/t", "--events", "300", "--size", "100", "--writers", "3", "--rate", "1000",
                                   "--output", "json"), 300, 100)
        self.assertEqual(len(self.read().splitlines()), 800)
        self.check_report(self.cli("bench", "latency", "s/t", "--events", "200", "--size", "100", "--end-to-end",
                                   "--output", "json"), 200, 100, times=("latency_us", "end_to_end_us"))

    def test_a_stalled_server_costs_a_writer_its_memory_and_no_more(self):
        lines = b"".join(b"%099d\n" % i for i in range(10_000))
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        writer = spawn("write", "s/t", "--key-field", "1", controller=self.at, stdin=read_end, stderr=-1)
        os.close(read_end)

        def peak_bytes():
            with open(f"/proc/{writer.pid}/status") as status:
                return int(re.search(r"^VmHWM:\s+(\d+) kB", status.read(), re.MULTILINE)[1]) * 1024

        def feed():
            try:
                for _ in range(64):
                    fed[0] += os.write(write_end, lines[fed[0] % len(lines):])
                    idle[0] = 0
            except BlockingIOError:
                idle[0] += 1
            return idle[0]

        fed, idle = [0], [0]
        try:
            wait_for(lambda: feed() >= 0 and fed[0] > 1 << 20, "the writer to take what it gets")
            wait_for(lambda: self.read("--count", "1"), "the first event to be there")
            self.standalone.process.send_signal(signal.SIGSTOP)
            # Nobody takes anything any more: what the writer has room for goes in, and then nothing for a while.
            wait_for(lambda: feed() > 200, "the writer to stop reading")
            peak = peak_bytes()
            self.assertGreater(fed[0], 32 << 20)
            self.assertLess(fed[0], 72 << 20)
            # Beside the events: the program itself, and the block that is being filled.
            self.assertLess(peak, (64 << 20) + (64 << 20))
            self.standalone.process.send_signal(signal.SIGCONT)
            stalled_at = fed[0]
            wait_for(lambda: feed() >= 0 and fed[0] > stalled_at, "the writer to read on")
        finally:
            self.standalone.process.send_signal(signal.SIGCONT)
            os.set_blocking(write_end, True)
            os.write(write_end, lines[fed[0] % len(lines):])
            os.close(write_end)
            told = writer.stderr.read()
            code = writer.wait(timeout=PATIENCE_S)
            writer.stderr.close()
        self.assertEqual(code, 0, told)
        total = -(-fed[0] // len(lines)) * len(lines) // 100
        self.assertEqual(told, b"acknowledged %d events\n" % total)

    def test_bench_read(self):
        self.done(self.cli("bench", "write", "s/t", "--events", "30000", "--size", "500", "--output", "json"))
        self.check_report(self.cli("bench", "read", "s/t", "--output", "json"), 30_000, 500, times=())
        self.check_report(self.cli("bench", "read", "s/t", "--events", "100", "--output", "json"), 100, 500, times=())
        few = self.cli("bench", "read", "s/t", "--events", "30001")
        self.assertEqual(few.code, 1)
        self.assertIn("only 30000 events", few.err)


if __name__ == "__main__":
    unittest.main()
