# SPDX-License-Identifier: Apache-2.0
"""Old bytes: more than journal and memory hold together, and a storage that is not there."""

import os
import shutil
import unittest

from harness import SystemTest, run

MIB = 1024 * 1024
JOURNAL_BYTES = 64 * MIB
OPTIONS = ("--journal-file-bytes", "8MiB", "--journal-total-bytes-max", "64MiB", "--cache-bytes", "8MiB",
           "--admitted-bytes-max", "32MiB")


def bytes_below(directory):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(directory) for name in names)


class TieringTest(SystemTest):
    def test_more_than_the_journal_holds_survives_a_kill(self):
        server = self.server(*OPTIONS)
        self.done(run("scope", "create", "s", controller=server.controller))
        self.done(run("stream", "create", "s/t", "--segments", "3", controller=server.controller))
        file = self.path("lines")
        count = 250_000
        with open(file, "wb") as out:
            for number in range(count):
                out.write(b"%07d %s\n" % (number, b"x" * 900))
        self.done(run("write", "s/t", file, controller=server.controller))
        self.assertLessEqual(bytes_below(os.path.join(server.directory, "journal")), JOURNAL_BYTES)
        self.assertGreater(bytes_below(os.path.join(server.directory, "storage")), 100 * MIB)
        with open(file, "rb") as written:
            expected = sorted(written.read().splitlines())
        read = self.done(run("read", "s/t", controller=server.controller)).out
        self.assertEqual(sorted(read.splitlines()), expected)
        server.kill()
        server.start()
        read = self.done(run("read", "s/t", controller=server.controller)).out
        self.assertEqual(sorted(read.splitlines()), expected)

    def test_storage_of_its_own_that_went_away_is_named(self):
        storage = self.path("lts")
        server = self.server("--storage-dir", storage, *OPTIONS)
        server.terminate()
        shutil.move(storage, storage + ".gone")
        os.mkdir(storage)  # what a mount leaves
        with self.assertRaises(AssertionError) as refused:
            server.start()
        self.assertIn(storage, str(refused.exception))
        self.assertEqual(os.listdir(storage), [])
        os.rmdir(storage)
        shutil.move(storage + ".gone", storage)
        server.start()


if __name__ == "__main__":
    unittest.main()
