# SPDX-License-Identifier: Apache-2.0
"""Readers at the tail, readers of old bytes, and the comparison of what they got."""

import zlib

from raw_frames import NO_SUCH_SEGMENT, SEGMENT_IS_SEALED, SEGMENT_IS_TRUNCATED, Refused
from raw_load.events import Parser
from raw_load.lanes import BLOCK, Worker


class Follower(Worker):
    """Reads a lane from its first byte on, at the tail, from segment to segment, and judges every event."""

    BOUNDARY_EVERY = 256 << 10

    def __init__(self, site, lane, verdict):
        super().__init__(site, f"follower of lane {lane.number}")
        self.lane = lane
        self.parser = Parser(verdict)
        self.epoch = 0
        self.block = bytearray()  # of the segment, since its last whole block

    def work(self, connection):
        while not (self.site.no_more_segments and self.epoch == len(self.lane.segments)):
            segment = self.lane.segments[self.epoch]
            try:
                data, end = connection.read(segment.name, segment.followed)
            except Refused as refused:
                if refused.kind != SEGMENT_IS_SEALED:
                    raise
                continue  # while it waited at the tail; there is nothing more, or there is
            if end and not data:
                self.end_segment(segment)
                continue
            self.parser.feed(data)
            self.note(segment, data)

    def note(self, segment, data):
        self.block += data
        while len(self.block) >= BLOCK:
            segment.checksums.append(zlib.crc32(self.block[:BLOCK]))
            del self.block[:BLOCK]
        at = segment.followed + len(data) - len(self.parser.rest)
        if at >= segment.boundaries[-1][0] + self.BOUNDARY_EVERY:
            segment.boundaries.append((at, dict(self.parser.last)))
        segment.followed += len(data)

    def end_segment(self, segment):
        if self.parser.rest:
            raise AssertionError(f"{segment.name} ends inside an event: {self.parser.rest[:50]!r}")
        if segment.sealed_at not in (None, -1, segment.followed):
            raise AssertionError(f"{segment.name} was sealed at {segment.sealed_at}, but ends at {segment.followed}")
        segment.end = dict(self.parser.last)
        self.epoch += 1
        self.block.clear()
        if self.epoch < len(self.lane.segments):
            self.lane.segments[self.epoch].boundaries[0] = (0, dict(segment.end))


class CatchUpReader(Worker):
    """Reads blocks at random places again and compares them."""

    def __init__(self, site, lanes, chance):
        super().__init__(site, "catch-up reader")
        self.lanes = lanes
        self.chance = chance
        self.blocks = 0

    def work(self, connection):
        while not self.site.stopping.is_set():
            segment = self.chance.choice(self.chance.choice(self.lanes).present())
            first = -(-segment.start_asked // BLOCK)
            if segment.gone is not False or first >= len(segment.checksums):
                self.site.stopping.wait(0.01)
                continue
            block = self.chance.randrange(first, len(segment.checksums))
            try:
                data = connection.read_all(segment.name, BLOCK, block * BLOCK)
            except Refused as refused:
                # Meanwhile, perhaps.
                if refused.kind == NO_SUCH_SEGMENT and segment.gone is not False:
                    continue
                if refused.kind == SEGMENT_IS_TRUNCATED and segment.start_asked > block * BLOCK:
                    continue
                raise
            if zlib.crc32(data[:BLOCK]) != segment.checksums[block]:
                raise AssertionError(f"{segment.name}: other bytes than at first at {block * BLOCK}")
            self.blocks += 1


def read_again(connection, segment, verdict):
    """Reads and judges all that there is of a segment that was followed to its end. How many events that is."""
    start = segment.start
    last = next((last for at, last in segment.boundaries if at == start), None)
    if last is None:
        raise AssertionError(f"{segment.name} begins at {start}, where nobody truncated it")
    parser = Parser(verdict, last)
    at, block = start, bytearray()
    first_block = -(-start // BLOCK) * BLOCK
    end = at == segment.followed
    while not end:
        data, end = connection.read(segment.name, at)
        parser.feed(data)
        skipped = max(0, first_block - at)  # what is left of a block that was cut
        block += data[skipped:]
        at += len(data)
        while len(block) >= BLOCK:
            number = (at - len(block)) // BLOCK
            if zlib.crc32(block[:BLOCK]) != segment.checksums[number]:
                raise AssertionError(f"{segment.name}: other bytes than at first at {number * BLOCK}")
            del block[:BLOCK]
        end = end or at >= segment.followed
    if at != segment.followed or parser.rest:
        raise AssertionError(f"{segment.name} ends at {at} with {len(parser.rest)} bytes of an event instead of {segment.followed}")
    verdict.lost += sum(number - parser.last.get(writer, 0) for writer, number in segment.end.items())
    return parser.events
