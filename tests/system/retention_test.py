# SPDX-License-Identifier: Apache-2.0
"""Streams that the server truncates by itself."""

import json
import os
import re
import unittest

from harness import SystemTest, run, wait_for
from tiering_test import bytes_below

KIB = 1024
OPTIONS = ("--retention-period-seconds", "1s", "--tiering-window-bytes", "64KiB", "--tiering-age-max-seconds", "1s")


class RetentionTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.at = self.server(*OPTIONS)
        self.cli("scope", "create", "s")

    def cli(self, *arguments, stdin=b""):
        return self.done(run(*arguments, controller=self.at.controller, stdin=stdin))

    def write(self, stream, numbers):
        self.cli("write", stream, stdin=b"".join(b"%06d %s\n" % (number, b"x" * 1000) for number in numbers))

    def numbers(self, *arguments):
        return sorted(int(line.split()[0]) for line in self.cli("read", *arguments).out.splitlines())

    def left(self, stream):
        """Bytes between head and tail."""
        segments = json.loads(self.cli("stream", "describe", stream, "--output", "json").out)["segments"]
        return sum(segment["length"] - segment["start_offset"] for segment in segments)

    def metric(self, name):
        return float(re.search(rf"^millrace_controller_retention_{name} (\S+)$", self.at.get("/metrics")[1], re.MULTILINE)[1])

    def test_by_size(self):
        for stream in ("s/kept", "s/whole"):
            self.cli("stream", "create", stream, "--segments", "2")
            self.write(stream, range(8000))
        storage = os.path.join(self.at.directory, "storage")
        wait_for(lambda: bytes_below(storage) > 15_000 * KIB, "everything to be in long-term storage")
        everything = bytes_below(storage)
        self.cli("read", "s/kept", "--count", "10", "--save-position", self.path("early"))
        self.cli("stream", "update", "s/kept", "--retention", "size", "--keep-at-least", "256KiB")
        wait_for(lambda: self.metric("cuts_total") >= 1, "a first place to truncate at")
        self.assertEqual(self.numbers("s/kept"), list(range(8000)), "nothing was written behind it")

        self.write("s/kept", range(8000, 8400))
        wait_for(lambda: self.left("s/kept") < 500 * KIB, "the head to move")
        self.assertGreaterEqual(self.left("s/kept"), 256 * KIB)
        wait_for(lambda: bytes_below(storage) < everything - 6000 * KIB, "the space to be given back")
        # From the head, and from a place that is gone. Another truncation may come in between.
        there = self.numbers("s/kept")
        self.assertEqual(there[-1], 8399)
        self.assertGreaterEqual(len(there), 256)
        self.assertLess(len(there), 500)
        result = self.done(run("read", "s/kept", "--from", "@" + self.path("early"), controller=self.at.controller))
        self.assertIn("going on at the oldest event there is", result.err)
        early = {int(line.split()[0]) for line in result.out.splitlines()}
        self.assertGreaterEqual(len(early), 256)
        self.assertLessEqual(early, set(there))
        # Nobody asked for this one.
        self.assertEqual(self.numbers("s/whole"), list(range(8000)))
        self.assertEqual(self.metric("failures_total"), 0)

        # What was truncated stays so after a kill, and it goes on.
        self.at.kill()
        self.at.start()
        self.assertLessEqual(set(self.numbers("s/kept")), set(there))
        written = 8400

        def moved_on():
            nonlocal written
            self.write("s/kept", range(written, written + 100))
            written += 100
            return self.numbers("s/kept")[0] > there[-1]

        wait_for(moved_on, "the head to move on")
        self.assertEqual(self.numbers("s/kept")[-1], written - 1)
        self.assertEqual(self.numbers("s/whole"), list(range(8000)))

    def test_by_time(self):
        self.cli("stream", "create", "s/kept", "--retention", "time", "--keep-at-least", "2s")
        self.write("s/kept", range(100))
        wait_for(lambda: self.left("s/kept") == 0, "all of it to be too old")
        self.cli("stream", "update", "s/kept", "--keep-at-least", "1h")
        self.write("s/kept", range(100, 110))
        # As long as another stream needs to lose as much to what this one's policy was.
        self.cli("stream", "create", "s/short", "--retention", "time", "--keep-at-least", "2s")
        self.write("s/short", range(10))
        wait_for(lambda: self.left("s/short") == 0, "the other stream's to be too old")
        self.assertEqual(self.numbers("s/kept"), list(range(100, 110)), "they are younger than that")


if __name__ == "__main__":
    unittest.main()
