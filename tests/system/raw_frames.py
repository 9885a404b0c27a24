# SPDX-License-Identifier: Apache-2.0
"""The data port spoken frame by frame (docs/protocol/wire.md), with no client library between."""

import select
import socket
import struct

from harness import PATIENCE_S

HELLO = -127
PARTIAL_EVENT, PADDING, EVENT = -2, -1, 0
SETUP_APPEND, APPEND_SETUP = 1, 2
APPEND_BLOCK, APPEND_BLOCK_END, CONDITIONAL_APPEND = 3, 4, 5
DATA_APPENDED, CONDITIONAL_CHECK_FAILED = 7, 8
READ_SEGMENT, SEGMENT_READ = 9, 10
GET_STREAM_SEGMENT_INFO, STREAM_SEGMENT_INFO = 11, 12
CREATE_SEGMENT, SEGMENT_CREATED = 20, 21
SEAL_SEGMENT, SEGMENT_SEALED = 28, 29
DELETE_SEGMENT, SEGMENT_DELETED = 30, 31
GET_SEGMENT_ATTRIBUTE, SEGMENT_ATTRIBUTE = 34, 35
UPDATE_SEGMENT_ATTRIBUTE, SEGMENT_ATTRIBUTE_UPDATED = 36, 37
TRUNCATE_SEGMENT, SEGMENT_TRUNCATED = 38, 39
WRONG_HOST, SEGMENT_IS_SEALED, SEGMENT_ALREADY_EXISTS, NO_SUCH_SEGMENT = 50, 51, 52, 53
INVALID_EVENT_NUMBER, SEGMENT_IS_TRUNCATED, OPERATION_UNSUPPORTED = 55, 56, 57
ERROR_MESSAGE = 61
CONDITIONAL_BLOCK_END = 89
KEEP_ALIVE = 100

# Of a writer without events, and of an attribute without a value.
NONE = -(1 << 63)


def frame(kind, payload):
    return struct.pack(">ii", kind, len(payload)) + payload


def utf(text):
    return struct.pack(">H", len(text)) + text.encode()


def event(payload):
    """As clients put events into segments."""
    return struct.pack(">ii", EVENT, len(payload)) + payload


def append_block(writer, whole, events, last_number, padding=None, request=3):
    """The two frames of one append; with `padding`, that many bytes fill up the block."""
    tail = b"" if padding is None else frame(PADDING, bytes(padding))
    return (frame(APPEND_BLOCK, writer + whole + tail) +
            frame(APPEND_BLOCK_END, writer + struct.pack(">iiiqq", len(whole), 0, events, last_number, request)))


def conditional_append(writer, number, expected_offset, whole, request=5):
    return frame(CONDITIONAL_BLOCK_END, writer + struct.pack(">qqi", number, expected_offset, len(whole)) + whole +
                 struct.pack(">q", request))


class Ended(ConnectionError):
    """The server ended the connection."""


class Refused(AssertionError):
    """Another answer than the expected one."""

    def __init__(self, kind, payload, expected):
        super().__init__(f"frame {kind} instead of {expected}: {payload[:200]!r}")
        self.kind, self.payload = kind, payload


