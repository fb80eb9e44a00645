"""What holds the languages together must be able to fail."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "scenarios"))
import parity
from beside import Told
from same import Same
from verbs import FORMAT, VERBS

ID = "01890a5d-ac96-774b-bcce-b302099a805{}"
STEPS: list[dict[str, Any]] = [{"do": "open", "as": "engine"}, {"do": "close", "in": "engine"}]


def problems() -> str:
    return "\n".join(parity.problems())


class EveryVerbHasItsScenario(unittest.TestCase):
    """A verb that is nowhere played, or missing somewhere, is named."""

    def test_nothing_is_wrong_with_what_there_is(self) -> None:
        self.assertEqual(problems(), "")

    def test_a_verb_that_nobody_plays_or_has_is_named(self) -> None:
        with mock.patch.dict(VERBS, {"user.fly": {}}):
            told = problems()
        lacks = ("rust lacks it", "python (UserScope) lacks it", "the facade lacks it", "Swift lacks it")
        for line in ("no scenario plays it", *lacks):
            self.assertIn(f"user.fly: {line}", told)

    def test_a_public_verb_that_scenarios_do_not_know_is_named(self) -> None:
        known = {key: verb for key, verb in VERBS.items() if key != "conversation.fork"}
        with mock.patch.dict(VERBS, known, clear=True):
            told = problems()
        for line in ("public in rust", "public in python (AsyncConversation)", "no such verb"):
            self.assertIn(f"conversation.fork: {line}", told)

    def test_an_argument_that_scenarios_do_not_know_is_named(self) -> None:
        with mock.patch.dict(VERBS, {"user.search": {"needs": ["words"], "may": ["sort", "limit", "after"]}}):
            told = problems()
        self.assertIn("`before` is no word of scenarios, but an argument of UserScope.search", told)
        self.assertIn("`after` is no argument of AsyncUserScope.search", told)

    def test_what_stands_apart_without_need_is_named(self) -> None:
        with mock.patch.dict(
            FORMAT, {"apart": {**FORMAT["apart"], "rust": {**FORMAT["apart"]["rust"], "user.ask": "x"}}}
        ):
            self.assertEqual(problems(), "user.ask: stands apart in rust without need")

    def test_what_a_language_has_by_now_must_leave_its_list(self) -> None:
        lists = {"verbs": ["conversation.send", "user.fly"], "scenarios": ["two_turns"]}
        with mock.patch.dict(FORMAT, {"missing": {"kotlin": lists, "swift": lists}}):
            told = problems()
        for language in ("Kotlin", "Swift"):
            self.assertIn(f"take it out of the list of what {language} lacks", told)
            self.assertIn(f"user.fly: named as lacking in {language}, and no verb", told)
            self.assertIn(f"two_turns: not there, or left out in {language} for its verbs", told)
        self.assertIn("conversation.send: Swift has it", told)
        self.assertIn("conversation.send: the facade has it; take it out", told)

    def test_what_is_public_in_swift_is_read_from_its_classes(self) -> None:
        found = parity.swift()
        self.assertLessEqual({"new_conversation", "conversation_for", "ask", "id"}, found["UserScope"])
        self.assertLessEqual({"open", "close", "user"}, found["Tertulia"])
        with mock.patch.object(parity, "swift", return_value={"UserScope": {*found["UserScope"], "fly"}}):
            told = problems()
        self.assertIn("user.fly: public in Swift, and no verb of scenarios", told)
        self.assertIn("conversation.send: Swift lacks it", told)


class EveryFieldIsTheSame(unittest.TestCase):
    """Ids and times may differ, nothing else."""

    def same(self, there: Any, here: Any) -> None:
        Same().compare(STEPS, [{}, there], [{}, here])

    def differ(self, there: Any, here: Any, place: str) -> None:
        with self.assertRaisesRegex(Same.Difference, place):
            self.same(there, here)

    def test_ids_and_times_and_places_differ(self) -> None:
        one = {
            "id": ID.format(1),
            "ids": [ID.format(1), ID.format(2)],
            "created_at": 5,
            "before": "abc",
            "latency_ms": 1,
        }
        two = {
            "id": ID.format(7),
            "ids": [ID.format(7), ID.format(8)],
            "created_at": 9,
            "before": "xyz",
            "latency_ms": 2,
        }
        self.same(one, two)
        self.same("within 36 ms", "within 41 ms")

    def test_everything_else_is_held_to(self) -> None:
        self.differ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, r"close\)\.a\.0\.b: 1 there, 2 here")
        self.differ({"a": 1}, {}, "on one side alone")
        self.differ([1], [1, 2], "there")
        self.differ(1, True, "there")
        self.differ("one", "two", "there")
        self.differ({"before": None}, {"before": "x"}, "before")
        self.differ([ID.format(1), ID.format(1)], [ID.format(7), ID.format(8)], "the id")
        self.differ([ID.format(1), ID.format(2)], [ID.format(7), ID.format(7)], "the id")
        with self.assertRaisesRegex(Same.Difference, "2 steps there, 1 here"):
            Same().compare(STEPS, [{}, {}], [{}])

    def test_what_kotlin_tells_besides_says_nothing(self) -> None:
        there = {"at": {"operation": ""}, "one": 1}
        here = {"at": {"operation": "user.search"}, "one": 1, "no": None, "none": [], "off": False}
        Told().compare(STEPS, [{}, there], [{}, here])
        for more in ({"two": 2}, {"at": {"operation": "user.search", "why": "x"}}):
            with self.assertRaisesRegex(Same.Difference, "on one side alone"):
                Told().compare(STEPS, [{}, there], [{}, {**here, **more}])


if __name__ == "__main__":
    unittest.main()
