# SPDX-License-Identifier: Apache-2.0
"""Events that say who wrote them and which one of his they are, and the judgement of those that came back."""

import random
import struct

HEAD = struct.Struct(">iiIQ")  # event header, writer, sequence number
FILLER = random.Random(0).randbytes((8 << 20) + (1 << 16))
LARGEST = 8 << 20  # of a payload
# What must never be stored: an append whose condition does not hold.
POISON = 0


def event(writer, sequence, size):
    """`size` counts the payload, at least 12 bytes."""
    at = (sequence * 31 + writer * 977) & 0xffff
    return HEAD.pack(0, size, writer, sequence) + FILLER[at:at + size - 12]


class Verdict:
    """What is wrong with the events of all writers."""

    def __init__(self):
        self.lost = self.doubled = self.reordered = self.damaged = 0

    def __str__(self):
        return f"lost={self.lost} doubled={self.doubled} reordered={self.reordered} damaged={self.damaged}"

    def good(self):
        return (self.lost, self.doubled, self.reordered, self.damaged) == (0, 0, 0, 0)


class Parser:
    """Takes the bytes of a chain of segments in pieces. Each writer's events have consecutive numbers."""

    def __init__(self, verdict, last=None):
        self.verdict = verdict
        self.last = dict(last or {})  # writer -> sequence number of his newest event
        self.missing = set()
        self.rest = b""
        self.events = 0

    def feed(self, data):
        data = self.rest + data
        at, size = 0, len(data)
        while size - at >= HEAD.size:
            kind, length, writer, sequence = HEAD.unpack_from(data, at)
            if kind != 0 or not 12 <= length <= LARGEST:
                self.verdict.damaged += 1
                raise AssertionError(f"no event but {data[at:at + 40]!r}")
            end = at + 8 + length
            if end > size:
                break
            filler = (sequence * 31 + writer * 977) & 0xffff
            if data[at + HEAD.size:end] != FILLER[filler:filler + length - 12]:
                self.verdict.damaged += 1
            self.judge(writer, sequence)
            self.events += 1
            at = end
        self.rest = data[at:]

    def judge(self, writer, sequence):
        last = self.last.get(writer, 0)
        if sequence == last + 1:
            self.last[writer] = sequence
        elif sequence > last:
            self.missing.update((writer, number) for number in range(last + 1, sequence))
            self.verdict.lost += sequence - last - 1
            self.last[writer] = sequence
        elif (writer, sequence) in self.missing:
            self.missing.remove((writer, sequence))
            self.verdict.lost -= 1
            self.verdict.reordered += 1
        else:
            self.verdict.doubled += 1
