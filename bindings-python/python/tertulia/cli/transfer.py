"""``export`` and ``import``: conversations into a file, and out of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import Tertulia
from .terminal import count, size
from .verb import ALWAYS, MEMORY, READING, json_option, kept, store_options, store_path

if TYPE_CHECKING:
    from argparse import Namespace

    from .terminal import Terminal
    from .verb import Verbs


def add(verbs: Verbs) -> None:
    """Add the verbs to the parser."""
    out = verbs(
        "export",
        help="write conversations into a file",
        description="Write a user's conversations into a file of JSON Lines, with nothing left out. It takes the place of "
        "a file of that name when it is whole.",
    )
    out.add_argument("path", metavar="FILE")
    out.add_argument("--conversation", action="append", metavar="ID", help="this one alone; may stand several times")
    out.add_argument("--preferences", action="store_true", help="also what the user prefers")
    into = verbs(
        "import",
        help="add the conversations of a file",
        description="Add the conversations of a file: of `export`, conversations.json of ChatGPT or Claude, or lists of "
        "messages. The same file twice is the same file once.",
    )
    into.add_argument("path", metavar="FILE")
    into.add_argument("--dry-run", action="store_true", help="write nothing, and say what would be")
    for parser, run in ((out, export), (into, take_in)):
        store_options(parser)
        json_option(parser)
        parser.set_defaults(run=run)


def export(arguments: Namespace, terminal: Terminal) -> int:
    """Write the file."""
    with kept(arguments) as engine, terminal.working("Exporting"):
        me = engine.user(arguments.user)
        report = me.export_conversations(arguments.path, ids=arguments.conversation, preferences=arguments.preferences)
    if arguments.json:
        terminal.tell(report.to_dict())
        return 0
    terminal.say(
        f"{count(report.conversations, 'conversation')}, {count(report.messages, 'message')} and "
        f"{count(report.files, 'file')} in {arguments.path} ({size(report.bytes)})."
    )
    return 0


def take_in(arguments: Namespace, terminal: Terminal) -> int:
    """Read the file. 1 when something of it was left out."""
    store = store_path(arguments.store) or MEMORY
    if arguments.dry_run and not Path(store).exists():
        store = MEMORY  # to say what would be takes no file
    with Tertulia(store, model=ALWAYS, settings=READING) as engine, terminal.working("Importing"):
        report = engine.user(arguments.user).import_conversations(arguments.path, dry_run=arguments.dry_run)
    if arguments.json:
        terminal.tell(report.to_dict())
        return int(report.problem_count > 0)
    done = "would be added" if report.dry_run else "added"
    terminal.say(
        f"{report.format}: {count(report.conversations, 'conversation')}, {count(report.messages, 'message')} {done}; "
        f"{report.skipped:,} here already."
    )
    for problem in report.problems:
        terminal.note(f"line {problem.line}, item {problem.item}: {problem.detail} ({problem.reason})")
    if (left := report.problem_count - len(report.problems)) > 0:
        terminal.note(f"and {left:,} more")
    return int(report.problem_count > 0)
