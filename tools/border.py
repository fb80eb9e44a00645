#!/usr/bin/env python3
"""Write the Kotlin and the Swift that UniFFI makes of the native library, or say whether the committed ones are that.

    tools/border.py write     after a change of core/src/facade
    tools/border.py check     part of ``make test``

The library is a debug build: a stripped one does not hold what the generator reads. Stdlib only.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import mends

ROOT = Path(__file__).resolve().parent.parent
KOTLIN = "bindings-kotlin/src/generated/kotlin"
SWIFT = "bindings-swift/Sources"
TYPES = f"{SWIFT}/Tertulia/Generated/Types.swift"
# Folders that hold nothing else than this.
COMMITTED = (f"{KOTLIN}/**/*.kt", f"{SWIFT}/TertuliaFFI/*.swift", f"{SWIFT}/CTertulia/*.h", TYPES)
# The library, the program that reads it, and the server that the tests in Kotlin talk to. As a part of the whole
# workspace with all features, because that is how the tests build it: alone its dependencies would be built anew.
BUILD = (
    "cargo", "build", "--locked", "--workspace", "--all-features",
    "--lib", "--bin", "tertulia-bindgen", "--bin", "tertulia-simulator",
)  # fmt: skip
LIBRARIES = {"darwin": "libtertulia_ffi.dylib", "win32": "tertulia_ffi.dll"}
SHOWN = 40
# What is generated for itself, what the package has in a form of its own, and how an engine is opened.
NOT_HANDED_ON = re.compile(r"FfiConverter|[Uu]niffi|TertuliaError$|OpenOptions$|Provider$")


def target() -> Path:
    """Where cargo puts what it builds without a release."""
    if folder := os.environ.get("CARGO_TARGET_DIR"):
        return Path(folder).absolute() / "debug"
    return ROOT / "target" / "debug"


def generate(folder: Path) -> dict[str, str]:
    """Make everything of the library that was built, in this folder; tell it by the paths where it is committed."""
    library = target() / LIBRARIES.get(sys.platform, "libtertulia_ffi.so")
    bindgen = target() / ("tertulia-bindgen.exe" if sys.platform == "win32" else "tertulia-bindgen")
    made: dict[str, str] = {}
    for language in ("kotlin", "swift"):
        place = folder / language
        subprocess.run(
            [bindgen, "generate", library, "--language", language, "--no-format", "--out-dir", place],
            cwd=ROOT, check=True,
        )  # fmt: skip
        for path in sorted(place.rglob("*.*")):
            # Blanks at line ends are the generator's own.
            lines = path.read_text("utf-8").splitlines()
            text = "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
            if language == "kotlin":
                made[f"{KOTLIN}/{path.relative_to(place)}"] = mends.mended(text, mends.KOTLIN)
            elif path.suffix == ".swift":
                made[f"{SWIFT}/{path.stem}/{path.name}"] = mends.mended(text, mends.SWIFT)
                made[TYPES] = types(text)
            else:
                made[f"{SWIFT}/{path.stem}/{path.name}"] = text
    return made


def types(swift: str) -> str:
    """Hand on the records and enums of the border, and nothing else of it: its handles are wrapped.

    Each has a second name within the class, for apps that have a `Message` of their own: as module and class share
    their name, `Tertulia.Message` means nothing else.
    """
    found = re.findall(r"^public (?:indirect )?(struct|enum) (\w+)", swift, re.MULTILINE)
    kinds = {name: kind for kind, name in sorted(found, key=lambda one: one[1]) if not NOT_HANDED_ON.match(name)}
    exported = "".join(f"@_exported import {kind} TertuliaFFI.{name}\n" for name, kind in kinds.items())
    named = "".join(f"    public typealias {name} = TertuliaFFI.{name}\n" for name in kinds)
    return (
        "// Written by tools/border.py.\n\nimport TertuliaFFI\n"
        f"{exported}\n/// Everything by the name of the package.\nextension Tertulia {{\n{named}}}\n"
    )


def files(folder: Path) -> dict[str, str]:
    """Every file of ours below the folder, by its path in it."""
    found = [path for pattern in COMMITTED for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in found}


def differences(committed: dict[str, str], made: dict[str, str]) -> list[str]:
    """Name what differs, file by file; nothing when all is the same."""
    found: list[str] = []
    for name in sorted(committed | made):
        before, after = committed.get(name), made.get(name)
        if before is None or after is None:
            found.append(f"{name}: {'is not committed' if before is None else 'is no longer made'}")
        elif before != after:
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), name, f"{name}, made anew", "", "", 0, ""
            )
            found.extend(list(lines)[:SHOWN])
    return found


def main() -> int:
    """Build, write, and compare."""
    if sys.argv[1:] not in (["write"], ["check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    subprocess.run(BUILD, cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder))
    if len(made) < len(COMMITTED):
        sys.stderr.write("the generator wrote too little\n")
        return 1
    if sys.argv[1] == "check":
        found = differences(files(ROOT), made)
        for line in found:
            sys.stdout.write(f"{line}\n")
        if found:
            sys.stdout.write("what is committed is not that of the library: run `make bindings` and commit it\n")
        return 1 if found else 0
    for name, text in made.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for name in set(files(ROOT)) - set(made):
        (ROOT / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
