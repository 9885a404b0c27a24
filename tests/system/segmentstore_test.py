# SPDX-License-Identifier: Apache-2.0
"""The segment store alone: raw frames on its data port (docs/protocol/wire.md), kept through kill -9."""

import re
import socket
import struct
import unittest

from harness import PATIENCE_S, Server, SystemTest, run

HELLO, APPEND_SETUP, DATA_APPENDED, SEGMENT_READ, SEGMENT_CREATED = -127, 2, 7, 10, 21
EVENT = 0
SEGMENT = "scope/stream/0.#epoch.0"
WRITER = bytes(range(16))


class SegmentStore(Server):
    COMMAND = ("segmentstore", "--standalone")
    READY = re.compile(r"^ready ()segmentstore=(\S+) http=(\S+)\n$")


def utf(text):
    return struct.pack(">H", len(text)) + text.encode()


class Connection:
    """One conversation: each request is answered before the next."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.send(HELLO, struct.pack(">ii", 16, 5))
        self.receive(HELLO)

    def close(self):
        self.socket.close()

    def send(self, kind, payload):
        self.socket.sendall(struct.pack(">ii", kind, len(payload)) + payload)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise AssertionError(f"the connection ended after {len(data)} of {size} bytes")
            data += part
        return data

    def receive(self, expected):
        kind, size = struct.unpack(">ii", self.exactly(8))
        payload = self.exactly(size)
        if kind != expected:
            raise AssertionError(f"frame {kind} instead of {expected}: {payload!r}")
        return payload

    def create(self):
        self.send(20, struct.pack(">q", 1) + utf(SEGMENT) + struct.pack(">ib", 0, 0) + utf("") + struct.pack(">q", 0))
        self.receive(SEGMENT_CREATED)

    def set_up(self):
        """The number of the writer's last event."""
        self.send(1, struct.pack(">q", 2) + WRITER + utf(SEGMENT) + utf(""))
        return struct.unpack(">q", self.receive(APPEND_SETUP)[-8:])[0]

    def append(self, number, event):
        whole = struct.pack(">ii", EVENT, len(event)) + event
        self.send(3, WRITER + whole)
        self.send(4, WRITER + struct.pack(">iiiqq", len(whole), 0, 1, number, 3))
        answer = self.receive(DATA_APPENDED)
        if struct.unpack(">q", answer[16:24])[0] != number:
            raise AssertionError(f"an acknowledgement of another event than {number}: {answer!r}")

    def read_all(self, size):
        data = b""
        while len(data) < size:
            data += self.read(len(data))
        return data

    def read(self, offset):
        self.send(9, utf(SEGMENT) + struct.pack(">qi", offset, 1 << 20) + utf("") + struct.pack(">q", 4))
        answer = self.receive(SEGMENT_READ)
        at = 2 + len(SEGMENT) + 8 + 2
        size = struct.unpack(">i", answer[at:at + 4])[0]
        return answer[at + 4:at + 4 + size]


class SegmentStoreTest(SystemTest):
    def test_serves_raw_frames_and_keeps_them_through_kill_9(self):
        store = SegmentStore(self.path("data"))
        self.addCleanup(store.close)
        store.start()
        connection = Connection(store.segmentstore)
        connection.create()
        self.assertEqual(connection.set_up(), -(1 << 63))
        expected = b""
        for number in range(1, 51):
            event = b"event %d" % number
            connection.append(number, event)
            expected += struct.pack(">ii", EVENT, len(event)) + event
            if number % 10 == 0:
                connection.close()
                store.kill()
                store.start()
                connection = Connection(store.segmentstore)
                self.assertEqual(connection.set_up(), number)
        self.assertEqual(connection.read_all(len(expected)), expected)
        self.assertTrue(connection.read(8).startswith(b"event 1"))
        connection.close()
        self.assertEqual(store.terminate(), 0)

    def test_has_to_be_told_that_it_is_alone(self):
        self.refused(run("segmentstore", "--data-dir", self.path("data")), 2, "--standalone")


if __name__ == "__main__":
    unittest.main()
