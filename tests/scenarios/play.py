"""Play the scenarios of this folder in Python, in both ways, and say how many held: ``python: N passed, 0 failed``.

    play.py [--only WORD] [--beside FOLDER]

A scenario passes when it holds in the sync way and in the async way. ``--only`` plays the files whose names hold the
word. ``--beside`` is a folder into which another language's runner told what every step gave: then a scenario passes
only if it gave the same here. The README of this folder says what a scenario is.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import tertulia as t
from same import Same
from tertulia.testing import Simulator
from verbs import FOLDER, FORMAT, VERBS

ANY = {"as", "expect", "fails"}
# What says how a step is played, and is no argument of its verb.
WAYS = {"options", "change", "read", "cancel_after", "detach_after", "until", "say"}
STEP_LIMIT_S, WAIT_S, PAUSE_S = 60, 10, 0.005


class WrongError(Exception):
    """The scenario does not hold, or is not understood."""

    step = 0


def known(words: Any, needed: set[str], more: set[str]) -> None:
    """Refuse words that are not known, and the lack of those that are needed."""
    if not isinstance(words, dict):
        raise WrongError("these words must be an object")
    if unknown := [word for word in words if word not in needed | more]:
        raise WrongError(f"the word {unknown[0]!r} is unknown")
    if missing := sorted(needed - set(words)):
        raise WrongError(f"the word {missing[0]!r} is missing")


def plain(record: Any) -> Any:
    """What a verb gave, as JSON."""
    if record is None or isinstance(record, bool | int | float | str):
        return record
    if isinstance(record, tuple | list):
        return [plain(item) for item in record]
    if isinstance(record, Mapping):
        return {name: plain(value) for name, value in record.items()}
    if isinstance(record, t.Page):
        return {**record.to_dict(), "items": [plain(item) for item in record]}
    if isinstance(record, t.TertuliaError):
        words = [part.text for part in record.partial if isinstance(part, t.TextPart)]
        return {**record.info.to_dict(), "text": "".join(words)}
    if isinstance(record, t.Reply):
        return {**record.to_dict(), "text": record.text, "notice": record.notice}
    if isinstance(record, t.Message):
        return {**record.to_dict(), "text": record.text}
    if isinstance(record, t.Budget):
        return {**record.to_dict(), "id": record.id}
    if isinstance(record, t.RawResponse):
        body = None
        with suppress(t.TertuliaError):
            body = record.json()
        return {"status": record.status, "body": body}
    return record.to_dict()


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


def keywords(words: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs as Python names them: a length of time has a type of its own."""
    if "expires_in_ms" not in words:
        return dict(words)
    length = words["expires_in_ms"]
    rest = {name: value for name, value in words.items() if name != "expires_in_ms"}
    return {**rest, "expires_in": None if length is None else timedelta(milliseconds=length)}


class Handle:
    """What a step has made and others are done with, and what its verbs begin with in the list of verbs."""

    def __init__(self, kind: str, subject: Any) -> None:
        self.kind, self.subject = kind, subject
        self.rows: list[Any] = []
        self.coming: Any = None

    async def until(self, wanted: Any) -> Any:
        """Read changes until the rows are as wanted; or one thing after the other, until one is."""
        rows = hasattr(self.subject, "next")
        last: Any = None
        if rows and holds(wanted, shown := plain(self.rows)):
            return shown

        async def reading() -> None:
            nonlocal last
            while (came := await self.step()) is not None:
                for change in came if rows else ():
                    change.apply(self.rows)
                last = plain(self.rows) if rows else plain(came)
                if holds(wanted, last):
                    return

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reading(), WAIT_S)
        check(wanted, last, "")
        return last

    async def step(self) -> Any:
        if hasattr(self.subject, "next"):
            return await self.come(self.subject.next)
        if self.coming is None:
            subject = self.subject
            self.coming = aiter(subject) if hasattr(subject, "__aiter__") else iter(subject)
        coming = self.coming
        if hasattr(coming, "__anext__"):
            return await anext(coming, None)
        return await self.come(lambda: next(coming, None))

    async def come(self, wait: Callable[[], Any]) -> Any:
        """What is waited for; on a thread of its own in the sync way, so that a test can be over without it."""
        if inspect.isawaitable(came := wait() if type(self.subject).__name__.startswith("Async") else None):
            return await came
        loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def work() -> None:
            try:
                result, error = wait(), None
            except BaseException as raised:
                result, error = None, raised
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(tell, result, error)

        def tell(result: Any, error: BaseException | None) -> None:
            if not future.done():
                future.set_exception(error) if error else future.set_result(result)

        threading.Thread(target=work, daemon=True).start()
        return await future


