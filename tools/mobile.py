#!/usr/bin/env python3
"""Build the native library for phones, and say what it weighs.

    tools/mobile.py check         compiles for iOS and Android; nothing is linked, no SDK is needed
    tools/mobile.py size          links it for Linux on arm64, which is the same code: what it weighs, whether phones load it
    tools/mobile.py aar           the package for Android, into `dist`; needs Android's NDK, a JDK and Maven
    tools/mobile.py xcframework   the library for Apple's systems, into `dist`; needs macOS and Xcode

For the first two zig compiles the C inside (SQLite, ring): it is among the tools of Python and brings headers for every
target. Stdlib only.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import aar
import border
import elf
import native
import xcframework

PYTHON = border.ROOT / ".venv" / "bin" / "python"
FOLDER = border.target().parent / "phones"
# What is compiled for, and whose headers C finds: the nearest that can be had without an SDK.
CHECKED = {"aarch64-apple-ios": "aarch64-macos", "aarch64-linux-android": "aarch64-linux-musl"}
# What is linked: the nearest to a phone of all that can be linked anywhere.
MEASURED = ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu.2.28")
# What says for which target, in clang's words: zig is told in its own.
TARGETED = ("--target=", "-miphoneos-version-min=", "-mios-", "-mmacosx-", "-fapplication-extension")
TARGETED_BY_THE_NEXT = ("-target", "-arch", "-isysroot")


def zig() -> tuple[str, ...]:
    """The command that is zig."""
    found = PYTHON.exists() and subprocess.run([PYTHON, "-c", "import ziglang"], capture_output=True, check=False)
    if not found or found.returncode != 0:
        raise native.ImpossibleError("zig is missing: `tools/run_tests.py environment` fetches it into .venv")
    return (str(PYTHON), "-m", "ziglang")


def untargeted(words: Sequence[str]) -> list[str]:
    """Take out of the words for a C compiler what names a target."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in TARGETED_BY_THE_NEXT:
            next(rest, None)
        elif not word.startswith(TARGETED):
            kept.append(word)
    return kept


def program(name: str, command: Sequence[str]) -> Path:
    """Write a program of one line, for those who call a compiler by its path alone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    line = f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'
    if not path.exists() or path.read_text() != line:
        path.write_text(line)
        path.chmod(0o755)
    return path


def surroundings(target: str, headers: str) -> dict[str, str]:
    """What cargo is told so that zig compiles the C inside for this target, and links."""
    # Build scripts ask for Apple's SDK and only look whether there is one.
    sdk = FOLDER / "iPhoneOS.sdk"
    sdk.mkdir(parents=True, exist_ok=True)
    name = target.replace("-", "_")
    compiler = str(program(f"cc-{headers}", (str(PYTHON), str(Path(__file__).resolve()), "cc", headers)))
    return {
        f"CC_{name}": compiler,
        f"AR_{name}": str(program("ar", (*zig(), "ar"))),
        native.variable(target, "LINKER"): compiler,
        "SDKROOT": str(sdk),
        "ZIG_GLOBAL_CACHE_DIR": str(FOLDER / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(FOLDER / "zig"),
    }


def compile_c(headers: str, words: Sequence[str]) -> None:
    """Be a C compiler for those headers."""
    command = [*zig(), "cc", "-target", headers, *untargeted(words)]
    os.execv(command[0], command)


def check() -> None:
    """Compile the library as apps get it for every phone. What clippy warns of there is seen nowhere else."""
    for target, headers in CHECKED.items():
        command = ["cargo", "clippy", "-p", "tertulia", *native.LIBRARY, "--target", target, "--", "-D", "warnings"]
        subprocess.run(command, cwd=border.ROOT, env=os.environ | surroundings(target, headers), check=True)


def size() -> int:
    """Say what the library weighs, and whether a phone would load it."""
    target, headers = MEASURED
    library = native.build(target, "cdylib", surroundings(target, headers))
    said = elf.read(library)
    sys.stdout.write(
        f"{library.stat().st_size:,} bytes of {native.MOST_BYTES:,}; pages of {min(said.alignments):,}; "
        f"needs {', '.join(said.needed)}\n"
    )
    found = [*filter(None, [native.too_heavy(library)]), *native.faults(library)]
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    return 1 if found else 0


def main() -> int:
    """Do what the first argument says."""
    match sys.argv[1:]:
        case ["check"]:
            check()
        case ["size"]:
            return size()
        case ["aar"]:
            sys.stdout.write(f"{aar.make()}\n")
        case ["xcframework"]:
            sys.stdout.write(f"{xcframework.make()}\n")
        case ["cc", headers, *words]:
            compile_c(headers, words)
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (native.ImpossibleError, elf.NoLibraryError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"not built: {error}") from error
