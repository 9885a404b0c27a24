# SPDX-License-Identifier: Apache-2.0
"""What the Java client says to a segment store, frame by frame and without a JVM: docs/protocol/java-client.md names each of these tests.

Recorded from the client of version 0.13.0; the numbers are the ones it uses.
"""

import struct
import unittest
import uuid

import raw_frames as frames
from harness import SegmentStore, SystemTest, run
from raw_frames import NONE, Connection, append_block, event, frame, utf

SEGMENT = "scope/stream/0.#epoch.0"
# How much it asks for: of a stream's segments, of revisioned streams, of marks.
EVENT_READ, REVISION_READ = 1 << 20, 256 << 10
# Where a revisioned stream keeps its mark.
MARK = uuid.UUID("7df9a874-246c-c9d6-9397-cdd19ead68c5").bytes


def flow(number, count=0):
    """The request id of one user of a shared connection: who asks is in the high half, the low half counts what is not a read."""
    return number << 32 | count


def conditional_append(writer, number, expected_offset, payload, request):
    """As type 5: the event is in the frame as if it were one."""
    return frame(frames.CONDITIONAL_APPEND, writer + struct.pack(">qq", number, expected_offset) + event(payload) + struct.pack(">q", request))


def read(segment, offset, size, request):
    return frame(frames.READ_SEGMENT, utf(segment) + struct.pack(">qi", offset, size) + utf("") + struct.pack(">q", request))


def set_up(segment, writer, request):
    return frame(frames.SETUP_APPEND, struct.pack(">q", request) + writer + utf(segment) + utf(""))


def about(kind, segment, request, fields=b""):
    """A request that begins with its id and its segment and ends with a token."""
    return frame(kind, struct.pack(">q", request) + utf(segment) + fields + utf(""))


def request_of(kind, payload):
    """The request id of a reply, wherever it is."""
    at = {frames.SEGMENT_READ: -8, frames.DATA_APPENDED: 32, frames.CONDITIONAL_CHECK_FAILED: 24, frames.INVALID_EVENT_NUMBER: 16}.get(kind, 0)
    return struct.unpack(">q", payload[at:][:8])[0]


class ConversationsTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.store = SegmentStore(self.path("data"))
        self.addCleanup(self.store.close)
        self.store.start()
        self.at = self.store.segmentstore

    def connect(self, **options):
        connection = Connection(self.at, **options)
        self.addCleanup(connection.close)
        return connection

    def writer(self):
        return uuid.uuid4().bytes

    def appended(self, connection):
        """(writer, number, previous number, request id, length) of the next acknowledgement."""
        payload = connection.receive(frames.DATA_APPENDED)
        return payload[:16], *struct.unpack(">qqqq", payload[16:])

    # ---- Connections ----

    def test_requests_come_right_behind_hello(self):
        self.connect().create(SEGMENT)
        connection = self.connect(hello=False)
        connection.socket.sendall(frame(frames.HELLO, struct.pack(">ii", 16, 5)) + set_up(SEGMENT, self.writer(), flow(1)) +
                                  about(frames.GET_STREAM_SEGMENT_INFO, SEGMENT, flow(2, 1)))
        self.assertEqual(connection.receive(frames.HELLO), struct.pack(">ii", 16, 5), "the first that it reads")
        connection.receive(frames.APPEND_SETUP)
        connection.receive(frames.STREAM_SEGMENT_INFO)

    def test_every_reply_returns_the_request_id(self):
        connection = self.connect()
        connection.create(SEGMENT)
        writer, gone, sealed, truncated = self.writer(), "scope/stream/1.#epoch.0", "scope/stream/2.#epoch.0", "scope/stream/3.#epoch.0"
        for segment in (sealed, truncated):
            connection.create(segment)
            connection.set_up(segment, writer)
            connection.append(writer, 1, b"x")
        connection.seal(sealed)
        connection.truncate(truncated, 9)
        number = struct.pack(">q", 5)
        asked = [
            (set_up(SEGMENT, writer, 0), frames.APPEND_SETUP),
            (set_up(gone, self.writer(), 0), frames.NO_SUCH_SEGMENT),
            (append_block(writer, event(b"a"), 1, 1, request=0), frames.DATA_APPENDED),
            (conditional_append(writer, 2, 9, b"b", 0), frames.DATA_APPENDED),
            (conditional_append(writer, 3, 9, b"c", 0), frames.CONDITIONAL_CHECK_FAILED),
            (read(SEGMENT, 0, EVENT_READ, 0), frames.SEGMENT_READ),
            (read(gone, 0, EVENT_READ, 0), frames.NO_SUCH_SEGMENT),
            (read(sealed, 9, EVENT_READ, 0), frames.SEGMENT_READ),
            (read(truncated, 0, EVENT_READ, 0), frames.SEGMENT_IS_TRUNCATED),
            (read(SEGMENT, -1, EVENT_READ, 0), frames.ERROR_MESSAGE),
            (about(frames.GET_STREAM_SEGMENT_INFO, SEGMENT, 0), frames.STREAM_SEGMENT_INFO),
            (about(frames.GET_STREAM_SEGMENT_INFO, gone, 0), frames.NO_SUCH_SEGMENT),
            (about(frames.GET_SEGMENT_ATTRIBUTE, SEGMENT, 0, MARK), frames.SEGMENT_ATTRIBUTE),
            (about(frames.UPDATE_SEGMENT_ATTRIBUTE, SEGMENT, 0, MARK + number + struct.pack(">q", NONE)), frames.SEGMENT_ATTRIBUTE_UPDATED),
            (about(frames.TRUNCATE_SEGMENT, truncated, 0, struct.pack(">q", 9)), frames.SEGMENT_TRUNCATED),
            (about(frames.SEAL_SEGMENT, sealed, 0), frames.SEGMENT_IS_SEALED),
            (about(frames.SEAL_SEGMENT, SEGMENT, 0), frames.SEGMENT_SEALED),
            (append_block(writer, event(b"d"), 1, 4, request=0), frames.SEGMENT_IS_SEALED),
        ]
        zero = struct.pack(">q", 0)
        for count, (request, expected) in enumerate(asked):
            mine = flow(0x7fff_ffff, count)
            # The id is the last zeros of a frame whose id comes last, and the first ones elsewhere.
            kind = struct.unpack_from(">i", request)[0]
            last = kind in (frames.READ_SEGMENT, frames.APPEND_BLOCK, frames.CONDITIONAL_APPEND)
            at = len(request) - 8 if last else 8
            self.assertEqual(request[at:at + 8], zero)
            connection.socket.sendall(request[:at] + struct.pack(">q", mine) + request[at + 8:])
            self.assertEqual(request_of(expected, connection.receive(expected)), mine, f"request {count}")

    def test_users_of_one_connection_share_nothing_else(self):
        """Writers and readers of one segment on one connection; they tell replies apart by the request's id or the writer's."""
        connection = self.connect()
        connection.create(SEGMENT)
        writers = [self.writer() for _ in range(3)]
        for number, writer in enumerate(writers):
            connection.socket.sendall(set_up(SEGMENT, writer, flow(10 + number)))
        for number in range(3):
            self.assertEqual(request_of(frames.APPEND_SETUP, connection.receive(frames.APPEND_SETUP)), flow(10 + number))
        for number in range(3):
            connection.socket.sendall(read(SEGMENT, 0, REVISION_READ, flow(20 + number)))
        connection.socket.sendall(append_block(writers[1], event(b"first"), 1, 1, request=flow(11)))
        answers = [connection.receive(frames.SEGMENT_READ, frames.DATA_APPENDED) for _ in range(4)]
        reads = [payload for kind, payload in answers if kind == frames.SEGMENT_READ]
        self.assertEqual(sorted(request_of(frames.SEGMENT_READ, payload) for payload in reads), [flow(20 + number) for number in range(3)])
        for payload in reads:
            self.assertEqual(connection.read_answer(SEGMENT, payload), (event(b"first"), False))

    # ---- Writers ----

    def test_a_writer_that_lost_its_connection_goes_on_above_what_is_stored(self):
        first = self.connect()
        first.create(SEGMENT)
        writer = self.writer()
        self.assertEqual(first.set_up(SEGMENT, writer), NONE)
        first.append(writer, 1, b"event 1")
        # Sent, and never heard of: the last one only in part.
        first.socket.sendall(append_block(writer, event(b"event 2") + event(b"event 3"), 2, 3) + append_block(writer, event(b"event 4"), 1, 4)[:-5])
        self.assertEqual(self.appended(first)[1], 3)
        first.close()
        second = self.connect()
        self.assertEqual(second.set_up(SEGMENT, writer), 3, "what it need not send again")
        second.socket.sendall(append_block(writer, event(b"event 4") + event(b"event 5"), 2, 5))
        self.assertEqual(self.appended(second)[1:3], (5, 3))
        stored = b"".join(event(b"event %d" % number) for number in range(1, 6))
        self.assertEqual(second.read_all(SEGMENT, len(stored)), stored)
        self.assertEqual(second.info(SEGMENT)[1], len(stored))

    def test_a_writer_is_told_what_the_server_that_was_killed_had_stored(self):
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        connection.append(writer, 1, b"acknowledged")
        self.store.kill()
        self.store.start()
        again = self.connect()
        self.assertEqual(again.set_up(SEGMENT, writer), 1)
        self.assertEqual(again.set_up(SEGMENT, self.writer()), NONE, "another writer has stored nothing")

    def test_an_append_block_is_filled_up_where_the_client_flushes(self):
        """It announces the room of a block before it knows what comes; then a keep-alive pushes it out."""
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        whole = event(b"e" * 100)
        # A block with room left, one that ends inside an event, and one that only says that its event is whole now.
        connection.socket.sendall(append_block(writer, whole, 1, 1, padding=2005 - len(whole) - 8) + frame(frames.KEEP_ALIVE, b""))
        self.assertEqual({connection.receive(frames.KEEP_ALIVE, frames.DATA_APPENDED)[0] for _ in range(2)},
                         {frames.KEEP_ALIVE, frames.DATA_APPENDED})
        part, rest = whole[:50], whole[50:]
        connection.socket.sendall(
            frame(frames.APPEND_BLOCK, writer + whole + frame(frames.PARTIAL_EVENT, part)) +
            frame(frames.APPEND_BLOCK_END, writer + struct.pack(">ii", len(whole), len(rest)) + rest + struct.pack(">iqq", 2, 3, flow(1))))
        self.assertEqual(self.appended(connection)[1:3], (3, 1))
        connection.socket.sendall(append_block(writer, b"", 1, 4))
        self.assertEqual(self.appended(connection)[1:], (4, 3, 3, 3 * len(whole)))
        self.assertEqual(connection.read_all(SEGMENT, 3 * len(whole)), 3 * whole)

    def test_a_large_event_ends_behind_the_block_that_it_begins_in(self):
        """A block is small where a writer has written little of late; what does not fit into it comes with its end."""
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        small, large = event(b"small"), event(bytes(range(256)) * (8 << 12))  # 8 MiB, the largest
        part, rest = large[:7000], large[7000:]
        connection.socket.sendall(
            frame(frames.APPEND_BLOCK, writer + small + frame(frames.PARTIAL_EVENT, part)) +
            frame(frames.APPEND_BLOCK_END, writer + struct.pack(">ii", len(small), len(rest)) + rest + struct.pack(">iqq", 2, 2, flow(1))))
        self.assertEqual(self.appended(connection)[1:], (2, NONE, flow(1), len(small + large)))
        self.assertEqual(connection.read_all(SEGMENT, len(small + large)), small + large)

    def test_an_append_to_a_sealed_segment_names_its_last_event(self):
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        connection.append(writer, 1, b"x")
        connection.seal(SEGMENT)
        connection.socket.sendall(append_block(writer, event(b"y") + event(b"z"), 2, 3, request=flow(7)))
        payload = connection.receive(frames.SEGMENT_IS_SEALED)
        self.assertEqual(request_of(frames.SEGMENT_IS_SEALED, payload), flow(7))
        self.assertEqual(struct.unpack(">q", payload[-8:])[0], 3)
        # It takes its set-up anew, and is told the same: everything above 1 goes to others.
        self.assertEqual(connection.set_up(SEGMENT, writer), 1)

    # ---- Readers ----

    def test_the_last_bytes_of_a_sealed_segment_come_with_its_end(self):
        """It does not ask again behind them."""
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        connection.append(writer, 1, b"last")
        connection.seal(SEGMENT)
        connection.socket.sendall(read(SEGMENT, 0, EVENT_READ, flow(3)))
        self.assertEqual(connection.read_answer(SEGMENT, connection.receive(frames.SEGMENT_READ)), (event(b"last"), True))

    def test_a_read_that_waits_is_told_of_the_seal_with_its_offset(self):
        connection = self.connect()
        connection.create(SEGMENT)
        connection.socket.sendall(read(SEGMENT, 0, EVENT_READ, flow(3)))
        self.connect().seal(SEGMENT)
        payload = connection.receive(frames.SEGMENT_IS_SEALED)
        self.assertEqual((request_of(frames.SEGMENT_IS_SEALED, payload), struct.unpack(">q", payload[-8:])[0]), (flow(3), 0))

    def test_a_reader_behind_a_truncation_is_told_where_to_go_on(self):
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        for number in (1, 2):
            connection.append(writer, number, b"event %d" % number)
        start = len(event(b"event 1"))
        connection.truncate(SEGMENT, start)
        connection.socket.sendall(read(SEGMENT, 0, EVENT_READ, flow(3)))
        payload = connection.receive(frames.SEGMENT_IS_TRUNCATED)
        at = 8 + 2 + len(SEGMENT)
        self.assertEqual((request_of(frames.SEGMENT_IS_TRUNCATED, payload), struct.unpack_from(">q", payload, at)[0],
                          struct.unpack(">q", payload[-8:])[0]), (flow(3), start, 0))
        # It asks for the segment's bounds all the same, and goes on.
        self.assertEqual(connection.info(SEGMENT), (False, 2 * start, start))
        self.assertEqual(connection.read(SEGMENT, start), (event(b"event 2"), False))

    def test_a_read_that_waits_is_not_disturbed_by_a_truncation(self):
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        connection.append(writer, 1, b"event 1")
        tail = len(event(b"event 1"))
        connection.socket.sendall(read(SEGMENT, tail, EVENT_READ, flow(3)))
        connection.truncate(SEGMENT, tail)
        connection.socket.sendall(append_block(writer, event(b"event 2"), 1, 2))
        answers = dict(connection.receive(frames.SEGMENT_READ, frames.DATA_APPENDED) for _ in range(2))
        self.assertEqual(connection.read_answer(SEGMENT, answers[frames.SEGMENT_READ]), (event(b"event 2"), False))

    def test_a_read_that_waits_does_not_hold_up_another(self):
        """Whoever seeks leaves its waiting read behind, and asks elsewhere under the same request id."""
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        connection.append(writer, 1, b"event 1")
        tail = len(event(b"event 1"))
        connection.socket.sendall(read(SEGMENT, tail, EVENT_READ, flow(3)) + read(SEGMENT, 8, EVENT_READ, flow(3)))
        self.assertEqual(connection.read_answer(SEGMENT, connection.receive(frames.SEGMENT_READ)), (b"event 1", False))
        self.connect().seal(SEGMENT)
        payload = connection.receive(frames.SEGMENT_IS_SEALED)
        self.assertEqual(struct.unpack(">q", payload[-8:])[0], tail, "the one that was left behind")

    def test_a_segment_is_read_between_two_offsets(self):
        """A batch reader knows the end from the segment's length, and asks for no more than what lies before it."""
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        for number in range(1, 101):
            connection.append(writer, number, b"%0100d" % number)
        size = len(event(b"%0100d" % 1))
        begin, end = 10 * size, 90 * size
        data = b""
        while begin + len(data) < end:
            left = end - begin - len(data)
            part, ends = connection.read(SEGMENT, begin + len(data), left)
            self.assertFalse(ends)
            self.assertTrue(0 < len(part) <= left)
            data += part
        self.assertEqual(data, b"".join(event(b"%0100d" % number) for number in range(11, 91)))

    # ---- Revisioned streams ----

    def test_of_writers_at_one_end_one_wins_and_the_others_go_on(self):
        connection = self.connect()
        connection.create(SEGMENT)
        writers = [self.writer() for _ in range(3)]
        for writer in writers:
            self.assertEqual(connection.set_up(SEGMENT, writer), NONE)
        end, winners = 0, []
        # As in the client: whoever lost reads up to the new end and tries there, with its next number.
        numbers = dict.fromkeys(writers, 0)
        acknowledged = dict.fromkeys(writers, NONE)
        while len(winners) < 3:
            racing = [writer for writer in writers if writer not in winners]
            for writer in racing:
                numbers[writer] += 1
                connection.socket.sendall(conditional_append(writer, numbers[writer], end, b"entry", flow(writers.index(writer), numbers[writer])))
            for writer in racing:
                kind, payload = connection.receive(frames.DATA_APPENDED, frames.CONDITIONAL_CHECK_FAILED)
                self.assertEqual(payload[:16], writer, "in the order of the requests")
                self.assertEqual(request_of(kind, payload), flow(writers.index(writer), numbers[writer]))
                self.assertEqual(struct.unpack_from(">q", payload, 16)[0], numbers[writer])
                self.assertEqual(kind == frames.DATA_APPENDED, writer == racing[0], "the first wins")
                if kind == frames.DATA_APPENDED:
                    _, previous, _, length = struct.unpack(">qqqq", payload[16:])
                    self.assertEqual(previous, acknowledged[writer], "what failed is no event of the writer")
                    winners.append(writer)
            connection.socket.sendall(read(SEGMENT, end, REVISION_READ, flow(9)))
            self.assertEqual(connection.read_answer(SEGMENT, connection.receive(frames.SEGMENT_READ)), (event(b"entry"), False))
            end = length
        self.assertEqual(end, 3 * len(event(b"entry")))

    def test_a_mark_is_set_by_one_of_two(self):
        ours, theirs = self.connect(), self.connect()
        ours.create(SEGMENT)
        self.assertEqual(ours.attribute(SEGMENT, MARK), NONE)
        self.assertTrue(ours.set_attribute(SEGMENT, MARK, 22, NONE))
        self.assertFalse(theirs.set_attribute(SEGMENT, MARK, 11, NONE))
        self.assertEqual(theirs.attribute(SEGMENT, MARK), 22)
        self.assertTrue(theirs.set_attribute(SEGMENT, MARK, 44, 22))

    def test_a_compacted_state_is_read_from_its_mark(self):
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        entries = [b"initial", b"update 1", b"state 1", b"update 2", b"state 2"]
        begins, end = [], 0
        for number, entry in enumerate(entries, 1):
            begins.append(end)
            connection.socket.sendall(conditional_append(writer, number, end, entry, flow(1, number)))
            end = self.appended(connection)[4]
        # The mark goes on to the newest state; what lies before the one that it was at goes.
        self.assertTrue(connection.set_attribute(SEGMENT, MARK, begins[2], NONE))
        self.assertTrue(connection.set_attribute(SEGMENT, MARK, begins[4], begins[2]))
        connection.truncate(SEGMENT, begins[2])
        # Somebody who knows nothing of that begins at 0.
        late = self.connect()
        late.socket.sendall(read(SEGMENT, 0, REVISION_READ, flow(13)))
        late.receive(frames.SEGMENT_IS_TRUNCATED)
        mark = late.attribute(SEGMENT, MARK)
        self.assertEqual(late.read(SEGMENT, mark, REVISION_READ), (event(b"state 2"), False))

    # ---- Byte streams ----

    def test_a_byte_stream_is_truncated_and_sealed_by_its_writer(self):
        """Without the controller, on the connection where a read waits."""
        connection = self.connect()
        connection.create(SEGMENT)
        writer = self.writer()
        connection.set_up(SEGMENT, writer)
        # Bytes are no events: nothing is put before them, and each append is one.
        connection.socket.sendall(append_block(writer, b"a" * 99_991, 1, 1, request=flow(1)) + append_block(writer, b"b" * 9, 1, 2, request=flow(1)))
        while self.appended(connection)[1] < 2:
            pass
        self.assertEqual(connection.info(SEGMENT), (False, 100_000, 0))
        self.assertEqual(connection.read_all(SEGMENT, 100_000), b"a" * 99_991 + b"b" * 9)
        connection.socket.sendall(read(SEGMENT, 100_000, EVENT_READ, flow(4)))
        connection.truncate(SEGMENT, 1000)
        connection.socket.sendall(about(frames.SEAL_SEGMENT, SEGMENT, flow(6, 2)))
        answers = dict(connection.receive(frames.SEGMENT_SEALED, frames.SEGMENT_IS_SEALED) for _ in range(2))
        self.assertEqual(request_of(frames.SEGMENT_IS_SEALED, answers[frames.SEGMENT_IS_SEALED]), flow(4))
        self.assertEqual(connection.info(SEGMENT), (True, 100_000, 1000))
        self.assertEqual(connection.read(SEGMENT, 99_990), (b"a" + b"b" * 9, True))


