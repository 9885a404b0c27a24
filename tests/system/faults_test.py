# SPDX-License-Identifier: Apache-2.0
"""Damaged, missing, full, read-only and hanging directories: what is refused, by which words, and what goes on (docs/operations.md)."""

import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import threading
import unittest
import urllib.error

from harness import SegmentStore, SystemTest, run, wait_for
from raw_frames import DATA_APPENDED, ERROR_MESSAGE, NONE, WRONG_HOST, Connection, Refused, append_block, event

KIB, MIB = 1 << 10, 1 << 20
SEGMENTS = ("a/b/0.#epoch.0", "a/b/1.#epoch.0")
WRITER = bytes(range(16))
PAYLOAD = b"x" * (100 * KIB)
WHOLE = event(PAYLOAD)
# Everything stays in the journal; and everything leaves it.
KEPT = ("--containers", "2", "--journal-file-bytes", "4MiB", "--cache-bytes", "8MiB")
MOVED = KEPT + ("--journal-total-bytes-max", "32MiB", "--tiering-window-bytes", "256KiB", "--tiering-age-max-seconds", "1s")


def contents_below(directory):
    found = {}
    for at, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(at, name), "rb") as file:
                found[os.path.join(at, name)] = file.read()
    return found


def bytes_below(directory):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(directory) for name in names)


def change(path, offset, make):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([make(byte)]))


class FaultTest(SystemTest):
    def store(self, *options, directory=None):
        store = SegmentStore(directory or self.path("data"), *options)
        store.log_path = self.path("log")
        self.addCleanup(store.close)
        return store

    def connect(self, store):
        connection = Connection(store.segmentstore)
        self.addCleanup(connection.close)
        return connection

    def fill(self, store, events):
        """As many acknowledged events in each segment."""
        connection = self.connect(store)
        for segment in SEGMENTS:
            connection.create(segment)
            last = connection.set_up(segment, WRITER)
            first = 1 if last == NONE else last + 1
            for number in range(first, first + events):
                connection.append(WRITER, number, PAYLOAD)

    def assert_has(self, store, events):
        connection = self.connect(store)
        for segment in SEGMENTS:
            self.assertEqual(connection.set_up(segment, WRITER), events)
            self.assertTrue(connection.read_all(segment, events * len(WHOLE)) == WHOLE * events)

    def assert_refuses_to_start(self, store, *parts, journal_is_whole=False):
        """It ends with 1, names these, and has changed nothing; a journal that is whole may have begun another file."""
        before = contents_below(store.directory)
        with open(store.log_path, "w", encoding="utf-8"):
            pass
        with self.assertRaises(AssertionError):
            store.start()
        self.assertEqual(store.process.returncode, 1)
        said = store.log_tail().splitlines()[-1]
        for part in parts:
            self.assertIn(part, said)
        after = contents_below(store.directory)
        for contents in (before, after):
            del contents[os.path.join(store.directory, "LOCK")]  # holds who tried
            for path in [path for path in contents if journal_is_whole and "/journal/" in path]:
                del contents[path]
        self.assertEqual([path for path in before if after.get(path) != before[path]], [])
        self.assertEqual(set(after), set(before))

    def health(self, store):
        try:
            return json.loads(store.get("/health")[1])
        except urllib.error.HTTPError as refused:
            with refused:
                return json.loads(refused.read())


