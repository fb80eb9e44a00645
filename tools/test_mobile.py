"""What is built for phones, and with what."""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import mobile
import native
import run_tests


class TheCompilerOfC(unittest.TestCase):
    """Zig, told of its target in its own words."""

    def test_words_that_name_a_target_are_taken_out_and_no_others(self) -> None:
        said = ["-O0", "--target=aarch64-linux-android", "-arch", "arm64", "-isysroot", "/sdk", "-c", "sqlite3.c"]
        said += ["-target", "arm64-apple-ios10", "-miphoneos-version-min=10.0", "-DSQLITE_CORE", "-march=armv8-a"]
        self.assertEqual(mobile.untargeted(said), ["-O0", "-c", "sqlite3.c", "-DSQLITE_CORE", "-march=armv8-a"])

    def test_build_scripts_get_programs_that_can_be_run_by_their_path(self) -> None:
        with tempfile.TemporaryDirectory(prefix="with blanks ") as folder:
            with mock.patch.object(mobile, "FOLDER", Path(folder) / "new"):
                echo = mobile.program("echo", ("printf", "%s|", "two words"))
            said = subprocess.run([echo, "and more"], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout, "two words|and more|")

    def test_without_zig_it_says_what_fetches_it(self) -> None:
        with (
            mock.patch.object(mobile, "PYTHON", Path("/nowhere/python")),
            self.assertRaisesRegex(native.ImpossibleError, r"run_tests\.py environment"),
        ):
            mobile.zig()


class TheTargets(unittest.TestCase):
    """They are added where they are missing, or the step says so."""

    def test_each_that_is_missing_is_added_and_the_first_that_cannot_be_is_named(self) -> None:
        def answer(command: list[str], **_: object) -> mock.Mock:
            return mock.Mock(returncode=int("--print" in command or command[-1] == "b"), stdout="")

        with (
            mock.patch.object(subprocess, "run", side_effect=answer) as run,
            mock.patch("shutil.which", return_value="/bin/rustup"),
        ):
            self.assertEqual(run_tests.no_target("a", "b", "c")(), "rustup could not add the target b")
        self.assertEqual([call.args[0][-1] for call in run.call_args_list], ["a", "a", "b", "b"])


if __name__ == "__main__":
    unittest.main()
