"""The store: the file, whether it opens, and whether all that is in it is sound."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ... import Health, StorageError, Tertulia, TertuliaError, UserScope
from ..terminal import count, moment, size
from . import Finding

_PLAIN = b"SQLite format 3\0"
_OURS = b"TERT"
_LITTLE = 100 << 20
_UNUSED = 8 << 20
_REMEDIES = {
    "not_a_database": "name another file with --store; an encrypted store takes a program with `store_key`, in Rust",
    "newer_schema": "update this package, or use the program that wrote it",
    "corrupt": "restore a backup: `store().backup(…)` makes them",
    "full": "free some space on the disk",
    "read_only": "let this user write the file and its folder",
    "busy": "look which process holds it for so long, and try again",
    "io": "look at the disk, the path and the rights, and try again",
}


@dataclass(frozen=True)
class Head:
    """What the first bytes of a file say, without opening it."""

    kind: str
    """``ours``, ``empty``, ``foreign`` for a database of somebody else, ``unknown`` for what is no database, or encrypted."""
    version: int
    """Of the schema."""

    @classmethod
    def of(cls, path: Path) -> Head:
        """Read it. Never while an engine of this process has it open: closing a file gives up its locks on it."""
        with path.open("rb") as file:
            head = file.read(100)
        if not head:
            return cls("empty", 0)
        if not head.startswith(_PLAIN):
            return cls("unknown", 0)
        # A new database whose log was not moved yet has nothing there; it is asked when it is open.
        mark = head[68:72]
        kind = "ours" if mark == _OURS else "foreign" if mark.strip(b"\0") else "empty"
        return cls(kind, int.from_bytes(head[60:64], "big"))


def file(path: Path, named: bool) -> Iterator[Finding]:
    """The file from outside: whether it is there, whose it is, and how much room is about it."""
    if not path.exists():
        remedy = "name another with --store, or begin it with `chat`"
        yield Finding("store", "wrong" if named else "note", f"there is none at {path}", remedy)
        return
    if not path.is_file():
        yield Finding("store", "wrong", f"{path} is no file", "name a file with --store")
        return
    try:
        head = Head.of(path)
    except OSError as error:
        yield Finding("store", "wrong", f"{path} cannot be read: {error.strerror}", "let this user read it")
        return
    log = Path(f"{path}-wal")
    beside = f", and {size(log.stat().st_size)} in the log" if log.exists() else ""
    kinds = {
        "ours": f"not encrypted, schema {head.version}",
        "empty": "not encrypted",
        "foreign": "a SQLite database of another program",
        "unknown": "no SQLite database, or encrypted",
    }
    yield Finding("store", "ok", f"{path}: {size(path.stat().st_size)}{beside}; {kinds[head.kind]}")
    if sys.platform != "win32" and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield Finding("store", "note", "others on this machine can read it", f"chmod 600 {path}")
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE:
        yield Finding("store", "wrong", f"only {size(free)} are free on its disk", _REMEDIES["full"])


def opened(engine: Tertulia) -> Finding | None:
    """What keeps the store from being opened; nothing when it is open now."""
    try:
        engine.open()
    except TertuliaError as error:
        return unreadable(error)
    return None


def unreadable(error: TertuliaError) -> Finding:
    """What a store says that cannot be opened or read."""
    remedy = _REMEDIES.get(error.reason) if isinstance(error, StorageError) else None
    return Finding("store", "wrong", f"it cannot be read: {error}", remedy or "do as it says")


def contents(engine: Tertulia) -> Iterator[Finding]:
    """All that is kept, looked at."""
    found = engine.store().verify()
    if found.is_sound:
        yield Finding(
            "store",
            "ok",
            f"{count(found.conversations, 'conversation')}, {count(found.messages, 'message')}, all sound",
        )
    for problem in found.problems:
        remedy = "`store().repair()` mends it" if problem.repairable else _REMEDIES["corrupt"]
        yield Finding("store", "wrong", f"{problem.kind} at {problem.place}: {problem.detail}", remedy)
    report = engine.store().storage_report()
    unused = report.free_pages * report.page_bytes
    if report.free_pages * 4 > report.pages and unused > _UNUSED:
        yield Finding("store", "note", f"{size(unused)} of it are unused", "`store().vacuum()` gives them back")


def migrated(before: Head, after: Head) -> Iterator[Finding]:
    """Whether opening the store has brought it to a newer schema."""
    if before.kind == "ours" and before.version < after.version:
        says = f"it was of schema {before.version}; opening it has brought it to {after.version}"
        yield Finding("store", "note", says, "programs of an older version do not open it any more")


def waiting(me: UserScope) -> Iterator[Finding]:
    """What of a user's messages waits or was given up, and which budgets are used up."""
    items = me.outbox().list()
    if given_up := [item for item in items if item.delivery == "failed"]:
        reason = given_up[0].reason or "nobody knows why"
        says = f"{count(len(given_up), 'message')} of {me.id} given up, the first for {reason}"
        yield Finding("outbox", "note", says, "`outbox().retry(turn_id)` sends one again, `discard` takes it back")
    if left := len(items) - len(given_up):
        yield Finding(
            "outbox", "note", f"{count(left, 'message')} of {me.id} waiting to be sent", "the next `chat` sends them"
        )
    for status in me.budgets():
        if status.remaining <= 0:
            again = f"it begins anew {moment(status.resets_at)}" if status.resets_at else "it never begins anew"
            says = f"the budget of {status.budget.scope} per {status.budget.window} is used up"
            yield Finding("budget", "note", says, f"{again}, or set a larger one")


def health(health: Health) -> Iterator[Finding]:
    """What the engine itself says of its parts."""
    for part in (health.store, health.cache, health.outbox):
        if part.state != "ok":
            yield Finding(part.name, "wrong", f"{part.state}: {part.why or 'no reason is known'}", "look at its log")
