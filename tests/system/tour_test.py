# SPDX-License-Identifier: Apache-2.0
"""The tour of the README: every command of it, in order, in one shell, on a fresh server."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import unittest

from harness import MILLRACE, PATIENCE_S, SystemTest

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("BUILD_DIRECTORY", os.path.join(ROOT, "build", "release"))


def blocks_of(heading):
    """The ```sh blocks of a section of the README."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as page:
        section = page.read().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def free_ports(count):
    """Ports that were free a moment ago; all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class TourTest(SystemTest):
    def test_every_command_of_the_readme(self):
        blocks = blocks_of("A tour of ten minutes")
        self.assertGreater(len(blocks), 5)
        controller, segmentstore, http = free_ports(3)
        # What a reader of the README has by default, a test may share with others.
        script = "".join(blocks).replace("127.0.0.1:9090", f"127.0.0.1:{controller}")
        script = script.replace("127.0.0.1:10080", f"127.0.0.1:{http}").replace("build/release", shlex.quote(BUILD))
        script = script.replace("$PWD/" + shlex.quote(BUILD), shlex.quote(BUILD))
        environment = dict(os.environ, HOME=self.directory, LC_ALL="C.UTF-8", MILLRACE_CONTROLLER=f"127.0.0.1:{controller}",
                           MILLRACE_CONTROLLER_PORT=str(controller), MILLRACE_SEGMENTSTORE_PORT=str(segmentstore),
                           MILLRACE_HTTP_PORT=str(http))
        environment.pop("MILLRACE", None)
        for name in ("BUILD_DIRECTORY", "SLOW_DISK"):
            environment.pop(name, None)
        with open(self.path("tour.sh"), "w", encoding="utf-8") as file:
            # Whatever fails, no server stays behind.
            file.write("trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nset -v\n" + script)
        # Job control, as a terminal has it: %1 means a job.
        with open(self.path("said"), "wb") as out:
            done = subprocess.run(["bash", "-m", "-e", "-o", "pipefail", self.path("tour.sh")], cwd=ROOT, env=environment,
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=5 * PATIENCE_S)
        with open(self.path("said"), encoding="utf-8") as out:
            said = out.read()
        self.assertEqual(done.returncode, 0, said[-5000:])
        self.assertIn("every line came back", said)
        self.assertIn("epoch 2", said)
        self.assertIn('{"status":"serving"}', said)
        self.assertIn("no damage", said)
        self.assertIn("stream tour/lines deleted", said)
        # What the picture in the README shows is what came.
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as page:
            picture = re.search(r"\n    (tour/lines: active.*?)\n\n", page.read(), re.DOTALL).group(1)
        self.assertIn(re.sub(r"\n    ", "\n", picture), said)
        with open(os.path.join(ROOT, "README.md"), "rb") as page:
            lines = page.read().splitlines()
        with open(self.path("consumed"), "rb") as consumed:
            self.assertEqual(sorted(consumed.read().splitlines()), sorted(lines))
        self.assertTrue(os.path.samefile(shutil.which("millrace", path=os.path.join(BUILD, "bin")), MILLRACE))


if __name__ == "__main__":
    unittest.main()
