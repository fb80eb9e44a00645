"""Leave in the middle of replies, over and over: the part of Python. The README of this folder says what is played.

leaving.py URL OUT CANCELS CALLS STREAMS
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import faulthandler
import gc
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tertulia as t

# A reply that stops in the middle, with its connection open.
STALLS = "lab/sim:text=one%20two%20three;chunks=3;stall=2"
WATCHDOG_S, SHOWN, AT_ONCE, WARM = 5.0, 5, 64, 0.25
# Before Python 3.11 these are three.
HANGS = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)


class WrongError(Exception):
    """Something is not as it must be."""


class Witness:
    """The simulator, as somebody who asks what it saw."""

    def __init__(self, url: str) -> None:
        self.url, self.seen, self.pool = url, 0, ThreadPoolExecutor(1)

    def watch(self) -> Future[float]:
        """Begin to watch for the next client that closes its connection in the middle of a reply."""
        asked = threading.Event()
        watching = self.pool.submit(self._hung_up, asked)
        asked.wait(WATCHDOG_S)
        return watching

    def _hung_up(self, asked: threading.Event) -> float:
        asked.set()
        question = f"{self.url}/_simulator/hung_up?after={self.seen}"
        with urllib.request.urlopen(question, timeout=WATCHDOG_S) as answer:
            told = json.load(answer)
        at = time.perf_counter()
        self.seen = told["seq"]
        return at


def kept(asked: t.Message, answer: t.Message, reply: t.Reply, held: int) -> None:
    """Look at what a reply that was left has become."""
    if reply.status != "cancelled":
        raise WrongError(f"the turn ended as {reply.status}")
    if asked.text != "Count" or answer.status != "cancelled" or not answer.text.startswith("one"):
        raise WrongError(f"kept: {answer.text!r} as {answer.status}")
    if held:
        raise WrongError(f"{held} tokens are still held back")


def line(left: str, runs: int, delays: list[float], hangs: int, wrong: list[str]) -> dict[str, Any]:
    """What is told of one way to leave."""
    delays.sort()
    at = [delays[int(len(delays) * share)] * 1e3 if delays else None for share in (0.5, 0.99)]
    return {"left": left, "runs": runs, "hangs": hangs, "wrong": len(wrong), "shown": wrong[:SHOWN],
            "p50_ms": at[0], "p99_ms": at[1]}  # fmt: skip


def pressed(engine: t.Tertulia, witness: Witness) -> float:
    """Leave by Ctrl-C while the main thread waits for the next words."""
    chat = engine.user("ana").new_conversation()
    stream = chat.stream("Count", model=STALLS)
    words = stream.text()
    if not next(words).startswith("one"):
        raise WrongError("the reply does not begin")
    watching, at = witness.watch(), 0.0

    def press() -> None:
        nonlocal at
        at = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Timer(0.001, press)
    try:
        finger.start()
        for _ in words:
            pass
        raise WrongError("nobody was interrupted")
    except KeyboardInterrupt:
        turn = stream.turn_id
        del words, stream
    finger.join()
    seen = watching.result(WATCHDOG_S)
    assert turn is not None
    reply = chat.attach(turn).reply()
    asked, answer = chat.history()
    kept(asked, answer, reply, sum(budget.reserved for budget in engine.user("ana").budgets()))
    return seen - at


def in_sync(url: str, store: str, witness: Witness, runs: int) -> dict[str, Any]:
    """Press Ctrl-C so often."""
    delays: list[float] = []
    hangs, wrong = 0, []
    with t.Tertulia(store, providers=[t.ProviderSpec(name="lab", base_url=f"{url}/v1")], model="lab/sim") as engine:
        engine.set_budget(tokens=2**61)
        for _ in range(runs):
            # Whoever does not hear of Ctrl-C waits for ever: then the program ends, and says where it stood.
            faulthandler.dump_traceback_later(2 * WATCHDOG_S, exit=True)
            try:
                delays.append(pressed(engine, witness))
            except HANGS:
                hangs += 1
            except (WrongError, t.TertuliaError) as error:
                wrong.append(str(error))
        faulthandler.cancel_dump_traceback_later()
    return line("Ctrl-C", runs, delays, hangs, wrong)


async def by_task(stream: t.AsyncReplyStream) -> float:
    """Cancel the task that reads."""

    async def read() -> None:
        async for _ in stream:
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    at = time.perf_counter()
    reading.cancel()
    try:
        await reading
    except asyncio.CancelledError:
        pass
    return at


async def by_cancel(stream: t.AsyncReplyStream) -> float:
    """Say so."""
    at = time.perf_counter()
    stream.cancel()
    return at


async def by_leaving(stream: t.AsyncReplyStream) -> float:
    """Leave the block of the stream."""
    at = time.perf_counter()
    async with stream:
        pass
    return at


async def by_nothing(_stream: t.AsyncReplyStream) -> float:
    """Hold it no longer: whoever called does so."""
    return time.perf_counter()


Way = Callable[[t.AsyncReplyStream], Awaitable[float]]
WAYS: dict[str, Way] = {
    "task cancelled": by_task, "cancel": by_cancel, "block left": by_leaving, "dropped": by_nothing
}  # fmt: skip


async def left(engine: t.AsyncTertulia, witness: Witness, way: Way) -> float:
    """Leave one reply."""
    me = engine.user("ana")
    chat = me.new_conversation()
    stream = await chat.stream("Count", model=STALLS)
    async for words in stream.text():
        if not words.startswith("one"):
            raise WrongError("the reply does not begin")
        break
    turn = stream.turn_id
    watching = witness.watch()
    at = await way(stream)
    del stream
    seen = await asyncio.wrap_future(watching)
    assert turn is not None
    reply = await chat.attach(turn).reply()
    asked, answer = await chat.history()
    kept(asked, answer, reply, sum(budget.reserved for budget in await me.budgets()))
    return seen - at


async def leave(engine: t.AsyncTertulia, witness: Witness, name: str, runs: int) -> dict[str, Any]:
    """Leave so often by one way."""
    delays: list[float] = []
    hangs, wrong = 0, []
    for _ in range(runs):
        try:
            delays.append(await asyncio.wait_for(left(engine, witness, WAYS[name]), WATCHDOG_S))
        except HANGS:
            hangs += 1
        except (WrongError, t.TertuliaError) as error:
            wrong.append(str(error))
    return line(name, runs, delays, hangs, wrong)


def resident_mb() -> float:
    """What the process holds."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


