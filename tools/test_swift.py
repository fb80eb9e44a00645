"""Where the toolchain of Swift comes from, and what a command in it sees."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import border
import run_tests
import swift


class TheToolchain(unittest.TestCase):
    """It is found, set up, or said to be missing."""

    def test_the_mirror_is_debians_own_archive_and_not_its_security(self) -> None:
        said = "http://deb.example/debian-security/\nhttp://other.example/nodesource/\nhttp://deb.example/debian/\n"
        self.assertEqual(swift.mirror(said), "http://deb.example/debian/")
        for nobody in ("", "http://deb.example/ubuntu/\n"):
            with self.assertRaisesRegex(swift.ImpossibleError, "no mirror"):
                swift.mirror(nobody)

    def test_packages_are_laid_open_as_they_are_and_a_broken_one_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            broken = Path(folder) / "broken.deb"
            broken.write_bytes(b"no package")
            with self.assertRaisesRegex(swift.ImpossibleError, "broken.deb"):
                swift.lay_open([broken], Path(folder))

    def test_without_one_a_step_is_left_out_and_where_all_must_run_it_is_set_up_or_fails(self) -> None:
        outcome = mock.Mock(returncode=1)
        with (
            mock.patch.object(swift, "at_hand", return_value=False),
            mock.patch.object(subprocess, "run", return_value=outcome) as run,
        ):
            with mock.patch.dict(os.environ, {"CI": ""}):
                self.assertIn("tools/swift.py setup", run_tests.no_swift() or "")
            run.assert_not_called()
            with mock.patch.dict(os.environ, {"CI": "true"}):
                self.assertIn("could not be set up", run_tests.no_swift() or "")
                outcome.returncode = 0
                self.assertIsNone(run_tests.no_swift())
            self.assertEqual(run.call_args.args[0][1:], ["tools/swift.py", "setup"])

    def test_a_command_has_the_tree_for_its_root_and_the_checkout_where_it_is(self) -> None:
        with mock.patch.dict(os.environ, {"TERTULIA_MODEL": "echo/any", "OPENAI_API_KEY": "sk-unused"}):
            command = swift.inside(["swift", "--version"], swift.PACKAGE)
        self.assertEqual(command[:2], ["unshare", "--mount"])
        self.assertIn(f'mount --bind "{border.ROOT}" "$0{border.ROOT}"', command[4])
        self.assertIn("TERTULIA_MODEL=echo/any", command)
        self.assertIn(f"TERTULIA_LIBRARIES={border.target()}", command)
        self.assertNotIn("sk-unused", " ".join(command))
        self.assertEqual(command[-3:], [str(swift.PACKAGE), "swift", "--version"])


if __name__ == "__main__":
    unittest.main()
