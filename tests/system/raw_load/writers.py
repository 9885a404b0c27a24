# SPDX-License-Identifier: Apache-2.0
"""Writers that are told again and again which of their events are stored, and go on behind those."""

import collections
import struct

from raw_frames import (APPEND_SETUP, CONDITIONAL_APPEND, CONDITIONAL_CHECK_FAILED, DATA_APPENDED, NONE, SEGMENT_IS_SEALED,
                        SETUP_APPEND, append_block, conditional_append, event as raw_event, utf)
from raw_load.events import LARGEST, POISON, event
from raw_load.lanes import Worker

Block = collections.namedtuple("Block", "first last frames")


class Writer:
    """One writer id. Its events are numbered from 1, through all segments of its lane."""

    MOST_UNACKNOWLEDGED = 4  # blocks

    def __init__(self, number, lane, chance):
        self.number = number
        self.id = struct.pack(">QQ", 0x6d72, number)
        self.lane = lane
        self.chance = chance
        self.epoch = 0
        self.floor = 0  # what earlier segments have
        self.made = 0
        self.acknowledged = 0
        self.waiting = collections.deque()  # blocks that are not acknowledged
        self.sent = 0  # of these, on this connection
        self.ready = False  # set up
        self.large = 0
        lane.writers.append(self)

    def make(self):
        first, chance = self.made + 1, self.chance
        padding = None
        if chance.random() < 0.002:
            self.made += 1
            self.large += 1
            whole = event(self.number, self.made, chance.randint(1 << 20, LARGEST))
        else:
            count, size = chance.randint(1, 80), chance.randint(12, 300)
            self.made += count
            whole = b"".join([event(self.number, sequence, size) for sequence in range(first, self.made + 1)])
            if chance.random() < 0.3:
                padding = chance.randint(0, 500)
        frames = append_block(self.id, whole, self.made - first + 1, self.made, padding, request=self.number)
        self.waiting.append(Block(first, self.made, frames))

    def set_up(self, connection):
        self.ready = False
        self.sent = 0
        connection.send(SETUP_APPEND, struct.pack(">q", self.number) + self.id +
                        utf(self.lane.segments[self.epoch].name) + utf(""))

    def on_set_up(self, last):
        stored = self.floor if last == NONE else last
        if stored < self.acknowledged:
            raise AssertionError(f"writer {self.number}: {self.acknowledged} was acknowledged, but {stored} is the last stored")
        self.take(stored)
        self.ready = True

    def on_acknowledged(self, number, previous):
        if (self.floor if previous == NONE else previous) != self.acknowledged:
            raise AssertionError(f"writer {self.number}: acknowledged ({previous}, {number}] after {self.acknowledged}")
        self.sent -= self.take(number)
        if self.sent < 0:
            raise AssertionError(f"writer {self.number}: {number} was acknowledged before it was sent")

    def take(self, stored):
        """Forgets what is stored; how many blocks that is."""
        taken = 0
        while self.waiting and self.waiting[0].last <= stored:
            self.acknowledged = self.waiting.popleft().last
            taken += 1
        if self.acknowledged != stored:
            raise AssertionError(f"writer {self.number}: a part of an append, or what was never sent, is stored: {stored}")
        return taken

    def on_sealed(self, number, connection):
        if not self.waiting or self.waiting[0].last != number:
            raise AssertionError(f"writer {self.number}: sealed at {number}, but not acknowledged up to there")
        self.epoch += 1
        self.floor = self.acknowledged
        self.set_up(connection)


