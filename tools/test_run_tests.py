"""The counts must be read as the runners write them, and nothing that failed may pass for green."""

from __future__ import annotations

import contextlib
import io
import sys
import unittest
from unittest import mock

import run_tests
from run_tests import Counts, Outcome, Step

CARGO = """
running 2 tests
test a ... ok
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s
     Running tests/b.rs
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
"""
UNITTEST = "Ran 5 tests in 0.001s\n\nFAILED (failures=1, errors=2, skipped=1)\n"
SWIFT = """
◇ Test run started.
◇ Suite Border started.
◇ Test "a reply" started.
✔ Test "a reply" passed after 0.673 seconds.
✔ Test "what failed after 3 seconds" passed after 0.001 seconds.
✘ Test run() recorded an issue at Border.swift:1:2: Expectation failed: passed after 1.0 seconds
✘ Test run() failed after 0.913 seconds with 1 issue.
➜ Test "another" skipped.
✔ Suite Border passed after 1.157 seconds.
✘ Test run with 4 tests failed after 5.683 seconds with 1 issue.
"""


def step(code: str, count: bool = True) -> Step:
    """Make a step of a small Python program."""
    return Step("a step", (sys.executable, "-c", code), run_tests.plain_counts if count else None)


def outcome_of(step: Step, strict: bool = False, done: dict[str, Outcome] | None = None) -> Outcome:
    """Run a step and keep its output off the screen."""
    with contextlib.redirect_stdout(io.StringIO()):
        return run_tests.run(step, done or {}, {}, strict)


class CountsAreRead(unittest.TestCase):
    """Each runner in its own words."""

    def test_cargo_is_summed_over_all_its_binaries(self) -> None:
        self.assertEqual(run_tests.cargo_counts(CARGO), Counts(15, 2, 1))

    def test_cargo_that_did_not_compile_has_no_counts(self) -> None:
        self.assertEqual(run_tests.cargo_counts("error[E0308]: mismatched types"), Counts())

    def test_pytest_is_read_from_its_last_line(self) -> None:
        for line, counts in {
            "12 passed in 0.12s": Counts(12),
            "1 failed, 12 passed, 2 skipped, 1 error in 3.21s": Counts(12, 2, 2),
            "===== 2 errors in 0.10s =====": Counts(0, 2),
            "3 passed, 1 xpassed, 1 xfailed, 4 warnings in 61.00s (0:01:01)": Counts(3, 1, 1),
            "no tests ran in 0.01s": Counts(),
        }.items():
            self.assertEqual(run_tests.pytest_counts(f"....\n{line}\n"), counts, line)

    def test_unittest_is_read_with_what_went_wrong(self) -> None:
        self.assertEqual(run_tests.unittest_counts(UNITTEST), Counts(1, 3, 1))
        self.assertEqual(run_tests.unittest_counts("Ran 1 test in 0.0s\n\nOK\n"), Counts(1))
        self.assertEqual(run_tests.unittest_counts("Traceback"), Counts())

    def test_maven_is_read_from_its_totals_and_not_from_a_class(self) -> None:
        of_a_class = (
            "[INFO] Tests run: 9, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 1.2 s -- in dev.tertulia.A\n"
        )
        good = (
            f"{of_a_class}[INFO] \n[INFO] Results:\n[INFO] \n[INFO] Tests run: 20, Failures: 0, Errors: 0, Skipped: 1\n"
        )
        self.assertEqual(run_tests.maven_counts(good), Counts(19, 0, 1))
        bad = f"{of_a_class}[ERROR] Tests run: 20, Failures: 2, Errors: 3, Skipped: 0\n[INFO] BUILD FAILURE\n"
        self.assertEqual(run_tests.maven_counts(bad), Counts(15, 5))
        self.assertEqual(run_tests.maven_counts(of_a_class), Counts())
        self.assertEqual(run_tests.maven_counts("[ERROR] COMPILATION ERROR\n[INFO] BUILD FAILURE\n"), Counts())

    def test_swift_is_counted_test_by_test(self) -> None:
        self.assertEqual(run_tests.swift_counts(SWIFT), Counts(2, 1, 1))
        self.assertEqual(run_tests.swift_counts("error: no such module\n"), Counts())

    def test_our_own_runners_say_it_plainly(self) -> None:
        self.assertEqual(
            run_tests.scenario_counts("rust: a.json, step 3: no\nrust: 54 passed, 1 failed\n"), Counts(54, 1)
        )
        self.assertEqual(run_tests.scenario_counts("python: 55 held in the sync way\n"), Counts())
        self.assertEqual(
            run_tests.plain_counts("1 passed, 0 failed\n101 passed, 2 failed, 3 skipped\n"), Counts(101, 2, 3)
        )


