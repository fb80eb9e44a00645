"""``history``: the conversations, and what was said in one of them, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import ConversationInfo, Message
from .terminal import moment, money
from .verb import json_option, kept, page_options, store_options

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from .. import Page, UserScope
    from ..types import Part
    from .terminal import Terminal
    from .verb import Verbs

_BESIDE = {"user": "you> "}


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs(
        "history",
        help="list conversations, or show one",
        description="Without an ID the conversations, the latest first. With one what was said in it, the latest page.",
    )
    parser.add_argument("conversation", nargs="?", metavar="ID", help="the conversation to show")
    page_options(parser, 20)
    parser.add_argument("--around", metavar="MESSAGE", help="the page about this message, which `search` names")
    parser.add_argument("--archived", action="store_true", help="list those in the archive")
    parser.add_argument("--tag", help="list those with this tag")
    store_options(parser)
    json_option(parser)
    parser.set_defaults(run=run, wrong=parser.error)


def run(arguments: Namespace, terminal: Terminal) -> int:
    """Show a page."""
    of_one = arguments.conversation is not None
    if of_one and (arguments.archived or arguments.tag):
        arguments.wrong("--archived and --tag are for the list: leave the ID out")
    if arguments.around and (arguments.before or not of_one):
        arguments.wrong("--around is for a page of one conversation: give its ID, and no --before")
    with kept(arguments) as engine:
        me = engine.user(arguments.user)
        if of_one:
            _one(arguments, me, terminal)
        else:
            _all(arguments, me, terminal)
    return 0


def _all(arguments: Namespace, me: UserScope, terminal: Terminal) -> None:
    page = me.list_conversations(
        limit=arguments.limit, before=arguments.before, archived=arguments.archived, tag=arguments.tag
    )
    if arguments.json:
        terminal.tell(page.to_dict())
        return
    listed(terminal, page)
    more(terminal, page)


def _one(arguments: Namespace, me: UserScope, terminal: Terminal) -> None:
    chat = me.conversation(arguments.conversation)
    page = chat.history(limit=arguments.limit, before=arguments.before, around=arguments.around)
    if arguments.json:
        terminal.tell(page.to_dict())
        return
    more(terminal, page)
    for message in page:
        who = message.model or message.role
        state = "" if message.status == "complete" else f"  {message.status}"
        terminal.say(terminal.dim(f"{moment(message.created_at)}  {who}{state}  {message.id}"))
        terminal.say(words(message) + "\n")


def more(terminal: Terminal, page: Page[Any]) -> None:
    """Say where a page goes on."""
    if page.before is not None and not page.reached_start:
        terminal.note(f"[there is more: --before {page.before}]")


def listed(terminal: Terminal, infos: Iterable[ConversationInfo], *, numbered: bool = False) -> None:
    """Write conversations, a line each."""
    rows = [
        (
            str(number) if numbered else info.id,
            moment(info.updated_at),
            str(info.message_count),
            money(info.cost_nano_usd),
            info.title or info.last_preview or "…",
        )
        for number, info in enumerate(infos, 1)
    ]
    terminal.table(
        ("#" if numbered else "conversation", "changed", "messages", "cost", "title, or the last words"),
        rows,
        right=(2, 3),
    )


def written(terminal: Terminal, messages: Iterable[Message]) -> None:
    """Write messages as a chat shows them."""
    for message in messages:
        terminal.say(_BESIDE.get(message.role, "") + words(message))


def words(message: Message) -> str:
    """What a message says; what is no text is named."""
    if message.status == "deleted":
        return "[deleted]"
    return "\n".join(filter(None, map(_named, message.parts)))


def _named(part: Part) -> str:
    match part.type:
        case "text" | "refusal":
            return part.text
        case "image" | "audio" | "file":
            return f"[{part.type}: {part.media.name or part.media.mime_type or 'unknown'}]"
        case "tool_call":
            return f"[calls {part.call.name}({json.dumps(part.call.arguments, ensure_ascii=False)})]"
        case "tool_result":
            output = part.result.output
            return f"[it gives {output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)}]"
        case _:
            return ""
