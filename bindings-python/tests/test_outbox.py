"""Messages that could not be sent, from Python: told what became of them, sent by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import tertulia as t
from tertulia.testing import Simulator

QUICK: dict[str, Any] = {
    "retry": {"max_attempts": 1},
    "breaker": {"enabled": False},
    "outbox": {"first_delay_ms": 5, "max_delay_ms": 20},
}
PATIENT: dict[str, Any] = {**QUICK, "outbox": {"first_delay_ms": 3_600_000, "max_delay_ms": 3_600_000}}
DOWN, UP = "status=503", "text=Hello"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        sim.script("any", DOWN)
        yield sim


def engine(sim: Simulator, settings: dict[str, Any], store: str = "memory:") -> t.Tertulia:
    return t.Tertulia(store, providers=[sim.provider()], model="sim/any", settings=settings)


def rested(chat: t.Conversation, turn_id: str, state: str) -> t.Turn:
    """The turn, once it stands like this."""
    given_up = time.monotonic() + 10
    while (turn := chat.turn(turn_id)).state != state:
        assert time.monotonic() < given_up, turn
    return turn


def test_a_message_waits_while_the_provider_is_down_and_is_answered_when_it_is_back(sim: Simulator) -> None:
    with engine(sim, QUICK) as tertulia:
        me = tertulia.user("ana")
        chat = me.new_conversation()
        reply = chat.send("Hi", degrade=True, temperature=0.5)
        assert (reply.status, reply.text) == ("waiting", "")
        assert reply.notice == (
            "The assistant is temporarily unavailable. Your message was saved. It will be sent automatically."
        )
        assert reply.error is not None and reply.error.kind == "unavailable" and reply.error.saved
        assert reply.turn_id is not None
        (item,) = me.outbox().list()
        assert (item.turn_id, item.conversation_id, item.preview) == (reply.turn_id, chat.id, "Hi")
        assert item.delivery in ("pending", "sending") and item.expires_at is not None
        sim.script("any", UP)
        rested(chat, reply.turn_id, "done")
        assert [m.text for m in chat.history()] == ["Hi", "Hello"]
        assert sim.requests[-1].json()["temperature"] == 0.5
        assert me.outbox().list() == ()


def test_without_degrade_it_raises_and_retry_sends_it(sim: Simulator) -> None:
    with engine(sim, PATIENT) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        with pytest.raises(t.UnavailableError) as caught:
            chat.send("Hi")
        assert caught.value.user_message.endswith("Your message was saved.")
        turn_id = caught.value.turn_id
        assert turn_id is not None and chat.turn(turn_id).state == "parked"
        sim.script("any", UP)
        assert chat.retry(turn_id).reply().text == "Hello"


def test_the_outbox_is_watched_retried_and_emptied(sim: Simulator) -> None:
    with engine(sim, PATIENT) as tertulia:
        me = tertulia.user("ana")
        watch = me.outbox().watch()
        one, two = me.new_conversation(), me.new_conversation()
        first, second = one.send("one", degrade=True), two.send("two", degrade=True)
        assert first.turn_id is not None and second.turn_id is not None
        seen: set[tuple[str, str]] = set()
        # Each is told as it stands when it is read: both are read before one of them goes on.
        while not {(first.turn_id, "pending"), (second.turn_id, "pending")} <= seen:
            item = next(watch)
            seen.add((item.turn_id, item.delivery))
        sim.script("any", UP)
        me.outbox().retry(first.turn_id)
        while (first.turn_id, "sent") not in seen:
            item = next(watch)
            seen.add((item.turn_id, item.delivery))
        me.outbox().discard(second.turn_id)
        assert two.turn(second.turn_id).state == "cancelled"
        assert two.history()[0].status == "cancelled"
        with pytest.raises(t.NotFoundError):
            me.outbox().discard(second.turn_id)
        with pytest.raises(t.InvalidError):
            me.outbox().retry("no id")
        assert me.outbox().list() == ()
    assert list(watch) == []


def test_a_network_that_is_back_makes_everything_go(sim: Simulator) -> None:
    settings = {**PATIENT, "outbox": {"first_delay_ms": 1, "max_delay_ms": 3_600_000, "degrade": True}}
    with engine(sim, settings) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        sim.script("any", "status=429;retry_after=0")
        reply = chat.send("Hi")
        assert reply.status == "waiting" and reply.turn_id is not None
        sim.script("any", UP)
        tertulia.network_changed()
        rested(chat, reply.turn_id, "done")


def test_what_waits_outlives_the_process(sim: Simulator, tmp_path: Any) -> None:
    store = str(tmp_path / "chat.db")
    with engine(sim, PATIENT, store) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        reply = chat.send("Hi", degrade=True)
    sim.script("any", UP)
    with engine(sim, QUICK, store) as tertulia:
        again = tertulia.user("ana").conversation(chat.id)
        assert reply.turn_id is not None
        tertulia.network_changed()
        rested(again, reply.turn_id, "done")
        assert [m.text for m in again.history()] == ["Hi", "Hello"]


def test_sentences_of_ones_own(sim: Simulator) -> None:
    own = {"unavailable": "No disponible.", "saved": "Guardado.", "automatic": "Se enviará solo."}
    with engine(sim, {**PATIENT, "sentences": {"locale": "es", "own": own}}) as tertulia:
        reply = tertulia.user("ana").new_conversation().send("Hola", degrade=True)
        assert reply.notice == "No disponible. Guardado. Se enviará solo."
        with pytest.raises(t.UnavailableError) as caught:
            tertulia.ask("Hola")
        assert caught.value.user_message == "No disponible."
    with pytest.raises(t.InvalidError, match="did you mean `rate_limited`"):
        engine(sim, {"sentences": {"own": {"rate_limit": "x"}}}).open()


def test_asynchronously_it_is_the_same(sim: Simulator) -> None:
    async def talk() -> None:
        tertulia = t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any", settings=PATIENT)
        async with tertulia:
            me = tertulia.user("ana")
            watch = await me.outbox().watch()
            chat = me.new_conversation()
            reply = await chat.send("Hi", degrade=True)
            assert reply.status == "waiting" and reply.turn_id is not None
            (item,) = await me.outbox().list()
            assert item.delivery == "pending"
            sim.script("any", UP)
            await me.outbox().retry(item.turn_id)
            async for changed in watch:
                if changed.delivery == "sent":
                    break
            assert (await chat.history())[-1].text == "Hello"
            other = await me.new_conversation().send("again", degrade=True)
            assert other.status == "done"
            sim.script("any", DOWN)
            last = await me.new_conversation().send("no", degrade=True)
            assert last.turn_id is not None
            await me.outbox().discard(last.turn_id)
            await tertulia.network_changed()
            assert await me.outbox().list() == ()
        assert [item async for item in watch] == []

    asyncio.run(asyncio.wait_for(talk(), 20))


def test_whoever_stops_waiting_loses_nothing_at_whatever_moment(sim: Simulator) -> None:
    async def run() -> None:
        tertulia = t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any", settings=PATIENT)
        async with tertulia:
            me = tertulia.user("ana")
            watch = await me.outbox().watch()
            for moment in range(100):
                # The change may come before the cancelled one hears of it, meanwhile, or after.
                waiting = asyncio.ensure_future(anext(watch))
                await asyncio.sleep(0)
                sending = asyncio.ensure_future(me.new_conversation().send(str(moment), degrade=True))
                while not sending.done() and len(await me.outbox().list()) <= moment:
                    pass
                for _ in range(moment % 5):
                    await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting, sending])
                seen = set() if waiting.cancelled() else {waiting.result().turn_id}
                while (await sending).turn_id not in seen:
                    seen.add((await asyncio.wait_for(anext(watch), 10)).turn_id)

    asyncio.run(run())
