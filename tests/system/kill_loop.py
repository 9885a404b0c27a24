#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_loop.py [ROUNDS]: kill -9 under `millrace write` while segments split and merge.

Several writers feed numbered lines with keys into one stream. Again and again the server is killed
at a random moment and restarted, and between kills a random segment is split or two neighbours are
merged. At the end, and with one reader following all the time, every line must have come back once
and each key's lines in order. Prints `lost=0 doubled=0 reordered=0` and exits with 0 when so.

ROUNDS (default 3) is the number of kills. MILLRACE_SEED replays the choices, not the timing.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from harness import MILLRACE, PATIENCE_S, Server, run, spawn, wait_for

STREAM = "s/t"
WRITERS = 3
KEYS = 40


class Feeder(threading.Thread):
    """Feeds one `millrace write` until told to stop."""

    def __init__(self, number, controller, directory):
        super().__init__(daemon=True)
        self.number = number
        self.lines = 0
        self.stopping = False
        self.failure = None
        self.log = open(os.path.join(directory, f"write-{number}.log"), "wb")
        self.process = spawn("write", STREAM, "--key-field", "1", controller=controller, stdin=subprocess.PIPE,
                             stderr=self.log)

    def run(self):
        try:
            while not self.stopping:
                batch = []
                for _ in range(50):
                    self.lines += 1
                    # key, writer, number: the key is shared by no two writers.
                    batch.append(b"w%d-%d %d %s\n" % (self.number, self.lines % KEYS, self.lines, b"x" * (self.lines % 90)))
                self.process.stdin.write(b"".join(batch))
                self.process.stdin.flush()
                time.sleep(0.005)
            self.process.stdin.close()
        except OSError as error:
            self.failure = error

    def finish(self):
        """Lines written; the writer has acknowledged exactly these."""
        self.stopping = True
        self.join(PATIENCE_S)
        code = self.process.wait(timeout=PATIENCE_S)
        self.log.close()
        with open(self.log.name) as log:
            said = log.read()
        if self.failure or code != 0 or said.splitlines()[-1] != f"acknowledged {self.lines} events":
            raise AssertionError(f"writer {self.number}: exit {code}, {self.failure}, {self.lines} lines, said {said!r}")
        return self.lines


class Follower(threading.Thread):
    """Reads `millrace read --follow` to its end."""

    def __init__(self, controller):
        super().__init__(daemon=True)
        self.events = []
        self.process = spawn("read", STREAM, "--follow", controller=controller, stdout=subprocess.PIPE)

    def run(self):
        for line in self.process.stdout:
            self.events.append(line)


def check(events, written):
    """(lost, doubled, reordered) of lines as the feeders made them."""
    seen = set()
    last = {}
    doubled = reordered = 0
    for event in events:
        key, number = event.split(b" ", 2)[:2]
        writer = int(key[1:].split(b"-")[0])
        number = int(number)
        if (writer, number) in seen:
            doubled += 1
            continue
        seen.add((writer, number))
        if number < last.get(key, 0):
            reordered += 1
        last[key] = max(number, last.get(key, 0))
    lost = sum(1 for writer, lines in written.items() for number in range(1, lines + 1) if (writer, number) not in seen)
    return lost, doubled, reordered


def scale(controller, chance):
    """Splits or merges; False when the server was killed meanwhile, which may leave either outcome."""
    described = run("stream", "describe", STREAM, "--output", "json", "--timeout", "5", controller=controller)
    if described.code != 0:
        return False
    segments = json.loads(described.out)["segments"]
    if len(segments) > 2 and (len(segments) > 7 or chance.random() < 0.5):
        first = chance.randrange(len(segments) - 1)
        gone = segments[first:first + 2]
        bounds = [gone[0]["min_key"], gone[1]["max_key"]]
    else:
        gone = [chance.choice(segments)]
        low, high = gone[0]["min_key"], gone[0]["max_key"]
        bounds = [low, low + (high - low) * chance.uniform(0.2, 0.8), high]
    ranges = ",".join(f"{low!r}-{high!r}" for low, high in zip(bounds, bounds[1:]))
    done = run("stream", "scale", STREAM, "--seal", ",".join(str(segment["id"]) for segment in gone), "--ranges", ranges,
               "--timeout", "5", controller=controller)
    return done.code == 0


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seed = int(os.environ.get("MILLRACE_SEED", random.randrange(1 << 32)))
    chance = random.Random(seed)
    print(f"kill_loop: {rounds} rounds, MILLRACE_SEED={seed}, {MILLRACE}", flush=True)
    directory = tempfile.mkdtemp(prefix="millrace-kill-")
    server = Server(os.path.join(directory, "data"))
    feeders, follower, good = [], None, False
    try:
        server.start()
        at = server.controller
        for command in (["scope", "create", "s"], ["stream", "create", STREAM, "--segments", "2"]):
            done = run(*command, controller=at)
            if done.code != 0:
                raise AssertionError(f"{command}: {done}")
        follower = Follower(at)
        follower.start()
        feeders = [Feeder(number, at, directory) for number in range(WRITERS)]
        for feeder in feeders:
            feeder.start()

        scaled = 0
        for number in range(1, rounds + 1):
            # Scales run in a thread, so that a kill can hit one in the middle.
            results = []
            scaler = threading.Thread(target=lambda: results.extend(scale(at, chance) for _ in range(2)), daemon=True)
            seen = len(follower.events)
            scaler.start()
            # The kill comes at a random moment after events have flowed since the last one.
            wait_for(lambda: len(follower.events) > seen, f"events in round {number}; {server.log_tail()}")
            time.sleep(chance.uniform(0, 0.8))
            server.kill()
            verified = run("admin", "verify", server.directory)
            if verified.code != 0:
                raise AssertionError(f"verify: {verified}")
            begin = time.monotonic()
            server.start()
            restart_s = time.monotonic() - begin
            scaler.join(PATIENCE_S)
            if scaler.is_alive():
                raise AssertionError("a scale command did not end")
            scaled += sum(results)
            print(f"  round {number}: ready again after {restart_s:.2f} s, {len(follower.events)} events read, "
                  f"{scaled} scales", flush=True)

        written = {feeder.number: feeder.finish() for feeder in feeders}
        total = sum(written.values())
        done = run("stream", "seal", STREAM, controller=at)
        if done.code != 0:
            raise AssertionError(f"seal: {done}")
        # A sealed stream ends, and with it who follows.
        follower.process.wait(timeout=PATIENCE_S)
        follower.join(PATIENCE_S)
        read = run("read", STREAM, controller=at)
        if read.code != 0:
            raise AssertionError(f"read: {read}")

        good = True
        for who, events in (("following", follower.events), ("afterwards", read.out.splitlines())):
            lost, doubled, reordered = check(events, written)
            print(f"{who}: written={total} read={len(events)} lost={lost} doubled={doubled} reordered={reordered}")
            good = good and (lost, doubled, reordered) == (0, 0, 0) and len(events) == total
        if server.terminate() != 0:
            raise AssertionError("the server did not stop cleanly")
        print(f"kill_loop: {rounds} kills, {scaled} splits and merges: {'passed' if good else 'FAILED'}")
    except AssertionError as error:
        print(f"kill_loop: FAILED: {error}")
        good = False
    finally:
        for process in [feeder.process for feeder in feeders] + ([follower.process] if follower else []):
            if process.poll() is None:
                process.kill()
        server.close()
        if good:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"kill_loop: data and logs are kept in {directory}; MILLRACE_SEED={seed}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
