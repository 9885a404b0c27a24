# SPDX-License-Identifier: Apache-2.0
"""The client library as other projects use it: installed, found, compiled against, linked and run."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import Server, run

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("BUILD_DIRECTORY", os.path.join(ROOT, "build", "release"))
# The headers are for any C++20 compiler; the build's own, and what Debian calls the default where there is one.
COMPILERS = [compiler for compiler in ("clang++-19", "g++") if shutil.which(compiler)]


def command(*arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="millrace-package-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.prefix = os.path.join(cls.directory, "prefix")
        command("cmake", "--install", BUILD, "--prefix", cls.prefix, "--component", "client")

    def build_examples(self, compiler):
        build = os.path.join(self.directory, compiler)
        command("cmake", "-S", os.path.join(ROOT, "client", "examples"), "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                env={**os.environ, "CXX": compiler})
        command("cmake", "--build", build)
        return build

    def test_every_header_compiles_alone_and_stays_inside_the_package(self):
        include = os.path.join(self.prefix, "include")
        headers = [os.path.relpath(os.path.join(folder, name), include)
                   for folder, _, names in os.walk(include) for name in names]
        self.assertIn("millrace/client.h", headers)
        for header in headers:
            with open(os.path.join(include, header), encoding="utf-8") as text:
                named = re.findall(r'^#include "(.*)"', text.read(), re.MULTILINE)
            self.assertEqual([name for name in named if name not in headers], [], header)
            for compiler in COMPILERS:
                with self.subTest(header=header, compiler=compiler):
                    command(compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{include}", "-x", "c++",
                            "-include", header, os.devnull)

    def test_the_pages_code_compiles(self):
        with open(os.path.join(ROOT, "docs", "client.md"), encoding="utf-8") as page:
            pieces = re.findall(r"^```cpp\n(.*?)^```$", page.read(), re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(pieces), 8)
        text = "#include <millrace/client.h>\n#include <cstdio>\n#include <stdexcept>\n#include <string>\nusing millrace::ReaderOptions;\n"
        for number, piece in enumerate(pieces):
            text += (f"void piece_{number}([[maybe_unused]] millrace::Client& client, "
                     f"[[maybe_unused]] const millrace::StreamName& stream) {{\n{piece}}}\n")
        source = os.path.join(self.directory, "page.cc")
        with open(source, "w", encoding="utf-8") as out:
            out.write(text)
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                command(compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable", "-fsyntax-only",
                        f"-I{self.prefix}/include", source)

    def test_nothing_but_the_public_names_is_exported(self):
        library = command("find", self.prefix, "-name", "libmillrace_client.so").strip()
        names = [line.split(maxsplit=2)[2] for line in command("nm", "-DC", "--defined-only", library).splitlines()]
        names = [name for name in names if not name.startswith("MILLRACE_")]
        self.assertTrue(any(name.startswith("millrace::Client::create(") for name in names), names)
        for name in names:
            self.assertRegex(name, r"^millrace::[A-Za-z_]+(::|\(|\[)")
            self.assertNotRegex(name, r"^millrace::(client|wire|rpc|transport)::")

    def test_the_examples_write_and_read_and_resume(self):
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                examples = self.build_examples(compiler)
                server = Server(os.path.join(self.directory, compiler + "-data")).start()
                self.addCleanup(server.close)
                position = os.path.join(examples, "position")

                def produce(lines):
                    command(os.path.join(examples, "producer"), server.controller, "examples/lines",
                            input="".join(line + "\n" for line in lines))

                def consume(seconds="1"):
                    return command(os.path.join(examples, "consumer"), server.controller, "examples/lines", position,
                                   seconds).splitlines()

                first = [f"key{i % 17} {i}" for i in range(5000)]
                produce(first)
                got = consume()
                self.assertEqual(sorted(got), sorted(first))
                for key in range(17):
                    mine = [line for line in got if line.startswith(f"key{key} ")]
                    self.assertEqual(mine, [line for line in first if line.startswith(f"key{key} ")])
                second = [f"key{i % 17} {i}" for i in range(5000, 5100)]
                produce(second)
                self.assertEqual(sorted(consume()), sorted(second))

                # The end of a sealed stream comes at once, however patient the consumer is.
                sealed = run("stream", "seal", "examples/lines", controller=server.controller)
                self.assertEqual(sealed.code, 0, sealed)
                self.assertEqual(consume(seconds="100000"), [])
                refused = subprocess.run([os.path.join(examples, "producer"), server.controller, "examples/lines"],
                                         input="one more\n", capture_output=True, text=True)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("examples/lines is sealed", refused.stderr)
                self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
