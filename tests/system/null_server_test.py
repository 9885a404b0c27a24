# SPDX-License-Identifier: Apache-2.0
"""The yardstick of measurements: the data port's appends, acknowledged at once and stored nowhere."""

import json
import re
import signal
import struct
import subprocess
import unittest

from harness import MILLRACE, PATIENCE_S, SystemTest, run
from raw_frames import (CONDITIONAL_APPEND, CONDITIONAL_CHECK_FAILED, DATA_APPENDED, KEEP_ALIVE, NONE, Connection, append_block,
                        event)

SEGMENT = "scope/stream/0.#epoch.0"
WRITER = bytes(range(16))


def acknowledged(payload):
    """Writer, number, number before, request, length of the segment."""
    return payload[:16], *struct.unpack(">qqqq", payload[16:])


class NullServerTest(SystemTest):
    def setUp(self):
        super().setUp()
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen([MILLRACE, "bench", "null-server"], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(self.end)
        line = self.process.stdout.readline()
        self.assertRegex(line, r"^ready segmentstore=\S+\n$")
        self.address = re.search("=(.*)\n", line)[1]
        self.connection = Connection(self.address)
        self.addCleanup(lambda: self.connection.close())

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def append(self, number, payload):
        self.connection.socket.sendall(append_block(WRITER, event(payload), 1, number))
        return acknowledged(self.connection.receive(DATA_APPENDED))

    def test_acknowledges_appends_with_their_numbers_and_the_length(self):
        self.assertTrue(self.connection.create(SEGMENT))
        self.assertEqual(self.connection.set_up(SEGMENT, WRITER), NONE)
        length, before = 0, NONE
        for number in (1, 2, 7):
            payload = b"event %d" % number
            length += len(event(payload))
            self.assertEqual(self.append(number, payload), (WRITER, number, before, 3, length))
            before = number

    def test_appends_under_way_together_become_one_acknowledgement(self):
        self.connection.set_up(SEGMENT, WRITER)
        whole = event(b"x")
        self.connection.socket.sendall(
            b"".join(append_block(WRITER, whole, 1, number, request=number) for number in range(1, 101)))
        number = 0
        while number < 100:
            _, newest, before, request, length = acknowledged(self.connection.receive(DATA_APPENDED))
            self.assertEqual(before, number or NONE)
            self.assertEqual((request, length), (newest, newest * len(whole)))
            number = newest

    def test_a_conditional_append_needs_the_right_length(self):
        self.connection.set_up(SEGMENT, WRITER)
        whole = event(b"x")

        def conditional(number, offset):
            self.connection.send(CONDITIONAL_APPEND,
                                 WRITER + struct.pack(">qq", number, offset) + whole + struct.pack(">q", 30 + number))

        conditional(1, 0)
        self.assertEqual(acknowledged(self.connection.receive(DATA_APPENDED))[1:], (1, NONE, 31, len(whole)))
        conditional(2, 0)
        self.assertEqual(self.connection.receive(CONDITIONAL_CHECK_FAILED), WRITER + struct.pack(">qq", 2, 32))
        conditional(3, len(whole))
        self.assertEqual(acknowledged(self.connection.receive(DATA_APPENDED))[1:], (3, 1, 33, 2 * len(whole)))

    def test_answers_keep_alives_and_forgets_deleted_segments(self):
        self.connection.send(KEEP_ALIVE, b"")
        self.connection.receive(KEEP_ALIVE)
        self.connection.set_up(SEGMENT, WRITER)
        self.append(1, b"x")
        self.assertTrue(self.connection.delete(SEGMENT))
        self.connection.set_up(SEGMENT, WRITER)
        self.assertEqual(self.append(1, b"x")[4], len(event(b"x")))

    def test_ends_the_connection_that_asks_for_more_and_goes_on(self):
        self.connection.ask_read(SEGMENT, 0)
        self.assertEqual(self.connection.ends(), [])
        self.connection.close()
        self.connection = Connection(self.address)

    def test_with_a_controller_it_takes_what_writers_write(self):
        with open(self.path("log"), "ab") as log:
            both = subprocess.Popen([MILLRACE, "bench", "null-server", "--controller-port", "0"], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(both.stdout.close)
        self.addCleanup(both.wait)
        self.addCleanup(both.kill)
        ready = re.fullmatch(r"ready controller=(\S+) segmentstore=\S+\n", both.stdout.readline())
        report = run("bench", "write", "any/stream", "--events", "100000", "--output", "json", controller=ready[1])
        self.assertEqual(report.code, 0, report)
        self.assertEqual(json.loads(report.out)["events"], 100000)
        refused = run("stream", "describe", "any/stream", controller=ready[1])
        self.assertEqual(refused.code, 1)
        self.assertIn("more than a null controller knows", refused.err)

    def test_a_signal_stops_it(self):
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=PATIENCE_S), 0)


if __name__ == "__main__":
    unittest.main()
