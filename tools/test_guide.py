"""The pages of Kotlin and Swift say what a test of theirs compiles and runs. Those of Python and Rust are run themselves."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "kotlin": "bindings-kotlin/src/test/kotlin/dev/tertulia/GuideTest.kt",
    "swift": "bindings-swift/Tests/TertuliaTests/GuideTests.swift",
}
# What a test needs and a page does not say.
OWN = "// only here"


def lines(text: str) -> list[str]:
    """The lines that say something, wherever they begin."""
    return [line.strip() for line in text.splitlines() if line.strip() and OWN not in line]


def stands(block: list[str], source: list[str]) -> bool:
    """Whether the lines stand in the source, one behind the other."""
    return any(source[start : start + len(block)] == block for start in range(len(source)))


class EveryBlockIsTested(unittest.TestCase):
    def test_what_a_page_says_stands_in_its_test(self) -> None:
        for language, test in TESTS.items():
            page = (ROOT / f"docs/guide/{language}.md").read_text("utf-8")
            source = lines((ROOT / test).read_text("utf-8"))
            blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
            self.assertGreater(len(blocks), 3, f"{language}: where are its blocks?")
            for block in blocks:
                with self.subTest(language=language, block=block):
                    self.assertTrue(stands(lines(block), source), f"{test} does not hold this block of the page")

    def test_a_block_that_differs_is_noticed(self) -> None:
        source = lines("a\n  b  // only here\n  c\nd\n")
        self.assertTrue(stands(["a", "c"], source))
        self.assertFalse(stands(["a", "d"], source))
        self.assertFalse(stands(["d", "e"], source))


if __name__ == "__main__":
    unittest.main()
