# SPDX-License-Identifier: Apache-2.0
"""What the load expects to find: chains of segments, and where the server is that has them."""

import threading

from raw_frames import Connection

BLOCK = 1 << 20  # a segment's bytes are compared in these


class Over(Exception):
    """The load has ended, or failed."""


class Segment:
    """What was answered about one segment. Written by the thread of the changes, except where said."""

    def __init__(self, name):
        self.name = name
        self.sealed_at = None  # its length then; -1: not known yet
        self.start = 0
        self.start_asked = 0  # a truncation that may have happened
        self.attributes = {}
        self.asked = None  # makes the change that was asked for and not answered
        self.gone = False  # None: perhaps
        # By the follower:
        self.checksums = []  # of each whole block
        self.boundaries = [(0, {})]  # (an event begins here, the newest event of each writer before it)
        self.followed = 0
        self.end = None  # the newest event of each writer in it


class Lane:
    """A chain of segments: when the last one is sealed, its writers go on in the next."""

    def __init__(self, number):
        self.number = number
        self.segments = []
        self.segments.append(self.successor())
        self.writers = []

    def present(self):
        """The segments that are not deleted, or not long ago."""
        return [segment for segment in self.segments if segment.gone is not True]

    def successor(self):
        return Segment(f"raw/lane/{self.number}.#epoch.{len(self.segments)}")

    def behind_all_writers(self, epoch):
        return all(writer.epoch > epoch for writer in self.writers)


class Site:
    """Where the server is. Threads that lose it wait here until there is one again."""

    def __init__(self):
        self.condition = threading.Condition()
        self.address = None
        self.failure = None
        self.stopping = threading.Event()  # nothing new is begun
        self.no_more_segments = False
        self.over = False

    def up(self, address):
        with self.condition:
            self.address = address
            self.condition.notify_all()

    def down(self):
        with self.condition:
            self.address = None

    def fail(self, failure):
        with self.condition:
            self.failure = self.failure or failure
            self.over = True
            self.condition.notify_all()
        self.stopping.set()

    def end(self):
        with self.condition:
            self.over = True
            self.condition.notify_all()

    def connect(self):
        with self.condition:
            self.condition.wait_for(lambda: self.address or self.over)
            if self.over:
                raise Over
            address = self.address
        return Connection(address)


class Worker(threading.Thread):
    """A thread with a connection that comes back whenever the server does. `work` returns when all is done."""

    def __init__(self, site, name):
        super().__init__(daemon=True, name=name)
        self.site = site

    def run(self):
        while True:
            connection = None
            try:
                connection = self.site.connect()
                return self.work(connection)
            except Over:
                return None
            except TimeoutError as slow:
                return self.site.fail(AssertionError(f"{self.name}: no answer: {slow}"))
            except OSError:
                # Killed; a server that is up and refuses everybody would be noticed by whoever waits for progress.
                self.site.stopping.wait(0.001)
            except Exception as failure:  # pylint: disable=broad-except
                return self.site.fail(AssertionError(f"{self.name}: {type(failure).__name__}: {failure}"))
            finally:
                if connection:
                    connection.close()

    def work(self, connection):
        raise NotImplementedError

