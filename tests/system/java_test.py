# SPDX-License-Identifier: Apache-2.0
"""The unmodified Java client (Maven's io.pravega:pravega-client) against a server of ours: cases of java/, each with a history that the checker judges.

java_test.py [TEST...] is the slice of CI; with JAVA_CASES_EVENTS=100000 JAVA_CASES_KILLS=5 JAVA_CASES_STOP=40 it is the whole.
"""

import functools
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import unittest

import maven
import raw_frames
from frame_proxy import FrameProxy
from harness import MILLRACE, Server, SystemTest, run, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("JAVA_CASES_BUILD", os.path.join(HERE, "..", "..", "build", "java"))
CHECK_HISTORY = os.environ.get("CHECK_HISTORY", os.path.join(os.path.dirname(MILLRACE), "..", "tests", "history", "millrace_check_history"))
EVENTS = int(os.environ.get("JAVA_CASES_EVENTS", "5000"))
KILLS = int(os.environ.get("JAVA_CASES_KILLS", "2"))
STOP_S = int(os.environ.get("JAVA_CASES_STOP", "5"))
CASE_S = 600


class Behind(Server):
    """A server whose data port clients are told of at an address where a proxy listens, with the port that the server has at its own."""

    OWN, TOLD = "127.0.0.1", "127.0.0.2"

    def __init__(self, directory):
        with socket.create_server((self.OWN, 0)) as free:
            port = free.getsockname()[1]
        super().__init__(directory, "--advertise", self.TOLD, ports=(0, port, 0))
        self.proxy = FrameProxy((self.TOLD, port), (self.OWN, port))

    def start(self):
        super().start()
        self.controller, self.http = f"{self.OWN}:{self.ports[0]}", f"{self.OWN}:{self.ports[2]}"
        return self

    def close(self):
        super().close()
        self.proxy.close()


