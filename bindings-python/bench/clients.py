"""The engine through Python beside aiohttp, and beside what people take for this: openai, and litellm over it.

All of them in one process and one run, on one loop, asking the same simulator.

The provider is the simulator in a process of its own, so that the figures are the client's alone: CPU time of this
process divided by the work done. Rounds alternate; the median round counts. The ratios are what to look at.

    python bindings-python/bench/clients.py [bench.json]
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import openai
from tertulia import AsyncTertulia, TextEvent

ROUNDS = 5
CALLS, AT_ONCE = 1_500, 64
STREAMS, EVENTS = 100, 200
# They take so much longer that fewer do.
CALLS_OF_PEERS, STREAMS_OF_PEERS = 300, 16
# The engine streams every call: a reply in one event, as in the bench of Rust, and the same reply in an event for each word.
SMALL = "sim:text=Hello%20there,%20how%20are%20you%20today;chunks=1"
WORDS = SMALL.removesuffix(";chunks=1")
LONG = f"sim:words={EVENTS}"
SERVER = """
from tertulia.testing import Simulator
import sys
with Simulator() as simulator:
    print(simulator.url, flush=True)
    sys.stdin.read()
"""


def cpu() -> float:
    """CPU seconds of this process so far, its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def spread(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work so often, some at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            await work()

    await asyncio.gather(*(one() for _ in range(count)))


class Bare:
    """What one would write without a library."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, f"{url}/v1/chat/completions"

    async def call(self) -> None:
        body = {"model": SMALL, "messages": [{"role": "user", "content": "hello"}]}
        async with self.session.post(self.url, json=body) as response:
            reply = await response.json()
        assert reply["choices"][0]["message"]["content"]

    async def stream(self) -> None:
        body = {"model": LONG, "messages": [{"role": "user", "content": "hello"}], "stream": True}
        seen = 0
        async with self.session.post(self.url, json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                    seen += bool(json.loads(line[6:])["choices"])
        assert seen >= EVENTS, seen


class OpenAI:
    """The same through the provider's own library."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self.client = client

    async def call(self) -> None:
        reply = await self.client.chat.completions.create(model=SMALL, messages=[{"role": "user", "content": "hello"}])
        assert reply.choices[0].message.content

    async def stream(self) -> None:
        seen = 0
        chunks = await self.client.chat.completions.create(
            model=LONG, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        async for chunk in chunks:
            seen += bool(chunk.choices)
        assert seen >= EVENTS, seen


class LiteLLM:
    """The same through the library that speaks to every provider."""

    def __init__(self, url: str) -> None:
        # It would fetch its prices from the network.
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        import litellm

        self.complete = litellm.acompletion
        self.how = {"messages": [{"role": "user", "content": "hello"}], "api_base": f"{url}/v1", "api_key": "none"}

    async def call(self) -> None:
        reply = await self.complete(model=f"openai/{SMALL}", **self.how)
        assert reply.choices[0].message.content

    async def stream(self) -> None:
        seen = 0
        async for chunk in await self.complete(model=f"openai/{LONG}", stream=True, **self.how):
            seen += bool(chunk.choices)
        assert seen > 0


class Engine:
    """The same through the engine: stateless calls, and durable turns in memory."""

    def __init__(self, tertulia: AsyncTertulia) -> None:
        self.tertulia = tertulia

    async def call(self) -> None:
        assert (await self.tertulia.ask("hello", model=f"lab/{SMALL}")).text

    async def call_in_words(self) -> None:
        assert (await self.tertulia.ask("hello", model=f"lab/{WORDS}")).text

    async def turn(self) -> None:
        assert (await self.tertulia.user("ana").new_conversation().send("hello", model=f"lab/{SMALL}")).text

    async def stream(self) -> None:
        seen = 0
        chat = self.tertulia.user("ana").new_conversation()
        async for event in chat.stream("hello", model=f"lab/{LONG}"):
            if isinstance(event, TextEvent):
                seen += 1
        assert seen > 0


async def measured() -> dict[str, list[float]]:
    """What one unit of each work took, round by round."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    rounds: dict[str, list[float]] = {}

    async def measure(name: str, units: int, work: Awaitable[None]) -> None:
        before = cpu()
        await work
        rounds.setdefault(name, []).append((cpu() - before) / units * 1e6)

    lab = {"name": "lab", "base_url": f"{url}/v1"}
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    # As many connections as aiohttp has: with the defaults half of those of a burst would be closed behind it.
    settings = {"network": {"max_connections": AT_ONCE, "max_idle_connections": AT_ONCE}}
    opened = AsyncTertulia("memory:", providers=[lab], settings=settings)
    async with aiohttp.ClientSession(connector=connector) as session, opened as t:
        bare, engine = Bare(session, url), Engine(t)
        peers = {"openai": OpenAI(openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none")), "litellm": LiteLLM(url)}
        for warmed in (bare, engine, *peers.values()):
            await spread(200, warmed.call)
        # What the largest of them has imported would be gone through by the collector in everybody's rounds.
        gc.collect()
        gc.freeze()
        for _ in range(ROUNDS):
            await measure("request.aiohttp_cpu_us", CALLS, spread(CALLS, bare.call))
            await measure("request.cpu_us", CALLS, spread(CALLS, engine.call))
            await measure("request_in_words.cpu_us", CALLS, spread(CALLS, engine.call_in_words))
            await measure("turn_memory.cpu_us", CALLS, spread(CALLS, engine.turn))
            await measure("stream_event.aiohttp_cpu_us", STREAMS * EVENTS, spread(STREAMS, bare.stream))
            await measure("stream_event.cpu_us", STREAMS * EVENTS, spread(STREAMS, engine.stream))
            for name, peer in peers.items():
                events = STREAMS_OF_PEERS * EVENTS
                await measure(f"request.{name}_cpu_us", CALLS_OF_PEERS, spread(CALLS_OF_PEERS, peer.call))
                await measure(f"stream_event.{name}_cpu_us", events, spread(STREAMS_OF_PEERS, peer.stream))
    server.communicate()

    return rounds


def main(target: Path) -> None:
    """Measure, print, and add the figures to the file."""
    rounds = asyncio.run(measured())
    figures = {name: (statistics.median(values), "µs CPU") for name, values in rounds.items()}
    for work in ("request", "stream_event"):
        ratio = figures[f"{work}.cpu_us"][0] / figures[f"{work}.aiohttp_cpu_us"][0]
        figures[f"{work}.cpu_ratio_to_aiohttp"] = (ratio, "ratio")
    for name, (value, unit) in figures.items():
        low, high = (min(rounds[name]), max(rounds[name])) if name in rounds else (value, value)
        print(f"{name:<32} {value:>10.2f} {low:>10.2f} {high:>10.2f}  {unit}")
    known = json.loads(target.read_text()) if target.exists() else {}
    known |= {f"python.{name}": {"value": value, "unit": unit} for name, (value, unit) in figures.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(known, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "target/bench.json"))
