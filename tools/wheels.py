#!/usr/bin/env python3
"""Build the wheels of Python and the package of sources, and look at what was built.

    tools/wheels.py build [TARGET…]    a wheel for each target of Rust (`here`: this machine's; left out: all that this system can make), into `dist/wheels`
    tools/wheels.py sources            the package of sources, and out of nothing else a wheel, into `dist/sources`

On Linux zig links them, so that old machines load them (`manylinux2014`: glibc 2.17) and small images, too (`musllinux`),
whichever of both processors this machine has. A wheel for this machine is installed into an environment of its own, and
has to answer. Needs the tools of Python (`tools/run_tests.py environment`). Stdlib only.
"""  # noqa: E501

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import border
import elf
import native

BIN = border.ROOT / ".venv" / "bin"
MOST_BYTES = 6_000_000
# The oldest systems that are asked for; elsewhere the compiler of the system decides.
SYSTEMS: dict[str, Mapping[str, str | None]] = {
    "linux": {
        "x86_64-unknown-linux-gnu": "manylinux2014",
        "aarch64-unknown-linux-gnu": "manylinux2014",
        "x86_64-unknown-linux-musl": "musllinux_1_2",
        "aarch64-unknown-linux-musl": "musllinux_1_2",
    },
    "darwin": {"aarch64-apple-darwin": None, "x86_64-apple-darwin": None},
}
MACHINES = {"x86_64": 62, "aarch64": elf.AARCH64}
LIBRARY = "tertulia/_native.abi3.so"
PACKAGE = ("tertulia/__init__.py", "tertulia/_native.pyi", "tertulia/py.typed", "tertulia/cli/__init__.py")
# What every Linux has that has Python, whichever its C library.
EVERYWHERE = {"libc", "libm", "libdl", "libpthread", "librt", "libgcc_s", "ld-linux-x86-64", "ld-linux-aarch64"}
ASKED = "hello"


@dataclass(frozen=True)
class Built:
    """A wheel, and what it was built for."""

    path: Path
    target: str
    oldest: str | None


def tool(name: str) -> str:
    """Find a tool of Python's environment."""
    path = BIN / name
    if not path.exists():
        raise native.ImpossibleError(f"{name} is missing: `tools/run_tests.py environment` fetches it into .venv")
    return str(path)


def targets(system: str, wanted: Sequence[str]) -> dict[str, str | None]:
    """Choose what is built here."""
    possible = SYSTEMS.get(system, {})
    if unknown := [target for target in wanted if target not in possible]:
        raise native.ImpossibleError(
            f"no wheel can be made here for {', '.join(unknown)}; {', '.join(possible) or 'nothing'} can"
        )
    return {target: oldest for target, oldest in possible.items() if not wanted or target in wanted}


def command(target: str, oldest: str | None, into: Path) -> list[str]:
    """Tell how one wheel is built."""
    words = [
        tool("maturin"),
        "build",
        "--profile",
        "mobile",
        "--compression-level",
        "9",
        "--locked",
        "--target",
        target,
        "--out",
        str(into),
    ]
    return words if oldest is None else [*words, "--zig", "--compatibility", oldest]


def build(target: str, oldest: str | None) -> Built:
    """Build one."""
    into = border.ROOT / "dist" / "wheels" / target
    shutil.rmtree(into, ignore_errors=True)
    # zig is found as a module of the Python that comes first.
    surroundings = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run(command(target, oldest, into), cwd=border.ROOT, env=surroundings, check=True)
    (wheel,) = into.glob("*.whl")
    return Built(wheel, target, oldest)


