# SPDX-License-Identifier: Apache-2.0
"""millrace_check_history from outside, on the example of docs/formats/history.md and on what is made of it.

Usage: command_test.py <the program> <the page>
"""
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM, PAGE = sys.argv[1:3]
HEAD = "millrace-history 1"


def example():
    with open(PAGE, encoding="utf-8") as page:
        lines = [line[4:].rstrip("\n") for line in page if line.startswith("    ")]
    begin = lines.index(HEAD)
    end = next(i for i in range(begin, len(lines)) if lines[i].startswith("end "))
    return lines[begin : end + 1]


def with_records(records):
    return [HEAD, *records, f"end {len(records)}"]


class CommandTest(unittest.TestCase):
    def run_on(self, *files, options=(), standard_input=None):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, lines in enumerate(files):
                paths.append(os.path.join(folder, str(number)))
                with open(paths[-1], "w", encoding="ascii") as out:
                    out.write("\n".join(lines) + "\n")
            return self.run_with(*options, *paths, standard_input=standard_input)

    def run_with(self, *arguments, standard_input=None):
        done = subprocess.run([PROGRAM, *arguments], input=standard_input, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_takes_the_example_of_the_page(self):
        self.assertEqual(self.run_on(example()), (0, "history: writes=1 reads=1 faults=0 violations=0\n", ""))

    def test_prints_what_is_wrong_and_exits_with_1(self):
        records = [line for line in example()[1:-1] if not line.startswith("read ")]
        code, out, _ = self.run_on(with_records(records))
        self.assertEqual(code, 1)
        self.assertIn("V1: s/t w1/k 1 #1: acknowledged, but reader r", out)
        self.assertTrue(out.endswith("history: writes=1 reads=0 faults=0 violations=1\n"), out)

    def test_judges_several_files_as_one_history(self):
        records = example()[1:-1]
        self.assertEqual(self.run_on(with_records(records[:1]), with_records(records[1:]))[0], 0)
        self.assertEqual(self.run_on(with_records(records[:1]))[0], 1)

    def test_reads_standard_input(self):
        self.assertEqual(self.run_with("-", standard_input="\n".join(example()) + "\n")[0], 0)

    def test_refuses_what_was_cut_off_unless_told(self):
        cut = example()[:-1]
        code, out, err = self.run_on(cut)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("cut off", err)
        self.assertEqual(self.run_on(cut, options=["--cut-off-ok"])[0], 0)

    def test_exits_with_2_when_there_is_no_history(self):
        for arguments, why in ((["/no/such/file"], "cannot be opened"), ([], "no file"), (["--what"], "unknown option '--what'")):
            code, out, err = self.run_with(*arguments)
            self.assertEqual((code, out), (2, ""))
            self.assertIn(why, err)
        code, _, err = self.run_on([HEAD, "wrote stream=s/t", "end 1"])
        self.assertEqual(code, 2)
        self.assertIn("line 2: 'wrote' is no kind of record", err)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
