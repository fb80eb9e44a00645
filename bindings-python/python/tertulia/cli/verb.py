"""What the verbs have in common: their options, the store they open, and what they refuse."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .. import Tertulia

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

Verbs = Callable[..., argparse.ArgumentParser]
"""Makes the parser of a verb."""

MEMORY = "memory:"

ALWAYS = "echo/echo"
"""A model that every build has. An engine that asks nobody is given it, so that it opens whatever ``$TERTULIA_MODEL`` says."""

READING = {"outbox": {"enabled": False}}
"""Settings of an engine that sends nothing by itself."""


class Refused(Exception):
    """What the command line itself refuses, in a sentence that says what to do."""


def store_options(parser: ArgumentParser) -> None:
    """Add ``--store`` and ``--user``."""
    parser.add_argument("--store", metavar="PATH", help="where conversations are kept; $TERTULIA_STORE unless given")
    parser.add_argument("--user", metavar="ID", default="local", help="whose conversations; `local` unless given")


def json_option(parser: ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="write JSON; times are milliseconds since 1970")


def page_options(parser: ArgumentParser, limit: int) -> None:
    """Add ``--limit`` and ``--before``."""
    parser.add_argument(
        "--limit", type=page_size, default=limit, metavar="N", help=f"at most so many, 1 to 200; {limit} unless given"
    )
    parser.add_argument("--before", metavar="CURSOR", help="go on where a page ended, which names its cursor")


def page_size(text: str) -> int:
    """How many a page shall have."""
    if not text.isdecimal() or not 1 <= int(text) <= 200:
        raise argparse.ArgumentTypeError(f"a page has 1 to 200, not {text}")
    return int(text)


def store_path(given: str | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file that is meant: the one given, else ``$TERTULIA_STORE``, else the one that the engine takes by itself.

    ``None`` for a store in memory. ``Refused`` when the system names no folder for data.
    """
    named = given or environment.get("TERTULIA_STORE")
    if named:
        return None if named == MEMORY else Path(named)
    return _home(environment) / "tertulia.db"


def _home(environment: Mapping[str, str]) -> Path:
    """As ``core/src/engine/home.rs``; a test holds the two together."""
    if home := environment.get("TERTULIA_HOME"):
        return Path(home)
    if sys.platform == "win32":
        data, below = environment.get("APPDATA"), ""
    elif sys.platform == "darwin":
        data, below = environment.get("HOME"), "Library/Application Support"
    elif environment.get("XDG_DATA_HOME"):
        data, below = environment.get("XDG_DATA_HOME"), ""
    else:
        data, below = environment.get("HOME"), ".local/share"
    if not data:
        raise Refused("this system names no folder for data: say where with --store PATH or TERTULIA_HOME")
    return Path(data, below, "tertulia")


def kept(arguments: Namespace) -> Tertulia:
    """An engine over a store that is there already, to look things up: nothing that waits is sent by it.

    ``Refused`` when there is none, instead of an empty one under a name that was misspelt.
    """
    path = store_path(arguments.store)
    if path is not None and not path.exists():
        raise Refused(f"there is no store at {path}: name another with --store PATH, or begin one with `chat`")
    return Tertulia(path or MEMORY, model=ALWAYS, settings=READING)
