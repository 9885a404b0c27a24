#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""raw_kill_loop.py [KILLS]: kill -9 of `millrace segmentstore` under raw frames.

Writers on several connections send blocks of events, single events of up to 8 MiB and conditional appends into segments that
are sealed and continued, truncated, deleted, and whose attributes change, while readers follow the tail and others compare old
bytes. The journal, the cache and the tiering windows are small, so that bytes move to long-term storage and come back all the
time. The server is killed at random moments: under load, while it starts, when it makes an object or a journal file. After each
kill `millrace admin verify` must find no damage, and after the restart each writer asks for its last event number and goes on
behind it, and every seal, truncation, deletion and attribute that was answered must be there.

At the end every event of every writer must have come once and in order: read while it was written, and again at the end or
before its segment was deleted. Prints `lost=0 doubled=0 reordered=0 damaged=0` and exits with 0 when so.

KILLS (default 5) is their number. MILLRACE_SEED replays the choices, not the timing.
"""

import os
import random
import shutil
import statistics
import sys
import tempfile
import time

from harness import MILLRACE, SegmentStore, run, wait_for
from raw_frames import Connection
from raw_load.changes import Changes
from raw_load.events import Verdict
from raw_load.lanes import Lane, Site
from raw_load.readers import CatchUpReader, Follower, read_again
from raw_load.writers import ConditionalWriter, Sender, Writer

OPTIONS = ("--containers", "4", "--journal-file-bytes", "4MiB", "--journal-total-bytes-max", "64MiB", "--tiering-window-bytes",
           "512KiB", "--tiering-age-max-seconds", "1s", "--cache-bytes", "8MiB", "--admitted-bytes-max", "32MiB")
LANES = 5  # and one for conditional appends
CONNECTIONS = 3
WRITERS = 4  # on each connection


def names_below(directory):
    return {name for _, _, names in os.walk(directory) for name in names}


class Load:
    """All threads that keep a server busy."""

    def __init__(self, seed):
        def chance(name):
            return random.Random(f"{seed} {name}")

        self.site = Site()
        self.verdict = Verdict()
        self.lanes = [Lane(number) for number in range(LANES + 1)]
        self.writers = [Writer(number, self.lanes[number % LANES], chance(f"writer {number}"))
                        for number in range(CONNECTIONS * WRITERS)]
        self.conditional = ConditionalWriter(self.site, len(self.writers), self.lanes[LANES], chance("conditional writer"))
        self.senders = [Sender(self.site, f"sender {number}", self.writers[number::CONNECTIONS])
                        for number in range(CONNECTIONS)]
        self.followers = [Follower(self.site, lane, self.verdict) for lane in self.lanes]
        self.changes = Changes(self.site, self.lanes, self.verdict, chance("changes"))
        self.catch_up = CatchUpReader(self.site, self.lanes, chance("catch-up reader"))
        self.threads = [*self.senders, self.conditional, *self.followers, self.changes, self.catch_up]

    def start(self, address):
        connection = Connection(address)
        for lane in self.lanes:
            connection.create(lane.segments[0].name)
        connection.close()
        self.site.up(address)
        for thread in self.threads:
            thread.start()

    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers) + self.conditional.acknowledged

    def check(self):
        if self.site.failure:
            raise self.site.failure
        return True

    def finish(self, address):
        """Everything is acknowledged, sealed and read to its end, and once more. How many events that was."""
        self.site.stopping.set()
        for thread in (*self.senders, self.conditional, self.changes, self.catch_up):
            self.join(thread)
        self.site.no_more_segments = True
        connection = Connection(address)
        for lane in self.lanes:
            connection.seal(lane.segments[-1].name)
        for follower in self.followers:
            self.join(follower)
        again = self.changes.again
        for lane in self.lanes:
            for segment in lane.segments:
                if not segment.gone:
                    again += read_again(connection, segment, self.verdict)
        connection.close()
        for writer in (*self.writers, self.conditional):
            followed = self.followers[writer.lane.number].parser.last.get(writer.number, 0)
            self.verdict.lost += max(0, writer.acknowledged - followed)
        return sum(follower.parser.events for follower in self.followers), again

    def join(self, thread):
        wait_for(lambda: self.check() and not thread.is_alive(), f"the end of {thread.name}")


class Killer:
    """Kills the server in one way or another and starts it again."""

    def __init__(self, server, load, chance):
        self.server = server
        self.load = load
        self.chance = chance
        self.ready_s = []
        self.kinds = {}

    def kill_once(self):
        kind = self.chance.choices((self.under_load, self.during_a_start, self.at_an_object, self.at_a_journal_file),
                                   (6, 2, 3, 2))[0]
        kind()
        self.kinds[kind.__name__] = self.kinds.get(kind.__name__, 0) + 1
        self.verify()
        begin = time.monotonic()
        self.server.start()
        self.ready_s.append(time.monotonic() - begin)
        self.load.site.up(self.server.segmentstore)
        before = self.load.acknowledged()
        # Everybody is back.
        compared = self.load.changes.compared
        self.wait(lambda: self.load.acknowledged() > before and self.load.changes.compared > compared, "appends and changes go on")
        return kind.__name__

    def wait(self, condition, what):
        wait_for(lambda: self.load.check() and condition(), f"{what}; {self.server.log_tail()}")

    def kill(self):
        self.load.site.down()
        self.server.kill()

    def under_load(self):
        time.sleep(self.chance.uniform(0, 3))  # the random moment
        self.kill()

    def during_a_start(self):
        self.kill()
        self.server.launch()
        time.sleep(self.chance.uniform(0, 1.2 * statistics.median(self.ready_s)))
        self.server.kill()

    def at_a_new_name(self, directory):
        before = names_below(directory)
        self.wait(lambda: names_below(directory) - before, f"a new file below {directory}")
        self.kill()

    def at_an_object(self):
        self.at_a_new_name(os.path.join(self.server.directory, "storage"))

    def at_a_journal_file(self):
        self.at_a_new_name(os.path.join(self.server.directory, "journal"))

    def verify(self):
        verified = run("admin", "verify", self.server.directory)
        if verified.code != 0:
            raise AssertionError(f"verify: {verified}")


def main():
    # The threads that ask and wait are not to queue behind those that always have something to do.
    sys.setswitchinterval(0.0002)
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seed = int(os.environ.get("MILLRACE_SEED", random.randrange(1 << 32)))
    print(f"raw_kill_loop: {kills} kills, MILLRACE_SEED={seed}, {MILLRACE}", flush=True)
    directory = tempfile.mkdtemp(prefix="millrace-raw-kill-")
    server = SegmentStore(os.path.join(directory, "data"), *OPTIONS)
    load, good = Load(seed), False
    killer = Killer(server, load, random.Random(seed))
    try:
        begin = time.monotonic()
        server.start()
        killer.ready_s.append(time.monotonic() - begin)
        load.start(server.segmentstore)
        begin, down_s = time.monotonic(), 0
        for number in range(1, kills + 1):
            kind = killer.kill_once()
            print(f"  kill {number} {kind}: verified, ready again after {killer.ready_s[-1]:.2f} s, {load.acknowledged()} events "
                  f"acknowledged, {load.changes.done}", flush=True)
        seconds = time.monotonic() - begin
        events, again = load.finish(server.segmentstore)
        total = load.acknowledged()
        print(f"acknowledged={total} read={events} read_again={again} {load.verdict}")
        print(f"{total / seconds:.0f} events/s over {seconds:.0f} s with all restarts; "
              f"{sum(writer.large for writer in load.writers)} events of 1-8 MiB, {load.conditional.acknowledged} conditional "
              f"appends stored and {load.conditional.refused} refused, {load.catch_up.blocks} old blocks compared; {load.changes.done}")
        print(f"start to ready: median {statistics.median(killer.ready_s):.2f} s, worst {max(killer.ready_s):.2f} s; {killer.kinds}")
        if server.terminate() != 0:
            raise AssertionError("the server did not stop cleanly")
        killer.verify()
        good = load.verdict.good() and events == total
        print(f"raw_kill_loop: {kills} kills: {'passed' if good else 'FAILED'}")
    except AssertionError as error:
        print(f"raw_kill_loop: FAILED: {error}; {load.verdict}")
    finally:
        load.site.end()
        load.site.stopping.set()
        server.close()
        if good:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"raw_kill_loop: data and log are kept in {directory}; MILLRACE_SEED={seed}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
