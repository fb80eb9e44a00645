#!/usr/bin/env python3
"""Run a command with a Swift toolchain: the one of this machine, or Debian's in a folder of its own.

    tools/swift.py setup            once, as root, on a Debian or what comes of it: 0.6 GB to fetch, 3 GB in all
    tools/swift.py run COMMAND …    in this folder; the native library and the simulator are where cargo has put them
    tools/swift.py test | scenarios | chat | examples NN | screens | soak | bench | format

Setting up installs nothing on the machine: Debian 13's packages are fetched with this machine's mirror, held to
Debian's own keys, and laid open into `/opt/swift-root` (`TERTULIA_SWIFT`), which a command then has for its root. It
sees the checkout where it is, and the network of the machine. Stdlib only.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import border

PACKAGE = border.ROOT / "bindings-swift"
TREE = Path(os.environ.get("TERTULIA_SWIFT", "/opt/swift-root")).absolute()
TOOLS = "usr/libexec/swift/bin"
SUITE, KEYS = "trixie", "/usr/share/keyrings/debian-archive-keyring.gpg"
# The second line is what a program is linked with, and what the tools themselves call.
WANTED = (
    "swiftlang", "libc6-dev", "libstdc++-14-dev",
    "base-files", "base-passwd", "bash", "dash", "coreutils", "findutils", "grep", "sed", "libc-bin",
)  # fmt: skip
NEEDED = ("apt-get", "dpkg-deb", "tar", "unshare", "chroot")
SCRATCH = ("--scratch-path", str(border.target().parent / "swift"))
COMMANDS: dict[str, tuple[str, ...]] = {
    "test": ("swift", "test", *SCRATCH, "--disable-xctest"),
    "scenarios": ("swift", "run", *SCRATCH, "scenarios"),
    "chat": ("swift", "run", *SCRATCH, "chat"),
    "examples": ("swift", "run", *SCRATCH, "examples"),
    "screens": (
        "swift",
        "test",
        "--package-path",
        "../examples/swiftui",
        "--scratch-path",
        f"{SCRATCH[1]}-screens",
        "--disable-xctest",
    ),
    "soak": ("swift", "run", *SCRATCH, "soak"),
    "bench": ("swift", "run", "-c", "release", "--scratch-path", f"{SCRATCH[1]}-release", "bench"),
    "format": (
        "swift",
        "format",
        "lint",
        "--strict",
        "-r",
        "Package.swift",
        "Sources/Tertulia",
        "Examples",
        "Tests",
        "../examples/swiftui",
    ),
}


class ImpossibleError(Exception):
    """There is no toolchain, and none can be made here."""


def at_hand() -> bool:
    """Whether there is a toolchain already."""
    return shutil.which("swift") is not None or (TREE / TOOLS / "swift").exists()


def mirror(sources: str) -> str:
    """Pick Debian's archive from what apt says that it fetches from, a line for each index."""
    found = re.search(r"^\S+/debian/?$", sources, re.MULTILINE)
    if not found:
        raise ImpossibleError("apt knows no mirror of Debian")
    return found[0]


