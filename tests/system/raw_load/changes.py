# SPDX-License-Identifier: Apache-2.0
"""Changes of segments, one after the other, and that those which were answered are kept."""

import struct

from raw_frames import NONE
from raw_load.lanes import Segment, Worker
from raw_load.readers import read_again


class Changes(Worker):
    """Seals, truncates, creates, deletes and sets attributes. After each loss of the server everything is compared."""

    SEAL_AFTER = 8 << 20
    KEPT_SEGMENTS = 3  # the newest of a lane

    def __init__(self, site, lanes, verdict, chance):
        super().__init__(site, "changes")
        self.lanes = lanes
        self.verdict = verdict
        self.chance = chance
        self.scratch = [Segment(f"raw/scratch/{number}.#epoch.0") for number in range(4)]
        for segment in self.scratch:
            segment.gone = True
        self.done = {}
        self.compared = 0
        self.again = 0  # events that were read again

    def work(self, connection):
        self.compare(connection)
        while not self.site.stopping.is_set():
            change = self.chance.choice((self.seal, self.seal, self.truncate, self.delete_old, self.delete_old, self.set_attribute,
                                         self.set_attribute, self.use_scratch))
            if change(connection):
                self.done[change.__name__] = self.done.get(change.__name__, 0) + 1
            # A pace that leaves the processor to the others.
            self.site.stopping.wait(self.chance.uniform(0, 0.02))

    def asked(self, segment, change, answered):
        """Runs a change; `answered` tells the model about it. Until then it may have happened or not."""
        segment.asked = answered
        value = change()
        answered()
        segment.asked = None
        return value

    def seal(self, connection):
        lane = max(self.lanes, key=lambda lane: lane.segments[-1].followed * self.chance.random())
        segment = lane.segments[-1]
        if segment.followed < self.SEAL_AFTER * self.chance.random():
            return False
        successor = lane.successor()
        connection.create(successor.name)  # perhaps made before a kill
        lane.segments.append(successor)
        self.end_segment(connection, segment)
        return True

    def end_segment(self, connection, segment):
        def answered():
            segment.sealed_at = -1

        self.asked(segment, lambda: connection.seal(segment.name), answered)
        segment.sealed_at = connection.info(segment.name)[1]

    def truncate(self, connection):
        segment = self.chance.choice(self.chance.choice(self.lanes).present())
        places = [at for at, _ in list(segment.boundaries) if at > segment.start]
        if segment.gone or not places:
            return False
        offset = self.chance.choice(places)
        segment.start_asked = offset

        def answered():
            segment.start = offset

        self.asked(segment, lambda: connection.truncate(segment.name, offset), answered)
        return True

    def delete_old(self, connection):
        for lane in self.lanes:
            for epoch, segment in enumerate(lane.segments[:-self.KEPT_SEGMENTS]):
                if not segment.gone and segment.end is not None and lane.behind_all_writers(epoch):
                    self.again += read_again(connection, segment, self.verdict)
                    self.delete(connection, segment)
                    return True
        return False

    def delete(self, connection, segment):
        segment.gone = None  # perhaps

        def answered():
            segment.gone = True
            segment.attributes.clear()
            segment.sealed_at = None

        self.asked(segment, lambda: connection.delete(segment.name), answered)

    def set_attribute(self, connection, segment=None):
        segment = segment or self.chance.choice(self.lanes).segments[-1]
        key = struct.pack(">QQ", 0x6174, self.chance.randrange(5))
        value, present = self.chance.getrandbits(62), segment.attributes.setdefault(key, NONE)

        def answered():
            segment.attributes[key] = value

        if self.chance.random() < 0.2:
            if connection.set_attribute(segment.name, key, value, present ^ 1):
                raise AssertionError(f"{segment.name}: an attribute was set against its condition")
        elif not self.asked(segment, lambda: connection.set_attribute(segment.name, key, value, present), answered):
            raise AssertionError(f"{segment.name}: an attribute that should be {present} is something else")
        return True

    def use_scratch(self, connection):
        segment = self.chance.choice(self.scratch)
        if segment.gone:
            def answered():
                segment.gone = False

            self.asked(segment, lambda: connection.create(segment.name), answered)
        elif segment.sealed_at is None and self.chance.random() < 0.6:
            self.set_attribute(connection, segment)
        elif segment.sealed_at is None:
            self.end_segment(connection, segment)
        else:
            self.delete(connection, segment)
        return True

    def compare(self, connection):
        for segment in self.scratch + [segment for lane in self.lanes for segment in lane.segments]:
            # What was asked for and not answered happened, or it did not: the model follows, once.
            wrong = self.differences(connection, segment)
            if wrong and segment.asked:
                segment.asked()
                wrong = self.differences(connection, segment)
            if segment.gone is None:
                segment.gone = False  # it is there still
            segment.asked = None
            if wrong:
                raise AssertionError(f"{segment.name}: {wrong}")
            if not segment.gone and segment.sealed_at == -1:
                segment.sealed_at = connection.info(segment.name)[1]
        self.compared += 1
        for lane in self.lanes:
            for segment in lane.segments[:-1]:
                if segment.sealed_at is None and not segment.gone:
                    self.end_segment(connection, segment)

    @staticmethod
    def differences(connection, segment):
        followed = segment.followed  # before the question: others go on meanwhile
        info = connection.info(segment.name)
        if (info is None) != (segment.gone is True):
            return "it is gone" if info is None else "it is there again"
        if info is None:
            return None
        sealed, length, start = info
        if sealed != (segment.sealed_at is not None):
            return f"sealed is {sealed}"
        if segment.sealed_at not in (None, -1, length):
            return f"it was sealed at {segment.sealed_at} and has {length} bytes"
        if length < followed:
            return f"{followed} bytes were read, {length} are there"
        if start != segment.start:
            return f"it begins at {start} instead of {segment.start}"
        for key, value in segment.attributes.items():
            present = connection.attribute(segment.name, key)
            if present != value:
                return f"attribute {key.hex()} is {present} instead of {value}"
        return None
