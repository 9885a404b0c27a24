# SPDX-License-Identifier: Apache-2.0
"""The segment store alone: raw frames on its data port (docs/protocol/wire.md), kept through kill -9."""

import unittest

from harness import SegmentStore, SystemTest, run
from raw_frames import NONE, Connection, event

SEGMENT = "scope/stream/0.#epoch.0"
WRITER = bytes(range(16))


class SegmentStoreTest(SystemTest):
    def test_serves_raw_frames_and_keeps_them_through_kill_9(self):
        store = SegmentStore(self.path("data"))
        self.addCleanup(store.close)
        store.start()
        connection = Connection(store.segmentstore)
        self.assertTrue(connection.create(SEGMENT))
        self.assertEqual(connection.set_up(SEGMENT, WRITER), NONE)
        expected = b""
        for number in range(1, 51):
            payload = b"event %d" % number
            connection.append(WRITER, number, payload)
            expected += event(payload)
            if number % 10 == 0:
                connection.close()
                store.kill()
                store.start()
                connection = Connection(store.segmentstore)
                self.assertEqual(connection.set_up(SEGMENT, WRITER), number)
        self.assertEqual(connection.read_all(SEGMENT, len(expected)), expected)
        self.assertTrue(connection.read(SEGMENT, 8)[0].startswith(b"event 1"))
        connection.close()
        self.assertEqual(store.terminate(), 0)

    def test_has_to_be_told_that_it_is_alone(self):
        self.refused(run("segmentstore", "--data-dir", self.path("data")), 2, "--standalone")


if __name__ == "__main__":
    unittest.main()
