"""The program itself, and what its environment tells it."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from ... import Tertulia, TertuliaError, __version__
from . import Finding


def versions() -> Iterator[Finding]:
    """What runs here."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding("version", "ok", f"tertulia {__version__}, {python}, {platform.platform()}")
    if not find_spec("rich"):
        remedy = 'pip install "tertulia[cli]" for bars that move'
        yield Finding("version", "note", "long work is told in plain lines", remedy)


def variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What the variables of Tertulia say."""
    for name, value in sorted(environment.items()):
        if name in ("TERTULIA_HOME", "TERTULIA_STORE", "TERTULIA_MODEL") and value:
            yield Finding("settings", "ok", f"{name} is {value}")
        elif name.startswith("TERTULIA_") and name.endswith("_BASE_URL") and value:
            yield Finding("settings", "note", f"{name} moves a provider to {host(value)}")


def host(url: str) -> str:
    """The host of an address, and no more of it: the rest may hold a password, and what is no address may be a key."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.hostname}{port}" if parts.scheme and parts.hostname else "an address without http:// or https://"


def refused(engine: Tertulia) -> Finding | None:
    """Why an engine does not open with what it was told, by its arguments or by variables; nothing when it does."""
    try:
        engine.open()
    except TertuliaError as error:
        return Finding("settings", "wrong", str(error), "correct --model, or what the variables above say")
    return None
