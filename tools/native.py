"""The native library as apps carry it: how it is built, and what it must be so that every phone loads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import border
import elf

LIBRARY = ("--locked", "-p", "tertulia-ffi", "--lib", "--no-default-features")
FILES = {"cdylib": "libtertulia_ffi.so", "staticlib": "libtertulia_ffi.a"}
MOST_BYTES = 6_000_000
PAGE = 16 * 1024
# What every phone has, and on Linux what stands for it.
EVERYWHERE = {"libc", "libm", "libdl", "liblog", "libpthread", "libgcc_s", "ld-linux-aarch64"}


class ImpossibleError(Exception):
    """Something that is needed is not there."""


def needed(tools: Mapping[str, str]) -> None:
    """Refuse when one of these programs is missing, with what to do about it."""
    if missing := [f"{name} is missing: {remedy}" for name, remedy in tools.items() if shutil.which(name) is None]:
        raise ImpossibleError("; ".join(missing))


def build(target: str, kind: str, environment: Mapping[str, str]) -> Path:
    """Build it for a target of Rust, in the form of this kind of crate."""
    command = ["cargo", "rustc", *LIBRARY, "--profile", "mobile", "--crate-type", kind, "--target", target]
    subprocess.run(command, cwd=border.ROOT, env=os.environ | environment, check=True)
    return border.target().parent / target / "mobile" / FILES[kind]


def variable(target: str, name: str) -> str:
    """Name the variable by which cargo is told something of one target."""
    return f"CARGO_TARGET_{target.replace('-', '_').upper()}_{name}"


def too_heavy(library: Path, most: int = MOST_BYTES) -> str | None:
    """Say so when a library weighs more than apps are to carry."""
    size = library.stat().st_size
    return f"it has {size:,} bytes, more than {most:,}" if size > most else None


def faults(library: Path) -> list[str]:
    """Say why some phone would not load a library; nothing when all do."""
    found: list[str] = []
    said = elf.read(library)
    if not said.alignments or any(alignment % PAGE for alignment in said.alignments):
        smallest = min(said.alignments, default=0)
        found.append(f"it is laid out for pages of {smallest:,} bytes: phones with pages of {PAGE:,} do not load it")
    if foreign := [name for name in said.needed if name.split(".so")[0] not in EVERYWHERE]:
        found.append(f"it needs {', '.join(foreign)}, which not every phone has")
    return found
