"""``models``: what models can do and cost."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from .. import ModelInfo, Tertulia
from .verb import ALWAYS, MEMORY, Refused, json_option

if TYPE_CHECKING:
    from argparse import Namespace

    from .. import Capabilities
    from .terminal import Terminal
    from .verb import Verbs

_ABILITIES = ("tools", "output_schema", "reasoning", "images", "audio", "files")


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs(
        "models",
        help="list models, what they can do and cost",
        description="The models that the catalogue knows. Prices are in US dollars for a million tokens.",
    )
    parser.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="as `anthropic/*` or a name; all unless given"
    )
    parser.add_argument("--provider", metavar="NAME", help="of this provider alone")
    parser.add_argument("--live", action="store_true", help="ask the provider what it offers now; needs its key")
    parser.add_argument("--providers", action="store_true", help="list providers instead, and where their keys belong")
    json_option(parser)
    parser.set_defaults(run=run, wrong=parser.error)


def run(arguments: Namespace, terminal: Terminal) -> int:
    """Show models, or providers."""
    if arguments.live and not arguments.provider:
        arguments.wrong("--live asks one provider: name it with --provider")
    with Tertulia(MEMORY, model=ALWAYS) as engine:
        if arguments.providers:
            _providers(engine, arguments, terminal)
            return 0
        if arguments.live:
            with terminal.working(f"Asking {arguments.provider}"):
                offered = engine.provider(arguments.provider).models()
            found = tuple(model for model in offered if fnmatchcase(model.id, arguments.pattern))
        else:
            found = engine.models(arguments.pattern)
    if arguments.provider:
        found = tuple(model for model in found if model.id.startswith(f"{arguments.provider}/"))
    if not found:
        raise Refused("no model fits that: `models --providers` lists the providers that are known")
    if arguments.json:
        terminal.tell([model.to_dict() for model in found])
        return 0
    terminal.table(
        ("model", "context", "output", "$ in", "$ out", "can"), [_row(model) for model in found], right=(1, 2, 3, 4)
    )
    return 0


def _providers(engine: Tertulia, arguments: Namespace, terminal: Terminal) -> None:
    known = [one for one in engine.providers() if arguments.provider in (None, one.name)]
    if not known:
        raise Refused(f"there is no provider {arguments.provider}: leave --provider out to see all of them")
    if arguments.json:
        terminal.tell([provider.to_dict() for provider in known])
        return
    rows = [(one.name, one.title, one.key_variable or "no key", one.base_url) for one in known]
    terminal.table(("provider", "", "key", "address"), rows)


def _row(model: ModelInfo) -> tuple[str, ...]:
    price = model.price
    return (
        model.id,
        _count(model.context_window),
        _count(model.max_output_tokens),
        _price(price.input_nano_usd if price else None),
        _price(price.output_nano_usd if price else None),
        _can(model.capabilities),
    )


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _price(nano_usd: int | None) -> str:
    return "?" if nano_usd is None else f"{nano_usd / 1e9:,.2f}"


def _can(capabilities: Capabilities) -> str:
    return " ".join(name for name in _ABILITIES if getattr(capabilities, name))
