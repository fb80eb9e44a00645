#!/usr/bin/env python3
"""Leave in the middle of replies, over and over, in each language, and look for what stays behind.

    soak.py [--cancels N] [--calls N] [--streams N] [LANGUAGE …]

What is not said is taken from CANCELS, CALLS, STREAMS and LANGUAGES of the environment. The README of this folder says what is played and what is asked of it. Ends with ``N passed, N failed``. Stdlib only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
BUILT, FOLDER = TARGET / "debug", TARGET / "soak"
P99_MS, GROWTH, GROWTH_MB = 100.0, 0.1, 8.0
# Of fewer the hundredth part is the slowest one of all, and says what else the machine does.
TIMED_RUNS = 1_000
LIMIT_S = 60 * 60
# All of it there from the start, so that what grows is not garbage that nobody has collected yet.
HEAP = "-Xms192m -Xmx192m -XX:+AlwaysPreTouch"

Line = dict[str, Any]


def rust(told: list[str]) -> list[str]:
    """The program of this folder."""
    return [str(BUILT / "tertulia-soak"), *told]


def python(told: list[str]) -> list[str]:
    """The package as it is installed."""
    return [str(ROOT / ".venv/bin/python"), str(Path(__file__).with_name("leaving.py")), *told]


def kotlin(told: list[str]) -> list[str]:
    """A class among the tests that runs only when it is named."""
    maven = ["mvn", "-q", "-B", "-ntp", "-f", str(ROOT / "bindings-kotlin/pom.xml"), f"-Dnative.dir={BUILT}"]
    url, out, *counts = told
    # The path stands last, because it may hold spaces.
    return [*maven, "test", "-Dtest=Soak", f"-DargLine={HEAP}", f"-Dtertulia.soak={' '.join([url, *counts, out])}"]


def swift(told: list[str]) -> list[str]:
    """A program of the package."""
    return [sys.executable, str(ROOT / "tools/swift.py"), "soak", *told]


LANGUAGES: dict[str, Callable[[list[str]], list[str]]] = {
    "rust": rust, "python": python, "kotlin": kotlin, "swift": swift
}  # fmt: skip


@contextmanager
def simulator() -> Iterator[str]:
    """The provider, for as long as it is needed."""
    command = [str(BUILT / "tertulia-simulator"), "--record"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def complaints(line: Line, wanted: dict[str, int]) -> list[str]:
    """What is not as it must be."""
    if "left" in line:
        found = [f"{line['hangs']} hung"] if line["hangs"] else []
        if line["wrong"]:
            found.append(f"{line['wrong']} went wrong: {'; '.join(line['shown'])}")
        if line["runs"] < wanted["cancels"]:
            found.append(f"only {line['runs']} were played")
        if line["runs"] >= TIMED_RUNS and (line["p99_ms"] is None or line["p99_ms"] > P99_MS):
            found.append(f"the provider saw 99 of 100 only within {line['p99_ms']} ms")
        return found
    found = []
    if line["runs"] < wanted["streams" if line["flat"] == "streams" else "calls"]:
        found.append(f"only {line['runs']} were played")
    if line["end_mb"] > line["warm_mb"] * (1 + GROWTH) + GROWTH_MB:
        found.append(f"memory grew from {line['warm_mb']:.1f} to {line['end_mb']:.1f} MB")
    return found


def shown(line: Line) -> str:
    """The line for a person."""
    if "left" in line:
        times = (f"{line[key]:.2f} ms" if line[key] is not None else "?" for key in ("p50_ms", "p99_ms"))
        return f"left, {line['left']}: {line['runs']:,} times, seen after {' (p99 '.join(times)})"
    return f"{line['runs']:,} {line['flat']}: {line['warm_mb']:.1f} MB when warm, {line['end_mb']:.1f} MB at the end"


def play(language: str, wanted: dict[str, int]) -> list[Line]:
    """Run one language's program, and read what it told."""
    out = FOLDER / f"{language}.jsonl"
    for old in FOLDER.glob(f"{language}.*"):
        old.unlink()
    with simulator() as url:
        told = [url, str(out), *(str(count) for count in wanted.values())]
        done = subprocess.run(LANGUAGES[language](told), cwd=ROOT, timeout=LIMIT_S, check=False)
    lines: list[Line] = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    if done.returncode != 0 or not lines:
        lines.append({"left": "the program", "runs": 0, "hangs": 0, "wrong": 1, "p50_ms": None, "p99_ms": None,
                      "shown": [f"it ended with {done.returncode}"]})  # fmt: skip
    return lines


def say(text: str) -> None:
    """Write a line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Play what is asked for, say what was seen, and whether it is as it must be."""
    parser = argparse.ArgumentParser(description="Leave in the middle of replies, over and over.")
    for name, usual in (("cancels", 1_000), ("calls", 40_000), ("streams", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=int(os.environ.get(name.upper(), usual)))
    named = os.environ.get("LANGUAGES", "").split() or list(LANGUAGES)
    parser.add_argument("languages", nargs="*", default=named)
    asked = parser.parse_args()
    if unknown := [name for name in asked.languages if name not in LANGUAGES]:
        parser.error(f"there is no {unknown[0]}: {', '.join(LANGUAGES)}")
    wanted = {"cancels": asked.cancels, "calls": asked.calls, "streams": asked.streams}
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept: dict[str, list[Line]] = {}
    passed = failed = 0
    for language in asked.languages:
        kept[language] = play(language, wanted)
        for line in kept[language]:
            wrong = complaints(line, wanted)
            passed, failed = passed + (not wrong), failed + bool(wrong)
            say(f"{language}: {shown(line)}{' — ' if wrong else ''}{'; '.join(wrong)}")
    (TARGET / "soak.json").write_text(json.dumps(kept, indent=1))
    say(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main())
