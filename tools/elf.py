"""What a native library of Linux or Android says of itself: where it may be laid, what it needs, what it is called."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

AARCH64 = 183
LOAD, DYNAMIC = 1, 2
NEEDED, STRINGS, NAME = 1, 5, 14


class NoLibraryError(Exception):
    """It is not what can be read here: a library of 64 bits, little end first."""


@dataclass(frozen=True)
class Library:
    """A library as its loader sees it."""

    machine: int
    alignments: tuple[int, ...]
    needed: tuple[str, ...]
    name: str | None


def read(path: Path) -> Library:
    """Read the headers of a library."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise NoLibraryError(f"{path} is no library of 64 bits")
    try:
        return parse(data)
    except (struct.error, ValueError) as broken:
        raise NoLibraryError(f"{path} ends too early") from broken


def parse(data: bytes) -> Library:
    """Read them out of the bytes."""
    (machine,) = struct.unpack_from("<H", data, 18)
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    # Of each: kind, flags, offset, address, physical address, size in the file, size in memory, alignment.
    headers = [struct.unpack_from("<IIQQQQQQ", data, table + i * size) for i in range(count)]
    loads = [header for header in headers if header[0] == LOAD]
    entries: list[tuple[int, int]] = []
    for kind, _, offset, _, _, length, _, _ in headers:
        if kind == DYNAMIC:
            entries = list(struct.iter_unpack("<QQ", data[offset : offset + length]))
    strings = next((place(loads, value) for tag, value in entries if tag == STRINGS), 0)

    def text(at: int) -> str:
        return data[strings + at : data.index(b"\0", strings + at)].decode()

    needed = tuple(text(value) for tag, value in entries if tag == NEEDED)
    name = next((text(value) for tag, value in entries if tag == NAME), None)
    return Library(machine, tuple(header[7] for header in loads), needed, name)


def place(loads: list[tuple[int, ...]], address: int) -> int:
    """Where in the file that is which is loaded to this address."""
    for _, _, offset, start, _, length, _, _ in loads:
        if start <= address < start + length:
            return offset + address - start
    raise ValueError(address)
