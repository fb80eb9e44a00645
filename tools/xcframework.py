"""The library for Apple's systems: one folder that Xcode takes, for phones, their simulators and desks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import border
import native

# By the name of the system, its targets of Rust. Of two one library is made that holds both.
SYSTEMS = {
    "ios": ("aarch64-apple-ios",),
    "ios-simulator": ("aarch64-apple-ios-sim", "x86_64-apple-ios"),
    "macos": ("aarch64-apple-darwin", "x86_64-apple-darwin"),
}
# As the package for Swift says.
OLDEST = {"IPHONEOS_DEPLOYMENT_TARGET": "16.0", "MACOSX_DEPLOYMENT_TARGET": "13.0"}
HEADERS = border.ROOT / "bindings-swift" / "Sources" / "CTertulia"
MADE = border.ROOT / "dist" / "CTertulia.xcframework"


def refuse_elsewhere(platform: str = sys.platform) -> None:
    """Say what is missing on a machine that cannot do it."""
    if platform != "darwin":
        raise native.ImpossibleError(
            "an xcframework is made on macOS alone, with Xcode: https://developer.apple.com/xcode"
        )
    xcode = "install Xcode from the App Store, and open it once"
    native.needed({"xcodebuild": xcode, "lipo": xcode, "cargo": "install Rust from https://rustup.rs"})


def joining(libraries: Sequence[Path], into: Path) -> list[str]:
    """The command that makes one library for several kinds of machine."""
    return ["lipo", "-create", *map(str, libraries), "-output", str(into)]


def framing(libraries: Mapping[str, Path], headers: Path, made: Path) -> list[str]:
    """The command that puts the systems' libraries together."""
    each = [word for path in libraries.values() for word in ("-library", str(path), "-headers", str(headers))]
    return ["xcodebuild", "-create-xcframework", *each, "-output", str(made)]


def make() -> Path:
    """Build the framework."""
    refuse_elsewhere()
    folder = border.target().parent / "phones"
    libraries: dict[str, Path] = {}
    for system, targets in SYSTEMS.items():
        built = [native.build(target, "staticlib", OLDEST) for target in targets]
        libraries[system] = folder / system / native.FILES["staticlib"]
        libraries[system].parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(joining(built, libraries[system]), check=True)
    # xcodebuild writes over nothing.
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(framing(libraries, HEADERS, MADE), check=True)
    return MADE
