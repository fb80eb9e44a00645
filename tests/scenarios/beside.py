"""Compare what the steps of scenarios gave in two languages: every field, not only those that scenarios look at.

    beside.py THERE HERE

THERE is the folder into which the runner in Rust told what every step gave (``tertulia-scenarios --tell THERE``), HERE
that of another language, which may lack scenarios. Needs nothing but Python.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from same import Same
from verbs import FOLDER

NOTHING: tuple[Any, ...] = (None, [], {}, False)


class Told(Same):
    """The same, where a language tells fields that say nothing and another one leaves them out.

    What fails before the engine sees it, as a text that is no cursor, may fail without the name of an operation.
    """

    def value(self, place: str, there: Any, here: Any) -> None:
        if isinstance(there, dict) and isinstance(here, dict):
            if "" in (there.get("operation"), here.get("operation")):
                there = {**there, "operation": here.get("operation")}
            there, here = said(there, here), said(here, there)
        if number(there) and number(here):  # 1 and 1.0 are the same
            there, here = float(there), float(here)
        super().value(place, there, here)


def number(value: Any) -> bool:
    """Whether it is one, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def said(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The fields of one that the other has, or that say something."""
    return {name: value for name, value in one.items() if name in other or value not in NOTHING}


def main() -> int:
    """Say which scenarios differ, and where."""
    if len(sys.argv) != 3:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    there, here = map(Path, sys.argv[1:])
    files = sorted(here.glob("*.json"))
    failed = 0 if files else 1
    for file in files:
        try:
            steps = json.loads((FOLDER / file.name).read_text("utf-8"))["steps"]
            theirs = json.loads((there / file.name).read_text("utf-8"))
            Told().compare(steps, theirs, json.loads(file.read_text("utf-8")))
        except (Same.Difference, OSError) as failure:
            sys.stdout.write(f"{file.name}: {failure}\n")
            failed += 1
    sys.stdout.write(f"beside: {max(len(files) - failed, 0)} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
