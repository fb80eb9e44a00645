"""Whether two languages gave the same: every field of every result of a scenario, not only those it looks at.

Ids, times and what else differs from run to run is held to its kind: the same id stands in the same places on both
sides, a time is a time on both sides, a cursor is there on both sides or on none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from verbs import VERBS, keys

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+(Z|\+00:00))?")
# Where a server listens; how long something took, in words.
MEASURED = re.compile(r"127\.0\.0\.1:\d+|\d+ (ms|s|seconds?|minutes?|hours?)\b")
# Opaque, measured, or a matter of when: there on both sides or on none.
VARIES = re.compile(
    r"before|after|next|version|seq|last_seq|bytes|.*_bytes|.*_ms|.*_at|at|since|until|day|not_before|user-agent"
    r"|content-length|(expected|low|high)_nano_usd"
)


class Same:
    """Compares one scenario's results: ids keep their partners from step to step."""

    class Difference(Exception):
        """Where the two differ."""

    def __init__(self) -> None:
        self.partners: dict[str, str] = {}
        self.taken: dict[str, str] = {}

    def compare(self, steps: Sequence[Mapping[str, Any]], theirs: Sequence[Any], ours: Sequence[Any]) -> None:
        """Raise at the first difference."""
        if len(theirs) != len(ours):
            raise self.Difference(f"{len(theirs)} steps there, {len(ours)} here")
        for index, (key, there, here) in enumerate(zip(keys(steps), theirs, ours, strict=True)):
            # Some results are a matter of when they are asked for.
            if not VERBS[key].get("varies"):
                self.value(f"step {index + 1} ({key})", there, here)

    def value(self, place: str, there: Any, here: Any) -> None:
        """One value of both sides."""
        if isinstance(there, dict) and isinstance(here, dict):
            if set(there) != set(here):
                raise self.Difference(f"{place}: {sorted(set(there) ^ set(here))} is on one side alone")
            for name in there:
                if VARIES.fullmatch(name):
                    self.kind(f"{place}.{name}", there[name], here[name])
                else:
                    self.value(f"{place}.{name}", there[name], here[name])
        elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
            for index, (one, other) in enumerate(zip(there, here, strict=True)):
                self.value(f"{place}.{index}", one, other)
        elif isinstance(there, str) and isinstance(here, str):
            self.text(place, there, here)
        elif type(there) is not type(here) or there != here:
            raise self.Difference(f"{place}: {there!r} there, {here!r} here")

    def kind(self, place: str, there: Any, here: Any) -> None:
        """Two values of which only the kind is compared."""
        if isinstance(there, bool | dict | list) or type(there) is not type(here):
            if {type(there), type(here)} != {int, float}:
                self.value(place, there, here)

    def text(self, place: str, there: str, here: str) -> None:
        """Two texts, with their ids and times taken for each other."""
        ids = ID.findall(there), ID.findall(here)
        if len(ids[0]) == len(ids[1]):
            for one, other in zip(*ids, strict=True):
                if self.partners.setdefault(one, other) != other or self.taken.setdefault(other, one) != one:
                    raise self.Difference(f"{place}: the id {one} there is not {other} here")
        one, other = (MEASURED.sub("", TIME.sub("", ID.sub("", text))) for text in (there, here))
        if one != other:
            raise self.Difference(f"{place}: {there!r} there, {here!r} here")
