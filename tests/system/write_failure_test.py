# SPDX-License-Identifier: Apache-2.0
"""A write that fails on the way says which lines are stored, and --skip goes on behind them."""

import collections
import os
import re
import shutil
import signal
import subprocess
import unittest

from harness import PATIENCE_S, SystemTest, run, spawn, wait_for

LINES = [b"key%d of line %d %s" % (n % 97, n, b"x" * 200) for n in range(1, 60_001)]
GO_ON = re.compile(r"lines 1 to (\d+) are stored: go on with --skip (\d+)")


class WriteFailureTest(SystemTest):
    def setUp(self):
        super().setUp()
        with open(self.path("lines"), "wb") as file:
            file.write(b"\n".join(LINES) + b"\n")

    def stream_on(self, server):
        self.done(run("scope", "create", "s", controller=server.controller))
        self.done(run("stream", "create", "s/t", "--segments", "4", controller=server.controller))

    def write_and_break(self, server, break_it, *options):
        """Writes half of the lines, breaks the server when some are stored, and writes the rest. What stderr said."""
        writer = spawn("write", "s/t", "--key-field", "1", "--number", "--retry-timeout", "1s", "--timeout", "5s", *options,
                       controller=server.controller, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(writer.stderr.close)
        writer.stdin.write(b"\n".join(LINES[:30_000]) + b"\n")
        writer.stdin.flush()
        wait_for(lambda: self.stored(server) > 0, "the first lines")
        break_it()
        try:
            writer.stdin.write(b"\n".join(LINES[30_000:]) + b"\n")
            writer.stdin.close()
        except BrokenPipeError:
            pass
        said = writer.stderr.read().decode()
        self.assertEqual(writer.wait(timeout=PATIENCE_S), 1, said)
        return said

    def stored(self, server):
        described = self.done(run("stream", "describe", "s/t", controller=server.controller)).out.decode()
        return sum(int(line.split()[-1]) for line in described.splitlines()[2:])

    def go_on(self, server, said):
        """Goes on as the message says; every line is there, those that were called stored once, each key in order."""
        match = GO_ON.search(said)
        self.assertTrue(match, said)
        stored, skip = map(int, match.groups())
        self.assertEqual(stored, skip)
        acknowledged = int(re.search(r"acknowledged (\d+) events\n$", said).group(1))
        self.assertGreaterEqual(acknowledged, stored)
        before = self.numbers(server)
        self.assertEqual(set(range(1, stored + 1)) - set(before), set(), "what was called stored is")
        self.assertGreaterEqual(len(before), acknowledged)

        done = self.done(run("write", "s/t", self.path("lines"), "--key-field", "1", "--number", "--skip", str(skip),
                             controller=server.controller))
        self.assertTrue(done.err.endswith(f"acknowledged {len(LINES) - skip} events\n"), done)
        after = self.numbers(server)
        self.assertEqual(set(after), set(range(1, len(LINES) + 1)))
        self.assertEqual(len(after), len(before) + len(LINES) - skip, "only what was sent behind them is there twice")
        times = collections.Counter(after)
        self.assertTrue(all(times[number] == 1 for number in range(1, stored + 1)))
        return skip

    def numbers(self, server):
        events = self.done(run("read", "s/t", controller=server.controller)).out.splitlines()
        numbers = [int(event.split(b" ", 1)[0]) for event in events]
        for number, event in zip(numbers, events):
            self.assertEqual(event, b"%d %s" % (number, LINES[number - 1]))
        return numbers

    def test_a_server_that_dies(self):
        server = self.server()
        self.stream_on(server)
        said = self.write_and_break(server, server.kill)
        server.start()
        self.assertGreater(self.go_on(server, said), 0)

    def test_a_server_that_hangs(self):
        server = self.server()
        self.stream_on(server)
        said = self.write_and_break(server, lambda: server.process.send_signal(signal.SIGSTOP))
        server.process.send_signal(signal.SIGCONT)
        self.go_on(server, said)

    def test_an_interruption_while_the_server_hangs(self):
        server = self.server()
        self.stream_on(server)
        writer = spawn("write", "s/t", "--key", "k", "--timeout", "1s", controller=server.controller, stdin=subprocess.PIPE,
                       stderr=subprocess.PIPE)
        self.addCleanup(writer.stderr.close)
        writer.stdin.write(b"first\n")
        writer.stdin.flush()
        wait_for(lambda: self.stored(server) > 0, "the first line")
        server.process.send_signal(signal.SIGSTOP)
        writer.stdin.write(b"second\n")
        writer.stdin.close()
        said = writer.stderr.readline()
        self.assertIn(b"nothing was acknowledged for 1 s", said)
        writer.send_signal(signal.SIGINT)
        said = writer.stderr.read().decode()
        self.assertEqual(writer.wait(timeout=PATIENCE_S), 1, said)
        self.assertIn("interrupted", said)
        self.assertIn("lines 1 to 1 are stored: go on with --skip 1. Of the 1 lines behind that some may be stored", said)
        self.assertTrue(said.endswith("acknowledged 1 events\n"), said)
        server.process.send_signal(signal.SIGCONT)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount"), "needs root to mount a small file system")
    def test_a_disk_that_is_full(self):
        place = self.path("small")
        os.mkdir(place)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        server = self.server("--containers", "2", "--journal-file-bytes", "4MiB", "--cache-bytes", "8MiB", "--journal-keep-free-bytes",
                             "4MiB", name="small/data")
        self.stream_on(server)
        said = ""

        def write():
            nonlocal said
            result = run("write", "s/t", self.path("lines"), "--key-field", "1", "--number", "--retry-timeout", "3s",
                         controller=server.controller)
            said = result.err
            return result.code != 0

        # Some 15 MB a time until there is no room.
        for _ in range(20):
            if write():
                break
        self.assertIn("millrace write: ", said)
        self.assertRegex(said, GO_ON.pattern + "|no line is stored for certain: begin again")
        self.assertRegex(said, r"acknowledged \d+ events\n$")

    def test_lines_that_are_passed_over(self):
        server = self.server()
        self.stream_on(server)
        at = server.controller
        result = run("write", "s/t", "--key", "k", "--number", controller=at, stdin=b"one\n" + b"x" * (9 << 20) + b"\nthree\n")
        self.refused(result, 1, "line 2 is longer than", "lines 1 to 1 are stored: go on with --skip 1\n")
        # The one that does not fit can be left out.
        self.done(run("write", "s/t", "--key", "k", "--number", "--skip", "2", controller=at,
                      stdin=b"one\n" + b"x" * (9 << 20) + b"\nthree\n"))
        self.assertEqual(self.done(run("read", "s/t", controller=at)).out, b"1 one\n3 three\n")
        self.refused(run("write", "s/t", "--skip", "5", controller=at, stdin=b"one\n"), 1, "the input has only 1 lines")

    def test_events_with_their_length(self):
        server = self.server()
        self.stream_on(server)
        at = server.controller
        events = [b"", b"a\nb", os.urandom(5000), b"\0" * 70_000]
        framed = b"".join(len(event).to_bytes(4, "big") + event for event in events)
        self.done(run("write", "s/t", "--framing", "length", "--key", "k", controller=at, stdin=framed))
        self.assertEqual(self.done(run("read", "s/t", "--framing", "length", controller=at)).out, framed)
        for end, what in ((b"\0\0\0", "after 3 of its 4 bytes of length"), (b"\0\0\0\x09abc", "after 3 of its 9 bytes"),
                          (b"\xff\xff\xff\xff", "has a length of 4294967295")):
            result = run("write", "s/t", "--framing", "length", "--key", "k", controller=at, stdin=framed + end)
            self.refused(result, 1, f"event 5 at byte {len(framed)}", what, "events 1 to 4 are stored: go on with --skip 4")
        self.refused(run("read", "s/t", "--framing", "length", "--output", "json", controller=at), 2, "exclude each other")


if __name__ == "__main__":
    unittest.main()
