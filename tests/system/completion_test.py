# SPDX-License-Identifier: Apache-2.0
"""Completion in the shells themselves: bash and fish run their scripts, zsh, where it is installed, reads its own."""

import os
import shutil
import subprocess
import unittest

from harness import MILLRACE, SystemTest, run

ASK = """
source <("$MILLRACE" completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_millrace millrace "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


class CompletionTest(SystemTest):
    def complete(self, *words):
        """What bash offers for the last word."""
        done = subprocess.run(["bash", "-c", ASK, "bash", "millrace", *words], cwd=self.directory, capture_output=True, text=True,
                              env=dict(os.environ, MILLRACE=os.path.abspath(MILLRACE)), timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return [offered for offered in done.stdout.splitlines() if offered]

    def test_commands(self):
        self.assertIn("stream", self.complete(""))
        self.assertEqual(self.complete("str"), ["stream"])
        self.assertEqual(self.complete("stream", "d"), ["describe", "delete"])
        self.assertEqual(self.complete("bench", "null"), ["null-server"])
        self.assertEqual(self.complete("nothing", "d"), [])

    def test_options(self):
        self.assertEqual(self.complete("read", "logs/dpkg", "--fo"), ["--follow"])
        self.assertEqual(self.complete("stream", "scale", "a/b", "--seal", "0", "--ra"), ["--ranges"])
        self.assertIn("--cache-bytes", self.complete("standalone", "--"))
        self.assertEqual(self.complete("stream", "--cache"), [])

    def test_values(self):
        self.assertEqual(self.complete("scope", "list", "--output", ""), ["table", "json"])
        self.assertEqual(self.complete("read", "a/b", "--from", "h"), ["head"])
        self.assertEqual(self.complete("read", "a/b", "--framing", "le"), ["length"])
        self.assertEqual(self.complete("completion", "ba"), ["bash"])
        self.assertEqual(self.complete("stream", "create", "a/b", "--segments", ""), [], "a number is nobody's guess")

    def test_files(self):
        with open(self.path("lines of text"), "w"):
            pass
        os.mkdir(self.path("data"))
        self.assertEqual(self.complete("write", "a/b", "lin"), ["lines of text"])
        self.assertEqual(self.complete("admin", "verify", "da"), ["data"])
        self.assertEqual(self.complete("read", "a/b", "--save-position", "da"), ["data"])
        self.assertEqual(self.complete("scope", "create", "da"), [])

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        with open(self.path("millrace.fish"), "wb") as file:
            file.write(self.done(run("completion", "fish")).out)

        def complete(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source millrace.fish; complete -C {line!r}"], cwd=self.directory,
                                  capture_output=True, text=True, timeout=60, env=dict(os.environ, HOME=self.directory))
            self.assertEqual(done.returncode, 0, done.stderr)
            return sorted(offered.split("\t")[0] for offered in done.stdout.splitlines())

        self.assertIn("stream", complete("millrace "))
        self.assertEqual(complete("millrace stream d"), ["delete", "describe"])
        self.assertEqual(complete("millrace read a/b --fo"), ["--follow"])
        self.assertEqual(complete("millrace scope list --output "), ["json", "table"])
        self.assertEqual(complete("millrace completion "), ["bash", "fish", "zsh"])
        self.assertIn("millrace.fish", complete("millrace write a/b mill"))
        self.assertEqual(complete("millrace scope create mill"), [])

    def test_scripts_of_other_shells_can_be_read(self):
        for shell in ("bash", "zsh", "fish"):
            with self.subTest(shell=shell):
                script = self.done(run("completion", shell)).out
                if not shutil.which(shell):
                    self.skipTest(f"{shell} is not installed")
                with open(self.path("script"), "wb") as file:
                    file.write(script)
                done = subprocess.run([shell, "-n", self.path("script")], capture_output=True, text=True, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.refused(run("completion", "tcsh"), 2, "tcsh")


if __name__ == "__main__":
    unittest.main()