class ScaleConversationTest(SystemTest):
    def test_a_writer_whose_segment_was_sealed_goes_on_with_the_successors(self):
        standalone = self.server()

        def command(*arguments):
            return self.done(run(*arguments, controller=standalone.controller))

        command("scope", "create", "scope")
        command("stream", "create", "scope/stream", "--segments", "1")
        connection = Connection(standalone.segmentstore)
        self.addCleanup(connection.close)
        writer = uuid.uuid4().bytes
        connection.set_up(SEGMENT, writer)
        connection.append(writer, 1, b"acknowledged")
        command("stream", "scale", "scope/stream", "--seal", "0", "--ranges", "0-0.5,0.5-1")
        connection.socket.sendall(append_block(writer, event(b"2 left") + event(b"3 right"), 2, 3))
        connection.receive(frames.SEGMENT_IS_SEALED)
        # A writer of its own in each successor, which counts from 1; what was not acknowledged goes there by its key.
        for number, payload in ((1, b"2 left"), (2, b"3 right")):
            other = Connection(standalone.segmentstore)
            self.addCleanup(other.close)
            successor = uuid.uuid4().bytes
            self.assertEqual(other.set_up(f"scope/stream/{number}.#epoch.1", successor), NONE)
            other.append(successor, 1, payload)
        self.assertEqual(sorted(command("read", "scope/stream").out.splitlines()), [b"2 left", b"3 right", b"acknowledged"])


if __name__ == "__main__":
    unittest.main()
