"""What crossing into the engine costs. Best of several rounds, on one thread: run it on a quiet machine.

python bindings-python/bench/bridge.py
"""

from __future__ import annotations

import asyncio
import sys
import time
import timeit
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import tertulia as t
from tertulia._native import _probe

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from samples import message, text  # noqa: E402


def show(what: str, seconds: float) -> None:
    print(f"{what:58} {seconds * 1e6:9.3f} µs")


def sync(what: str, call: Callable[[], Any], count: int = 20_000) -> None:
    show(what, min(timeit.repeat(call, number=count, repeat=7)) / count)


async def awaits(what: str, call: Callable[[], Awaitable[Any]], count: int = 5_000) -> None:
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            await call()
        best = min(best, time.perf_counter() - start)
    show(what, best / count)


async def together(what: str, call: Callable[[], Awaitable[Any]], tasks: int = 100, each: int = 50) -> None:
    async def one() -> None:
        for _ in range(each):
            await call()

    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        await asyncio.gather(*[one() for _ in range(tasks)])
        best = min(best, time.perf_counter() - start)
    show(what, best / tasks / each)


COUNT = 50_000


async def streams() -> None:
    async def by_event() -> int:
        count = 0
        async for _ in _probe.Events(COUNT):
            count += 1
        return count

    async def by_batch() -> int:
        count, stream = 0, _probe.Events(COUNT)
        while batch := await stream.next_batch(64):
            count += len(batch)
        return count

    for what, read in (("async for, an event", by_event), ("await next_batch(64), an event", by_batch)):
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            assert await read() == COUNT
            best = min(best, time.perf_counter() - start)
        show(what, best / COUNT)


async def main() -> None:
    await awaits("await, ready at once", lambda: _probe.awaiting("ready"))
    await awaits("await, one hop", lambda: _probe.awaiting("yield"), 2_000)
    await together("await, one hop, 100 in flight", lambda: _probe.awaiting("yield"))
    await streams()


page = _probe.message_page(message, 50)


def read_page() -> None:
    for m in _probe.message_page(message, 50):
        _ = m.id, m.role, m.text, m.status


print("Python", sys.version.split()[0])
sync("TextPart.text", lambda: text.text, 200_000)
sync("Message.id", lambda: message.id, 200_000)
sync("Message.role", lambda: message.role, 200_000)
sync("Message.created_at", lambda: message.created_at)
sync("Message.parts (2)", lambda: message.parts)
sync("Message.to_dict()", message.to_dict)
sync("items of a page of 50", lambda: page.items)
sync("make a page of 50 (copying) and read 4 fields of each", read_page, 1_000)
sync("TextPart('hi')", lambda: t.TextPart("hi"))
sync("blocking call, ready at once", lambda: _probe.blocking("ready"))
sync("blocking call, one hop", lambda: _probe.blocking("yield"), 2_000)
best = float("inf")
for _ in range(5):
    start = time.perf_counter()
    assert sum(1 for _ in _probe.Events(COUNT)) == COUNT
    best = min(best, time.perf_counter() - start)
show("for, an event", best / COUNT)
asyncio.run(main())
