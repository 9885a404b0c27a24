# SPDX-License-Identifier: Apache-2.0
"""What the command line says to wrong input, with and without a server."""

import json
import os
import socket
import subprocess
import unittest

from harness import MILLRACE, SystemTest, run


class UsageTest(SystemTest):
    """One server for all cases, which none of them may harm."""

    def setUp(self):
        super().setUp()
        self.at = self.server().controller
        self.done(run("scope", "create", "s", controller=self.at))
        self.done(run("stream", "create", "s/t", "--segments", "4", controller=self.at))

    def tearDown(self):
        # Whatever the test did, the server still serves.
        self.done(run("write", "s/t", "--key", "k", controller=self.at, stdin=b"alive\n"))
        self.assertIn(b"alive\n", self.done(run("read", "s/t", controller=self.at)).out)

    def cli(self, *arguments, stdin=b""):
        return run(*arguments, controller=self.at, stdin=stdin)

    def test_unknown_words(self):
        self.refused(self.cli("fly"), 2, "unknown command 'fly'", "--help")
        self.refused(self.cli("stream", "crete", "s/x"), 2, "unknown command 'crete'", "create")
        self.refused(self.cli("read", "s/t", "--nope"), 2, "unknown option '--nope'")
        self.refused(self.cli(), 2, "command is missing")

    def test_unknown_scope_and_stream(self):
        self.refused(self.cli("stream", "list", "nowhere"), 1, "nowhere")
        self.refused(self.cli("stream", "create", "nowhere/x"), 1, "nowhere")
        for command in (["stream", "describe"], ["stream", "seal"], ["stream", "delete"], ["read"], ["write"],
                        ["bench", "latency"], ["bench", "read"]):
            self.refused(self.cli(*command, "s/nothing"), 1, "s/nothing")
        self.refused(self.cli("stream", "scale", "s/nothing", "--seal", "0", "--ranges", "0-1"), 1, "s/nothing")
        self.refused(self.cli("scope", "list", "nowhere"), 1, "nowhere")

    def test_illegal_names(self):
        for name in ("", "a b", "ä", "a_b", "_x", "a" * 251):
            self.refused(self.cli("scope", "create", name), 2, "scope")
        for name in ("s", "s/", "/t", "s/t/u", "s/a b", "s/_t"):
            self.refused(self.cli("stream", "create", name), 2)

    def test_existing_names(self):
        self.refused(self.cli("scope", "create", "s"), 1, "exists already")
        self.refused(self.cli("stream", "create", "s/t"), 1, "exists already")
        self.done(self.cli("scope", "create", "s", "--if-not-exists"))
        self.done(self.cli("stream", "create", "s/t", "--if-not-exists"))

    def test_scale_that_does_not_fit(self):
        self.refused(self.cli("stream", "scale", "s/t", "--seal", "0", "--ranges", "0-0.3"), 1)
        self.refused(self.cli("stream", "scale", "s/t", "--seal", "77", "--ranges", "0-0.25"), 1, "77")
        self.refused(self.cli("stream", "scale", "s/t", "--seal", "0", "--ranges", "0.25-0"), 2, "0.25-0")
        self.refused(self.cli("stream", "delete", "s/t"), 1, "seal")

    def test_describe_and_lists_as_json(self):
        described = json.loads(self.done(self.cli("stream", "describe", "s/t", "--output", "json")).out)
        self.assertEqual(described["state"], "active")
        self.assertEqual(described["epoch"], 0)
        self.assertEqual([(s["id"], s["min_key"], s["max_key"], s["length"]) for s in described["segments"]],
                         [(0, 0.0, 0.25, 0), (1, 0.25, 0.5, 0), (2, 0.5, 0.75, 0), (3, 0.75, 1.0, 0)])
        self.assertEqual(json.loads(self.done(self.cli("scope", "list", "--output", "json")).out), {"scopes": ["s"]})
        self.assertEqual(json.loads(self.done(self.cli("stream", "list", "s", "--output", "json")).out),
                         {"scope": "s", "streams": ["t"]})
        self.assertEqual(self.done(self.cli("scope", "list")).out, b"s\n")
        self.assertEqual(self.done(self.cli("stream", "list", "s")).out, b"t\n")

    def test_empty_file(self):
        result = self.done(self.cli("write", "s/t", "/dev/null"))
        self.assertEqual(result.err.splitlines()[-1], "acknowledged 0 events")
        self.assertEqual(self.done(self.cli("read", "s/t")).out, b"")

    def test_line_of_nine_mebibytes(self):
        with open(self.path("long"), "wb") as file:
            file.write(b"first\nsecond\n" + b"x" * (9 << 20) + b"\nfourth\n")
        result = self.cli("write", "s/t", self.path("long"), "--key", "k")
        self.refused(result, 1, "line 3 ", "8388608")
        self.assertEqual(result.err.splitlines()[-1], "acknowledged 2 events")
        self.assertEqual(self.done(self.cli("read", "s/t")).out, b"first\nsecond\n")

    def test_line_of_eight_mebibytes_fits(self):
        line = os.urandom(8 << 20).replace(b"\n", b"x") + b"\n"
        self.done(self.cli("write", "s/t", "--key", "k", stdin=line))
        self.assertEqual(self.done(self.cli("read", "s/t")).out, line)
        # With a number before it, it does not fit any more.
        self.refused(self.cli("write", "s/t", "--key", "k", "--number", stdin=line), 1, "line 1 ")

    def test_binary_file(self):
        lines = sorted({os.urandom(1 + i % 300).replace(b"\n", b"\0") for i in range(2000)})
        result = self.done(self.cli("write", "s/t", "--key-field", "1", stdin=b"\n".join(lines)))
        self.assertEqual(result.err.splitlines()[-1], f"acknowledged {len(lines)} events")
        self.assertEqual(sorted(self.done(self.cli("read", "s/t")).out[:-1].split(b"\n")), lines)

    def test_keys_that_lines_do_not_have(self):
        result = self.cli("write", "s/t", "--key-regex", "user=(\\w+)", stdin=b"user=a\nuser=b\nnobody\nuser=c\n")
        self.refused(result, 1, "line 3 ", "user=(")
        self.assertEqual(result.err.splitlines()[-1], "acknowledged 2 events")
        result = self.done(self.cli("write", "s/t", "--key-field", "2", stdin=b"a b\nonly\n"))
        self.assertIn("1 lines have no field 2", result.err)

    def test_wrong_positions(self):
        self.refused(self.cli("read", "s/t", "--from", "xyz"), 2, "--from")
        self.refused(self.cli("read", "s/t", "--from", "@/nowhere"), 2, "/nowhere")
        self.refused(self.cli("read", "s/t", "--from", "other/stream:0.0@0"), 2, "other/stream", "s/t")

    def test_sealed_stream(self):
        self.done(self.cli("stream", "create", "s/sealed"))
        self.done(self.cli("write", "s/sealed", "--key", "k", stdin=b"last\n"))
        self.done(self.cli("stream", "seal", "s/sealed"))
        self.refused(self.cli("write", "s/sealed", "--key", "k", stdin=b"more\n"), 1, "sealed")
        self.assertEqual(self.done(self.cli("read", "s/sealed")).out, b"last\n")
        self.assertEqual(self.done(self.cli("read", "s/sealed", "--follow")).out, b"last\n")
        described = json.loads(self.done(self.cli("stream", "describe", "s/sealed", "--output", "json")).out)
        self.assertEqual(described["state"], "sealed")
        self.done(self.cli("stream", "delete", "s/sealed"))
        self.refused(self.cli("read", "s/sealed"), 1, "s/sealed")

    def test_reader_of_a_closed_pipe(self):
        self.done(self.cli("write", "s/t", "--key", "k", stdin=b"x" * 99 + b"\n" + b"line\n" * 200_000))
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([MILLRACE, "read", "s/t"], stdout=write, stderr=subprocess.PIPE, timeout=60,
                              env=dict(os.environ, MILLRACE_CONTROLLER=self.at))
        os.close(write)
        self.assertEqual(done.stderr, b"")
        self.assertEqual(done.returncode, 1)