def faults(built: Built) -> list[str]:
    """Say what is wrong with a wheel; nothing when it is as it should be."""
    found: list[str] = []
    size = built.path.stat().st_size
    if size > MOST_BYTES:
        found.append(f"it has {size:,} bytes, more than {MOST_BYTES:,}")
    python, abi, platform = built.path.stem.split("-")[-3:]
    if (python, abi) != ("cp310", "abi3"):
        found.append(f"it is for {python}-{abi}, not for every Python from 3.10")
    with zipfile.ZipFile(built.path) as wheel:
        names = wheel.namelist()
        found.extend(f"it lacks {name}" for name in PACKAGE if name not in names)
        if built.oldest is None:
            return found
        if built.oldest not in platform:
            found.append(f"it is for {platform}, not for {built.oldest}")
        if LIBRARY not in names:
            return [*found, f"it lacks {LIBRARY}"]
        with tempfile.TemporaryDirectory() as folder:
            said = elf.read(Path(wheel.extract(LIBRARY, folder)))
    if said.machine != MACHINES[built.target.split("-")[0]]:
        found.append("its library is for another processor")
    brought = {Path(name).name.split("-")[0].split(".so")[0] for name in names if name.startswith("tertulia.libs/")}
    if foreign := [name for name in said.needed if not at_hand(name, brought)]:
        found.append(f"it needs {', '.join(foreign)}, which not every machine has")
    return found


def at_hand(name: str, brought: set[str]) -> bool:
    """Whether a library is there wherever the wheel is, or comes along in it."""
    known = name.split(".so")[0]
    return known in EVERYWHERE or known.startswith("libc.musl") or known.split("-")[0] in brought


def here() -> str:
    """Name this machine as Rust does."""
    asked = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True)
    return next(line.removeprefix("host: ") for line in asked.stdout.splitlines() if line.startswith("host: "))


def answers(wheel: Path) -> bool:
    """Install it where nothing else is, and ask it something."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([tool("python"), "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        alone = ["-m", "pip", "install", "-q", "--no-index", "--no-deps", str(wheel)]
        subprocess.run([python, *alone], check=True)
        said = subprocess.run(
            [python, "-m", "tertulia", "chat", "--store", "memory:", "--model", "echo/parrot", ASKED],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        return said.returncode == 0 and ASKED in said.stdout


def wheels(wanted: Sequence[str]) -> int:
    """Build them, and say of each whether it is as it should be."""
    failed = 0
    for target, oldest in targets(sys.platform, wanted).items():
        built = build(target, oldest)
        found = faults(built)
        if target == here() and not answers(built.path):
            found.append("it was installed and does not answer")
        sys.stdout.write(f"{built.path.name}: {built.path.stat().st_size:,} bytes of {MOST_BYTES:,}\n")
        sys.stdout.writelines(f"{fault}\n" for fault in found)
        failed += bool(found)
    return 1 if failed else 0


def sources() -> int:
    """Pack the sources, and build a wheel of the package alone."""
    into = border.ROOT / "dist" / "sources"
    shutil.rmtree(into, ignore_errors=True)
    subprocess.run([tool("maturin"), "sdist", "--out", str(into)], cwd=border.ROOT, check=True)
    (package,) = into.glob("*.tar.gz")
    surroundings = os.environ | {
        "CARGO_TARGET_DIR": str(border.target().parent / "sources"),
        # Not `--locked`: the lock file that comes along names more packages than these need, and loses them.
        "MATURIN_PEP517_ARGS": "--profile dev",
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    alone = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(into), str(package)]
    subprocess.run([tool("python"), *alone], cwd=into, env=surroundings, check=True)
    (wheel,) = into.glob("*.whl")
    if not answers(wheel):
        sys.stdout.write(f"{wheel.name} was built from {package.name} and does not answer\n")
        return 1
    sys.stdout.write(f"{package.name}: {package.stat().st_size:,} bytes; a wheel built of it answers\n")
    return 0


def main() -> int:
    """Do what the first argument says."""
    match sys.argv[1:]:
        case ["build", "here"]:
            return wheels([here()])
        case ["build", *wanted]:
            return wheels(wanted)
        case ["sources"]:
            return sources()
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (native.ImpossibleError, elf.NoLibraryError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"not built: {error}") from error
