# SPDX-License-Identifier: Apache-2.0
"""A server's life: ready, refusals, clean stops, a full disk, hostile connections."""

import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import unittest

from harness import MILLRACE, PATIENCE_S, SystemTest, run


def start_and_fail(*arguments, executable=MILLRACE, **options):
    done = subprocess.run([executable, "standalone", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE_S, **options)
    return done.returncode, done.stdout, done.stderr


class StandaloneTest(SystemTest):
    def test_health_and_metrics(self):
        server = self.server()
        status, body = server.get("/health")
        self.assertEqual((status, json.loads(body)), (200, {"status": "serving"}))
        status, body = server.get("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("# TYPE millrace_", body)
        self.assertEqual(server.get("/prometheus")[0], 200)
        # A page names only what docs/metrics.md lists.
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "docs", "metrics.md"), encoding="utf-8") as page:
            documented = page.read()
        for name in re.findall(r"^# TYPE (\S+) ", body, re.M):
            self.assertIn(f"`{name}`", documented)

    def test_settings_from_file_and_environment(self):
        with open(self.path("m.conf"), "w") as file:
            file.write(f"data-dir = {self.path('by-file')}  # a comment\nhttp-port = 0\ncontroller-port = 0\nlog-level = error\n")
        environment = dict(os.environ, MILLRACE_SEGMENTSTORE_PORT="0", MILLRACE_CONFIG=self.path("m.conf"))
        process = subprocess.Popen([MILLRACE, "standalone", "--log-level", "info"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
        self.assertRegex(process.stdout.readline(), "^ready ")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0)
        self.assertIn(" info segment store serves ", err, "the flag wins over the file")
        self.assertTrue(os.path.isdir(self.path("by-file")))
        code, _, err = start_and_fail(env=dict(environment, MILLRACE_CACHE_BYTE="1"))
        self.assertEqual(code, 2)
        self.assertIn("Did you mean 'MILLRACE_CACHE_BYTES'?", err)

    def test_stderr_that_nobody_reads_holds_up_nothing(self):
        process = subprocess.Popen([MILLRACE, "standalone", "--data-dir", self.path("data"), "--controller-port", "0",
                                    "--segmentstore-port", "0", "--http-port", "0", "--log-level", "debug"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        at = re.match("ready controller=(\\S+)", process.stdout.readline()).group(1)
        # More than the pipe holds: each creation of a scope is a line of more than 200 bytes.
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        for i in range(30):
            self.done(run("scope", "create", f"{i:03d}" + "x" * 200, controller=at))
        self.assertEqual(len(self.done(run("scope", "list", controller=at)).out.splitlines()), 30)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=PATIENCE_S), 0)

    def test_stops_cleanly_and_keeps_everything(self):
        server = self.server()
        self.done(run("scope", "create", "s", controller=server.controller))
        self.done(run("stream", "create", "s/t", "--segments", "3", controller=server.controller))
        self.done(run("write", "s/t", "--key", "k", controller=server.controller, stdin=b"one\ntwo\n"))
        for number in (signal.SIGTERM, signal.SIGINT):
            self.assertEqual(server.terminate(number), 0, server.log_tail())
            server.start()
            self.assertEqual(self.done(run("read", "s/t", controller=server.controller)).out, b"one\ntwo\n")
            self.assertEqual(self.done(run("stream", "list", "s", controller=server.controller)).out, b"t\n")

    def test_stops_while_clients_are_connected(self):
        server = self.server()
        self.done(run("scope", "create", "s", controller=server.controller))
        self.done(run("stream", "create", "s/t", controller=server.controller))
        environment = dict(os.environ, MILLRACE_CONTROLLER=server.controller)
        reader = subprocess.Popen([MILLRACE, "read", "s/t", "--follow"], stdout=subprocess.PIPE, env=environment)
        writer = subprocess.Popen([MILLRACE, "write", "s/t", "--key", "k"], stdin=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, env=environment)
        try:
            writer.stdin.write(b"hello\n")
            writer.stdin.flush()
            self.assertEqual(reader.stdout.readline(), b"hello\n")
            self.assertEqual(server.terminate(), 0, server.log_tail())
            # Both find it again where it was.
            server.start()
            writer.stdin.write(b"again\n")
            writer.stdin.close()
            self.assertEqual(reader.stdout.readline(), b"again\n")
            self.assertEqual(writer.wait(timeout=PATIENCE_S), 0)
            reader.terminate()
            self.assertEqual(reader.wait(timeout=PATIENCE_S), 0)
        finally:
            for process in (reader, writer):
                if process.poll() is None:
                    process.kill()
                process.wait()
            reader.stdout.close()

    def test_second_server_on_the_same_directory(self):
        server = self.server()
        code, out, err = start_and_fail("--data-dir", server.directory, "--controller-port", "0", "--segmentstore-port", "0",
                                        "--http-port", "0")
        self.assertEqual((code, out), (1, ""), err)
        self.assertIn(str(server.process.pid), err)
        self.assertIn(server.directory, err)
        self.assertEqual(server.get("/health")[0], 200)

    def test_ports_in_use(self):
        options = ("--controller-port", "--segmentstore-port", "--http-port")
        for taken in options:
            with socket.socket() as holder:
                holder.bind(("127.0.0.1", 0))
                holder.listen()
                port = str(holder.getsockname()[1])
                arguments = ["--data-dir", self.path("data" + taken)]
                for option in options:
                    arguments += [option, port if option == taken else "0"]
                code, out, err = start_and_fail(*arguments)
            self.assertEqual((code, out), (1, ""), err)
            self.assertIn(port, err)
            self.assertIn(taken, err)

    def test_data_directories_that_cannot_be(self):
        with open(self.path("file"), "w"):
            pass
        free = ("--controller-port", "0", "--segmentstore-port", "0", "--http-port", "0")
        code, out, err = start_and_fail("--data-dir", self.path("file"), *free)
        self.assertEqual((code, out), (1, ""), err)
        self.assertIn(self.path("file"), err)
        code, out, err = start_and_fail("--data-dir", "/proc/millrace", *free)
        self.assertEqual((code, out), (1, ""), err)
        self.assertIn("/proc/millrace", err)

    def test_parts_that_are_gone_are_not_made_anew(self):
        server = self.server()
        self.done(run("scope", "create", "s", controller=server.controller))
        server.terminate()
        for part in ("metadata", "journal"):
            place = os.path.join(server.directory, part)
            for leave in (False, True):  # the directory itself, as a mount that is missing does
                shutil.move(place, place + ".gone")
                if leave:
                    os.mkdir(place)
                with self.assertRaises(AssertionError) as refused:
                    server.start()
                self.assertIn(f"'{place}'", str(refused.exception))
                self.assertIn("is it mounted?", str(refused.exception))
                if os.path.isdir(place):
                    os.rmdir(place)
                shutil.move(place + ".gone", place)
        server.start()
        self.assertEqual(self.done(run("scope", "list", controller=server.controller)).out, b"s\n")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_data_directory_of_somebody_else(self):
        os.mkdir(self.path("private"), 0o755)
        os.chmod(self.directory, 0o755)
        nobody = pwd.getpwnam("nobody")
        # A copy, because the build directory may lie where nobody has no access.
        executable = shutil.copy(MILLRACE, self.path("millrace"))
        os.chmod(executable, 0o755)
        for directory in (self.path("private"), self.path("private/below")):
            code, out, err = start_and_fail("--data-dir", directory, "--controller-port", "0", "--segmentstore-port", "0",
                                            "--http-port", "0", executable=executable, user=nobody.pw_uid, group=nobody.pw_gid)
            self.assertEqual((code, out), (1, ""), err)
            self.assertIn(directory, err)
            self.assertIn("ermission denied", err)

    def test_hostile_frames_on_the_data_port(self):
        server = self.server()
        at = server.controller
        self.done(run("scope", "create", "s", controller=at))
        self.done(run("stream", "create", "s/t", controller=at))
        host, port = server.segmentstore.rsplit(":", 1)
        attacks = {
            "garbage": os.urandom(4096),
            "oversized": struct.pack(">ii", 1, 0x7fffffff),
            "negative": struct.pack(">ii", 1, -1),
            "unknown type": struct.pack(">ii", 0x12345678, 4) + b"abcd",
            "short body": struct.pack(">ii", 1, 4) + b"abcd",
            "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        }
        for name, attack in attacks.items():
            with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
                connection.sendall(attack)
                connection.shutdown(socket.SHUT_WR)
                try:
                    while connection.recv(65536):
                        pass
                except ConnectionResetError:
                    pass
        # Truncated: a header that promises more than ever comes.
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
            connection.sendall(struct.pack(">ii", 1, 100) + b"abc")
        self.done(run("write", "s/t", "--key", "k", controller=at, stdin=b"fine\n"))
        self.assertEqual(self.done(run("read", "s/t", controller=at)).out, b"fine\n")

    def test_hostile_connections_do_not_keep_health_checks_out(self):
        server = self.server("--http-connections-max", "8")
        host, port = server.http.rsplit(":", 1)
        hostile = []
        try:
            # Says nothing, dribbles, or asks and reads nothing.
            for i in range(30):
                hostile.append(socket.create_connection((host, int(port)), timeout=PATIENCE_S))
                hostile[-1].sendall((b"", b"GET /hea", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")[i % 3])
            self.assertEqual(json.loads(server.get("/health")[1]), {"status": "serving"})
        finally:
            for connection in hostile:
                connection.close()
        for attack, answer in ((os.urandom(64 * 1024).replace(b"\n", b"x"), b" 4"),
                               (b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", b" 431 "),
                               (b"POST /health HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", b" 405 ")):
            with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
                connection.sendall(attack)
                got = connection.recv(65536)
                self.assertTrue(got.startswith(b"HTTP/1.1" + answer), got[:100])
        body = server.get("/metrics")[1]
        self.assertRegex(body, r'millrace_telemetry_http_responses_total\{class="4xx"\} [3-9]')
        self.assertRegex(body, r"millrace_telemetry_http_evicted_total [1-9]")

    def test_many_idle_connections_do_no_harm(self):
        server = self.server()
        at = server.controller
        host, port = server.segmentstore.rsplit(":", 1)
        idle = []
        try:
            for _ in range(500):
                idle.append(socket.create_connection((host, int(port)), timeout=PATIENCE_S))
            self.done(run("scope", "create", "s", controller=at))
            self.done(run("stream", "create", "s/t", controller=at))
            self.done(run("write", "s/t", "--key", "k", controller=at, stdin=b"fine\n"))
            self.assertEqual(self.done(run("read", "s/t", controller=at)).out, b"fine\n")
        finally:
            for connection in idle:
                connection.close()
        self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
