"""``doctor``: what an operator needs when something is wrong, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import Tertulia, TertuliaError
from .checks import Finding, keys, network, program, store
from .verb import ALWAYS, MEMORY, READING, json_option, store_options, store_path

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from .. import Health
    from .terminal import Terminal
    from .verb import Verbs

_SIGNS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs(
        "doctor",
        help="find out what is wrong",
        description="Look at versions, the store, keys, proxies and certificates, and say what to do. Nothing is sent to "
        "a model, and no key is shown. Ends with 1 when something is wrong.",
    )
    parser.add_argument("--network", action="store_true", help="ask the providers with a key whether they answer")
    parser.add_argument("--provider", action="append", metavar="NAME", help="ask this one; may stand several times")
    parser.add_argument("--quick", action="store_true", help="do not look at all that the store holds")
    parser.add_argument(
        "--model", metavar="PROVIDER/MODEL", help="the model that has to work; $TERTULIA_MODEL unless given"
    )
    store_options(parser)
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace, terminal: Terminal) -> int:
    """Look at everything."""
    examination = _Examination(arguments, terminal)
    for finding in examination.findings():
        examination.found.append(finding)
        if not arguments.json:
            _say(terminal, finding)
    wrong = sum(finding.state == "wrong" for finding in examination.found)
    if arguments.json:
        terminal.tell(examination.to_dict())
    else:
        terminal.say(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    return int(wrong > 0)


def _say(terminal: Terminal, finding: Finding) -> None:
    line = f"{_SIGNS[finding.state]}  {finding.about}: {finding.says}"
    terminal.say(terminal.bold(line) if finding.state == "wrong" else line)
    if finding.do:
        terminal.say(f"       → {finding.do}")


class _Examination:
    """One look at everything, in the order in which one thing needs another."""

    def __init__(self, arguments: Namespace, terminal: Terminal) -> None:
        self.arguments, self.terminal = arguments, terminal
        self.model: str | None = arguments.model or os.environ.get("TERTULIA_MODEL") or None
        self.found: list[Finding] = []
        self.health: Health | None = None

    def to_dict(self) -> dict[str, Any]:
        """The plain form."""
        return {
            "ok": all(finding.state != "wrong" for finding in self.found),
            "findings": [finding.to_dict() for finding in self.found],
            "health": self.health.to_dict() if self.health else None,
        }

    def findings(self) -> Iterator[Finding]:
        """All there is to say, as it is found out."""
        yield from program.versions()
        yield from program.variables(os.environ)
        engine = Tertulia(MEMORY, model=self.model, settings=network.PATIENCE)
        try:
            refused = program.refused(engine)
            if refused:
                yield refused
                # The rest is looked at with a model that is there whatever the environment says.
                engine, self.model = Tertulia(MEMORY, model=ALWAYS, settings=network.PATIENCE), None
                refused = program.refused(engine)
            yield from self._store(opens=refused is None)
            yield from network.settings(os.environ)
            if refused is None:
                yield from keys.keys(engine.providers(), self.model, os.environ)
                yield from self._asked(engine)
        finally:
            engine.close()

    def _store(self, *, opens: bool) -> Iterator[Finding]:
        path = store_path(self.arguments.store)
        if path is None:
            yield Finding("store", "note", "it is in memory, and ends with the process", "name a file with --store")
            return
        named = bool(self.arguments.store or os.environ.get("TERTULIA_STORE"))
        yield from store.file(path, named)
        if not opens or not path.is_file() or not os.access(path, os.R_OK):
            return
        before = store.Head.of(path)
        engine = Tertulia(path, model=self.model or ALWAYS, settings=READING)
        try:
            if closed := store.opened(engine):
                yield closed
                return
            yield from self._opened(engine)
        finally:
            engine.close()
        yield from store.migrated(before, store.Head.of(path))

    def _opened(self, engine: Tertulia) -> Iterator[Finding]:
        try:
            if not self.arguments.quick:
                with self.terminal.working("Looking at all that is kept"):
                    contents = list(store.contents(engine))
                yield from contents
            yield from store.waiting(engine.user(self.arguments.user))
        except TertuliaError as error:
            yield store.unreadable(error)
        self.health = engine.health()
        yield from store.health(self.health)

    def _asked(self, engine: Tertulia) -> Iterator[Finding]:
        """What the providers say that were named, or whose keys are there."""
        names: list[str] = list(self.arguments.provider or ())
        known = {provider.name: provider for provider in engine.providers()}
        if self.arguments.network:
            of_model = self.model.partition("/")[0] if self.model else ""
            names += [name for name in known if keys.source(known[name], os.environ) or name == of_model]
        names = list(dict.fromkeys(names))
        if not names:
            return
        answers: list[Finding] = []
        with self.terminal.working("Asking the providers") as advance:
            for done, name in enumerate(names):
                advance(done, len(names))
                answers.append(network.answer(engine, name))
        yield from answers
