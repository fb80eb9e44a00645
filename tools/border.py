#!/usr/bin/env python3
"""Write the Kotlin that UniFFI makes of the native library, or say whether the committed one is that.

    tools/border.py write     after a change of core/src/facade
    tools/border.py check     part of ``make test``

The library is a debug build: a stripped one does not hold what the generator reads. Stdlib only.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "bindings-kotlin" / "src" / "generated" / "kotlin"
# The library, the program that reads it, and the server that the tests in Kotlin talk to. As a part of the whole
# workspace with all features, because that is how the tests build it: alone its dependencies would be built anew.
BUILD = (
    "cargo", "build", "--locked", "--workspace", "--all-features",
    "--lib", "--bin", "tertulia-bindgen", "--bin", "tertulia-simulator",
)  # fmt: skip
LIBRARIES = {"darwin": "libtertulia_ffi.dylib", "win32": "tertulia_ffi.dll"}
SHOWN = 40
# A job that is cancelled in the very moment in which its call is done never takes the result, and UniFFI frees the call
# without it: a stream nobody holds would go on to its end, and what it was written to would stay in memory.
UNTAKEN = """\
    } finally {
        freeFunc(rustFuture)
    }
"""
TAKEN = """\
    } catch (cancelled: kotlin.coroutines.cancellation.CancellationException) {
        // Done all the same? Then nobody else frees what it gave. Not done: this says so by an exception.
        runCatching {
            Disposable.destroy(
                liftFunc(uniffiRustCallWithError(errorHandler, { status -> completeFunc(rustFuture, status) }))
            )
        }
        throw cancelled
    } finally {
        freeFunc(rustFuture)
    }
"""
# Nothing uses it, and it would be taken for our own `Library`.
HIDES = "import com.sun.jna.Library\n"


def target() -> Path:
    """Where cargo puts what it builds without a release."""
    if folder := os.environ.get("CARGO_TARGET_DIR"):
        return Path(folder).absolute() / "debug"
    return ROOT / "target" / "debug"


def generate(folder: Path) -> None:
    """Write the Kotlin of the library that was built into this folder."""
    library = target() / LIBRARIES.get(sys.platform, "libtertulia_ffi.so")
    bindgen = target() / ("tertulia-bindgen.exe" if sys.platform == "win32" else "tertulia-bindgen")
    subprocess.run(
        [bindgen, "generate", library, "--language", "kotlin", "--no-format", "--out-dir", folder],
        cwd=ROOT, check=True,
    )  # fmt: skip
    for path in folder.rglob("*.kt"):
        # Blanks at line ends are the generator's own.
        lines = path.read_text("utf-8").splitlines()
        path.write_text(mended("\n".join(line.rstrip() for line in lines).rstrip() + "\n"), "utf-8")


def mended(kotlin: str) -> str:
    """Free what a call gave that nobody takes any more, and let no import hide a name of ours."""
    if kotlin.count(UNTAKEN) != 1:
        raise SystemExit("UniFFI waits for calls in another way than it did: see what it does with cancelled ones")
    return kotlin.replace(UNTAKEN, TAKEN).replace(HIDES, "")


def files(folder: Path) -> dict[str, str]:
    """Every file below the folder, by its path in it."""
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*.kt"))}


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
        generate(Path(folder))
        made = files(Path(folder))
    if not made:
        sys.stderr.write("the generator wrote nothing\n")
        return 1
    if sys.argv[1] == "check":
        found = differences(files(COMMITTED), made)
        for line in found:
            sys.stdout.write(f"{line}\n")
        if found:
            sys.stdout.write("the committed Kotlin is not that of the library: run `make bindings` and commit it\n")
        return 1 if found else 0
    for name, text in made.items():
        path = COMMITTED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for name in set(files(COMMITTED)) - set(made):
        (COMMITTED / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
