# SPDX-License-Identifier: Apache-2.0
"""The controller's port below gRPC: pings of clients that keep idle connections alive, and what a server that stops tells them.

Java's client pings every six minutes while it has a call, others every few seconds whether they have one or not; a server of gRPC's
library ends such connections with ENHANCE_YOUR_CALM unless it is told not to.
"""

import socket
import struct
import unittest

from harness import PATIENCE_S, SystemTest

DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4
SERVER_LIST = "/io.pravega.controller.stream.api.grpc.v1.ControllerService/getControllerServerList"


def literal(name, value):
    """A header as HPACK writes it without tables. Both are shorter than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Http2:
    """One connection, by hand."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS)

    def send(self, kind, flags=0, stream=0, payload=b""):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def exactly(self, count):
        """Fewer bytes only where the connection ends."""
        got = b""
        while len(got) < count:
            part = self.socket.recv(count - len(got))
            if not part:
                break
            got += part
        return got

    def receive(self):
        """(kind, flags, stream, payload), or None at the end."""
        head = self.exactly(9)
        if len(head) < 9:
            return None
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self.exactly(int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            self.send(SETTINGS, ACK)
        if kind == PING and not flags & ACK:
            self.send(PING, ACK, payload=payload)
        return kind, flags, stream, payload

    def until(self, wanted):
        """The first frame for which wanted(kind, flags, stream, payload) holds. No GOAWAY comes before it."""
        while True:
            frame = self.receive()
            if frame is None:
                raise AssertionError("the server closed the connection")
            if wanted(*frame):
                return frame
            if frame[0] == GOAWAY:
                raise AssertionError(f"the server ends the connection: {frame[3]}")

    def call(self, stream, path):
        """A call with an empty message; returns the reply's bytes."""
        self.send(HEADERS, END_HEADERS, stream, b"".join(literal(*header) for header in (
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers"))))
        self.send(DATA, END_STREAM, stream, bytes(5))
        return self.until(lambda kind, flags, on, payload: kind == DATA and on == stream)[3]

    def close(self):
        self.socket.close()


class Http2Test(SystemTest):
    def connect(self, server):
        connection = Http2(server.controller)
        self.addCleanup(connection.close)
        return connection

    def test_pings_of_an_idle_client_are_answered(self):
        connection = self.connect(self.server())
        for number in range(100):
            said = struct.pack(">Q", number)
            connection.send(PING, payload=said)
            frame = connection.until(lambda kind, flags, stream, payload: kind == PING and flags & ACK)
            self.assertEqual(frame[3], said)
        self.assertIn(b"127.0.0.1", connection.call(1, SERVER_LIST))
        for number in range(100):
            connection.send(PING, payload=bytes(8))
        self.assertIn(b"127.0.0.1", connection.call(3, SERVER_LIST))

    def test_a_server_that_stops_says_goodbye(self):
        server = self.server()
        connection = self.connect(server)
        self.assertIn(b"127.0.0.1", connection.call(1, SERVER_LIST))
        server.process.terminate()
        # Which calls were carried out, and that it is no error: the client connects anew and asks again.
        _, _, _, payload = connection.until(lambda kind, flags, stream, payload: kind == GOAWAY)
        self.assertEqual(struct.unpack(">I", payload[4:8])[0], 0, payload)
        while connection.receive():
            pass
        self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    unittest.main()
