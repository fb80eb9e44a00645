"""``search``: where something was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .history import more
from .verb import json_option, kept, page_options, store_options

if TYPE_CHECKING:
    from argparse import Namespace

    from .terminal import Terminal
    from .verb import Verbs


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs(
        "search",
        help="find what was said",
        description='Search all that was said: words, "phrases", -exclusions and beginnings*, with the quotes of the shell '
        "about all of it: search '\"old town\" -rain'. Case and accents do not count.",
    )
    parser.add_argument("words", nargs="+", metavar="WORDS", help="all of them are in what is found")
    parser.add_argument("--conversation", metavar="ID", help="in this one alone")
    parser.add_argument(
        "--sort", choices=("recent", "relevance"), default="recent", help="the newest first (unless given), or the best"
    )
    page_options(parser, 20)
    store_options(parser)
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace, terminal: Terminal) -> int:
    """Show what is found."""
    with kept(arguments) as engine:
        me = engine.user(arguments.user)
        place = me.conversation(arguments.conversation) if arguments.conversation else me
        page = place.search(
            " ".join(arguments.words), sort=arguments.sort, limit=arguments.limit, before=arguments.before
        )
        if arguments.json:
            terminal.tell(page.to_dict())
            return 0
        for hit in page:
            beside = "" if hit.on_current_branch else "  on another branch"
            terminal.say(terminal.dim(f"{hit.conversation_id}  --around {hit.message_id}{beside}"))
            terminal.say("".join(terminal.hit(span.text) if span.hit else span.text for span in hit.snippet) + "\n")
        if not page:
            terminal.note("[nothing is found]")
        more(terminal, page)
    return 0
