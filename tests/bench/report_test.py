# SPDX-License-Identifier: Apache-2.0
"""What the report and the soak make of what was measured."""

import json
import os
import tempfile
import unittest

import plots
import report
import soak
from figures import Figures, judge, read_samples, summed_up


class FiguresTest(unittest.TestCase):
    def test_rounds_become_medians_with_their_targets(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "samples.jsonl")
            for value in (3.0, 1.0, 2.0):
                figures = Figures(path)
                figures.add("B13", "cost", value, at_most=1.5)
                figures.add("B2", "latency", value * 10)
            records = summed_up(read_samples(path))
        self.assertEqual([(one["scenario"], one["figure"], one["median"], one["least"], one["most"], one["rounds"], one["met"])
                          for one in records],
                         [("B2", "latency", 20.0, 10.0, 30.0, 3, None), ("B13", "cost", 2.0, 1.0, 3.0, 3, False)])

    def test_a_target_is_met_at_its_bound(self):
        self.assertTrue(judge(0.6, {"at_least": 0.6}))
        self.assertFalse(judge(0.59, {"at_least": 0.6}))
        self.assertTrue(judge(0, {"at_most": 0}))
        self.assertFalse(judge(1, {"at_most": 0}))


class ReportTest(unittest.TestCase):
    def setUp(self):
        samples = [{"scenario": "B1", "figure": f"million e/s{of}, Java client", "value": value} for of, value in
                   (("", 0.5), (" of the null server", 0.7))]
        samples += [{"scenario": "B12", "figure": "lost, doubled and reordered", "value": 0, "at_most": 0}]
        samples += [{"scenario": "B7", "figure": f"append {what}, us, {count} connection{'s' if count > 1 else ''}", "value": count + 0.25}
                    for what in ("p50", "p99") for count in (1, 500)]
        samples += [{"scenario": "B4", "figure": "MB/s of half the disk's", "value": value, "at_least": 0.8} for value in (0.5, 0.7)]
        self.report = {"version": "millrace 0", "date": "today", "quick": False, "rounds": 2, "notes": ["java: left out"],
                       "machine": {"processors": 2, "model": "m", "memory_gib": 1, "kernel": "k", "limits": {"ping_pong_p50_us": 11.6}},
                       "figures": summed_up(samples)}

    def test_the_table_says_what_is_met(self):
        table = report.markdown(self.report)
        self.assertIn("| B12 | lost, doubled and reordered | 0 |  | at most 0 | met |\n", table)
        self.assertIn("| B4 | MB/s of half the disk's | 0.6 | 0.5 to 0.7 | at least 0.8 | missed |\n", table)
        self.assertIn("| B1 | million e/s, Java client | 0.5 |  |  |  |\n", table)
        self.assertIn("- java: left out\n", table)

    def test_plots_are_drawn_where_gnuplot_is(self):
        with tempfile.TemporaryDirectory() as directory:
            drawn = plots.plot_report(self.report, directory)
            self.assertEqual(sorted(os.listdir(directory)), ["connections.svg", "rates.svg", "targets.svg"] if drawn else [])


class SoakTest(unittest.TestCase):
    @staticmethod
    def table(seconds):
        rows = [{"second": i + 1, "resident_bytes": 1_000_000 * i, "descriptors": 50, "threads": 9, "storage_bytes": 700, "all_bytes": 1_000}
                for i in range(seconds)]
        told = [{"seconds": i + 1.0, "events": 10, "latency_us": {"p50": 1, "p99": 2, "p999": 3 if i < seconds / 2 else 6, "max": 9}}
                for i in range(seconds)]
        report_at_the_end = {"seconds": seconds, "events": 10 * seconds, "events_per_second": 10, "latency_us": told[0]["latency_us"]}
        return soak.joined(rows + [dict(rows[-1])], [*told, report_at_the_end])

    def test_seconds_of_server_and_writer_come_together(self):
        table = self.table(40)
        self.assertEqual(len(table), 40)
        self.assertEqual((table[0]["journal_bytes"], table[0]["storage_bytes"], table[0]["p999_us"]), (300, 700, 3))

    def test_what_climbs_and_what_gets_slower_is_seen(self):
        verdict = soak.judged(self.table(40))
        self.assertEqual((verdict["seconds"], verdict["events"], verdict["seconds_without_events"]), (40, 400, 0))
        self.assertAlmostEqual(verdict["climbs"]["resident_bytes"]["slope_per_minute"], 60_000_000)
        self.assertAlmostEqual(verdict["climbs"]["descriptors"]["slope_per_minute"], 0)
        self.assertEqual(verdict["times"]["p999_us"]["ratio"], 2)
        self.assertEqual(verdict["times"]["p50_us"]["ratio"], 1)
        json.dumps(verdict)


if __name__ == "__main__":
    unittest.main()
