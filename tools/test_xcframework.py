"""What Xcode is told, and what is said where there is none."""

from __future__ import annotations

import unittest
from pathlib import Path
from unittest import mock

import native
import xcframework


class TheFramework(unittest.TestCase):
    """A library for each system, each with the headers."""

    def test_elsewhere_it_says_what_is_needed(self) -> None:
        with self.assertRaisesRegex(native.ImpossibleError, "macOS alone, with Xcode: https://"):
            xcframework.refuse_elsewhere("linux")
        with (
            mock.patch("shutil.which", return_value=None),
            self.assertRaisesRegex(native.ImpossibleError, "xcodebuild is missing: install Xcode"),
        ):
            xcframework.refuse_elsewhere("darwin")

    def test_every_system_has_its_library_and_the_headers(self) -> None:
        command = xcframework.framing({"ios": Path("/i/a.a"), "macos": Path("/m/a.a")}, Path("/h"), Path("/f"))
        self.assertEqual(command[:2], ["xcodebuild", "-create-xcframework"])
        self.assertEqual(command[2:6], ["-library", "/i/a.a", "-headers", "/h"])
        self.assertEqual(command[6:], ["-library", "/m/a.a", "-headers", "/h", "-output", "/f"])
        self.assertTrue((xcframework.HEADERS / "module.modulemap").exists())

    def test_a_system_on_two_kinds_of_machine_has_one_library(self) -> None:
        command = xcframework.joining([Path("/1.a"), Path("/2.a")], Path("/both.a"))
        self.assertEqual(command, ["lipo", "-create", "/1.a", "/2.a", "-output", "/both.a"])


if __name__ == "__main__":
    unittest.main()
