"""What the check of the committed bindings sees."""

from __future__ import annotations

import unittest

import border
import mends


class DifferencesTest(unittest.TestCase):
    def test_the_same_files_are_no_difference(self) -> None:
        self.assertEqual(border.differences({"a.kt": "x\n"}, {"a.kt": "x\n"}), [])

    def test_a_changed_line_is_shown(self) -> None:
        found = border.differences({"a.kt": "x\ny\n"}, {"a.kt": "x\nz\n"})
        self.assertIn("-y", found)
        self.assertIn("+z", found)

    def test_a_file_too_many_and_one_that_is_missing_are_named(self) -> None:
        found = border.differences({"old.kt": "x\n"}, {"new.kt": "x\n"})
        self.assertEqual(found, ["new.kt: is not committed", "old.kt: is no longer made"])

    def test_a_generator_that_makes_otherwise_what_is_mended_is_noticed(self) -> None:
        for language in (mends.KOTLIN, mends.SWIFT):
            made = "\n".join(mend.before for mend in language)
            mended = mends.mended(made, language)
            for mend in language:
                self.assertIn(mend.after, mended)
                with self.assertRaisesRegex(SystemExit, mend.why):
                    mends.mended(made.replace(mend.before, "", 1), (mend,))

    def test_what_is_generated_for_itself_is_not_handed_on(self) -> None:
        swift = "public struct Message: Sendable {\n    public enum Inner {}\n}\npublic indirect enum Part {\n}\n"
        swift += "public struct FfiConverterTypePart {\n}\npublic enum TertuliaError: Swift.Error {\n}\nopen class User {\n}\n"
        told = border.types(swift)
        self.assertIn("@_exported import struct TertuliaFFI.Message\n@_exported import enum TertuliaFFI.Part\n", told)
        self.assertIn("    public typealias Part = TertuliaFFI.Part\n", told)
        for name in ("Inner", "FfiConverter", "TertuliaError", "User"):
            self.assertNotIn(name, told)

    def test_every_committed_file_that_is_generated_is_compared(self) -> None:
        endings = {path.rpartition(".")[2] for path in border.files(border.ROOT)}
        self.assertEqual(endings, {"kt", "swift", "h"})


if __name__ == "__main__":
    unittest.main()