def fetch(folder: Path) -> list[Path]:
    """Fetch the packages into the folder, with everything that they stand on, as if nothing were installed."""
    sources = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    (folder / "sources.list").write_text(f"deb [signed-by={KEYS}] {mirror(sources.stdout)} {SUITE} main\n")
    options = {
        "Dir::State": folder, "Dir::State::lists": folder / "lists", "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache", "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null", "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null", "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root", "APT::Keep-Downloaded-Packages": "true", "Acquire::Languages": "none",
        "Acquire::Retries": "3", "Debug::NoLocking": "true", "APT::Update::Post-Invoke": "", "DPkg::Post-Invoke": "",
    }  # fmt: skip
    apt = ["apt-get", "-q", "-y", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    # What a later version has replaced goes, so that no package is laid open twice.
    for step in (["update"], ["autoclean"], ["install", "--download-only", *WANTED]):
        subprocess.run([*apt, *step], check=True, stdout=sys.stderr)
    # This one first: it says that /bin is /usr/bin, and the like.
    packages = (folder / "cache/archives").glob("*.deb")
    return sorted(packages, key=lambda package: (not package.name.startswith("base-files_"), package.name))


def lay_open(packages: Sequence[Path], tree: Path) -> None:
    """Put what the packages hold where it belongs below the folder. None of their programs is run."""
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as contents:
            into = ["tar", "-x", "-C", str(tree), "--keep-directory-symlink"]
            laid = subprocess.run(into, stdin=contents.stdout, check=False)
        if laid.returncode != 0 or contents.returncode != 0:
            raise ImpossibleError(f"{package.name} cannot be laid open")
    for name in ("dev", "proc", "root", "tmp"):
        (tree / name).mkdir(exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    for name in ("passwd", "group"):
        shutil.copy(tree / f"usr/share/base-passwd/{name}.master", tree / "etc" / name)
    if not (shell := tree / "usr/bin/sh").exists():
        shell.symlink_to("dash")
    subprocess.run(["chroot", tree, "/sbin/ldconfig"], check=True)


def setup() -> None:
    """Make the toolchain, unless there is one."""
    if at_hand():
        return
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        raise ImpossibleError(f"{', '.join(missing)} not found: install Swift 6 from https://swift.org")
    if os.geteuid() != 0:
        raise ImpossibleError("only root may set it up; or install Swift 6 from https://swift.org")
    fetched = Path(os.environ.get("TERTULIA_SWIFT_FETCHED", "/var/cache/tertulia-swift"))
    fetched.mkdir(parents=True, exist_ok=True)
    with (fetched / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if at_hand():
            return
        TREE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{TREE.name}.", dir=TREE.parent) as part:
            tree = Path(part) / "tree"
            tree.mkdir()
            lay_open(fetch(fetched), tree)
            tree.rename(TREE)  # whole or not at all


def surroundings() -> dict[str, str]:
    """Where the package finds what cargo has built: a release of it where `TERTULIA_PROFILE` says so."""
    folder = border.target().with_name(os.environ.get("TERTULIA_PROFILE", "debug"))
    simulator = folder / ("tertulia-simulator.exe" if sys.platform == "win32" else "tertulia-simulator")
    return {"TERTULIA_LIBRARIES": str(folder), "TERTULIA_SIMULATOR": str(simulator)}


def inside(command: Sequence[str], folder: Path) -> list[str]:
    """Make of a command one that has the tree for its root. What it mounts is gone when it ends."""
    seen = {border.ROOT, border.target().parent}
    mounts = [f'mkdir -p "$0{path}" && mount --bind "{path}" "$0{path}"' for path in sorted(seen)]
    mounts += [f'mount --rbind /{name} "$0/{name}"' for name in ("proc", "dev")]
    passed = {
        "HOME": "/root", "LANG": "C.UTF-8", "PATH": f"/{TOOLS}:/usr/bin:/bin", "TERM": "dumb", **surroundings()
    } | {name: os.environ[name] for name in ("CI", "MESSAGE", "TERTULIA_MODEL") if name in os.environ}  # fmt: skip
    # The toolchain looks for its own libraries by way of /proc.
    script = f'{" && ".join(mounts)} && exec chroot "$0" env -i "$@"'
    go = ("sh", "-c", 'cd "$0" && exec "$@"', str(folder), *command)
    return ["unshare", "--mount", "sh", "-c", script, str(TREE), *(f"{k}={v}" for k, v in passed.items()), *go]


def run(command: Sequence[str], folder: Path) -> int:
    """Run a command where there is a toolchain."""
    setup()
    if shutil.which("swift") is not None:
        return subprocess.run(command, cwd=folder, env=os.environ | surroundings(), check=False).returncode
    return subprocess.run(inside(command, folder), check=False).returncode


def main() -> int:
    """Do what the first argument says."""
    match sys.argv[1:]:
        case ["setup"]:
            setup()
            return 0
        case ["run", *command] if command:
            return run(command, Path.cwd())
        case [name, *rest] if name in COMMANDS:
            return run([*COMMANDS[name], *rest], PACKAGE)
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (ImpossibleError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"no Swift here: {error}") from error
