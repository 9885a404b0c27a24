# SPDX-License-Identifier: Apache-2.0
"""Old bytes: more than journal and memory hold together, and a storage that is not there."""

import contextlib
import json
import os
import re
import shutil
import unittest

from harness import PATIENCE_S, SystemTest, run, spawn, wait_for

MIB = 1024 * 1024
JOURNAL_BYTES = 64 * MIB
OPTIONS = ("--journal-file-bytes", "8MiB", "--journal-total-bytes-max", "64MiB", "--cache-bytes", "8MiB",
           "--admitted-bytes-max", "32MiB")


def bytes_below(directory):
    """What lies there; files that get their name, or go, while it is looked at are left out."""
    total = 0
    for at, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(os.path.join(at, name))
    return total


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

    def test_writers_wait_for_a_storage_that_is_gone(self):
        server = self.server("--journal-file-bytes", "4MiB", "--journal-total-bytes-max", "16MiB")
        at = server.controller
        self.done(run("scope", "create", "s", controller=at))
        self.done(run("stream", "create", "s/t", controller=at))
        self.done(run("write", "s/t", "--key", "k", controller=at, stdin=b"before\n"))
        storage = os.path.join(server.directory, "storage")
        shutil.move(storage, storage + ".gone")
        with open(storage, "wb"):
            pass
        count = 40_000
        file = self.path("lines")
        with open(file, "wb") as out:
            for number in range(count):
                out.write(b"%d %s\n" % (number, b"x" * 1000))
        writer = spawn("write", "s/t", file, "--key", "k", controller=at)
        try:
            def health():
                return json.loads(server.get("/health")[1])

            wait_for(lambda: re.search("long-term storage: .*" + storage, "; ".join(health().get("reasons", []))),
                     "health says that the storage is gone")
            wait_for(lambda: "journal file not made" in server.log_tail(), "the journal is used up")
            self.assertLessEqual(bytes_below(os.path.join(server.directory, "journal")), 16 * MIB)
            self.assertIsNone(writer.poll())
            # What is there can be read meanwhile.
            self.assertEqual(self.done(run("read", "s/t", "--count", "2", controller=at)).out.splitlines()[0], b"before")
            os.remove(storage)
            shutil.move(storage + ".gone", storage)
            self.assertEqual(writer.wait(timeout=PATIENCE_S), 0)
        finally:
            writer.kill()
            writer.wait()
        wait_for(lambda: health()["status"] == "serving", "health says that all is well")
        for _ in range(2):
            got = self.done(run("read", "s/t", controller=at)).out.splitlines()
            self.assertEqual(got[0], b"before")
            self.assertEqual([int(line.split()[0]) for line in got[1:]], list(range(count)))
            server.kill()
            server.start()


if __name__ == "__main__":
    unittest.main()
