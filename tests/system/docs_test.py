# SPDX-License-Identifier: Apache-2.0
"""The pages: messages and tests stand in the source as the pages have them, and links lead somewhere."""

import os
import re
import unittest

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
DOCS = os.path.join(ROOT, "docs")


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def source_strings():
    """All string literals of the program, neighbours joined, what stands between the pieces of a sentence as one blank."""
    joined = []
    for room in ("common", "segmentstore", "controller", "client", "cli"):
        for at, _, names in os.walk(os.path.join(ROOT, room)):
            for name in names:
                if name.endswith(".cc") and not name.endswith("_test.cc"):
                    source = text_of(os.path.relpath(os.path.join(at, name), ROOT))
                    joined.append(re.sub(r'"\s*\n\s*"', "", source))
    return "\n".join(joined)


def fragments(message):
    """What of a message is the same in every case: the longer pieces between what is written in capitals, numbers or quoted."""
    parts = re.split(r"\b[A-Z]+(?:/[A-Z]+)?\b|\b\d{3,}\b|'|--[a-z-]+port", message)
    return [part.strip(" ,;:(") for part in parts if len(part.strip(" ,;:(")) >= 9]


class MessagesTest(unittest.TestCase):
    def test_troubleshooting_quotes_what_the_program_says(self):
        sources = source_strings()
        # MILLRACE_ variables and words of the page itself that are no messages.
        quoted = [m for line in text_of("docs", "troubleshooting.md").splitlines() if line.startswith("### ")
                  for m in re.findall(r"`([^`]+)`", line)]
        messages = [m for m in quoted if " " in m and not m.startswith("millrace ")]
        self.assertGreater(len(messages), 20)
        for message in messages:
            pieces = fragments(message)
            self.assertTrue(pieces, message)
            for piece in pieces:
                self.assertTrue(piece in sources, f"{piece!r} of {message!r} is nowhere in the source")

    def test_a_message_that_nobody_prints_is_noticed(self):
        self.assertFalse(fragments("controller ADDRESS has gone fishing")[-1] in source_strings())


def tests_of_the_source():
    """Their names as pages have them: Suite.Test."""
    names = set()
    for room in ("common", "segmentstore", "controller", "client", "cli", "proto", "tests"):
        for at, _, files in os.walk(os.path.join(ROOT, room)):
            for name in files:
                if name.endswith("_test.cc"):
                    source = text_of(os.path.relpath(os.path.join(at, name), ROOT))
                    names.update(".".join(test) for test in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", source, re.MULTILINE))
                elif name.endswith("_test.py"):
                    suites = re.split(r"^class (\w+)\(.*\):$", text_of(os.path.relpath(os.path.join(at, name), ROOT)), flags=re.MULTILINE)[1:]
                    for suite, body in zip(suites[::2], suites[1::2]):
                        names.update(f"{suite}.{test}" for test in re.findall(r"^    def (test_\w+)\(", body, re.MULTILINE))
    return names


class LessonsTest(unittest.TestCase):
    """docs/protocol/java-client.md: what the client does, and the test that keeps it."""

    NOT_OURS = "That is the client's doing"

    def test_every_lesson_has_a_test_that_exists(self):
        tests = tests_of_the_source()
        self.assertIn("LessonsTest.test_every_lesson_has_a_test_that_exists", tests)
        rows = [re.split(r" \| ", row.strip("| \n")) for row in text_of("docs", "protocol", "java-client.md").splitlines()
                if row.startswith("| ") and not row.startswith("| What the client does ")]
        self.assertGreater(len(rows), 30)
        for lesson, kept_by in rows:
            named = re.findall(r"`([^`]+)`", kept_by)
            self.assertEqual(kept_by == "-", lesson.endswith(self.NOT_OURS), lesson)
            self.assertTrue(named or kept_by == "-", lesson)
            for test in named:
                self.assertIn(test, tests, lesson)

    def test_every_conversation_is_a_lesson(self):
        page = text_of("docs", "protocol", "java-client.md")
        for test in tests_of_the_source():
            if re.match(r"(Conversations|ConversationsTest|ScaleConversationTest)\.", test):
                self.assertIn(f"`{test}`", page)


def anchors_of(page):
    """As GitHub and most others make them of headings."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class LinksTest(unittest.TestCase):
    def test_links_between_pages_lead_somewhere(self):
        pages = ["README.md"] + [os.path.join("docs", name) for name in sorted(os.listdir(DOCS)) if name.endswith(".md")]
        checked = 0
        for page in pages:
            text = text_of(page)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                file = os.path.normpath(os.path.join(ROOT, os.path.dirname(page), path)) if path else os.path.join(ROOT, page)
                self.assertTrue(os.path.exists(file), f"{page}: {target}")
                if anchor:
                    with open(file, encoding="utf-8") as other:
                        self.assertIn(anchor, anchors_of(other.read()), f"{page}: {target}")
                checked += 1
        self.assertGreater(checked, 30)


if __name__ == "__main__":
    unittest.main()
