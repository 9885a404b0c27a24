# SPDX-License-Identifier: Apache-2.0
"""Runs the real executable: servers on free ports and directories of their own, and the command line."""

import os
import re
import signal
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

MILLRACE = os.environ.get(
    "MILLRACE", os.path.join(os.path.dirname(__file__), "..", "..", "build", "release", "bin", "millrace"))

# Generous: a machine under load is no failure. A wait ends as soon as its condition holds.
PATIENCE_S = 120


def wait_for(condition, what, seconds=PATIENCE_S):
    """Polls until condition() is true and returns its value."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)


class Server:
    """A standalone server. Stopped and forgotten by close()."""

    COMMAND = ("standalone",)

    READY = re.compile(r"^ready controller=(\S+) segmentstore=(\S+) http=(\S+)\n$")

    def __init__(self, directory, *options, ports=(0, 0, 0)):
        self.directory = directory
        self.log_path = directory.rstrip("/") + ".log"
        self.options = options
        self.ports = ports
        self.environment = {}
        self.process = None

    def launch(self):
        """Starts the process and does not wait until it is ready."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [MILLRACE, *self.COMMAND, "--data-dir", self.directory, "--controller-port", str(self.ports[0]),
                 "--segmentstore-port", str(self.ports[1]), "--http-port", str(self.ports[2]), *self.options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **self.environment})

    def start(self):
        self.launch()
        line = self.process.stdout.readline()
        match = self.READY.match(line)
        if not match:
            self.kill()
            raise AssertionError(f"no ready line but {line!r}; the log ends with: {self.log_tail()}")
        self.controller, self.segmentstore, self.http = match.groups()
        # A restart comes back where clients look for it.
        self.ports = tuple(int(address.rsplit(":", 1)[1]) if address else 0 for address in match.groups())
        return self

    def log_tail(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-2000:]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def terminate(self, signal_number=signal.SIGTERM):
        """Asks it to stop; returns the exit code."""
        self.process.send_signal(signal_number)
        return self.wait()

    def wait(self):
        """Until it ends; returns the exit code."""
        code = self.process.wait(timeout=PATIENCE_S)
        self.process.stdout.close()
        return code

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=30) as reply:
            return reply.status, reply.read().decode()


class SegmentStore(Server):
    """The segment store alone: segments by name, without streams."""

    COMMAND = ("segmentstore", "--standalone")
    READY = re.compile(r"^ready ()segmentstore=(\S+) http=(\S+)\n$")


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out[:500]!r}\nstderr: {self.err[:2000]}"


def run(*arguments, controller=None, stdin=b"", timeout=PATIENCE_S, environment=None):
    """Runs millrace to its end. stdout is bytes, stderr is text."""
    env = dict(os.environ)
    env.pop("MILLRACE_CONTROLLER", None)
    if controller:
        env["MILLRACE_CONTROLLER"] = controller
    env.update(environment or {})
    done = subprocess.run([MILLRACE, *arguments], input=stdin, capture_output=True, timeout=timeout, env=env)
    return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def spawn(*arguments, controller, **options):
    """Starts millrace and returns the process."""
    return subprocess.Popen([MILLRACE, *arguments], env=dict(os.environ, MILLRACE_CONTROLLER=controller), **options)


class SystemTest(unittest.TestCase):
    """A test with a temporary directory; servers it makes are ended with it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def server(self, *options, name="data", ports=(0, 0, 0)):
        server = Server(self.path(name), *options, ports=ports)
        self.addCleanup(server.close)
        return server.start()

    def refused(self, result, code, *parts):
        """The command failed with this code and named these on stderr."""
        self.assertEqual(result.code, code, result)
        for part in parts:
            self.assertIn(part, result.err, result)

    def done(self, result):
        self.assertEqual(result.code, 0, result)
        return result
