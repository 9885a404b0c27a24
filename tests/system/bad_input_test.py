# SPDX-License-Identifier: Apache-2.0
"""Clients that misbehave, and very many of them: harm to themselves only, and bounded memory."""

import re
import resource
import struct
import unittest

from harness import MILLRACE, SegmentStore, SystemTest, wait_for
from raw_frames import (APPEND_SETUP, DATA_APPENDED, INVALID_EVENT_NUMBER, KEEP_ALIVE, NONE, SEGMENT_READ, SETUP_APPEND, Connection,
                        append_block, event, utf)

SEGMENT = "a/b/0.#epoch.0"
MIB = 1 << 20


def writer(number):
    return struct.pack(">QQ", 0xbad, number)


def is_sanitized():
    """Sanitizers need memory of their own."""
    with open(MILLRACE, "rb") as executable:
        contents = executable.read()
    return b"__asan_init" in contents or b"__tsan_init" in contents


class BadInputTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.store = SegmentStore(self.path("data"), *self.options())
        self.addCleanup(self.store.close)
        self.store.start()

    def options(self):
        return ("--write-stall-timeout-seconds", "1s") if "never_reads" in self.id() else ()

    def connect(self, **options):
        connection = Connection(self.store.segmentstore, **options)
        self.addCleanup(connection.close)
        return connection

    def resident_bytes(self):
        with open(f"/proc/{self.store.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024

    def metric(self, line):
        found = re.search("^" + re.escape(line) + r" (\S+)$", self.store.get("/metrics")[1], re.M)
        return float(found.group(1)) if found else 0

    def test_two_thousand_connections(self):
        count = 2000
        needed = count + 100
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < needed:
            self.skipTest(f"needs {needed} open files, {hard} are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before = self.resident_bytes()
        connections = [self.connect() for _ in range(count)]
        idle = self.resident_bytes()
        connections[0].create(SEGMENT)
        for number, connection in enumerate(connections):
            connection.send(SETUP_APPEND, struct.pack(">q", 1) + writer(number) + utf(SEGMENT) + utf(""))
        for connection in connections:
            self.assertEqual(struct.unpack(">q", connection.receive(APPEND_SETUP)[-8:])[0], NONE)
        for event_number in range(1, 6):
            for number, connection in enumerate(connections):
                connection.socket.sendall(append_block(writer(number), event(b"x" * 100), 1, event_number))
            for connection in connections:
                self.assertEqual(struct.unpack_from(">q", connection.receive(DATA_APPENDED), 16)[0], event_number)
        length = connections[0].info(SEGMENT)[1]
        self.assertEqual(length, count * 5 * 108)
        for connection in connections:
            connection.ask_read(SEGMENT, length)
        # Each waits, and each is woken by the same event.
        connections[0].socket.sendall(append_block(writer(0), event(b"news"), 1, 6))
        connections[0].receive(DATA_APPENDED, SEGMENT_READ)
        for connection in connections[1:]:
            self.assertEqual(connection.read_answer(SEGMENT, connection.receive(SEGMENT_READ))[0], event(b"news"))
        served = self.resident_bytes()
        print(f"\n{count} connections: {before >> 10} KiB before, {idle >> 10} KiB idle, {served >> 10} KiB served; "
              f"{(served - before) / count / 1024:.1f} KiB each")
        if not is_sanitized():
            self.assertLess((served - before) / count, 64 * 1024)

    def test_a_reader_that_never_reads_is_cut_off(self):
        good = self.connect()
        good.create(SEGMENT)
        good.set_up(SEGMENT, writer(1))
        for number in range(1, 9):
            good.append(writer(1), number, b"x" * MIB)
        before = self.resident_bytes()
        greedy = self.connect()
        for _ in range(900):
            greedy.ask_read(SEGMENT, 0, 2 * MIB)
        ended = 'millrace_segmentstore_connections_ended_total{reason="write_stalled"}'
        number = 9

        def cut_off():
            nonlocal number
            good.append(writer(1), number, b"still here")
            number += 1
            return self.metric(ended) >= 1

        wait_for(cut_off, "the reader is cut off")
        if not is_sanitized():
            self.assertLess(self.resident_bytes() - before, 64 * MIB)

    def test_a_writer_on_two_connections(self):
        old, new = self.connect(), self.connect()
        old.create(SEGMENT)
        old.set_up(SEGMENT, writer(1))
        old.append(writer(1), 1, b"one")
        self.assertEqual(new.set_up(SEGMENT, writer(1)), 1)
        old.socket.sendall(append_block(writer(1), event(b"two"), 1, 2))
        said = old.ends()
        self.assertEqual([kind for kind, _ in said], [INVALID_EVENT_NUMBER])
        new.append(writer(1), 2, b"TWO")
        data = event(b"one") + event(b"TWO")
        self.assertEqual(new.read_all(SEGMENT, len(data)), data)

    def test_appends_that_are_not_in_order(self):
        good = self.connect()
        good.create(SEGMENT)
        good.set_up(SEGMENT, writer(1))
        good.append(writer(1), 7, b"seven")
        unknown = self.connect()
        unknown.socket.sendall(append_block(writer(2), event(b"x"), 1, 1))
        self.assertEqual(unknown.ends(), [], "a writer that was not set up")
        back = self.connect()
        self.assertEqual(back.set_up(SEGMENT, writer(1)), 7)
        back.socket.sendall(append_block(writer(1), event(b"six"), 1, 6))
        self.assertEqual([kind for kind, _ in back.ends()], [INVALID_EVENT_NUMBER])
        again = self.connect()
        self.assertEqual(again.set_up(SEGMENT, writer(1)), 7)
        again.append(writer(1), 8, b"eight")
        data = event(b"seven") + event(b"eight")
        self.assertEqual(again.read_all(SEGMENT, len(data)), data)

    def test_impossible_frames(self):
        good = self.connect()
        for frame in (struct.pack(">ii", 9, -1), struct.pack(">ii", 9, 1 << 24), struct.pack(">ii", 12345, 0), struct.pack(">ii", 21, 0),
                      struct.pack(">ii", SETUP_APPEND, 4) + b"abcd"):
            bad = self.connect(hello=False)
            bad.socket.sendall(frame)
            self.assertEqual(bad.ends(), [], frame)
        good.send(KEEP_ALIVE, b"")
        good.receive(KEEP_ALIVE)


if __name__ == "__main__":
    unittest.main()
