"""The package for Android: the library for every kind of phone, the Kotlin over it, and what apps are shrunk by."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import border
import elf
import native

KOTLIN = border.ROOT / "bindings-kotlin"
SOURCES = KOTLIN / "src" / "android"
# Of each kind of phone: its target of Rust, and the machine that its library names.
KINDS = {"arm64-v8a": ("aarch64-linux-android", 183), "x86_64": ("x86_64-linux-android", 62)}
# Android 8, the first with java.time; the manifest says so, too.
OLDEST = 26
NDK = "https://developer.android.com/ndk/downloads"
XML = "{http://maven.apache.org/POM/4.0.0}"


def compilers(environment: Mapping[str, str]) -> Path:
    """Find the folder of the NDK's compilers."""
    home = environment.get("ANDROID_NDK_HOME")
    if not home:
        raise native.ImpossibleError(f"ANDROID_NDK_HOME is not set: install Android's NDK ({NDK}) and name its folder")
    found = sorted(Path(home).glob("toolchains/llvm/prebuilt/*/bin"))
    if not found or not (found[0] / "llvm-ar").exists():
        raise native.ImpossibleError(f"{home} (ANDROID_NDK_HOME) holds no NDK: install r23 or newer ({NDK})")
    return found[0]


def surroundings(folder: Path, target: str) -> dict[str, str]:
    """What cargo is told so that the NDK compiles and links for this target."""
    compiler = str(folder / f"{target}{OLDEST}-clang")
    name = target.replace("-", "_")
    return {f"CC_{name}": compiler, f"AR_{name}": str(folder / "llvm-ar"), native.variable(target, "LINKER"): compiler}


def libraries() -> dict[str, Path]:
    """Build the library for each kind of phone. One that would not be loaded is refused."""
    folder = compilers(os.environ)
    built: dict[str, Path] = {}
    for kind, (target, machine) in KINDS.items():
        library = native.build(target, "cdylib", surroundings(folder, target))
        found = native.faults(library)
        if elf.read(library).machine != machine:
            found.append(f"it is not for {kind}")
        if found:
            raise native.ImpossibleError(f"{library}: {'; '.join(found)}")
        built[kind] = library
    return built


def classes() -> Path:
    """Compile the Kotlin, with what Android has besides."""
    command = [
        "mvn",
        "-B",
        "-ntp",
        "-q",
        "-f",
        str(KOTLIN / "pom.xml"),
        "-Pandroid",
        "-Dmaven.test.skip=true",
        "package",
    ]
    subprocess.run(command, check=True)
    return KOTLIN / "target" / "android" / f"tertulia-{version('version')}.jar"


def version(name: str) -> str:
    """Read a version that the Maven module names: its own, or one of its properties."""
    root = ElementTree.parse(KOTLIN / "pom.xml").getroot()
    found = root.find(f"{XML}version") if name == "version" else root.find(f"{XML}properties/{XML}{name}")
    if found is None or not found.text:
        raise native.ImpossibleError(f"{KOTLIN / 'pom.xml'} names no {name}")
    return found.text


def verifier() -> str:
    """Read which classes the library expects for verifying certificates: they must be of the very version."""
    lock = (border.ROOT / "Cargo.lock").read_text("utf-8")
    found = re.search(r'name = "rustls-platform-verifier-android"\nversion = "([^"]+)"', lock)
    if not found:
        raise native.ImpossibleError("Cargo.lock names no rustls-platform-verifier-android")
    return found[1]


def pack(jar: Path, built: Mapping[str, Path], package: Path) -> None:
    """Lay everything into the package, the same bytes for the same contents."""
    contents = {
        "AndroidManifest.xml": (SOURCES / "AndroidManifest.xml").read_bytes(),
        "classes.jar": jar.read_bytes(),
        "proguard.txt": (SOURCES / "proguard.txt").read_bytes(),
        # It has no resources, which this says.
        "R.txt": b"",
    } | {f"jni/{kind}/{library.name}": library.read_bytes() for kind, library in built.items()}
    package.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def description() -> str:
    """What Maven and Gradle read of the package: above all, what it stands on."""
    stands_on = (
        ("org.jetbrains.kotlin", "kotlin-stdlib", version("kotlin.version"), "jar"),
        ("org.jetbrains.kotlinx", "kotlinx-coroutines-core", version("coroutines.version"), "jar"),
        ("net.java.dev.jna", "jna", version("jna.version"), "aar"),
        ("rustls", "rustls-platform-verifier", verifier(), "aar"),
    )
    dependencies = "".join(
        f"    <dependency>\n      <groupId>{group}</groupId>\n      <artifactId>{name}</artifactId>\n"
        f"      <version>{number}</version>\n      <type>{form}</type>\n      <scope>compile</scope>\n    </dependency>\n"
        for group, name, number, form in stands_on
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<project xmlns="http://maven.apache.org/POM/4.0.0">\n'
        "  <modelVersion>4.0.0</modelVersion>\n  <groupId>dev.tertulia</groupId>\n"
        f"  <artifactId>tertulia-android</artifactId>\n  <version>{version('version')}</version>\n"
        f"  <packaging>aar</packaging>\n  <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    )


def make() -> Path:
    """Build the package, and beside it what it stands on."""
    # First what fails at once.
    compilers(os.environ)
    native.needed({"mvn": "install Maven and a JDK of 17 or newer", "cargo": "install Rust from https://rustup.rs"})
    package = border.ROOT / "dist" / f"tertulia-android-{version('version')}.aar"
    pack(classes(), libraries(), package)
    package.with_suffix(".pom").write_text(description(), "utf-8")
    return package
