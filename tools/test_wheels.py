"""What wheels are built, and what is said of those that are not as they should be."""

from __future__ import annotations

import struct
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import elf
import native
import wheels


def library(machine: int, needed: tuple[str, ...]) -> bytes:
    """Make a library of nothing but headers: one piece to load, which is all of it, and one that says what it needs."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    at = 64 + 2 * 56
    places: list[int] = []
    for name in needed:
        places.append(strings.index(name.encode() + b"\0"))
    dynamic = b"".join(struct.pack("<QQ", elf.NEEDED, place) for place in places)
    dynamic += struct.pack("<QQ", elf.STRINGS, at + len(dynamic) + 32) + struct.pack("<QQ", 0, 0)
    size = at + len(dynamic) + len(strings)
    head = (
        b"\x7fELF\x02\x01" + bytes(10) + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    )
    pieces = struct.pack("<IIQQQQQQ", elf.LOAD, 5, 0, 0, 0, size, size, 0x1000)
    pieces += struct.pack("<IIQQQQQQ", elf.DYNAMIC, 6, at, at, at, len(dynamic), len(dynamic), 8)
    return head + pieces + dynamic + strings


RIGHT = "cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"


class WhatIsBuilt(unittest.TestCase):
    """On each system what it can make, and nothing else."""

    def test_left_out_it_is_all_that_the_system_can_make_and_what_is_asked_for_otherwise(self) -> None:
        self.assertEqual(set(wheels.targets("darwin", [])), {"aarch64-apple-darwin", "x86_64-apple-darwin"})
        self.assertEqual(
            wheels.targets("linux", ["aarch64-unknown-linux-musl"]), {"aarch64-unknown-linux-musl": "musllinux_1_2"}
        )
        for system, wanted in (("linux", "x86_64-pc-windows-msvc"), ("plan9", "x86_64-unknown-linux-gnu")):
            with self.assertRaisesRegex(native.ImpossibleError, wanted):
                wheels.targets(system, [wanted])

    def test_zig_links_what_old_systems_are_to_load_and_nothing_else(self) -> None:
        with mock.patch.object(wheels, "tool", side_effect=str):
            old = wheels.command("aarch64-unknown-linux-gnu", "manylinux2014", Path("out"))
            own = wheels.command("aarch64-apple-darwin", None, Path("out"))
        self.assertEqual(old[-3:], ["--zig", "--compatibility", "manylinux2014"])
        self.assertNotIn("--zig", own)

    def test_without_the_tools_of_python_it_says_what_fetches_them(self) -> None:
        with (
            mock.patch.object(wheels, "BIN", Path("/nowhere")),
            self.assertRaisesRegex(native.ImpossibleError, r"run_tests\.py environment"),
        ):
            wheels.tool("maturin")


class WhatAWheelMustBe(unittest.TestCase):
    """Everything that would keep it from being installed, or from working, is said."""

    def faults(self, name: str = RIGHT, change: dict[str, bytes | None] | None = None) -> list[str]:
        """Say what is wrong with a wheel that is right but for what is changed."""
        files: dict[str, bytes | None] = dict.fromkeys(wheels.PACKAGE, b"")
        files[wheels.LIBRARY] = library(wheels.MACHINES["x86_64"], ("libc.so.6", "libgcc_s.so.1"))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"tertulia-0.1.0-{name}.whl"
            with zipfile.ZipFile(path, "w") as wheel:
                files.update(change or {})
                for key, value in files.items():
                    if value is not None:
                        wheel.writestr(key, value)
            return wheels.faults(wheels.Built(path, "x86_64-unknown-linux-gnu", "manylinux2014"))

    def test_one_that_is_as_it_should_be_has_no_fault(self) -> None:
        self.assertEqual(self.faults(), [])

    def test_its_name_says_for_which_pythons_and_systems_it_is(self) -> None:
        self.assertIn("cp311-cp311", self.faults("cp311-cp311-manylinux2014_x86_64")[0])
        self.assertIn("linux_x86_64, not for manylinux2014", self.faults("cp310-abi3-linux_x86_64")[0])

    def test_it_is_not_too_heavy(self) -> None:
        with mock.patch.object(wheels, "MOST_BYTES", 10):
            self.assertIn("more than 10", self.faults()[0])

    def test_what_belongs_into_it_is_in_it(self) -> None:
        for name in (*wheels.PACKAGE, wheels.LIBRARY):
            self.assertEqual(self.faults(change={name: None}), [f"it lacks {name}"])

    def test_its_library_is_for_that_processor_and_needs_what_is_there_or_comes_along(self) -> None:
        other = library(wheels.MACHINES["aarch64"], ("libc.so.6",))
        self.assertEqual(self.faults(change={wheels.LIBRARY: other}), ["its library is for another processor"])
        more = library(wheels.MACHINES["x86_64"], ("libc.so.6", "libssl.so.3", "libunwind-1a2b3c.so.8"))
        self.assertIn("libssl.so.3, libunwind-1a2b3c.so.8", self.faults(change={wheels.LIBRARY: more})[0])
        brought: dict[str, bytes | None] = {wheels.LIBRARY: more, "tertulia.libs/libunwind-1a2b3c.so.8": b""}
        self.assertEqual(self.faults(change=brought), ["it needs libssl.so.3, which not every machine has"])


if __name__ == "__main__":
    unittest.main()
