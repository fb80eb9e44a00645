"""The command line: ``python -m tertulia``, or ``tertulia`` where the package is installed.

    tertulia chat "Three things to see in Cádiz?"     talk to a model, in the terminal or by pipes
    tertulia history                                  what was said, page by page
    tertulia search "old town"                        where it was said
    tertulia usage --by day                           tokens and money
    tertulia models "anthropic/*"                     what models can do and cost
    tertulia export mine.jsonl                        conversations into a file; `import` reads them
    tertulia doctor --network                         what is wrong, and what to do

It takes nothing but this package. With ``pip install "tertulia[cli]"`` long work has a bar that moves.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import TertuliaError, __version__
from . import chat, doctor, history, models, search, transfer, usage
from .terminal import Terminal
from .verb import Refused

__all__ = ["main"]

_VERBS = (chat, history, search, usage, models, transfer, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say (those of the process unless told) and give the exit code.

    0: done. 1: it failed, or ``doctor`` has found something. 2: the arguments are wrong (``SystemExit``, as argparse
    does it). 130: Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old locale shows `?`, and is no reason to fail
    terminal = Terminal()
    try:
        code: int = arguments.run(arguments, terminal)
        terminal.flush()
        return code
    except KeyboardInterrupt:
        terminal.note("")
        return 130
    except BrokenPipeError:
        # Who read has gone, as `head` does. What the interpreter still flushes at its exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Refused, TertuliaError) as error:
        terminal.fail(error)
        return 1


def _parser() -> argparse.ArgumentParser:
    as_module = Path(sys.argv[0]).name == "__main__.py"
    parser = argparse.ArgumentParser(
        prog="python -m tertulia" if as_module else "tertulia",
        description="Conversations with any language model, kept on this machine.",
        epilog="The store is --store, else $TERTULIA_STORE, else $TERTULIA_HOME/tertulia.db, else a file in the "
        "folder for application data. Only `chat` sends anything to a model.",
    )
    parser.add_argument("--version", action="version", version=f"tertulia {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in _VERBS:
        verb.add(verbs.add_parser)
    return parser
