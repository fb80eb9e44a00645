"""The scenarios of ``tests/scenarios``, which all languages play: its README says what is in them."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tertulia as t
from tertulia.testing import Simulator

FOLDER = Path(__file__).parents[2] / "tests" / "scenarios"
SCENARIOS, WRONG = sorted(FOLDER.glob("*.json")), sorted(FOLDER.glob("wrong/*.json"))

CALL = {"model", "system", "temperature", "max_tokens", "timeout_ms", "client_id", "key"}
# What a verb needs, what it may have, and what its options may be.
VERBS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "open": (set(), {"options"}, {"model", "providers", "keys", "settings"}),
    "close": ({"in"}, set(), set()),
    "user": ({"in", "id"}, set(), set()),
    "new_conversation": ({"in"}, {"options"}, {"title", "system", "model"}),
    "conversation": ({"in", "id"}, set(), set()),
    "conversation_for": ({"in", "key"}, set(), set()),
    "ask": ({"in", "say"}, {"options"}, CALL),
    "send": ({"in", "say"}, {"options"}, CALL),
    "stream": ({"in", "say"}, {"options", "cancel_after"}, CALL),
    "retry": ({"in", "turn"}, {"options", "cancel_after"}, CALL),
    "history": ({"in"}, {"limit", "before", "after"}, set()),
    "simulator": (set(), {"wait"}, set()),
}


class WrongError(Exception):
    """The scenario does not hold, or is not understood."""

    step = 0


def known(words: Mapping[str, Any], needed: set[str], more: set[str]) -> None:
    """Refuse words that are not known, and the lack of those that are needed."""
    if unknown := sorted(set(words) - needed - more):
        raise WrongError(f"the word {unknown[0]!r} is unknown")
    if missing := sorted(needed - set(words)):
        raise WrongError(f"the word {missing[0]!r} is missing")


def plain(record: Any) -> Any:
    """A record as JSON, with its words."""
    if isinstance(record, t.Page):
        return {**record.to_dict(), "items": [plain(item) for item in record]}
    if isinstance(record, t.TertuliaError):
        words = [part.text for part in record.partial if isinstance(part, t.TextPart)]
        return {**record.info.to_dict(), "text": "".join(words)}
    return {**record.to_dict(), "text": record.text}


def holds(wanted: Any, value: Any) -> bool:
    with suppress(WrongError):
        check(wanted, value, "")
        return True
    return False


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "any": lambda wanted, value: wanted is True and value is not None,
    "contains": lambda wanted, value: (
        any(holds(wanted, item) for item in value)
        if isinstance(value, list)
        else isinstance(value, str) and isinstance(wanted, str) and wanted in value
    ),
    "count": lambda wanted, value: isinstance(value, list) and holds(wanted, len(value)),
    "more_than": lambda wanted, value: number(value) and number(wanted) and value > wanted,
    "not": lambda wanted, value: not holds(wanted, value),
}


def check(wanted: Any, value: Any, place: str) -> None:
    """Whether the value is what was wanted; else where it is not, and how."""
    good = False
    if isinstance(wanted, dict) and len(wanted) == 1 and (name := next(iter(wanted))) in TESTS:
        good = TESTS[name](wanted[name], value)
    elif isinstance(wanted, dict) and isinstance(value, dict):
        for name, inner in wanted.items():
            at = f"{place}.{name}".lstrip(".")
            if name not in value:
                raise WrongError(f"{at}: there is no such field")
            check(inner, value[name], at)
        return
    elif isinstance(wanted, list) and isinstance(value, list) and len(wanted) == len(value):
        for index, (inner, item) in enumerate(zip(wanted, value, strict=True)):
            check(inner, item, f"{place}.{index}".lstrip("."))
        return
    elif number(wanted) and number(value):
        good = wanted == value
    else:
        good = type(wanted) is type(value) and wanted == value
    if not good:
        raise WrongError(f"{place}: {json.dumps(value)} is not {json.dumps(wanted)}")


class Play:
    """One scenario on its way, in one of the two APIs."""

    def __init__(self, api: Any, engine: Any, store: Path, simulator: Simulator) -> None:
        self.api, self.engine, self.store, self.simulator = api, engine, store, simulator
        self.results: dict[str, Any] = {"simulator": simulator.url}
        self.handles: dict[str, Any] = {}
        self.opened: list[Any] = []

    def look_up(self, path: str) -> Any:
        value: Any = self.results
        for step in path.split("."):
            try:
                value = value[int(step)] if isinstance(value, list) else value[step]
            except (KeyError, IndexError, ValueError, TypeError):
                raise WrongError(f"nothing is called {path!r}") from None
        return value

    def filled(self, value: Any) -> Any:
        """The value with every ``${…}`` in its texts filled in."""
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if alone := re.fullmatch(r"\$\{([^}]*)\}", value):
            return self.look_up(alone[1])
        if "${" in re.sub(r"\$\{[^}]*\}", "", value):
            raise WrongError(f"{value!r} lacks a }}")
        found = lambda match: inner if isinstance(inner := self.look_up(match[1]), str) else json.dumps(inner)  # noqa: E731
        return re.sub(r"\$\{([^}]*)\}", found, value)

    async def step(self, step: Any) -> None:
        if not isinstance(step, dict) or step.get("do") not in VERBS:
            raise WrongError(f"the verb {step.get('do') if isinstance(step, dict) else step!r} is unknown")
        needed, more, options = VERBS[step["do"]]
        known(step, {"do", *needed}, {"as", "expect", "fails", *more})
        known(step.get("options", {}), set(), options)
        if {"expect", "fails"} <= set(step):
            raise WrongError("a step has 'expect' or 'fails', not both")
        step = self.filled(step)
        wanted = step.get("expect", {})
        try:
            result = await self.verb(step)
        except t.TertuliaError as error:
            if "fails" not in step:
                raise WrongError(f"it failed: {error}") from error
            result, wanted = plain(error), step["fails"]
        else:
            if "fails" in step:
                raise WrongError(f"{step['do']!r} succeeded, which it must not")
        check(wanted, result, "")
        if "as" in step:
            self.results[step["as"]] = result

    async def verb(self, step: dict[str, Any]) -> Any:
        do, options = step["do"], step.get("options", {})
        if do == "open":
            words = {**self.filled(self.engine), **options}
            known(words, set(), VERBS["open"][2])
            engine = self.api(self.store, **words)
            self.opened.append(engine)
            await done(engine.open())
            return self.keep(step, engine, {})
        if do == "simulator":
            return await asyncio.to_thread(self.sent, step.get("wait"))
        subject, name = self.handles.get(step["in"]), step["in"]
        if subject is None or not hasattr(subject, do):
            raise WrongError(f"{do!r} is no verb of {name!r}")
        verb = getattr(subject, do)
        if do == "close":
            await done(verb())
            return {}
        if do in ("user", "new_conversation", "conversation", "conversation_for"):
            made = verb(*(step[word] for word in ("id", "key") if word in step), **options)
            return self.keep(step, made, {"id": made.id})
        if do == "history":
            return plain(
                await done(verb(**{word: step[word] for word in ("limit", "before", "after") if word in step}))
            )
        spoken = verb(step["turn"] if do == "retry" else step["say"], **options)
        if do in ("ask", "send"):
            return plain(await done(spoken))
        return await streamed(await done(spoken), step.get("cancel_after"))

    def keep(self, step: dict[str, Any], handle: Any, result: Any) -> Any:
        if "as" in step:
            self.handles[step["as"]] = handle
        return result

    def sent(self, wait: str | None) -> Any:
        """What the simulator was sent."""
        if wait not in (None, "hung_up"):
            raise WrongError(f"the way to wait {wait!r} is unknown")
        seen = 0
        while wait and (event := self.simulator.wait_for("closed_by_peer", after=seen))["request"] is None:
            seen = event["seq"]
        requests = self.simulator.requests
        last = requests[-1] if requests else None
        told = last and {"method": last.method, "path": last.path, "headers": last.headers, "body": last.json()}
        return {"requests": len(requests), "last": told}


async def done(outcome: Any) -> Any:
    """The outcome of a verb of either API."""
    return await outcome if inspect.isawaitable(outcome) else outcome


async def streamed(stream: Any, limit: int | None) -> Any:
    kinds: list[str] = []
    words = ""
    events = aiter(stream) if hasattr(stream, "__aiter__") else iter(stream)
    while (event := await (anext(events, None) if hasattr(events, "__anext__") else at_once(events))) is not None:
        beat = event.type == "progress" and event.step == "heartbeat"
        if not beat and kinds[-1:] != [event.type]:
            kinds.append(event.type)
        if event.type == "text":
            words += event.delta
            if limit is not None and len(words) >= limit:
                stream.cancel()
                break
    return {**plain(await done(stream.reply())), "events": kinds, "streamed": words}


async def at_once(events: Iterator[Any]) -> Any:
    return next(events, None)


def play(api: Any, file: Path, folder: Path, words: set[str]) -> None:
    """Play a scenario. A failure knows its step, 0 before the first."""

    scenario = json.loads(file.read_text("utf-8"))

    async def main() -> None:
        known(scenario, words, set())
        if not scenario["steps"]:
            raise WrongError("steps must be a list of at least one")
        with Simulator() as simulator:
            played = Play(api, scenario["engine"], folder / "scenario.db", simulator)
            try:
                for index, step in enumerate(scenario["steps"]):
                    try:
                        await asyncio.wait_for(played.step(step), 60)
                    except WrongError as wrong:
                        wrong.step = index + 1
                        raise
            finally:
                for engine in played.opened:
                    await done(engine.close())

    asyncio.run(main())


APIS = pytest.mark.parametrize("api", [t.Tertulia, t.AsyncTertulia], ids=["sync", "async"])


@APIS
@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_scenario_holds(api: Any, file: Path, tmp_path: Path) -> None:
    try:
        play(api, file, tmp_path, {"about", "engine", "steps"})
    except WrongError as wrong:
        pytest.fail(f"{file.name}, step {wrong.step}: {wrong}", pytrace=False)


@APIS
@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_a_wrong_scenario_fails_where_it_is_wrong_and_says_so(api: Any, file: Path, tmp_path: Path) -> None:
    where = json.loads(file.read_text("utf-8"))["wrong"]
    with pytest.raises(WrongError) as caught:
        play(api, file, tmp_path, {"about", "engine", "steps", "wrong"})
    assert caught.value.step == where["step"], str(caught.value)
    assert where["says"] in str(caught.value)


def test_the_scenarios_were_found() -> None:
    assert len(SCENARIOS) >= 5 and len(WRONG) >= 30