class NothingPassesForGreen(unittest.TestCase):
    """What a step is worth."""

    def test_a_good_step_counts_what_it_ran(self) -> None:
        outcome = outcome_of(step("print('3 passed, 0 failed')"))
        self.assertEqual((outcome.counts, outcome.problem), (Counts(3), None))

    def test_failed_tests_are_counted_as_they_are(self) -> None:
        self.assertEqual(outcome_of(step("print('3 passed, 2 failed'); exit(1)")).counts, Counts(3, 2))

    def test_a_runner_that_ends_badly_without_a_failed_test_has_failed(self) -> None:
        outcome = outcome_of(step("print('3 passed, 0 failed'); exit(101)"))
        self.assertEqual((outcome.counts, outcome.problem), (Counts(3, 1), "ended with 101"))

    def test_failed_tests_count_although_the_runner_ends_well(self) -> None:
        self.assertEqual(outcome_of(step("print('3 passed, 1 failed')")).counts.failed, 1)

    def test_a_step_that_ran_no_test_has_failed(self) -> None:
        for code in ("pass", "print('0 passed, 0 failed')"):
            self.assertEqual(outcome_of(step(code)).counts, Counts(failed=1))

    def test_a_check_counts_nothing_but_its_failure(self) -> None:
        self.assertEqual(outcome_of(step("pass", count=False)).counts, Counts())
        self.assertEqual(outcome_of(step("exit(1)", count=False)).counts, Counts(failed=1))

    def test_a_missing_tool_is_left_out_here_and_fails_in_ci(self) -> None:
        absent = Step("a step", ("no-such-tool-on-any-machine",))
        self.assertEqual(outcome_of(absent).counts, Counts())
        self.assertIsNotNone(outcome_of(absent).left_out)
        self.assertEqual(outcome_of(absent, strict=True).counts, Counts(failed=1))

    def test_a_step_does_not_run_on_one_that_failed_or_was_left_out(self) -> None:
        below = Step("below", ("x",))
        above = Step("above", (sys.executable, "-c", "pass"), after="below")
        for broken in (Outcome(below, problem="ended with 1"), Outcome(below, left_out="x not found")):
            self.assertEqual(outcome_of(above, done={"below": broken}).counts, Counts(failed=1))

    def test_the_last_line_is_the_sum(self) -> None:
        outcomes = [Outcome(step("")), Outcome(step(""), Counts(2, 1, 4)), Outcome(step(""), Counts(5))]
        with contextlib.redirect_stdout(io.StringIO()) as text:
            total = run_tests.report(outcomes)
        self.assertEqual(total, Counts(7, 1, 4))
        self.assertEqual(text.getvalue().splitlines()[-1], "7 passed, 1 failed")

    def test_who_draws_is_named_by_system_and_processor(self) -> None:
        for system, machine, wanted in (
            ("linux", "x86_64", "linux-x64"),
            ("linux", "aarch64", "linux-arm64"),
            ("darwin", "arm64", "macos-arm64"),
            ("win32", "AMD64", "windows-x64"),
        ):
            with mock.patch("sys.platform", system), mock.patch("platform.machine", return_value=machine):
                self.assertEqual(run_tests.drawn_on(), wanted)

    def test_every_step_has_its_own_name_and_stands_on_an_earlier_one(self) -> None:
        names: list[str] = []
        for each in run_tests.all_steps():
            self.assertNotIn(each.name, names)
            self.assertTrue(each.after is None or each.after in names, each.name)
            names.append(each.name)


if __name__ == "__main__":
    unittest.main()
