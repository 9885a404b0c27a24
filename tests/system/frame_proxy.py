# SPDX-License-Identifier: Apache-2.0
"""Stands between clients and the data port: notes which frames pass, and breaks connections in the middle of one."""

import random
import socket
import struct
import threading

HEADER_BYTES = 8


class Frames:
    """Follows the frames of one direction of a connection, whatever pieces they come in."""

    def __init__(self):
        self.header = b""
        self.left = 0  # of a payload

    def follow(self, data, kinds):
        """Adds what begins in `data` to `kinds`; returns the places in it where a frame ends."""
        ends = set()
        at = 0
        while at < len(data):
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
            else:
                step = min(HEADER_BYTES - len(self.header), len(data) - at)
                self.header += data[at:at + step]
                if len(self.header) < HEADER_BYTES:
                    break
                kind, self.left = struct.unpack(">ii", self.header)
                kinds.add(kind)
                self.header = b""
            at += step
            if not self.left:
                ends.add(at)
        return ends


class Direction:
    """Requests or replies, of all connections."""

    def __init__(self):
        self.kinds = set()
        self.cuts = 0
        self.armed = False
        self.random = random.Random(1)
        self.lock = threading.Lock()

    def cut(self):
        """The next connection that says something this way ends inside a frame."""
        with self.lock:
            self.armed = True

    def pass_on(self, source, sink):
        frames = Frames()
        try:
            while data := source.recv(65536):
                with self.lock:
                    ends = frames.follow(data, self.kinds)
                    inside = [place for place in range(1, len(data)) if place not in ends] if self.armed else []
                    if inside:
                        data = data[:self.random.choice(inside)]
                        self.armed = False
                        self.cuts += 1
                sink.sendall(data)
                if inside:
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class FrameProxy:
    def __init__(self, at, to):
        self.to = to
        self.requests, self.replies = Direction(), Direction()
        self.listener = socket.create_server(at)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.to)
            except OSError:
                near.close()
                continue
            threading.Thread(target=self.serve, args=(near, far), daemon=True).start()

    def serve(self, near, far):
        with near, far:
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self.replies.pass_on, args=(far, near), daemon=True)
            back.start()
            self.requests.pass_on(near, far)
            back.join()

    def close(self):
        self.listener.close()
