# SPDX-License-Identifier: Apache-2.0
"""A look inside a data directory: of a server that runs, of one that was killed, and of a damaged one."""

import glob
import json
import os
import unittest

from harness import SystemTest, run

OPTIONS = ("--journal-file-bytes", "4MiB", "--journal-total-bytes-max", "32MiB")


class AdminTest(SystemTest):
    def filled(self):
        server = self.server(*OPTIONS)
        at = server.controller
        self.done(run("scope", "create", "s", controller=at))
        self.done(run("stream", "create", "s/t", "--segments", "2", controller=at))
        lines = b"".join(b"%d %s\n" % (number, b"x" * 1000) for number in range(40_000))
        self.done(run("write", "s/t", controller=at, stdin=lines))
        return server

    def table(self, command, *arguments):
        return json.loads(self.done(run("admin", command, *arguments, "--output", "json")).out)

    def test_a_running_and_a_killed_server_are_clean(self):
        server = self.filled()
        report = self.table("verify", server.directory)
        self.assertEqual(report["damage"], [])
        self.assertIn(f"process {server.process.pid}", " ".join(report["remarks"]))
        self.assertEqual(sum(row["length"] for row in self.table("segments", server.directory, "--match", "s/t/")),
                         sum(len(b"%d " % number) + 1008 for number in range(40_000)))
        server.kill()
        report = self.table("verify", server.directory)
        self.assertEqual(report["damage"], [])
        self.assertEqual(report["segments"], 2)
        self.assertGreater(report["objects"], 0)
        server.start()

    def test_tables_agree(self):
        server = self.filled()
        server.terminate()
        segments = self.table("segments", server.directory)
        self.assertEqual({row["state"] for row in segments}, {"open"})
        for segment in segments:
            extents = self.table("extents", server.directory, segment["segment"])
            at = segment["start"]
            for extent in extents:
                self.assertEqual(extent["offset"], at)
                at += extent["length"]
            self.assertEqual(at, segment["length"])
        containers = {row["container"]: row for row in self.table("containers", server.directory)}
        self.assertEqual(len(containers), 16)
        self.assertEqual(sum(row["segments"] for row in containers.values()), len(segments))
        objects = self.table("objects", server.directory)
        self.assertEqual({row["kind"] for row in objects}, {"data", "snapshot"})
        files = self.table("journal", server.directory)
        self.assertEqual([row["file"] for row in files],
                         sorted(os.path.basename(path) for path in glob.glob(server.directory + "/journal/*.wal")))
        batches = self.table("journal", server.directory, "--batches")
        self.assertEqual(len(batches), sum(row["batches"] for row in files))

    def test_a_flipped_bit_is_named(self):
        server = self.filled()
        server.terminate()
        name = next(row["object"] for row in self.table("objects", server.directory) if row["kind"] == "data")
        with open(os.path.join(server.directory, "storage", name), "r+b") as file:
            file.seek(1000)
            byte = file.read(1)[0]
            file.seek(1000)
            file.write(bytes([byte ^ 1]))
        result = run("admin", "verify", server.directory)
        self.assertEqual(result.code, 1, result)
        self.assertIn("damage: object " + name, result.out.decode())
        self.assertIn("damaged in 1 place", result.err)

    def test_a_damaged_metadata_store_is_named(self):
        server = self.filled()
        server.terminate()
        before = set(os.listdir(server.directory))
        self.assertEqual(self.table("verify", server.directory)["damage"], [])
        self.assertEqual(set(os.listdir(server.directory)), before)
        table = max(glob.glob(server.directory + "/metadata/db/*.sst"), key=os.path.getsize)
        with open(table, "r+b") as file:
            byte = file.read(1)[0]
            file.seek(0)
            file.write(bytes([byte ^ 1]))
        result = run("admin", "verify", server.directory)
        self.assertEqual(result.code, 1, result)
        self.assertIn("damage: metadata store: ", result.out.decode())
        self.assertIn(os.path.basename(table), result.out.decode())

    def test_what_is_no_data_directory_is_named_and_left_alone(self):
        empty = self.path("empty")
        os.mkdir(empty)
        for command in ("verify", "journal", "containers", "segments", "objects"):
            self.refused(run("admin", command, empty), 1, empty)
        self.refused(run("admin", "verify", self.path("missing")), 1, self.path("missing"))
        self.assertEqual(os.listdir(empty), [])

    def test_a_segment_that_does_not_exist(self):
        server = self.server()
        self.refused(run("admin", "extents", server.directory, "no/such/0"), 1, "'no/such/0'", "admin segments")


if __name__ == "__main__":
    unittest.main()
