#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads every source file and checks what a room may know of others, of libraries and of the kernel.

The arrows between rooms come from the USES lines of the CMakeLists.txt files; what is below says who may name what
comes from outside. Each rule is proved to be able to fail by a small tree of its own (class Rules).
"""
import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = ("common", "proto", "segmentstore", "controller", "client", "cli", "tests")

# Rooms that must not meet, whatever a CMakeLists.txt says: (a prefix, what it may not include).
FORBIDDEN = [
    ("common/", ("segmentstore/", "controller/", "client/", "cli/", "tests/", "proto/")),
    ("segmentstore/", ("controller/", "client/", "cli/", "millrace/")),
    ("controller/", ("segmentstore/", "client/", "cli/", "millrace/")),
    ("client/", ("segmentstore/", "controller/", "cli/")),
    ("client/include/", ("common/runtime", "common/wire", "common/transport", "common/rpc", "proto/", "boost/", "grpcpp/",
                         "google/")),
]

# Headers of libraries and of the kernel: (what is named, who may name it). Tests may name all of it.
OUTSIDE = [
    (r"<(rocksdb)/", ("common/keyvalue/rocksdb/",)),
    (r"<(grpc|grpcpp)/", ("common/rpc/grpc/",)),
    (r"<spdlog/", ("common/telemetry/",)),
    (r"<CLI/", ("cli/",)),
    (r"<nlohmann/", ("cli/",)),
    (r"<boost/beast/", ("common/telemetry/",)),
    # Buffers are values; everything else of Asio is a seam's business.
    (r"<boost/asio/(?!awaitable|any_io_executor|buffer\b)", ("common/runtime/", "tests/sim/")),
    (r"<(sys/(?!types)|netinet/|arpa/|netdb|fcntl|unistd|poll|liburing|thread\b|pthread)",
     ("common/runtime/asio/", "common/rpc/grpc/", "client/bridge/", "cli/",
      # A process id; a file that several processes append to.
      "common/keyvalue/rocksdb/directory.cc", "tests/sim/probes.cc")),
    (r"<(fstream|filesystem|random)>", ("common/runtime/asio/", "common/keyvalue/rocksdb/", "cli/", "tests/sim/")),
]
# Calls: time, threads, chance.
CALLS = [
    (r"(steady_clock|system_clock|high_resolution_clock)::now|\bclock_gettime\b|\bgettimeofday\b|[^_:]::time\(",
     ("common/runtime/asio/", "cli/machine.cc",
      # gRPC takes its deadlines as wall time.
      "common/rpc/grpc/")),
    (r"\bstd::j?thread\b(?!::id)|\bstd::async\b|\bpthread_create\b",
     ("common/runtime/asio/", "common/rpc/grpc/poller", "cli/bench_limits.cc")),
    (r"\bstd::(random_device|mt19937|default_random_engine)|\bs?rand\(", ("common/runtime/asio/",)),
    (r"\b(std::getenv|secure_getenv)\b", ("cli/", "common/config/", "tests/sim/")),
    (r"\bf(re)?open\(|\bstd::[io]?fstream\b", ("common/runtime/asio/", "cli/")),
]
# Projects of their own, which know an installed Millrace only.
OTHER_PROJECTS = ("client/examples/",)
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def sources(root):
    for top in TOP:
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in (".h", ".cc") and path.is_file() and not name.startswith(OTHER_PROJECTS):
                yield name, path.read_text(encoding="utf-8")


def is_test(name):
    """Test programs and the measuring ones: outside of the rules for libraries and the kernel."""
    return (name.endswith("_test.cc") or "/testing/" in name or "_fixture.h" in name or re.match(r"tests/(?!sim/)", name)
            or name.startswith("tests/sim/seeded_test"))


def includers_are_tests(includers):
    return all(is_test(one) or "workload" in one for one in includers)


class Cmake:
    """What the CMakeLists.txt files declare: libraries by folder, and the arrows between them."""

    def __init__(self, root):
        self.uses = {}      # target -> rooms it names
        self.home = {}      # file -> targets that list it
        self.folders = {}   # folder -> libraries made there
        self.made = {}      # folder -> all targets made there
        for path in root.rglob("CMakeLists.txt"):
            folder = path.parent.relative_to(root).as_posix()
            if folder.startswith("build"):
                continue
            text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
            for name in re.findall(r"\badd_library\(millrace_(\w+)", text):
                self.folders.setdefault(folder, []).append(name)
            for kind, body in re.findall(r"\bmillrace_(library|test|bench)\(([^)]*)\)", text):
                words = body.split()
                name = words[0] if kind == "library" else f"{words[0]}:{kind}"
                lists, current = {}, None
                for word in words[1:]:
                    if word.isupper() and re.match(r"^[A-Z_]+$", word):
                        current = lists.setdefault(word, [])
                    elif current is not None:
                        current.append(word)
                self.uses[name] = lists.get("USES", [])
                self.made.setdefault(folder, []).append(name)
                if kind == "library":
                    self.folders.setdefault(folder, []).append(name)
                for source in lists.get("SOURCES", []):
                    self.home.setdefault(f"{folder}/{source}", []).append(name)

    def folder_owns(self, name, target):
        """Whether `target` is made in the folder of `name` or above it, so that the header can be its own."""
        return any(name.startswith(folder + "/") for folder, targets in self.made.items() if target in targets)

    def closure(self, target):
        seen, todo = set(), [target]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += self.uses.get(one, [])
        return seen

    def libraries_of(self, name, includers=(), including=False):
        """Targets that a file belongs to: by being listed, through its .cc, its includers or the folder."""
        if name in self.home:
            return self.home[name]
        if name.endswith(".h") and f"{name[:-2]}.cc" in self.home:
            return self.home[f"{name[:-2]}.cc"]
        near = {t for one in includers for t in self.home.get(one, []) if self.folder_owns(name, t)}
        folder = name.rpartition("/")[0]
        beside = {t for f, ts in self.home.items() if f.rpartition("/")[0] == folder for t in ts if ":" not in t}
        while not beside and folder:
            beside = set(self.folders.get(folder, []))
            folder = folder.rpartition("/")[0]
        # A header without a .cc that only tests of its folder include speaks for them, not for the library.
        if including and near and all(":" in t for t in near) and includers_are_tests(includers):
            return sorted(near)
        return sorted(near | beside)


def problems(root):
    cmake = Cmake(root)
    names = {name for name, _ in sources(root)}
    includers = {}
    for name, text in sources(root):
        for target in re.findall(r'^\s*#include "([^"]+)"', text, re.M):
            includers.setdefault(target, []).append(name)
    for name, text in sources(root):
        lines = text.split("\n")
        if lines[0] != "// SPDX-License-Identifier: Apache-2.0":
            yield f"{name}:1: the first line is not the SPDX line"
        if name.endswith(".h") and "#pragma once" not in lines:
            yield f"{name}: a header without #pragma once"
        if name.endswith(".cc") and name not in cmake.home and not re.match(r"(cmake|cli/main|tests/fuzz)", name):
            if pathlib.PurePath(name).name not in "".join(
                    p.read_text(encoding="utf-8") for p in (root / name).parents[0].glob("CMakeLists.txt")):
                if not any(name.endswith(listed.split("/")[-1]) for listed in cmake.home):
                    yield f"{name}: no CMakeLists.txt lists it"
        mine = cmake.libraries_of(name, includers.get(name, ()), including=True)
        reach = set().union(*(cmake.closure(t) for t in mine)) if mine else None
        for number, line in enumerate(lines, 1):
            where = f"{name}:{number}"
            if WORDS.search(line):
                yield f"{where}: unfinished: {line.strip()}"
            included = re.match(r'\s*#include ["<]([^">]+)[">]', line)
            if included:
                target = included.group(1)
                if not is_test(name):
                    for prefix, banned in FORBIDDEN:
                        if name.startswith(prefix) and target.startswith(banned):
                            yield f"{where}: {prefix} may not include {target}"
                    if re.match(r"tests/", target) and not name.startswith("tests/") and "workload" not in name:
                        yield f"{where}: only tests may include {target}"
                    for pattern, allowed in OUTSIDE:
                        if re.search(pattern, line) and not name.startswith(allowed):
                            yield f"{where}: only {', '.join(allowed)} may name {target}"
                if target in names and reach is not None:
                    theirs = cmake.libraries_of(target, includers.get(target, ()))
                    if theirs and not reach & set(theirs):
                        yield f"{where}: {'/'.join(mine)} includes {target} but does not use {' or '.join(theirs)}"
            elif not is_test(name):
                code = re.sub(r"//.*", "", line)
                for pattern, allowed in CALLS:
                    if re.search(pattern, code) and not name.startswith(allowed):
                        yield f"{where}: only {', '.join(allowed)} may do this: {line.strip()}"


class Tree(unittest.TestCase):
    def test_every_room_knows_only_what_it_may(self):
        found = list(problems(ROOT))
        self.assertEqual(found, [], "\n" + "\n".join(found))


class Rules(unittest.TestCase):
    """Each kind of breach, in a tree of two rooms, is found."""

    def found(self, text, name="common/b/b.cc", uses=""):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            files = {
                "common/a/CMakeLists.txt": "millrace_library(a SOURCES a.cc)",
                "common/a/a.h": "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n",
                "common/a/a.cc": '// SPDX-License-Identifier: Apache-2.0\n#include "common/a/a.h"\n',
                "common/b/CMakeLists.txt": f"millrace_library(b SOURCES b.cc {uses})",
                "controller/c/CMakeLists.txt": "millrace_library(c SOURCES c.cc USES a)",
                "controller/c/c.h": "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n",
                name: "// SPDX-License-Identifier: Apache-2.0\n" + text,
            }
            for path, contents in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(contents, encoding="utf-8")
            return list(problems(root))

    def test_nothing_is_found_where_nothing_is_wrong(self):
        self.assertEqual(self.found('#include "common/a/a.h"\n', uses="USES a"), [])

    def test_an_arrow_that_was_not_declared(self):
        self.assertIn("does not use a", self.found('#include "common/a/a.h"\n')[0])

    def test_an_arrow_that_nobody_may_have(self):
        self.assertIn("may not include", self.found('#include "controller/c/c.h"\n', uses="USES c")[0])

    def test_a_library_outside_of_its_room(self):
        self.assertIn("may name rocksdb/db.h", self.found("#include <rocksdb/db.h>\n")[0])

    def test_the_kernel(self):
        for line in ("#include <sys/socket.h>", "#include <fcntl.h>", "#include <thread>",
                     "auto t = std::chrono::steady_clock::now();", "std::thread t;", "std::mt19937 g;",
                     "#include <boost/asio/ip/tcp.hpp>", 'std::getenv("X");'):
            with self.subTest(line):
                self.assertEqual(len(self.found(line + "\n")), 1)

    def test_unfinished_words(self):
        self.assertIn("unfinished", self.found("// TO" + "DO: later\n")[0])


if __name__ == "__main__":
    sys.exit(unittest.main())
