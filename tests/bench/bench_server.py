# SPDX-License-Identifier: Apache-2.0
"""The servers that Python's measurements use, and commands against them."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import MILLRACE, Server, run  # noqa: E402

COMMAND_S = 1800


def measured(*arguments, controller=None):
    """What `millrace ... --output json` says last."""
    result = run(*arguments, "--output", "json", controller=controller, timeout=COMMAND_S)
    if result.code != 0:
        raise SystemExit(f"millrace {' '.join(arguments)}: {result}")
    return json.loads(result.out.splitlines()[-1])


class BenchServer(Server):
    """A standalone server with a scope `bench`."""

    def start(self):
        new = not os.path.exists(self.directory)
        super().start()
        if new:
            measured("scope", "create", "bench", controller=self.controller)
        return self

    def stream(self, name, segments, *options):
        """A new one in each round: what the last left is deleted."""
        for arguments in (["seal", f"bench/{name}"], ["delete", f"bench/{name}"]):
            run("stream", *arguments, controller=self.controller)
        measured("stream", "create", f"bench/{name}", "--segments", str(segments), *options, controller=self.controller)
        return f"bench/{name}"


class NullServer:
    """Takes what writers write and stores nothing: every stream exists, with one segment."""

    def __init__(self):
        self.process = subprocess.Popen([MILLRACE, "bench", "null-server", "--controller-port", "0"], stdout=subprocess.PIPE, text=True)
        self.controller = self.process.stdout.readline().split("controller=")[1].split()[0]

    def stream(self, name, _segments):
        return f"bench/{name}"

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def limits(directory):
    return measured("bench", "limits", "--dir", directory)
