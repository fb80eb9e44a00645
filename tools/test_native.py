"""What is carried by apps is held to what phones load."""

from __future__ import annotations

import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import native
from test_elf import linked


class WhatAppsCarry(unittest.TestCase):
    """It is small, laid out for every phone, and needs nothing that is not there."""

    @unittest.skipUnless(sys.platform == "linux" and shutil.which("cc"), "what links here links no ELF")
    def test_each_fault_of_a_library_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            good = linked(Path(folder), "-Wl,-z,max-page-size=16384")
            self.assertEqual(native.faults(good), [])
            self.assertIsNone(native.too_heavy(good))
            self.assertRegex(native.too_heavy(good, most=1000) or "", r"bytes, more than 1,000$")
            small = linked(Path(folder), "-Wl,-z,max-page-size=4096")
            self.assertRegex("".join(native.faults(small)), "pages of 4,096 bytes: phones with pages of 16,384")
            words = ("-Wl,-z,max-page-size=65536", "-Wl,--no-as-needed", "-l:libstdc++.so.6")
            self.assertRegex("".join(native.faults(linked(Path(folder), *words))), r"^it needs libstdc\+\+\.so\.6,")

    def test_every_program_that_is_missing_is_named_with_its_remedy(self) -> None:
        with self.assertRaisesRegex(native.ImpossibleError, "^no-such-a is missing: do a; no-such-b is missing: do b$"):
            native.needed({"no-such-a": "do a", sys.executable: "never", "no-such-b": "do b"})


if __name__ == "__main__":
    unittest.main()