class NoServerTest(SystemTest):
    def test_controller_that_is_not_there(self):
        with socket.socket() as taken:  # bound, never listening: nobody else gets this port
            taken.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            for command in (["scope", "list"], ["stream", "describe", "s/t"], ["read", "s/t"], ["write", "s/t"]):
                self.refused(run(*command, "--controller", address, "--timeout", "1"), 1, address, "1 s")
            self.refused(run("scope", "list", "--timeout", "1", controller=address), 1, address)
            # The option wins over the environment.
            server = self.server()
            self.done(run("scope", "list", "--controller", server.controller, controller=address))
            self.refused(run("scope", "list", "--controller", address, "--timeout", "1", controller=server.controller), 1,
                         address)

    def test_controller_that_is_no_address(self):
        self.refused(run("scope", "list", "--controller", "nonsense"), 2, "nonsense")
        self.refused(run("scope", "list", "--controller", "host:99999"), 2, "99999")

    def test_bench_limits(self):
        result = self.done(run("bench", "limits", "--dir", self.directory, "--output", "json"))
        limits = json.loads(result.out)
        self.assertEqual(set(limits), {"fdatasync_4k_p50_us", "fdatasync_4k_p99_us", "fdatasync_64k_p50_us",
                                       "direct_write_mb_s", "direct_read_mb_s", "ping_pong_p50_us", "loopback_mb_s"})
        self.assertTrue(all(value > 0 for value in limits.values()), limits)
        self.assertEqual(os.listdir(self.directory), [])
        self.refused(run("bench", "limits", "--dir", "/nowhere"), 1, "/nowhere")


if __name__ == "__main__":
    unittest.main()
