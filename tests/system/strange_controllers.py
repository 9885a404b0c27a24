# SPDX-License-Identifier: Apache-2.0
"""What may be at a controller's address instead of a controller that works. Each listens on a port of its own until close()."""

import http.server
import socket
import struct
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1


class Listener:
    """Calls serve() with each connection, on a thread of its own."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.connections = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.guarded, args=(connection,), daemon=True).start()

    def guarded(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass

    def serve(self, connection):
        """Says nothing."""

    def close(self):
        # Wakes accept(), which close() alone does not.
        for each in [self.socket, *self.connections]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


class Mute(Listener):
    """Takes connections and says nothing, as a server that hangs does."""


class Web:
    """A web server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def receive(connection, size):
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            raise OSError("closed")
        got += more
    return got


def receive_frame(connection):
    """Type, flags, stream and the whole of an HTTP/2 frame."""
    head = receive(connection, 9)
    length = int.from_bytes(head[:3], "big")
    return head[3], head[4], int.from_bytes(head[5:], "big"), head + receive(connection, length)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header that no table keeps (RFC 7541, 6.2.2)."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


class OtherVersion(Listener):
    """Speaks gRPC and knows none of the calls."""

    def serve(self, connection):
        receive(connection, len(PREFACE))
        connection.sendall(frame(SETTINGS, 0, 0))
        while True:
            kind, flags, stream, _ = receive_frame(connection)
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0))
            if kind == DATA and flags & END_STREAM:
                answer = b"\x88" + literal(b"content-type", b"application/grpc") + literal(b"grpc-status", b"12")
                connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, answer))


class DiesInACall(Listener):
    """Passes a request on to a real controller, and is gone before the answer."""

    def __init__(self, controller):
        host, port = controller.rsplit(":", 1)
        self.controller = (host, int(port))
        super().__init__()

    def serve(self, connection):
        # It stays open: closed with something unread it would take the request along.
        behind = socket.create_connection(self.controller)
        self.connections.append(behind)
        threading.Thread(target=self.pass_back, args=(behind, connection), daemon=True).start()
        behind.sendall(receive(connection, len(PREFACE)))
        while True:
            kind, flags, _, whole = receive_frame(connection)
            if kind == DATA and flags & END_STREAM:
                # No answer comes back any more, but the request arrives.
                connection.shutdown(socket.SHUT_RDWR)
                behind.sendall(whole)
                self.socket.close()
                return
            behind.sendall(whole)

    @staticmethod
    def pass_back(behind, connection):
        try:
            while got := behind.recv(65536):
                connection.sendall(got)
        except OSError:
            pass