@unittest.skipUnless(shutil.which("mvn") and shutil.which("java"), "needs Java and Maven")
class JavaTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.classpath = maven.build(os.path.join(HERE, "java"), BUILD)

    def setUp(self):
        super().setUp()
        self.store = Behind(self.path("data"))
        self.addCleanup(self.store.close)

    def launch(self, case, events=EVENTS, **pipes):
        errors = open(self.path(case + ".err"), "wb")
        self.addCleanup(errors.close)
        process = subprocess.Popen(
            ["java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", self.classpath, "millrace.cases.Main",
             f"tcp://{self.store.controller}", self.path(case + ".history"), case, str(events)], stderr=errors, text=True, **pipes)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assert_done(self, process, case):
        try:
            code = process.wait(timeout=CASE_S)
        except subprocess.TimeoutExpired:
            subprocess.run(["jstack", str(process.pid)], check=False)
            raise
        with open(self.path(case + ".err"), encoding="utf-8", errors="replace") as errors:
            self.assertEqual(code, 0, errors.read()[-4000:])

    def assert_says(self, process, line):
        ready, _, _ = select.select([process.stdout], [], [], 120)
        self.assertEqual(process.stdout.readline() if ready else None, line + "\n")

    def assert_history_is_right(self, *cases, options=()):
        done = subprocess.run([CHECK_HISTORY, *options, *(self.path(case + ".history") for case in cases)],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-1000:])

    def assert_nothing_went_wrong_here(self):
        """Nor did the client ask for anything that is not offered."""
        with open(self.store.log_path, encoding="utf-8", errors="replace") as log:
            loud = [line for line in log if re.search(r"^\S+ error |UNIMPLEMENTED", line)]
        self.assertEqual(loud, [])
        self.assert_calls_are_offered()
        self.assertIn(raw_frames.HELLO, self.store.proxy.replies.kinds)
        self.assertNotIn(raw_frames.OPERATION_UNSUPPORTED, self.store.proxy.replies.kinds)

    def assert_calls_are_offered(self):
        """Calls that are answered UNIMPLEMENTED are counted, and not logged."""
        others = re.findall(r'^millrace_rpc_calls_total{method="other"} (\S+)$', self.store.get("/metrics")[1], re.MULTILINE)
        self.assertEqual(others, ["0"])

    def case(self, name):
        self.store.start()
        process = self.launch(name, stdin=subprocess.DEVNULL)
        self.assert_done(process, name)
        self.assert_history_is_right(name)
        self.assert_nothing_went_wrong_here()
        self.assertEqual(self.store.terminate(), 0)

    def test_scopes_and_streams(self):
        self.case("lives")

    def test_writers(self):
        self.case("writes")

    def test_reader_groups(self):
        self.case("groups")

    def test_checkpoints_and_cuts(self):
        self.case("checkpoints")

    def test_ends_of_streams(self):
        self.case("ends")

    def test_scaling(self):
        self.case("scales")

    def test_truncation(self):
        self.case("truncations")

    def test_revisioned_streams(self):
        self.case("revisions")

    def test_byte_streams(self):
        self.case("byte_streams")

    def test_batches(self):
        self.case("batches")

    def survive(self, harm):
        """Two writers and a reader live through `harm`, and every event is there once."""
        process = self.launch("survivors", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.assert_says(process, "running")
        harm(lambda: self.assertIsNone(process.poll(), "the client lives"))
        process.stdin.close()
        self.assert_done(process, "survivors")
        self.assert_history_is_right("survivors")
        self.assert_nothing_went_wrong_here()
        return int(process.stdout.readline().split()[1])

    def test_a_reader_that_is_killed(self):
        self.store.start()
        heir = self.launch("inherits", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(heir.stdout.close)
        self.assert_says(heir, "running")
        dead = self.launch("dies", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(dead.stdin.close)
        self.addCleanup(dead.stdout.close)
        self.assert_says(dead, "read")
        dead.kill()
        dead.wait()
        heir.stdin.close()
        self.assert_done(heir, "inherits")
        self.assert_history_is_right("dies", "inherits", options=("--cut-off-ok",))
        self.assert_nothing_went_wrong_here()

    def acknowledged_later(self, alive):
        """Waits until more events are acknowledged than now."""
        def appended():
            alive()
            text = self.store.get("/metrics")[1]
            return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("millrace_segmentstore_appended_events_total"))
        now = appended()
        wait_for(lambda: appended() > now + 100, "events are acknowledged again")

    def test_a_server_that_is_killed(self):
        self.store.start()

        def harm(alive):
            for _ in range(KILLS):
                self.assert_calls_are_offered()
                self.store.kill()
                self.store.start()
                self.acknowledged_later(alive)

        self.assertGreater(self.survive(harm), 100)

    def test_a_server_that_stands_still(self):
        self.store.start()

        def harm(alive):
            self.store.process.send_signal(signal.SIGSTOP)
            time.sleep(STOP_S)  # the fault itself
            self.store.process.send_signal(signal.SIGCONT)
            self.acknowledged_later(alive)

        self.survive(harm)

    def test_connections_that_are_cut_in_the_middle_of_a_frame(self):
        self.store.start()

        def harm(alive):
            for _ in range(2 * KILLS):
                for direction in (self.store.proxy.requests, self.store.proxy.replies):
                    before = direction.cuts
                    direction.cut()
                    wait_for(lambda: direction.cuts > before, "a frame on its way")
                    self.acknowledged_later(alive)

        self.survive(harm)

    def test_our_client_and_theirs_share_streams(self):
        self.store.start()
        command = functools.partial(run, controller=self.store.controller)
        lines = [f"key-{i % 37} line {i} with an ö" for i in range(EVENTS)]
        text = "".join(line + "\n" for line in lines)
        self.assertEqual(command("scope", "create", "interop").code, 0)
        for stream in ("from-java", "to-java"):
            self.assertEqual(command("stream", "create", "interop/" + stream, "--segments", "4").code, 0)

        process = self.launch("writes_for_others", stdin=subprocess.PIPE)
        process.stdin.write(text)
        process.stdin.close()
        self.assert_done(process, "writes_for_others")
        with open(self.path("lines"), "w", encoding="utf-8") as file:
            file.write(text)
        self.assertEqual(command("write", "interop/to-java", self.path("lines"), "--key-field", "1").code, 0)
        process = self.launch("reads_of_others", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        theirs = process.stdout.read().splitlines()
        self.assert_done(process, "reads_of_others")
        process.stdout.close()

        def by_key(events):
            keys = {}
            for segment, event in events:
                keys.setdefault(event.split()[0], []).append((segment, event))
            return keys

        ours = [json.loads(line) for line in command("read", "interop/from-java", "--output", "json").out.splitlines()]
        from_java = by_key((event["segment"], event["payload"]) for event in ours)
        to_java = by_key((int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in theirs)
        self.assertEqual(sum(map(len, from_java.values())), EVENTS)
        # The same events of a key, in the same order, in the same segment: both sides hash keys alike.
        self.assertEqual(from_java, to_java)
        self.assert_nothing_went_wrong_here()


if __name__ == "__main__":
    unittest.main()