class Play:
    """One scenario on its way, in one of the two ways."""

    def __init__(self, api: Any, engine: Any, folder: Path, simulator: Simulator) -> None:
        self.api, self.engine, self.simulator = api, engine, simulator
        self.store = folder / "scenario.db"
        self.results: dict[str, Any] = {"simulator": simulator.url, "folder": str(folder)}
        self.handles: dict[str, Handle] = {}
        self.opened: list[Any] = []
        self.told: list[Any] = []

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

        def found(match: re.Match[str]) -> str:
            inner = self.look_up(match[1])
            return inner if isinstance(inner, str) else json.dumps(inner)

        return re.sub(r"\$\{([^}]*)\}", found, value)

    def known(self, step: Any) -> tuple[dict[str, Any], Handle | None]:
        """The verb of a step and what it is done with, if the step says what a step may say."""
        if not isinstance(step, dict):
            raise WrongError("a step is an object")
        if {"expect", "fails"} <= set(step):
            raise WrongError("a step has 'expect' or 'fails', not both")
        do, name = step.get("do"), step.get("in")
        handle = self.handles.get(name) if name else None
        if name and handle is None:
            raise WrongError(f"{name!r} is no handle")
        verb = VERBS.get(f"{handle.kind}.{do}" if handle else str(do))
        if verb is None or "word" in verb:
            if not any(key.endswith(f".{do}") for key in VERBS):
                raise WrongError(f"the verb {do!r} is unknown")
            raise WrongError(f"{do!r} is no verb of {name!r}" if name else f"{do!r} lacks the word 'in'")
        known(step, {"do", *verb.get("needs", ()), *(["in"] if handle else [])}, {*verb.get("may", ()), *ANY})
        for word in ("options", "change"):
            if word in step and word in verb:
                known(step[word], set(), set(FORMAT[word][verb[word]]))
        return verb, handle

    async def step(self, step: Any) -> None:
        verb, handle = self.known(step)
        step = self.filled(step)
        wanted = step.get("expect", {"not": {"any": False}})
        try:
            result = await self.waited(step, verb, handle)
        except t.TertuliaError as error:
            if "fails" not in step:
                raise WrongError(f"it failed: {error}") from error
            result, wanted = plain(error), step["fails"]
        else:
            if "fails" in step:
                raise WrongError(f"{step['do']!r} succeeded, which it must not")
        check(wanted, result, "")
        self.told.append(result)
        if "as" in step:
            self.results[step["as"]] = result

    async def waited(self, step: dict[str, Any], verb: dict[str, Any], handle: Handle | None) -> Any:
        """Play a verb; one that says until when, again and again until then."""
        if "until" not in step or handle is None:
            return await self.verb(step, verb, handle)
        if step["do"] == "next":
            return await handle.until(step["until"])
        given_up = time.monotonic() + WAIT_S
        while True:
            result = await self.verb(step, verb, handle)
            try:
                check(step["until"], result, "")
            except WrongError:
                if time.monotonic() > given_up:
                    raise
                await asyncio.sleep(PAUSE_S)
            else:
                return result

    async def verb(self, step: dict[str, Any], verb: dict[str, Any], handle: Handle | None) -> Any:
        do, made = step["do"], verb.get("gives")
        if handle is None:
            return await self.bare(step)
        arguments = [step[word] for word in verb.get("needs", ()) if word not in WAYS - {"say"}]
        if "chat" in step:
            if not (chat := self.handles.get(step["chat"])) or chat.kind != "conversation":
                raise WrongError(f"{step['chat']!r} is no conversation")
            arguments[0] = chat.subject
        if "say" in step and "say" in verb.get("may", ()):
            arguments.append(step["say"])
        if do == "warm_up":
            arguments = step["models"]
        knobs = keywords({**step.get("options", {}), **step.get("change", {})})
        knobs |= {word: step[word] for word in verb.get("may", ()) if word in step and word not in WAYS}
        called = getattr(handle.subject, do)
        result = called(*arguments, **knobs) if callable(called) else called
        if do in ("stream", "retry", "edit", "regenerate", "attach") and handle.kind == "conversation":
            return await streamed(await done(result), step)
        if do == "messages":
            return [plain(message) async for message in each(result)]
        if do == "sse":
            return await first_told(result)
        result = await done(result)
        if made:
            return self.keep(step, made, result)
        if handle.kind == "batch" and result is handle.subject:
            return None
        if do == "open":
            return {"summary": plain(result[0]), "page": plain(result[1])}
        return plain(result)

    async def bare(self, step: dict[str, Any]) -> Any:
        """What is done with no handle."""
        if step["do"] == "open":
            words = {**self.filled(self.engine), **step.get("options", {})}
            known(words, set(), set(FORMAT["options"]["open"]))
            engine = self.api(self.store, **words)
            self.opened.append(engine)
            await done(engine.open())
            return self.keep(step, "engine", engine)
        if step["do"] == "write":
            return await asyncio.to_thread(write, step["path"], step["value"])
        return await asyncio.to_thread(self.sent, step.get("wait"))

    def keep(self, step: dict[str, Any], kind: str, made: Any) -> Any:
        if "as" in step:
            self.handles[step["as"]] = Handle(kind, made)
        return {"id": made.id} if kind in ("user", "conversation") else {}

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


