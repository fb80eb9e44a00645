"""Limits, the queue and refused keys from Python, against the simulator."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import tertulia as t
from tertulia.testing import Simulator

ALONE: dict[str, Any] = {"limits": {"max_concurrent": 1}, "retry": {"max_attempts": 1}}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


def engine(sim: Simulator, settings: dict[str, Any]) -> t.Tertulia:
    return t.Tertulia("memory:", providers=[sim.provider()], model="sim/busy", settings=settings)


def test_who_is_urgent_goes_first_and_who_waits_hears_of_its_place(sim: Simulator) -> None:
    sim.script("busy", "stall", "text=hi")
    with engine(sim, ALONE) as tertulia:
        me = tertulia.user("ana")
        held = me.new_conversation().stream("held")
        sim.wait_for("request_received")
        background = me.new_conversation().stream("background", priority="background")
        events = iter(background)
        queued = next(event for event in events if isinstance(event, t.ProgressEvent))
        assert (queued.step, queued.position) == ("queued", 0) and queued.wait_ms is not None
        urgent = me.new_conversation().stream("urgent", priority="interactive")
        assert next(e for e in urgent if isinstance(e, t.ProgressEvent)).step == "queued"
        replies: list[t.Reply] = []
        readers = [threading.Thread(target=lambda s=s: replies.append(s.reply())) for s in (background, urgent)]
        for reader in readers:
            reader.start()
        held.cancel()
        for reader in readers:
            reader.join(10)
        assert [reply.text for reply in replies] == ["hi", "hi"]
    asked = [request.json()["messages"][-1]["content"] for request in sim.requests]
    assert asked == ["held", "urgent", "background"]


def test_who_is_rate_limited_always_hears_for_how_long_and_who_says_so(sim: Simulator) -> None:
    quiet: dict[str, Any] = {"retry": {"max_attempts": 1}, "limits": {"adaptive": False}}
    with engine(sim, quiet) as tertulia:
        with pytest.raises(t.RateLimitedError) as raised:
            tertulia.ask("hi", model="sim/sim:status=429;retry_after=90")
        assert (raised.value.retry_after, raised.value.retry_after_source) == (90.0, "server")
        with pytest.raises(t.RateLimitedError) as raised:
            tertulia.ask("hi", model="sim/sim:status=429;message=busy")
        assert (raised.value.retry_after, raised.value.retry_after_source) == (60.0, "assumed")
        assert raised.value.info.retry_after_source == "assumed"
    slow: dict[str, Any] = {"limits": {"overrides": {"sim": {"requests_per_minute": 1}}}}
    with engine(sim, slow) as tertulia:
        tertulia.ask("hi", model="sim/sim:text=hi")
        count = sim.request_count
        with pytest.raises(t.RateLimitedError) as raised:
            tertulia.ask("hi", model="sim/sim:text=hi", timeout=5)
        assert (raised.value.reason, raised.value.retry_after_source) == ("queue_deadline", "bucket")
        assert raised.value.retry_after is not None and 50 < raised.value.retry_after <= 61
        assert sim.request_count == count and not raised.value.attempts


def test_a_refused_key_is_left_alone_until_it_changes(sim: Simulator) -> None:
    with engine(sim, {}) as tertulia:
        for key, requests in [("old", 1), ("old", 1), ("new", 2), ("old", 2)]:
            with pytest.raises(t.UnauthorizedError):
                tertulia.ask("hi", model="sim/sim:error=auth", key=key)
            assert sim.request_count == requests


def test_the_same_awaited(sim: Simulator) -> None:
    sim.script("busy", "stall", "text=hi")

    async def main() -> None:
        made = t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/busy", settings=ALONE)
        async with made as tertulia:
            me = tertulia.user("ana")
            held = await me.new_conversation().stream("held")
            await asyncio.to_thread(sim.wait_for, "request_received")
            waiting = await me.new_conversation().stream("waiting", priority="normal")
            async for event in waiting:
                if isinstance(event, t.ProgressEvent):
                    assert (event.step, event.position) == ("queued", 0)
                    break
            held.cancel()
            assert (await waiting.reply()).text == "hi"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"limits": {"requests_per_minute": "many"}}, "a whole number from 1 up, or null"),
        ({"limits": {"max_concurrent": 0}}, "at least 1"),
        ({"limits": {"overrides": {"sim": {"rpm": 1}}}}, "an object of objects"),
        ({"limits": {"overrides": {"sim": {"max_concurrent": 0}}}}, "at least 1"),
        ({"queue": {"aging_ms": 0}}, "at least 1"),
        ({"queue": {"max_wating": 1}}, "max_waiting"),
    ],
)
def test_settings_that_cannot_work_are_refused(sim: Simulator, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(t.InvalidError, match=says), engine(sim, settings) as tertulia:
        tertulia.ask("hi")


def test_a_priority_that_is_none_is_refused(sim: Simulator) -> None:
    with engine(sim, {}) as tertulia, pytest.raises(t.InvalidError, match="priority"):
        tertulia.ask("hi", priority="urgent")  # type: ignore[call-overload]
