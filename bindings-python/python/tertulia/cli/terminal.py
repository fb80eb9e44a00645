"""What is written, and how: words to standard output, all that is about them to standard error.

Colours, bars and remarks are for a terminal. What goes into a pipe or a file is the plain text.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from typing import Any

from .. import TertuliaError

# What a model says must not move the cursor, retitle the window or paste: all but line ends and tabs.
_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}

Advance = Callable[[int, "int | None"], None]
"""Says how far something is: so many of so many, or of nobody knows how many."""


class Terminal:
    """Where the command line reads and writes."""

    def __init__(self) -> None:
        self.into, self.out, self.err = sys.stdin, sys.stdout, sys.stderr
        self.shows = self.out.isatty()
        """True when somebody reads the words as they come."""
        self.talks = self.shows and self.into.isatty()
        """True when somebody can answer."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or os.name == "nt"
        self._colours = self.shows and not plain

    # Words

    def write(self, words: str) -> None:
        """Write words as they come."""
        self.out.write(self.harmless(words))
        self.out.flush()

    def say(self, line: str = "") -> None:
        """Write a line."""
        self.out.write(self.harmless(line, keep=_STYLES) + "\n")

    def tell(self, value: Any) -> None:
        """Write a value as JSON."""
        text = json.dumps(value, ensure_ascii=False, indent=2)
        self.out.write(re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")

    def note(self, line: str) -> None:
        """Write a remark: about the words, none of them."""
        self.flush()
        self.err.write(line.translate(_CONTROLS) + "\n")
        self.err.flush()

    def fail(self, error: Exception) -> None:
        """Write what failed and what to do: for people first, for developers below it."""
        if not isinstance(error, TertuliaError):
            self.note(f"tertulia: {error}")
            return
        self.note(f"tertulia: {error.user_message}\n  {error}")
        if error.provider_words:
            self.note(f"  {error.provider or 'the provider'} says: {error.provider_words}")

    def ask(self, prompt: str) -> str | None:
        """A line from who sits there; nothing at the end of the input (Ctrl-D)."""
        try:
            if self.talks:
                with contextlib.suppress(ImportError):
                    importlib.import_module("readline")  # gives `input` its arrow keys
                return input(prompt)
            self.err.write(prompt)  # who sits there has the words written into a file
            self.err.flush()
            line = self.into.readline()
            return line.rstrip("\n") if line else None
        except EOFError:
            self.say()
            return None

    def flush(self) -> None:
        """Let go of what is written."""
        self.out.flush()

    def harmless(self, words: str, keep: Sequence[str] = ()) -> str:
        """The words, without what would command a terminal. A file gets them as they are."""
        if not self.shows:
            return words
        if not (keep and "\033" in words):
            return words.translate(_CONTROLS)
        pieces = re.split("(" + "|".join(map(re.escape, keep)) + ")", words)
        return "".join(piece if piece in keep else piece.translate(_CONTROLS) for piece in pieces)

    # Form

    def bold(self, text: str) -> str:
        """What stands out."""
        return self._styled(text, _BOLD)

    def dim(self, text: str) -> str:
        """What stands back."""
        return self._styled(text, _DIM)

    def hit(self, text: str) -> str:
        """What was looked for: bold, or in brackets where there is no bold."""
        return self._styled(text, _BOLD) if self._colours else f"[{text}]"

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text.translate(_CONTROLS)}{_PLAIN}" if self._colours else text

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Write rows in columns; ``right`` are those that stand at their right end, as figures do."""
        if not rows:
            return
        clean = [[" ".join(cell.split()) for cell in row] for row in rows]
        widths = [max(len(row[at]) for row in (head, *clean)) for at in range(len(head))]
        for row in (head, *clean):
            cells = (
                cell.rjust(width) if at in right else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            line = self.cut("  ".join(cells).rstrip())
            self.say(self.dim(line) if row is head else line)

    def cut(self, line: str) -> str:
        """The line as far as the terminal is wide; a file gets all of it."""
        width = shutil.get_terminal_size().columns
        return line if not self.shows or len(line) <= width else line[: max(width - 1, 1)] + "…"

    # Long work

    @contextlib.contextmanager
    def working(self, what: str) -> Generator[Advance]:
        """Show that something takes its time, and by the function it gives how far it is.

        On a terminal alone. With ``rich`` it is a bar, without it a line that says what is done.
        """
        if not self.err.isatty():
            yield lambda _done, _total: None
            return
        try:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        except ImportError:
            self.note(f"{what} …")
            yield lambda _done, _total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=self.err), transient=True) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)


_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"
_STYLES = (_BOLD, _DIM, _PLAIN)


def moment(at: datetime) -> str:
    """A time as the clocks here say it."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def money(nano_usd: int) -> str:
    """An amount in US dollars, with as many places as it takes."""
    usd = nano_usd / 1e9
    return f"${usd:,.2f}" if usd >= 1 or nano_usd == 0 else f"${usd:.6f}".rstrip("0")


def count(number: int, what: str) -> str:
    """A number of things, of which one is called so."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """A number of bytes."""
    amount, unit = float(number), "B"
    for bigger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, bigger
    return f"{number} B" if unit == "B" else f"{amount:.1f} {unit}"