def write(path: str, value: Any) -> None:
    """Put a file there: a text as it is, anything else as JSON."""
    Path(path).write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "utf-8")


async def done(outcome: Any) -> Any:
    """The outcome of a verb of either way."""
    return await outcome if inspect.isawaitable(outcome) else outcome


async def each(items: Any) -> Any:
    """The items of an iterator of either way."""
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def streamed(stream: Any, step: dict[str, Any]) -> Any:
    """A stream, read in the way the step says: to its end, or as far as it says."""
    cancel, detach = step.get("cancel_after"), step.get("detach_after")
    limit, read = cancel if detach is None else detach, step.get("read", "events")
    kinds: list[str] = []
    words, seq = "", 0

    def enough() -> bool:
        return limit is not None and len(words) >= limit

    async def batches() -> Any:
        while batch := await done(stream.next_batch()):
            yield batch

    if read == "sse":
        return await sse(stream.sse())
    if read not in ("events", "batches", "text"):
        raise WrongError(f"the way to read {read!r} is unknown")
    coming = batches() if read == "batches" else each(stream.text() if read == "text" else stream)
    while not enough() and (came := await anext(coming, None)) is not None:
        if read == "text":
            words += came
            continue
        for event in came if read == "batches" else [came]:
            seq = event.seq
            beat = event.type == "progress" and event.step == "heartbeat"
            if not beat and kinds[-1:] != [event.type]:
                kinds.append(event.type)
            if event.type == "text":
                words += event.delta
    if detach is not None:
        stream.detach()
        reply = {"turn_id": stream.turn_id}
    else:
        if cancel is not None and enough():
            stream.cancel()
        reply = plain(await done(stream.reply()))
    return {**reply, "events": kinds, "streamed": words, "seq": seq}