class Sender(Worker):
    """Several writers on one connection, each with many blocks under way."""

    def __init__(self, site, name, writers):
        super().__init__(site, name)
        self.writers = {writer.number: writer for writer in writers}
        self.by_id = {writer.id: writer for writer in writers}

    def work(self, connection):
        for writer in self.writers.values():
            writer.set_up(connection)
        while True:
            frames = []
            for writer in self.writers.values():
                if not self.site.stopping.is_set() and len(writer.waiting) < writer.MOST_UNACKNOWLEDGED:
                    writer.make()
                if writer.ready and writer.sent < len(writer.waiting):
                    frames += [writer.waiting[i].frames for i in range(writer.sent, len(writer.waiting))]
                    writer.sent = len(writer.waiting)
            if frames:
                connection.socket.sendall(b"".join(frames))
            elif all(writer.ready and not writer.waiting for writer in self.writers.values()) and self.site.stopping.is_set():
                return
            else:
                self.handle(connection, *connection.next())
            while connection.whole() or connection.readable():
                self.handle(connection, *connection.next())

    def handle(self, connection, kind, payload):
        if kind == DATA_APPENDED:
            number, previous = struct.unpack_from(">qq", payload, 16)
            self.by_id[payload[:16]].on_acknowledged(number, previous)
        elif kind == APPEND_SETUP:
            self.by_id[payload[-24:-8]].on_set_up(struct.unpack(">q", payload[-8:])[0])
        elif kind == SEGMENT_IS_SEALED:
            self.writers[struct.unpack_from(">q", payload)[0]].on_sealed(struct.unpack(">q", payload[-8:])[0], connection)
        else:
            raise AssertionError(f"frame {kind} for writers: {payload[:200]!r}")


class ConditionalWriter(Worker):
    """Appends where the segment ends, one after the other, and now and then where it does not. The only writer of its lane."""

    def __init__(self, site, number, lane, chance):
        super().__init__(site, f"conditional writer {number}")
        self.number = number
        self.id = struct.pack(">QQ", 0x6d72, number)
        self.lane = lane
        self.chance = chance
        self.epoch = 0
        self.event_number = 0  # of each attempt; `acknowledged` numbers what is stored
        self.stored_number = NONE  # of the newest that is stored in this segment
        self.acknowledged = 0
        self.length = 0
        self.asked = None  # (event number, bytes) of a good attempt without an answer
        self.refused = 0
        lane.writers.append(self)

    def work(self, connection):
        self.set_up(connection)
        while not self.site.stopping.is_set() or self.asked:
            if not self.asked:
                if self.chance.random() < 0.15:
                    self.fail_once(connection)
                    continue
                self.event_number += 1
                self.asked = (self.event_number, event(self.number, self.acknowledged + 1, self.chance.randint(12, 2000)))
            self.attempt(connection)

    def set_up(self, connection):
        segment = self.lane.segments[self.epoch].name
        last = connection.set_up(segment, self.id)
        if self.asked and last == self.asked[0]:
            self.stored()
        elif last != self.stored_number:
            raise AssertionError(f"{self.name}: {last} is stored instead of {self.stored_number}")
        length = connection.info(segment)[1]
        if length != self.length:
            raise AssertionError(f"{self.name}: the segment has {length} bytes instead of {self.length}")

    def stored(self):
        self.stored_number, whole = self.asked
        self.length += len(whole)
        self.acknowledged += 1
        self.asked = None

    def attempt(self, connection):
        number, whole = self.asked
        if self.chance.random() < 0.5:
            connection.socket.sendall(conditional_append(self.id, number, self.length, whole))
        else:
            connection.send(CONDITIONAL_APPEND, self.id + struct.pack(">qq", number, self.length) + whole + struct.pack(">q", 5))
        kind, payload = connection.receive(DATA_APPENDED, SEGMENT_IS_SEALED)
        if kind == SEGMENT_IS_SEALED:
            self.move_on(connection)
            return
        if struct.unpack_from(">q", payload, 16)[0] != number:
            raise AssertionError(f"{self.name}: an acknowledgement of another event than {number}: {payload!r}")
        self.stored()

    def fail_once(self, connection):
        self.event_number += 1
        wrong = self.length + self.chance.choice((1, 8, 1 << 40)) * (-1 if self.length and self.chance.random() < 0.5 else 1)
        connection.socket.sendall(conditional_append(self.id, self.event_number, wrong, raw_event(struct.pack(">IQ", self.number, POISON))))
        kind, _ = connection.receive(CONDITIONAL_CHECK_FAILED, SEGMENT_IS_SEALED)
        if kind == SEGMENT_IS_SEALED:
            self.move_on(connection)
        else:
            self.refused += 1

    def move_on(self, connection):
        self.epoch += 1
        self.length = 0
        self.stored_number = NONE
        self.set_up(connection)