async def flat(what: str, runs: int, together: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    """Do it so often, 64 at once, and look at the memory."""
    done, warm = 0, 0.0
    while done < runs:
        await together()
        done += AT_ONCE
        if not warm and done >= runs * WARM:
            gc.collect()
            warm = resident_mb()
    gc.collect()
    return {"flat": what, "runs": done, "warm_mb": warm, "end_mb": resident_mb()}


async def in_async(url: str, store: str, witness: Witness, cancels: int, calls: int, streams: int) -> list[Any]:
    """Everything that a loop can do."""
    dice = random.Random(0x50A4)
    lab = t.ProviderSpec(name="lab", base_url=f"{url}/v1")
    async with t.AsyncTertulia(store, providers=[lab], model="lab/sim") as engine:
        await engine.set_budget(tokens=2**61)

        async def go() -> None:
            asked = [asyncio.create_task(engine.ask("Hi", model="lab/sim:stall")) for _ in range(AT_ONCE)]
            await asyncio.sleep(dice.uniform(0, 0.006))
            for task in asked:
                task.cancel()
            for ended in await asyncio.gather(*asked, return_exceptions=True):
                if not isinstance(ended, asyncio.CancelledError):
                    raise WrongError(f"a call that must wait for ever ended: {ended!r}")

        chats = [engine.user("bob").new_conversation() for _ in range(AT_ONCE)]

        async def words(chat: t.AsyncConversation) -> str:
            stream = chat.stream("Hi", model="lab/sim:text=a%20b%20c;chunks=3", context={"turns": 1})
            return "".join([text async for text in stream.text()])

        async def read() -> None:
            said = set(await asyncio.gather(*(words(chat) for chat in chats)))
            if said != {"a b c"}:
                raise WrongError(f"streams said {said}")

        told = [await leave(engine, witness, name, cancels) for name in WAYS]
        told.append(await flat("cancelled calls", calls, go))
        told.append(await flat("streams", streams, read))
        return told


def main() -> None:
    """Play all of it."""
    url, out = sys.argv[1], Path(sys.argv[2])
    cancels, calls, streams = (int(count) for count in sys.argv[3:])
    witness = Witness(url)
    told = [in_sync(url, str(out.with_suffix(".sync.db")), witness, cancels)]
    told += asyncio.run(in_async(url, str(out.with_suffix(".db")), witness, cancels, calls, streams))
    out.write_text("".join(f"{json.dumps(said)}\n" for said in told))


if __name__ == "__main__":
    main()