async def sse(stream: Any) -> Any:
    """What a page would be told of a reply: the types of its events and the words of the answer."""
    told = b"".join([piece async for piece in each(stream)]).decode()
    kinds: list[str] = []
    words = ""
    for line in told.splitlines():
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            if kinds[-1:] != [event["type"]]:
                kinds.append(event["type"])
            words += event["delta"] if event["type"] == "text" else ""
    return {"events": kinds, "streamed": words}


async def first_told(stream: Any) -> Any:
    """What a page is told first of a timeline: all rows."""
    async for piece in each(stream):
        for line in piece.decode().splitlines():
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))
    return None


def play(api: Any, file: Path, words: set[str]) -> list[Any]:
    """Play a scenario and give what its steps gave. A failure knows its step, 0 before the first."""
    scenario = json.loads(file.read_text("utf-8"))

    async def main(folder: Path) -> list[Any]:
        known(scenario, words, set())
        if not scenario["steps"]:
            raise WrongError("steps must be a list of at least one")
        with Simulator() as simulator:
            played = Play(api, scenario["engine"], folder, simulator)
            try:
                for index, step in enumerate(scenario["steps"]):
                    try:
                        await asyncio.wait_for(played.step(step), STEP_LIMIT_S)
                    except (WrongError, asyncio.TimeoutError) as failure:
                        wrong = WrongError(str(failure) or "nothing came within 60 s")
                        wrong.step = index + 1
                        raise wrong from failure
            finally:
                for engine in played.opened:
                    await done(engine.close())
            # Where the simulator and the folder are is said by their names.
            text = json.dumps(played.told, ensure_ascii=False).replace(simulator.url, "${simulator}")
            told: list[Any] = json.loads(text.replace(str(folder), "${folder}"))
            return told

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(main(Path(folder)))


def refused(api: Any, file: Path) -> None:
    """Play a scenario that must fail where it says, and with the words that it says."""
    expected = json.loads(file.read_text("utf-8"))["wrong"]
    try:
        play(api, file, {"about", "engine", "steps", "wrong"})
    except WrongError as wrong:
        if wrong.step != expected["step"] or expected["says"] not in str(wrong):
            raise
        return
    raise WrongError("it passed, which it must not")


def files(folder: Path, only: str) -> Iterator[Path]:
    return (file for file in sorted(folder.glob("*.json")) if only in file.name)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="Play the scenarios in Python.")
    parser.add_argument("--only", default="", help="the files whose names hold this word")
    parser.add_argument("--beside", type=Path, help="what another language's runner told")
    arguments = parser.parse_args()
    scenarios, wrong = list(files(FOLDER, arguments.only)), list(files(FOLDER / "wrong", arguments.only))
    ways = {"sync": t.Tertulia, "async": t.AsyncTertulia}
    held = {way: 0 for way in ways}
    bad: set[str] = set()
    for way, api in ways.items():
        for file in wrong:
            try:
                refused(api, file)
            except WrongError as failure:
                say(f"python, {way}: wrong/{file.name}, step {failure.step}: {failure}")
                bad.add(f"wrong/{file.name}")
        for file in scenarios:
            try:
                told = play(api, file, {"about", "engine", "steps"})
                if arguments.beside:
                    steps = json.loads(file.read_text("utf-8"))["steps"]
                    Same().compare(steps, json.loads((arguments.beside / file.name).read_text("utf-8")), told)
            except WrongError as failure:
                say(f"python, {way}: {file.name}, step {failure.step}: {failure}")
                bad.add(file.name)
            except (Same.Difference, OSError) as failure:
                say(f"python, {way}: {file.name}: {failure}")
                bad.add(file.name)
            else:
                held[way] += 1
    say(f"python: {len(wrong)} wrong scenarios were played as well")
    say("python: " + ", ".join(f"{count} held in the {way} way" for way, count in held.items()))
    passed = sum(file.name not in bad for file in scenarios)
    if not scenarios and not wrong:
        bad.add("none")
    say(f"python: {passed} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
