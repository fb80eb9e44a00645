"""``chat``: talk to a model; streamed, kept, taken up again the next time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import ConversationInfo, Reply, ReplyStream, Tertulia, TertuliaError, UserScope
from .history import listed, written
from .partner import Partner, find
from .verb import MEMORY, Refused, json_option, store_options, store_path

if TYPE_CHECKING:
    from argparse import Namespace

    from ..types import StreamEvent
    from .terminal import Terminal
    from .verb import Verbs

_COMMANDS = "/list, /open N, /new, /history, /retry; an empty line or Ctrl-D ends it. Ctrl-C stops a reply."
_LISTED = 9
_SHOWN = 6


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs(
        "chat",
        help="talk to a model",
        description="Talk to a model. On a terminal, without a message: one turn after the other. With a message, or one on "
        "standard input: a single turn, whose words go to standard output. Goes on with the latest conversation.",
    )
    parser.add_argument("message", nargs="*", metavar="MESSAGE", help="say this and end; `-` adds standard input to it")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--conversation", metavar="ID", help="go on with this one; `history` lists them")
    which.add_argument("--new", action="store_true", help="begin another conversation")
    parser.add_argument("--system", metavar="TEXT", help="instructions of a new conversation; needs --new")
    parser.add_argument("--model", metavar="PROVIDER/MODEL", help="whom to ask; $TERTULIA_MODEL unless given")
    store_options(parser)
    json_option(parser)
    parser.set_defaults(run=run, wrong=parser.error)


def run(arguments: Namespace, terminal: Terminal) -> int:
    """Talk."""
    if arguments.system is not None and not arguments.new:
        arguments.wrong("--system is for a new conversation: add --new")
    alone = bool(arguments.message) or arguments.json or not terminal.into.isatty()
    said = _said(arguments.message, terminal) if alone else ""
    if alone and not said.strip():
        arguments.wrong("there is nothing to say: give a MESSAGE, or one on standard input")
    with Tertulia(store_path(arguments.store) or MEMORY) as engine:
        talk = _Talk(engine, arguments, terminal)
        return talk.once(said, as_json=arguments.json) if alone else talk.on()


def _said(words: Sequence[str], terminal: Terminal) -> str:
    """The message of a single turn: the words, and what is on standard input where there are none or one is ``-``."""
    read = terminal.into.read().rstrip("\r\n") if not words or "-" in words else ""
    return "\n\n".join(filter(None, (" ".join(word for word in words if word != "-"), read)))


class _Talk:
    """One conversation at a time, and what was broken off in it."""

    def __init__(self, engine: Tertulia, arguments: Namespace, terminal: Terminal) -> None:
        self.engine, self.terminal = engine, terminal
        self.me: UserScope = engine.user(arguments.user)
        self.wanted: str | None = arguments.model
        self.partner: Partner | None = None
        self.introduced = ""
        self.written: list[str] = []
        self.failed = self.many = False
        known: ConversationInfo | None = None
        if arguments.conversation:
            known = self.me.conversation(arguments.conversation).summary()  # here it is found out whether it is there
        elif not arguments.new:
            known = next(iter(self.me.list_conversations(limit=1)), None)
        self._turn_to(known, arguments.system)

    def _turn_to(self, known: ConversationInfo | None, system: str | None = None) -> None:
        """Go on with a conversation, or begin one, and say who is asked in it.

        That is who was named, else whom the conversation or ``$TERTULIA_MODEL`` names, else who is there.
        """
        self.chat = self.me.conversation(known.id) if known else self.me.new_conversation(system=system)
        self.broken_off: str | None = None
        named = self.wanted or (known and known.model) or os.environ.get("TERTULIA_MODEL")
        if named:
            self.model, introduction = self.wanted, f"Talking to {named}."
        else:
            self.partner = self.partner or find(self.engine)
            self.model, introduction = self.partner.model, self.partner.introduction
        if self.terminal.shows and introduction != self.introduced:
            self.introduced = introduction
            for line in introduction.splitlines():
                self.terminal.note(line)

    # A single turn

    def once(self, said: str, *, as_json: bool) -> int:
        """Say one thing."""
        stream = self._asked(said)
        if as_json:
            with stream:
                reply = stream.reply()
            self.terminal.tell(reply.to_dict())
            return 0 if reply.status == "done" else 1
        stopped = self._read(stream)
        return 130 if stopped else int(self.failed)

    def _asked(self, said: str) -> ReplyStream:
        return self.chat.stream(said, model=self.model) if self.model else self.chat.stream(said)

    # Many

    def on(self) -> int:
        """Talk until the other side has had enough."""
        self.many = True
        self.terminal.note(_COMMANDS)
        written(self.terminal, self.chat.history(limit=_SHOWN))
        while (line := self._line()) is not None:
            try:
                self._do(line)
            except Refused as error:
                self.terminal.fail(error)
            except TertuliaError as error:
                self.terminal.fail(error)
                if error.turn_id:
                    self.broken_off = error.turn_id
                    self.terminal.note("[/retry asks again]")
            except KeyboardInterrupt:
                self.terminal.note("[stopped]")
        return 0

    def _line(self) -> str | None:
        """The next line; nothing when there is none, or it is empty."""
        while True:
            try:
                return self.terminal.ask("\nyou> ") or None
            except KeyboardInterrupt:
                self.terminal.note(" (Ctrl-D ends it)")

    def _do(self, line: str) -> None:
        command, _, rest = line.strip().partition(" ")
        match command:
            case "/list":
                listed(self.terminal, self.me.list_conversations(limit=_LISTED), numbered=True)
            case "/open":
                self._turn_to(self._numbered(rest))
                written(self.terminal, self.chat.history(limit=_SHOWN))
            case "/new":
                self._turn_to(None)
            case "/history":
                written(self.terminal, self.chat.history(limit=20))
            case "/retry":
                if not (turn := self.broken_off):
                    raise Refused("nothing was broken off")
                self._read(self.chat.retry(turn, model=self.model) if self.model else self.chat.retry(turn))
            case _ if command.startswith("/"):
                raise Refused(f"{command} is none of {_COMMANDS}")
            case _:
                self._read(self._asked(line))

    def _numbered(self, number: str) -> ConversationInfo:
        page = self.me.list_conversations(limit=_LISTED)
        if not number.isdecimal() or not 1 <= int(number) <= len(page):
            raise Refused(f"there is no conversation {number or 'without a number'}: /list shows them")
        return page[int(number) - 1]

    # A reply

    def _read(self, stream: ReplyStream) -> bool:
        """Write a reply as it comes. True when Ctrl-C stopped it."""
        self.broken_off, self.written = None, []
        with stream:
            try:
                for event in stream:
                    self._show(event)
                return False
            except TertuliaError:
                if self.written:
                    self.terminal.write("\n")
                raise
            except KeyboardInterrupt:
                stream.cancel()
                return self._stopped(stream.reply(), stream.turn_id)

    def _stopped(self, reply: Reply, turn: str | None) -> bool:
        """Write what had come and was not shown yet: what is on the screen is what is in the history."""
        written = "".join(self.written)
        if reply.text.startswith(written):
            self.terminal.write(reply.text.removeprefix(written))
        self.terminal.write("\n")
        if reply.status == "done":  # it was whole already
            return False
        self.broken_off = turn
        again = "; /retry asks again" if self.many else ""
        self.terminal.note(f"[stopped; what had come is kept{again}]")
        return True

    def _show(self, event: StreamEvent) -> None:
        terminal = self.terminal
        match event.type:
            case "text" | "refusal":
                self.written.append(event.delta)
                terminal.write(event.delta)
            case "progress" if event.step == "retrying":
                terminal.note(f"[try {event.attempt} in {event.wait_ms} ms: {event.kind}]")
            case "progress" if event.step == "fell_back":
                terminal.note(f"[{event.from_model} failed; asking {event.to_model}]")
            case "done":
                terminal.write("\n")
                self._end(event.reply)
            case _:
                pass

    def _end(self, reply: Reply) -> None:
        """Write what a reply took, and what is odd about it."""
        self.failed = reply.status != "done"
        if reply.notice:
            self.terminal.note(f"[{reply.notice}]")
        elif reply.finish_reason in ("length", "content_filter"):
            self.terminal.note(f"[it ends here: {reply.finish_reason}]")
        if self.terminal.shows:
            usage = reply.usage
            self.terminal.note(f"[{usage.input_tokens} + {usage.output_tokens} tokens, {reply.cost}]")