class Connection:
    """One connection. The methods that ask for something wait for its answer: use those while nothing else is under way."""

    def __init__(self, address, hello=True):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        if hello:
            self.send(HELLO, struct.pack(">ii", 16, 5))
            self.receive(HELLO)

    def close(self):
        self.socket.close()

    def send(self, kind, payload):
        self.socket.sendall(frame(kind, payload))

    def fill(self):
        part = self.socket.recv(1 << 20)
        if not part:
            raise Ended("the server ended the connection")
        self.received += part

    def readable(self):
        """Whether next() would find at least some bytes."""
        return bool(self.received) or bool(select.select([self.socket], [], [], 0)[0])

    def whole(self):
        """Whether next() would return without waiting, as far as is known without asking the socket."""
        return len(self.received) >= 8 and len(self.received) >= 8 + struct.unpack_from(">i", self.received, 4)[0]

    def next(self):
        """Type and payload of the next frame."""
        while not self.whole():
            self.fill()
        kind, size = struct.unpack_from(">ii", self.received)
        payload = bytes(memoryview(self.received)[8:8 + size])
        del self.received[:8 + size]
        return kind, payload

    def receive(self, *expected):
        kind, payload = self.next()
        if kind not in expected:
            raise Refused(kind, payload, expected)
        return payload if len(expected) == 1 else (kind, payload)

    def ends(self):
        """Waits until the server ends the connection; what it said before."""
        said = []
        try:
            while True:
                said.append(self.next())
        except (Ended, ConnectionResetError):
            return said

    def create(self, segment):
        self.send(CREATE_SEGMENT, struct.pack(">q", 1) + utf(segment) + struct.pack(">ib", 0, 0) + utf("") + bytes(8))
        return self.receive(SEGMENT_CREATED, SEGMENT_ALREADY_EXISTS)[0] == SEGMENT_CREATED

    def seal(self, segment):
        self.send(SEAL_SEGMENT, struct.pack(">q", 1) + utf(segment) + utf(""))
        return self.receive(SEGMENT_SEALED, SEGMENT_IS_SEALED)[0] == SEGMENT_SEALED

    def delete(self, segment):
        self.send(DELETE_SEGMENT, struct.pack(">q", 1) + utf(segment) + utf(""))
        return self.receive(SEGMENT_DELETED, NO_SUCH_SEGMENT)[0] == SEGMENT_DELETED

    def truncate(self, segment, offset):
        self.send(TRUNCATE_SEGMENT, struct.pack(">q", 1) + utf(segment) + struct.pack(">q", offset) + utf(""))
        self.receive(SEGMENT_TRUNCATED)

    def info(self, segment):
        """(sealed, length, start); None when it is not there."""
        self.send(GET_STREAM_SEGMENT_INFO, struct.pack(">q", 1) + utf(segment) + utf(""))
        kind, payload = self.receive(STREAM_SEGMENT_INFO, NO_SUCH_SEGMENT)
        if kind == NO_SUCH_SEGMENT:
            return None
        _, sealed, _, _, length, start = struct.unpack_from(">???qqq", payload, 8 + 2 + len(segment))
        return sealed, length, start

    def attribute(self, segment, attribute):
        self.send(GET_SEGMENT_ATTRIBUTE, struct.pack(">q", 1) + utf(segment) + attribute + utf(""))
        return struct.unpack(">qq", self.receive(SEGMENT_ATTRIBUTE))[1]

    def set_attribute(self, segment, attribute, value, expected):
        """Whether it had the expected value."""
        self.send(UPDATE_SEGMENT_ATTRIBUTE, struct.pack(">q", 1) + utf(segment) + attribute +
                  struct.pack(">qq", value, expected) + utf(""))
        return struct.unpack(">q?", self.receive(SEGMENT_ATTRIBUTE_UPDATED))[1]

    def set_up(self, segment, writer):
        """The number of the writer's last event."""
        self.send(SETUP_APPEND, struct.pack(">q", 2) + writer + utf(segment) + utf(""))
        return struct.unpack(">q", self.receive(APPEND_SETUP)[-8:])[0]

    def append(self, writer, number, payload):
        """One event, acknowledged."""
        self.socket.sendall(append_block(writer, event(payload), 1, number))
        answer = self.receive(DATA_APPENDED)
        if struct.unpack_from(">q", answer, 16)[0] != number:
            raise AssertionError(f"an acknowledgement of another event than {number}: {answer!r}")

    def ask_read(self, segment, offset, size=1 << 20):
        self.send(READ_SEGMENT, utf(segment) + struct.pack(">qi", offset, size) + utf("") + struct.pack(">q", 4))

    def read(self, segment, offset, size=1 << 20):
        """(bytes, whether the segment ends behind them). Waits at the tail."""
        self.ask_read(segment, offset, size)
        return self.read_answer(segment, self.receive(SEGMENT_READ))

    @staticmethod
    def read_answer(segment, payload):
        at = 2 + len(segment)
        _, _, end, size = struct.unpack_from(">q??i", payload, at)
        return payload[at + 14:at + 14 + size], end

    def read_all(self, segment, size, offset=0):
        """Exactly these bytes, in as many reads as it takes."""
        data = b""
        while len(data) < size:
            data += self.read(segment, offset + len(data))[0]
        return data[:size]
