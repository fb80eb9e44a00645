#!/usr/bin/env python3
"""Measure what Kotlin and Swift take over a release of the native library, and add it to the file of figures.

    tools/bench_apps.py [bench.json]

A language without its toolchain is named and left out. Stdlib only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import border
import swift

TARGET = border.target().parent
RELEASE = border.target().with_name("release")
UNITS = {"stream_event.cpu_us": "µs CPU", "page_us": "µs"}


def kotlin(out: Path) -> list[str] | None:
    """The class among the tests that measures, unless there is no Maven."""
    if shutil.which("mvn") is None:
        return None
    maven = ["mvn", "-q", "-B", "-ntp", "-f", str(border.ROOT / "bindings-kotlin/pom.xml")]
    return [*maven, f"-Dnative.dir={RELEASE}", "test", "-Dtest=Bench", f"-Dtertulia.bench={out}"]


def swift_program(out: Path) -> list[str] | None:
    """The program of the package that measures, unless there is no Swift."""
    return [sys.executable, str(border.ROOT / "tools/swift.py"), "bench", str(out)] if swift.at_hand() else None


def main(target: Path) -> int:
    """Measure, print, and add the figures to the file."""
    known = json.loads(target.read_text()) if target.exists() else {}
    for language, command_of in (("kotlin", kotlin), ("swift", swift_program)):
        out = TARGET / f"bench-{language}.json"
        command = command_of(out)
        if command is None:
            sys.stdout.write(f"{language}: left out, its toolchain is not here\n")
            continue
        subprocess.run(command, cwd=border.ROOT, env=os.environ | {"TERTULIA_PROFILE": "release"}, check=True)
        for name, value in sorted(json.loads(out.read_text()).items()):
            sys.stdout.write(f"{f'{language}.{name}':<32} {value:>10.2f}  {UNITS[name]}\n")
            known[f"{language}.{name}"] = {"value": value, "unit": UNITS[name]}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(known, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1] if len(sys.argv) > 1 else TARGET / "bench.json").absolute()))
