"""What is told of an engine while it works, and what may change meanwhile: from Python, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import tertulia as t
from tertulia import types
from tertulia.testing import Simulator

FAST: dict[str, Any] = {"retry": {"base_delay_ms": 1}}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def engine(sim: Simulator) -> Iterator[t.Tertulia]:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any", settings=FAST) as engine:
        yield engine


def is_done(event: t.EngineEvent) -> bool:
    return event.type == "turn_changed" and event.kind["state"] == "done"


def test_a_retry_is_told_with_whose_it_is_and_nothing_that_was_said(engine: t.Tertulia) -> None:
    events = engine.events()
    chat = engine.user("ana").new_conversation()
    reply = chat.send("canary", model="sim/sim:status=503;fail=1;text=back")
    seen = []
    for event in events:
        seen.append(event)
        if is_done(event):
            break
    retry = next(event for event in seen if event.type == "retry_scheduled")
    assert (retry.owner, retry.conversation_id, retry.turn_id) == ("ana", chat.id, reply.turn_id)
    assert (retry.kind["attempt"], retry.kind["kind"]) == (2, "unavailable") and retry.kind["delay_ms"] >= 0
    assert retry.at.tzinfo is not None and "canary" not in json.dumps([event.to_dict() for event in seen])
    assert {event.type for event in seen} <= set(get_args(types.EngineEventType))


def test_a_function_is_called_with_every_event_and_what_it_raises_costs_it_that_event_alone(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[t.EngineEvent] = []
    raised: list[Any] = []
    done = threading.Event()
    monkeypatch.setattr("sys.unraisablehook", raised.append)

    def listen(event: t.EngineEvent) -> None:
        heard.append(event)
        if is_done(event):
            done.set()
        elif event.kind.get("state") == "sending":
            raise ValueError("a bug")

    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any", on_event=listen) as engine:
        engine.user("ana").new_conversation().send("hi")
        assert done.wait(10)
    states = [event.kind["state"] for event in heard if event.type == "turn_changed"]
    assert states == ["saved", "sending", "done"]
    assert [type(why.exc_value) for why in raised] == [ValueError]
    with pytest.raises(t.InvalidError, match="on_event"):
        t.Tertulia("memory:", on_event="print")  # type: ignore[arg-type]


def test_a_reader_waits_and_ends_when_the_engine_is_closed(engine: t.Tertulia) -> None:
    events, seen = engine.events(), []

    def read() -> None:
        seen.extend(events)

    reader = threading.Thread(target=read)
    reader.start()
    engine.user().new_conversation().send("hi")
    engine.close()
    reader.join(10)
    assert not reader.is_alive() and is_done(seen[-1])
    assert list(events) == [] == list(engine.events())


def test_a_slow_reader_is_told_how_many_it_missed(engine: t.Tertulia) -> None:
    slow = engine.events()
    chat = engine.user().new_conversation()
    for _ in range(360):  # three events or more each
        chat.send("hi", model="sim/sim:text=ok")
    engine.close()
    first, *rest = slow
    assert first.type == "lagged" and first.kind["missed"] > 0 and len(rest) == 1_024


def test_a_reader_that_comes_before_the_engine_is_open_opens_it(sim: Simulator) -> None:
    engine = t.Tertulia("memory:", providers=[sim.provider()], model="sim/any")
    events = engine.events()
    with pytest.raises(t.InvalidError, match="open") as refused:
        engine.health()
    assert refused.value.reason == "not_open"
    engine.open()
    closer = threading.Timer(0, engine.close)
    closer.start()
    with pytest.raises((StopIteration, t.ClosedError)):
        next(events)
    closer.join()


def test_figures_and_health(engine: t.Tertulia) -> None:
    assert engine.stats().total.calls == 0
    engine.ask("hi", model="sim/sim:text=ok;status=500;fail=1")
    with pytest.raises(t.InvalidError):
        engine.ask("hi", model="sim/sim:error=invalid")
    for window in (60, 3_600.5, timedelta(minutes=5)):
        stats = engine.stats(window=window)
        total = stats.total
        assert (total.model, total.calls, total.succeeded, total.retries) == ("*", 2, 1, 1)
        assert total.errors == {"invalid": 1} and total.success_rate == 0.5
        assert [target.calls for target in stats.targets] == [1, 1]
        assert total.first_delta_ms.count == 1 and 0 < total.added_ms.p50 <= total.first_delta_ms.max
    for bad in (-1, float("nan"), "1"):
        with pytest.raises((t.InvalidError, TypeError)):
            engine.stats(bad)  # type: ignore[arg-type]
    health = engine.health()
    assert (health.state, health.store.state, health.outbox_pending) == ("ok", "ok", 0)
    assert [provider.name for provider in health.providers] == ["sim"]
    with engine.user("ana").new_conversation().stream("hi", model="sim/sim:words=9;stall=3") as stream:
        next(stream.text())
        health = engine.health()
        assert [(task.name, task.owner) for task in health.tasks] == [("outbox", None), ("turn", "ana")]
        assert health.open_streams == 1
    assert json.loads(json.dumps(health.to_dict()))["state"] == "ok"
    engine.close()
    assert engine.health().tasks == ()


def test_what_the_store_measures_of_itself_is_read(tmp_path: Path) -> None:
    with t.Tertulia(tmp_path / "chat.db", model="echo/any", settings={"store": {"readers": 3}}) as engine:
        before = engine.health().store_figures
        assert before is not None and before.readers == 3
        chat = engine.user("ana").new_conversation()
        chat.send("hello")
        chat.history()
        after = engine.health().store_figures
        assert after is not None
        assert (after.batches > before.batches, after.statements > before.statements) == (True, True)
        assert after.write_wait_ms.count >= after.batches - before.batches > 0
        assert after.read_wait_ms.count > 0 and after.log_bytes > 8_192
        assert (after.writes_waiting, after.reads_waiting, after.last_slow) == (0, 0, ())
    with t.Tertulia("memory:", model="echo/any") as engine:
        assert engine.health().store_figures is None


def test_what_is_changed_counts_from_the_next_call_on(engine: t.Tertulia, sim: Simulator) -> None:
    stream = engine.user().new_conversation().stream("hi", model="sim/sim:words=5;delay_ms=40")
    next(stream.text())
    engine.reconfigure({"retry": {"max_attempts": 1}, "network": {"idle_timeout_ms": 10}}, keys={"sim": "sk-new"})
    with pytest.raises(t.UnavailableError) as failed:
        engine.ask("hi", model="sim/sim:status=500")
    assert len(failed.value.attempts) == 1
    assert sim.requests[-1].headers["authorization"] == "Bearer sk-new"
    assert len(stream.reply().text.split()) == 5
    engine.reconfigure({"retry": {"max_delay_ms": 7}})
    with pytest.raises(t.UnavailableError) as failed:
        engine.ask("hi", model="sim/sim:status=500;key=other")
    assert len(failed.value.attempts) == 1, "what is not named stays"


def test_what_cannot_change_is_refused_with_its_name(engine: t.Tertulia) -> None:
    cases: list[tuple[Any, str, str]] = [
        ({"store": {"readers": 9}}, "cannot_change", "settings.store.readers"),
        ({"retyr": {}}, "bad_settings", "retry"),
        ({"retry": {"max_attempts": 0}}, "bad_settings", "retry.max_attempts"),
    ]
    for change, reason, named in cases:
        with pytest.raises(t.InvalidError, match=named) as refused:
            engine.reconfigure(change)
        assert (refused.value.reason, refused.value.operation) == (reason, "reconfigure")
    with pytest.raises(t.InvalidError) as refused:
        engine.reconfigure(keys={"smi": "sk"})
    assert refused.value.reason == "unknown_provider"
    with pytest.raises(t.InvalidError) as refused:
        engine.reconfigure(catalogue={"version": 9})
    assert refused.value.reason == "bad_catalogue"


def test_the_shared_engine_is_one_until_it_is_reset(sim: Simulator, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TERTULIA_HOME", str(tmp_path))
    assert t.shared() is t.shared() and not os.listdir(tmp_path), "nothing is opened before it is used"
    t.shared().ask("hi", model="echo/any")
    assert (tmp_path / "tertulia.db").exists()
    first = t.shared()
    t.reset()
    with pytest.raises(t.ClosedError):
        first.ask("hi", model="echo/any")
    mine = t.Tertulia("memory:", providers=[sim.provider()], model="sim/any")
    t.reset(mine)
    assert t.shared() is mine and mine.ask("hi").text
    t.reset()
    t.reset()


def test_awaited() -> None:
    async def main() -> None:
        with Simulator() as sim:
            engine = t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any", settings=FAST)
            async with engine:
                events = engine.events()
                # Who gives up waiting loses nothing.
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(events.__anext__(), 0.01)
                await engine.user("ana").new_conversation().send("hi", model="sim/sim:status=500;fail=1;text=ok")
                seen = []
                async for event in events:
                    seen.append(event.type)
                    if is_done(event):
                        break
                assert seen[0] == "turn_changed" and seen.count("retry_scheduled") == 1
                assert engine.stats(60).total.retries == 1 and engine.health().state == "ok"
                await engine.reconfigure({"retry": {"max_attempts": 1}})
                with pytest.raises(t.UnavailableError):
                    await engine.ask("hi", model="sim/sim:status=500;key=again")
                assert engine.stats(60).total.retries == 1
                reader = asyncio.create_task(drain(events))
            assert await asyncio.wait_for(reader, 10) == []

    async def drain(events: t.AsyncEngineEvents) -> list[t.EngineEvent]:
        return [event async for event in events]

    asyncio.run(main())