class DamagedDirectoryTest(FaultTest):
    """What lies in a directory is damaged or lost while nothing runs."""

    def stopped(self, *options, events=80):
        store = self.store(*options)
        store.start()
        self.fill(store, events)
        if options == MOVED:
            wait_for(lambda: self.has_snapshots(store), "each container has moved something")
        self.assertEqual(store.terminate(), 0)
        shutil.copytree(store.directory, store.directory + ".whole")
        return store

    def has_snapshots(self, store):
        looked = run("admin", "containers", store.directory, "--output", "json")
        # Files come and go while it looks.
        return looked.code == 0 and all(row["snapshot"] for row in json.loads(looked.out))

    def make_whole(self, store):
        shutil.rmtree(store.directory)
        shutil.copytree(store.directory + ".whole", store.directory)

    def test_the_journal(self):
        store = self.stopped(*KEPT)
        batches = json.loads(self.done(run("admin", "journal", store.directory, "--batches", "--output", "json")).out)
        files = sorted({batch["file"] for batch in batches})
        self.assertGreaterEqual(len(files), 3)
        paths = [os.path.join(store.directory, "journal", name) for name in files]

        def lose():
            os.remove(paths[1])

        def shorten():
            os.truncate(paths[1], 2 * MIB)

        def swap():
            os.rename(paths[0], paths[0] + ".old")
            os.rename(paths[1], paths[0])
            os.rename(paths[0] + ".old", paths[1])

        def take_over_by_a_newer_version():
            change(paths[1], 8, lambda _: 99)

        # The middle of a batch of one block may be padding, which nothing misses. The last batch proves the one before it.
        long = [batch for batch in batches[:-1] if batch["bytes"] > 4096]
        in_the_middle = next(batch for batch in long if batch["file"] == files[1] and batch["offset"] > MIB)
        at_the_end = long[-1]

        for damage, parts in ((lose, (paths[1], "missing")), (shorten, (paths[1], "offset", "ends")), (swap, (paths[0], files[1])),
                              (take_over_by_a_newer_version, (paths[1],))):
            with self.subTest(damage.__name__):
                damage()
                self.assert_refuses_to_start(store, *parts)
                self.assertEqual(run("admin", "verify", store.directory).code, 1)
                self.make_whole(store)
        for batch in (in_the_middle, at_the_end):
            path = os.path.join(store.directory, "journal", batch["file"])
            with self.subTest("a flipped bit in a header", **batch):
                change(path, batch["offset"] + 30, lambda byte: byte ^ 8)
                self.assert_refuses_to_start(store, path, f"offset {batch['offset']}")
                self.make_whole(store)
            with self.subTest("a flipped bit in an entry", **batch):
                change(path, batch["offset"] + batch["bytes"] // 2, lambda byte: byte ^ 8)
                self.assert_halts_one_container(store, path, "offset ")
                self.make_whole(store)
        store.start()
        self.assert_has(store, 80)

    def test_a_write_that_was_cut_off_is_dropped(self):
        store = self.store(*KEPT)
        store.start()
        self.fill(store, 20)
        store.kill()
        last = json.loads(self.done(run("admin", "journal", store.directory, "--batches", "--output", "json")).out)[-1]
        with open(os.path.join(store.directory, "journal", last["file"]), "r+b") as file:
            file.seek(last["offset"] + last["bytes"])
            file.write(os.urandom(64 * KIB))
        store.start()
        self.assert_has(store, 20)

    def test_files_of_a_newer_version(self):
        store = self.stopped(*KEPT, events=1)
        for name in ("segmentstore.format", "storage/STORAGE"):
            with self.subTest(name):
                path = os.path.join(store.directory, name)
                change(path, 8, lambda version: version + 100)
                self.assert_refuses_to_start(store, path, "newer version")
                self.make_whole(store)
        store.start()
        self.assert_has(store, 1)

    def test_parts_that_are_gone(self):
        store = self.stopped(*MOVED)
        for part in ("journal", "storage", "segmentstore.format"):
            with self.subTest(part):
                path = os.path.join(store.directory, part)
                (os.remove if os.path.isfile(path) else shutil.rmtree)(path)
                # What is made anew by a start that was refused is an empty directory at most.
                self.assert_refuses_to_start(store, part)
                self.make_whole(store)
        store.start()
        self.assert_has(store, 80)

    def test_damaged_old_bytes_fail_their_reads_only(self):
        store = self.stopped(*MOVED)
        extents = json.loads(self.done(run("admin", "extents", store.directory, SEGMENTS[0], "--output", "json")).out)
        first = extents[0]
        path = os.path.join(store.directory, "storage", first["in"].removeprefix("object "))

        def flip():
            change(path, first["position"] + first["length"] // 2, lambda byte: byte ^ 1)

        def lose():
            os.remove(path)

        for damage in (flip, lose):
            with self.subTest(damage.__name__):
                damage()
                store.start()
                connection = self.connect(store)
                connection.ask_read(SEGMENTS[0], 0)
                kind, answer = connection.next()
                self.assertEqual(kind, ERROR_MESSAGE)
                self.assertIn(path.encode() if damage is lose else os.path.basename(path).encode(), answer)
                # The connection, the rest of the segment and the other one are as before.
                end = first["length"]
                self.assertTrue(connection.read_all(SEGMENTS[0], len(WHOLE), -(-end // len(WHOLE)) * len(WHOLE)) == WHOLE)
                self.assertTrue(connection.read_all(SEGMENTS[1], 80 * len(WHOLE)) == WHOLE * 80)
                self.assertEqual(connection.set_up(SEGMENTS[0], WRITER), 80)
                connection.append(WRITER, 81, PAYLOAD)
                self.assertEqual(store.terminate(), 0)
                self.make_whole(store)
        store.start()
        self.assert_has(store, 80)

    def assert_halts_one_container(self, store, *parts):
        """Its segment is nobody's, the other one is as it was."""
        rows = json.loads(self.done(run("admin", "segments", store.directory + ".whole", "--output", "json")).out)
        store.start()
        health = self.health(store)
        self.assertEqual(health["status"], "degraded")
        reason, = health["reasons"]
        for part in parts:
            self.assertIn(part, reason)
        container = int(re.match(r"damage: container (\d+) is halted: ", reason)[1])
        halted, = (row["segment"] for row in rows if row["container"] == container)
        other, = (row["segment"] for row in rows if row["container"] != container)
        self.assertIn("millrace_segmentstore_containers_halted_count 1", store.get("/metrics")[1])
        connection = self.connect(store)
        with self.assertRaises(Refused) as refused:
            connection.set_up(halted, WRITER)
        self.assertEqual(refused.exception.kind, WRONG_HOST)
        # What comes behind it is dropped; the connection lives.
        connection.socket.sendall(append_block(WRITER, WHOLE, 1, 81))
        connection.ask_read(halted, 0)
        connection.receive(WRONG_HOST)
        self.assertTrue(connection.read_all(other, 80 * len(WHOLE)) == WHOLE * 80)
        self.assertEqual(connection.set_up(other, WRITER), 80)
        connection.append(WRITER, 81, PAYLOAD)
        self.assertEqual(run("admin", "verify", store.directory).code, 1)
        self.assertEqual(store.terminate(), 0)

    def test_a_damaged_snapshot_halts_its_container(self):
        store = self.stopped(*MOVED)
        snapshots = [row["object"] for row in json.loads(self.done(run("admin", "objects", store.directory, "--output", "json")).out)
                     if row["kind"] == "snapshot" and row["state"] == "in use"]
        self.assertTrue(snapshots, run("admin", "objects", store.directory).out.decode())
        path = os.path.join(store.directory, "storage", snapshots[-1])

        def flip():
            change(path, 100, lambda byte: byte ^ 1)

        def lose():
            os.remove(path)

        for damage in (flip, lose):
            with self.subTest(damage.__name__):
                damage()
                self.assert_halts_one_container(store, snapshots[-1])
                self.make_whole(store)
        store.start()
        self.assert_has(store, 80)

    def test_a_directory_in_use(self):
        store = self.store(*KEPT)
        store.start()
        second = self.store(*KEPT)
        with self.assertRaises(AssertionError) as refused:
            second.start()
        self.assertIn(f"process {store.process.pid}", str(refused.exception))
        self.fill(store, 1)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount"), "needs root to mount file systems of its own")
class FileSystemTest(FaultTest):
    """A file system that is full, read-only or hangs, while the server runs and when it starts."""

    def mounted(self, name, size):
        path = self.path(name)
        os.mkdir(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)
        return path

    def remount(self, path, how):
        # Busy while a file of it is open for writing.
        wait_for(lambda: subprocess.run(["mount", "-o", f"remount,{how}", path], capture_output=True).returncode == 0, "a remount")

    def fill_up(self, path):
        with open(os.path.join(path, "ballast"), "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(64 * KIB))
            except OSError:
                pass
        return ballast.name

    def test_a_full_data_directory(self):
        place = self.mounted("small", "64m")
        store = self.store(*KEPT, "--journal-keep-free-bytes", "4MiB", directory=os.path.join(place, "data"))
        store.start()
        self.fill(store, 1)
        ballast = self.fill_up(place)
        connection = self.connect(store)
        connection.set_up(SEGMENTS[0], WRITER)

        def send():
            try:
                for number in range(2, 1000):
                    connection.socket.sendall(append_block(WRITER, WHOLE, 1, number))
            except OSError:
                pass  # the server is killed below

        sender = threading.Thread(target=send)
        sender.start()
        self.addCleanup(sender.join)
        self.addCleanup(store.close)
        # Long-term storage lies there too, and may be the first to say so.
        wait_for(lambda: re.search("segment store: .*(no room|disk is full)", "; ".join(self.health(store).get("reasons", []))),
                 "health says that the disk is full")
        # What is there is served meanwhile.
        acknowledged = 1
        while connection.readable():
            acknowledged = struct.unpack_from(">q", connection.receive(DATA_APPENDED), 16)[0]
        length = acknowledged * len(WHOLE)
        self.assertTrue(self.connect(store).read_all(SEGMENTS[0], length) == WHOLE * acknowledged)
        # A start needs some of what was kept free, for it may have to write the last batch anew; then it is read as well.
        store.kill()
        self.assert_refuses_to_start(store, "/journal/", "No space left on device")
        os.truncate(ballast, os.path.getsize(ballast) - 4 * MIB)
        store.start()
        self.assertTrue(self.connect(store).read_all(SEGMENTS[0], length) == WHOLE * acknowledged)
        os.remove(ballast)
        wait_for(lambda: self.health(store)["status"] == "serving", "health says that there is space")
        connection = self.connect(store)
        last = connection.set_up(SEGMENTS[0], WRITER)
        self.assertGreaterEqual(last, acknowledged)
        connection.append(WRITER, last + 1, PAYLOAD)
        self.assertTrue(connection.read_all(SEGMENTS[0], (last + 1) * len(WHOLE)) == WHOLE * (last + 1))

    def test_a_data_directory_that_cannot_be_written(self):
        place = self.mounted("small", "64m")
        store = self.store(*KEPT, directory=os.path.join(place, "data"))
        store.start()
        self.fill(store, 1)
        store.terminate()
        self.remount(place, "ro")
        self.assert_refuses_to_start(store, store.directory, "Read-only file system")
        self.remount(place, "rw")
        store.start()
        self.assert_has(store, 1)

    def storage_store(self):
        place = self.mounted("lts", "24m")
        store = self.store(*MOVED, "--storage-dir", os.path.join(place, "storage"))
        store.start()
        self.fill(store, 20)
        return store, place

    def still_serves(self, store, events):
        """Appends go on, and everything is read."""
        self.fill(store, 10)
        self.assert_has(store, events + 10)
        return events + 10

    def degraded(self, store, *parts):
        health = wait_for(lambda: (lambda now: now if now["status"] == "degraded" else None)(self.health(store)), "degraded health")
        for part in ("long-term storage: ", *parts):
            self.assertIn(part, health["reasons"][0])

    def test_long_term_storage_that_is_read_only_or_full(self):
        store, place = self.storage_store()
        events = 20

        def read_only():
            self.remount(place, "ro")
            return lambda: self.remount(place, "rw")

        def full():
            ballast = self.fill_up(place)
            return lambda: os.remove(ballast)

        for fault, reason in ((read_only, "Read-only file system"), (full, "no space")):
            with self.subTest(fault.__name__):
                mend = fault()
                events = self.still_serves(store, events)
                self.degraded(store, place, reason)
                store.kill()
                store.start()
                events = self.still_serves(store, events)
                self.degraded(store, place, reason)
                mend()
                wait_for(lambda: self.health(store)["status"] == "serving", "health says that all is well")
                events = self.still_serves(store, events)
        self.assertEqual(store.terminate(), 0)
        self.assertEqual(run("admin", "verify", store.directory, "--storage-dir", os.path.join(place, "storage")).code, 0)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("mkfs.ext4"), "needs root and mkfs.ext4 for disks of its own")
class FailingDiskTest(FaultTest):
    """A disk that fails from one moment to the next, and is well again after it was mounted anew."""

    SHUT_DOWN, WITHOUT_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN

    def disk(self, name):
        image, path = self.path(name + ".image"), self.path(name)
        os.mkdir(path)
        with open(image, "wb") as file:
            file.truncate(256 * MIB)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        done = self.mount(image, path)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)
        return image, path

    @staticmethod
    def mount(image, path):
        return subprocess.run(["mount", "-o", "loop", image, path], capture_output=True, text=True)

    def break_down(self, path):
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, self.SHUT_DOWN, struct.pack("I", self.WITHOUT_FLUSH))
        finally:
            os.close(handle)

    def mend(self, image, path):
        subprocess.run(["umount", "-l", path], check=True)
        wait_for(lambda: self.mount(image, path).returncode == 0, "the disk is mounted again")

    def test_under_the_journal(self):
        image, path = self.disk("disk")
        store = self.store(*KEPT, directory=os.path.join(path, "data"))
        store.start()
        acknowledged = 0
        for _ in range(3):
            connection = self.connect(store)
            connection.create(SEGMENTS[0])
            last = max(connection.set_up(SEGMENTS[0], WRITER), 0)
            self.assertGreaterEqual(last, acknowledged)
            connection.append(WRITER, last + 1, PAYLOAD)
            for number in range(last + 2, last + 100):
                connection.socket.sendall(append_block(WRITER, WHOLE, 1, number))
            self.break_down(path)
            acknowledged = last + 1
            for kind, payload in connection.ends():
                self.assertEqual(kind, DATA_APPENDED)
                acknowledged = struct.unpack_from(">q", payload, 16)[0]
            self.assertEqual(store.wait(), 74)
            self.assertIn("restart the server once the disk is well", store.log_tail())
            self.mend(image, path)
            store.start()
        connection = self.connect(store)
        last = connection.set_up(SEGMENTS[0], WRITER)
        self.assertGreaterEqual(last, acknowledged)
        self.assertTrue(connection.read_all(SEGMENTS[0], last * len(WHOLE)) == WHOLE * last)
        self.assertEqual(store.terminate(), 0)

    def test_under_long_term_storage(self):
        image, path = self.disk("lts")
        store = self.store(*MOVED, "--storage-dir", os.path.join(path, "storage"))
        store.start()
        self.fill(store, 20)
        wait_for(lambda: bytes_below(path) > 1 * MIB, "bytes are moved")
        self.break_down(path)
        self.fill(store, 10)
        health = wait_for(lambda: (lambda now: now if now["status"] == "degraded" else None)(self.health(store)), "degraded health")
        self.assertIn("Input/output error", health["reasons"][0])
        self.mend(image, path)
        wait_for(lambda: self.health(store)["status"] == "serving", "health says that all is well")
        self.assert_has(store, 30)
        store.kill()
        store.start()
        self.assert_has(store, 30)
        self.assertEqual(run("admin", "verify", store.directory, "--storage-dir", os.path.join(path, "storage")).code, 0)


class HangingStorageTest(FaultTest):
    """Opening a FIFO that nobody writes hangs, as a file system that went away does."""

    def test_while_it_runs_and_at_a_start(self):
        store = self.store(*MOVED)
        store.start()
        self.fill(store, 20)
        mark = os.path.join(store.directory, "storage", "STORAGE")
        shutil.move(mark, mark + ".kept")
        os.mkfifo(mark)
        self.fill(store, 10)
        self.assert_has(store, 30)  # what was moved before has its own files
        store.kill()
        http = f"127.0.0.1:{store.ports[2]}"
        store.launch()
        store.http = http

        def starting():
            try:
                return self.health(store)["status"] == "starting"
            except OSError:
                return False  # not listening yet

        wait_for(starting, "health says that it starts")
        self.assertEqual(store.terminate(), 0)
        os.remove(mark)
        shutil.move(mark + ".kept", mark)
        store.start()
        self.assertEqual(self.health(store)["status"], "serving")
        self.assert_has(store, 30)


@unittest.skipUnless(os.environ.get("SLOW_DISK"), "SLOW_DISK names no library that makes disks slow")
class SlowStorageTest(FaultTest):
    """A long-term storage that works and takes a tenth of what comes."""

    EVENTS = 800

    def test_writers_are_held_back_and_nobody_else(self):
        store = self.store(*MOVED, "--journal-keep-free-bytes", "0")
        store.environment = {"LD_PRELOAD": os.environ["SLOW_DISK"], "SLOW_BYTES_PER_SECOND": str(16 * MIB),
                             "SLOW_BELOW": os.path.join(store.directory, "storage")}
        store.start()
        self.fill(store, 1)
        connection = self.connect(store)
        connection.set_up(SEGMENTS[0], WRITER)

        def send():
            for number in range(2, self.EVENTS + 1):
                connection.socket.sendall(append_block(WRITER, WHOLE, 1, number))

        sender = threading.Thread(target=send)
        sender.start()
        self.addCleanup(sender.join)
        others = self.connect(store)
        acknowledged = looks = 0
        while acknowledged < self.EVENTS:
            acknowledged = struct.unpack_from(">q", connection.receive(DATA_APPENDED), 16)[0]
            # Answered at once, from what is there.
            others.info(SEGMENTS[1])
            looks += 1
        self.assertGreater(looks, 10)
        braked = re.search(r"^millrace_segmentstore_appends_braked_total (\d+)$", store.get("/metrics")[1], re.MULTILINE)
        self.assertGreater(int(braked.group(1)), 0)
        length = self.EVENTS * len(WHOLE)
        self.assertTrue(others.read_all(SEGMENTS[0], length) == WHOLE * self.EVENTS)
        wait_for(lambda: self.health(store)["status"] == "serving", "health says that all is well")
        self.assertLess(bytes_below(os.path.join(store.directory, "journal")), 40 * MIB)
        store.kill()
        store.environment = {}
        store.start()
        self.assertTrue(self.connect(store).read_all(SEGMENTS[0], length) == WHOLE * self.EVENTS)
        self.assertEqual(store.terminate(), 0)
        self.assertEqual(run("admin", "verify", store.directory).code, 0)


if __name__ == "__main__":
    unittest.main()
