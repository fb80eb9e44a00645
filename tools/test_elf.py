"""Headers of libraries are read as the linker has written them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import elf


def linked(folder: Path, *words: str) -> Path:
    """Link a small library."""
    source, library = folder / "small.c", folder / "libsmall.so"
    source.write_text("double sqrt(double); double twice(double x) { return sqrt(x) * 2; } int kept = 1;\n")
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), *words]
    subprocess.run(command, check=True)
    return library


@unittest.skipUnless(sys.platform == "linux" and shutil.which("cc"), "what links here links no ELF")
class Headers(unittest.TestCase):
    """Of real libraries."""

    def test_alignment_name_and_what_is_needed_are_what_the_linker_was_told(self) -> None:
        for page in (4096, 16384):
            with tempfile.TemporaryDirectory() as folder:
                words = (f"-Wl,-z,max-page-size={page}", "-Wl,-soname,libother.so", "-Wl,--no-as-needed", "-lm")
                said = elf.read(linked(Path(folder), *words))
            self.assertEqual(set(said.alignments), {page})
            self.assertGreater(len(said.alignments), 1)
            self.assertEqual(said.name, "libother.so")
            self.assertIn("libm.so.6", said.needed)

    def test_one_without_a_name_has_none(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(elf.read(linked(Path(folder))).name)

    def test_what_is_cut_or_is_something_else_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = linked(Path(folder))
            library.write_bytes(library.read_bytes()[:100])
            with self.assertRaisesRegex(elf.NoLibraryError, "ends too early"):
                elf.read(library)
            library.write_bytes(b"!<arch>\n")
            with self.assertRaisesRegex(elf.NoLibraryError, "no library"):
                elf.read(library)


if __name__ == "__main__":
    unittest.main()
