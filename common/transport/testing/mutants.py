#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Plants one bug at a time into a copy of the transport and expects a test to notice: proof that the tests look where
# they should. Works on a copy of the tree, builds with the address sanitizer, never touches the tree itself.
#
#     common/transport/testing/mutants.py [directory for the copy] [part of a mutant's name]

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
# A lost wake-up shows as a test that never ends.
LIMIT_SECONDS = 120

# name, file, what is there, what is planted, test program, filter
MUTANTS = [
    ("a length trusted", "common/transport/receive_buffer.cc",
     "if (header.length < 0 || static_cast<std::size_t>(header.length) > max_payload_bytes_) [[unlikely]] {",
     "if (header.length == INT32_MIN) {",
     "transport", "Connection.EndsAtALength*:Connection.EndsAtGarbage"),
    ("memory for an announced length", "common/transport/receive_buffer.cc",
     "    if (here() < buffer_bytes_) {\n        if (usual",
     "    if (here() < buffer_bytes_ && frame_bytes_ <= buffer_bytes_) {\n        if (usual",
     "transport", "Connection.SpendsNoMemory*"),
    ("a frame begins before its budget is granted", "common/transport/receive_buffer.cc",
     "    return bytes;\n}\n\nvoid ReceiveBuffer::give_room",
     "    move_to(frame_bytes_, {}, true);\n    return 0;\n}\n\nvoid ReceiveBuffer::give_room",
     "transport_sim", "*HalfReceivedFrames*/seed_1"),
    ("a lost wake-up after a write", "common/transport/connection.cc",
     "    if (bytes > 0) drained_.notify_all();", "",
     "transport_sim", "*APeerThatNeverReads*/seed_1:*LastReply*/seed_1"),
    ("a lost wake-up of who waits for memory", "common/runtime/memory_budget.cc",
     "            taken_ -= bytes;\n            grant_in_order(woken);", "            taken_ -= bytes;",
     "transport_sim", "*HonestPeersShare*/seed_1"),
    ("a wait for memory that closing does not end", "common/transport/connection.cc",
     "    budget_wait_.cancel();\n", "",
     "transport", "Sockets.HoldHalfReceived*"),
    ("a use after close: the watch outlives the connection", "common/transport/connection.cc",
     "    if (watch_.timer) runtime_.clock.cancel(*watch_.timer);\n    watch_.timer.reset();\n", "",
     "transport_sim", "*/seed_1"),
    ("a use after close: bytes freed under a write", "common/transport/send_queue.cc",
     "    pieces_.clear();\n    small_ = {};", "    pieces_.clear();\n    out_.clear();\n    small_ = {};",
     "transport", "Connection.ClosesWhileAWriteIsStuck:Connection.KeepsWhatIsBeingWritten*"),
    ("received memory reused while somebody holds a frame of it", "common/transport/receive_buffer.cc",
     "    return touch.use_count() > 2;", "    return touch.use_count() > 1000000;",
     "transport", "Connection.KeepsFramesIntact*"),
    ("a stream closed on unread bytes", "common/transport/connection.cc",
     "        while (!over_) {\n            if (receiving_)", "        while (false) {\n            if (receiving_)",
     "transport", "Sockets.BringTheLastReply*"),
]


def run(command, **kwargs):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)


def build(copy, program):
    done = run(["ninja", "-C", f"{copy}/build/mutants", f"millrace_{program}_test"])
    if done.returncode != 0:
        sys.exit("the tests do not build:\n" + done.stdout[-3000:])


def passes(copy, program, tests):
    try:
        done = run([f"{copy}/build/mutants/common/transport/millrace_{program}_test", f"--gtest_filter={tests}"],
                   timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return False, f"did not end within {LIMIT_SECONDS} s"
    lines = [line for line in done.stdout.splitlines()
             if "Failure" in line or "ERROR: AddressSanitizer" in line or "check failed" in line or "nothing left" in line]
    if "Running 0 tests" in done.stdout:
        sys.exit(f"no test is called {tests}")
    return done.returncode == 0, lines[0] if lines else f"exit status {done.returncode}"


def main():
    copy = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="millrace-mutants-")
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    shutil.copytree(ROOT, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", ".git"))
    configured = run(["cmake", "--preset", "asan", "-B", f"{copy}/build/mutants"], cwd=copy)
    if configured.returncode != 0:
        sys.exit(configured.stdout[-3000:])
    missed = 0
    for name, path, old, new, program, tests in MUTANTS:
        if wanted not in name:
            continue
        with open(f"{copy}/{path}") as file:
            good = file.read()
        if good.count(old) != 1:
            sys.exit(f"{name}: {path} has changed, plant it anew")
        build(copy, program)
        clean, why = passes(copy, program, tests)
        if not clean:
            sys.exit(f"{name}: {tests} fails without a planted bug: {why}")
        try:
            with open(f"{copy}/{path}", "w") as file:
                file.write(good.replace(old, new))
            build(copy, program)
            survived, why = passes(copy, program, tests)
        finally:
            with open(f"{copy}/{path}", "w") as file:
                file.write(good)
        print(f"{'MISSED' if survived else 'caught'}: {name} [{tests}]: {why}", flush=True)
        missed += survived
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
