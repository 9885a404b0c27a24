# SPDX-License-Identifier: Apache-2.0
"""Streams are changed, truncated and looked at from the command line, and scopes deleted."""

import json
import unittest

from harness import SystemTest, run


class StreamTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.at = self.server().controller
        self.done(self.cli("scope", "create", "s"))
        self.done(self.cli("stream", "create", "s/t", "--segments", "4"))

    def cli(self, *arguments, stdin=b"", **environment):
        return run(*arguments, controller=self.at, stdin=stdin, environment=environment)

    def described(self):
        return json.loads(self.done(self.cli("stream", "describe", "s/t", "--output", "json")).out)

    def test_scopes_are_deleted_when_empty(self):
        self.refused(self.cli("scope", "delete", "s"), 1, "scope s is not empty")
        self.done(self.cli("stream", "seal", "s/t"))
        self.done(self.cli("stream", "delete", "s/t"))
        self.assertEqual(self.done(self.cli("scope", "delete", "s")).out, b"scope s deleted\n")
        self.refused(self.cli("scope", "delete", "s"), 1, "scope s does not exist")
        self.done(self.cli("scope", "create", "s"))
        self.assertEqual(json.loads(self.done(self.cli("scope", "delete", "s", "--output", "json")).out),
                         {"scope": "s", "deleted": True})
        self.refused(self.cli("scope", "delete", "a b"), 2, "a b")

    def test_configurations_change(self):
        self.refused(self.cli("stream", "update", "s/t"), 2, "nothing is to be changed")
        self.refused(self.cli("stream", "update", "s/nothing", "--min-segments", "2"), 1, "s/nothing")
        self.refused(self.cli("stream", "update", "s/t", "--target-rate", "5"), 2, "--scaling")
        described = json.loads(self.done(self.cli("stream", "update", "s/t", "--scaling", "events", "--target-rate", "100",
                                                  "--retention", "time", "--keep-at-least", "7d", "--output", "json")).out)
        self.assertEqual(described["scaling"], {"type": "events", "target_rate": 100, "scale_factor": 2})
        self.assertEqual(described["retention"], {"type": "time", "keep_at_least_ms": 604800000, "keep_at_most_ms": None})
        self.assertEqual(described["min_segments"], 4)
        # What is not said stays; a larger minimum makes segments.
        self.done(self.cli("stream", "update", "s/t", "--min-segments", "6"))
        now = self.described()
        self.assertEqual((now["scaling"], now["retention"]), (described["scaling"], described["retention"]))
        self.assertGreaterEqual(len(now["segments"]), 6)
        self.assertIn("to be split at 100 events/s into 2, to keep at least 168h",
                      self.done(self.cli("stream", "describe", "s/t")).out.decode())
        self.done(self.cli("stream", "seal", "s/t"))
        self.refused(self.cli("stream", "update", "s/t", "--min-segments", "2"), 1, "sealed")

    def test_streams_are_truncated(self):
        self.done(self.cli("write", "s/t", "--key", "k", stdin=b"one\ntwo\nthree\n"))
        self.done(self.cli("read", "s/t", "--count", "2", "--save-position", self.path("here")))
        cut = self.done(self.cli("stream", "truncate", "s/t", "--at", "@" + self.path("here")))
        self.assertRegex(cut.out, b"^stream s/t truncated, begins at s/t:")
        self.assertEqual(self.done(self.cli("read", "s/t")).out, b"three\n")
        self.assertEqual(sorted(s["start_offset"] for s in self.described()["segments"]), [0, 0, 0, 2 * 8 + 6])
        self.assertRegex(self.done(self.cli("stream", "describe", "s/t")).out.decode(), r"START +LENGTH")
        # Again is fine; backwards is not.
        self.done(self.cli("stream", "truncate", "s/t", "--at", "@" + self.path("here")))
        before = "s/t:" + ",".join(f"0.{n}@0" for n in range(4))
        self.refused(self.cli("stream", "truncate", "s/t", "--at", before), 1, "the position lies before its head")
        head = json.loads(self.done(self.cli("stream", "truncate", "s/t", "--at", "tail", "--output", "json")).out)["head"]
        self.assertEqual(self.done(self.cli("read", "s/t")).out, b"")
        self.done(self.cli("write", "s/t", "--key", "k", stdin=b"four\n"))
        self.assertEqual(self.done(self.cli("read", "s/t", "--from", head)).out, b"four\n")
        # Who was before it is told, and goes on.
        result = self.done(self.cli("read", "s/t", "--from", before))
        self.assertEqual(result.out, b"four\n")
        self.assertIn("going on at the oldest event there is", result.err)

        self.refused(self.cli("stream", "truncate", "s/t"), 2, "--at")
        self.refused(self.cli("stream", "truncate", "s/t", "--at", "nowhere"), 2, "--at", "nowhere")
        self.refused(self.cli("stream", "truncate", "s/t", "--at", "s/t:7.7@0"), 1, "s/t")
        self.refused(self.cli("stream", "truncate", "s/nothing", "--at", "tail"), 1, "s/nothing")

    def test_a_position_in_the_middle_of_a_merge(self):
        """A reader's positions while it waits for the other segment of a merge are places to truncate at, too."""
        self.done(self.cli("write", "s/t", "--key-field", "1", stdin=b"".join(b"%d old\n" % n for n in range(200))))
        lengths = {s["id"]: s["length"] for s in self.described()["segments"]}
        self.done(self.cli("stream", "scale", "s/t", "--seal", "0,1", "--ranges", "0-0.125,0.125-0.5"))
        self.done(self.cli("write", "s/t", "--key-field", "1", stdin=b"".join(b"%d new\n" % n for n in range(200))))
        # 0.0 is read, so 1.4, which follows on it alone, has begun, and is read as well; 1.5 waits for 0.1.
        lengths |= {s["id"]: s["length"] for s in self.described()["segments"]}
        waiting = f"s/t:0.0@{lengths[0]},0.1@0,0.2@0,0.3@0,1.4@{lengths[(1 << 32) + 4]}"
        left = self.done(self.cli("read", "s/t", "--from", waiting)).out.splitlines()
        self.assertLess(len(left), 400)
        self.done(self.cli("stream", "truncate", "s/t", "--at", waiting))
        self.assertEqual(sorted(self.done(self.cli("read", "s/t")).out.splitlines()), sorted(left))
        # And so is wherever else a reader stops.
        while len(left) > 40:
            self.done(self.cli("read", "s/t", "--count", "40", "--save-position", self.path("here")))
            self.done(self.cli("stream", "truncate", "s/t", "--at", "@" + self.path("here")))
            now = self.done(self.cli("read", "s/t")).out.splitlines()
            self.assertEqual(len(now), len(left) - 40)
            left = now

    def test_epochs_are_shown(self):
        self.done(self.cli("stream", "scale", "s/t", "--seal", "0", "--ranges", "0-0.125,0.125-0.25"))
        self.done(self.cli("stream", "scale", "s/t", "--seal", "2,3", "--ranges", "0.5-1"))
        shown = json.loads(self.done(self.cli("stream", "epochs", "s/t", "--output", "json")).out)
        self.assertEqual((shown["scope"], shown["stream"], shown["state"]), ("s", "t", "active"))
        self.assertEqual([epoch["epoch"] for epoch in shown["epochs"]], [0, 1, 2])
        self.assertEqual([[(s["min_key"], s["max_key"]) for s in epoch["segments"]] for epoch in shown["epochs"]],
                         [[(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)],
                          [(0, 0.125), (0.125, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)],
                          [(0, 0.125), (0.125, 0.25), (0.25, 0.5), (0.5, 1)]])
        only = json.loads(self.done(self.cli("stream", "epochs", "s/t", "--last", "1", "--output", "json")).out)
        self.assertEqual(only["epochs"], shown["epochs"][2:])

        # Box-drawing characters only where the locale has them.
        picture = self.done(self.cli("stream", "epochs", "s/t", LC_ALL="C.UTF-8")).out.decode()
        self.assertTrue(picture.startswith("s/t: active, epoch 2\n"), picture)
        self.assertIn("├", picture)
        self.assertTrue(self.done(self.cli("stream", "epochs", "s/t", LC_ALL="C")).out.isascii())
        narrow = self.done(self.cli("stream", "epochs", "s/t", LC_ALL="C", COLUMNS="20", LINES="10")).out.decode()
        self.assertTrue(all(len(line) <= 20 for line in narrow.splitlines()[1:-2]), narrow)
        self.assertIn("2 older epochs are left out", narrow)
        self.refused(self.cli("stream", "epochs", "s/nothing"), 1, "s/nothing")

    def test_the_version(self):
        plain = self.done(run("version")).out.decode()
        self.assertRegex(plain, r"^millrace \d+\.\d+\.\d+( \(commit [0-9a-f]+(-dirty)?\))?\nwire protocol 5 to \d+, controller protocol Pravega 0\.13\n$")
        version = json.loads(self.done(run("version", "--output", "json")).out)
        self.assertEqual(set(version), {"version", "commit", "wire_protocol", "controller_protocol"})
        self.assertIn(version["version"], plain)


if __name__ == "__main__":
    unittest.main()
