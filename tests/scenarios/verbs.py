"""Which verbs a scenario plays: ``format/verbs.json`` names them by the kind of handle and the verb."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
FORMAT: dict[str, Any] = json.loads((FOLDER / "format" / "verbs.json").read_text("utf-8"))
VERBS: dict[str, dict[str, Any]] = FORMAT["verbs"]


def keys(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name the verb of each step, by what the steps before have made."""
    kinds: dict[str, str] = {}
    for step in steps:
        key = f"{kinds.get(step['in'], '?')}.{step['do']}" if "in" in step else step["do"]
        if "as" in step and (made := VERBS.get(key, {}).get("gives")):
            kinds[step["as"]] = made
        yield key


def played(steps: Sequence[Mapping[str, Any]]) -> set[str]:
    """Name all verbs of these steps, those that are played by a word of another verb's step as well."""
    found = set(keys(steps))
    for key, verb in VERBS.items():
        for word, value in verb.get("word", {}).items():
            if any(word in step and value in (None, step[word]) for step in steps):
                found.add(key)
    return found
