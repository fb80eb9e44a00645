"""The engine from Python, awaited: over real sockets, against the simulator."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import tertulia as t
from tertulia.testing import Simulator

SLOW = "words=10000;delay_ms=20"

Body = Callable[[t.AsyncTertulia, Simulator], Coroutine[Any, Any, None]]


def run(body: Body) -> None:
    async def main() -> None:
        with Simulator() as sim:
            settings = {"retry": {"max_attempts": 1}}
            async with t.AsyncTertulia(
                "memory:", providers=[sim.provider()], model="sim/any", settings=settings
            ) as engine:
                await asyncio.wait_for(body(engine, sim), 30)

    asyncio.run(main(), debug=True)


async def happens(sim: Simulator, kind: str, after: int = 0) -> dict[str, Any]:
    return await asyncio.to_thread(sim.wait_for, kind, after=after)


async def cancelled(chat: t.AsyncConversation, sim: Simulator) -> None:
    await happens(sim, "closed_by_peer")
    await chat.send("next", model="sim/quick")  # the turn has come to rest before the next one begins
    page = await chat.history()
    # An answer of which nothing had come leaves no message.
    assert [m.status for m in page if m.role == "assistant"] in (["cancelled", "complete"], ["complete"])
    assert page[0].turn_id is not None and (await chat.turn(page[0].turn_id)).state == "cancelled"


def test_every_verb_is_awaited() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        assert (await engine.ask("hi")).text
        assert (await engine.ask(messages=[{"role": "user", "content": "hi"}])).text
        me = engine.user("ana")
        chat = me.new_conversation(title="x")
        reply = await chat.send("hi")
        assert reply.turn_id is not None
        assert (await chat.turn(reply.turn_id)).state == "done"
        assert len(await chat.append([{"role": "user", "content": "by the way"}])) == 1
        assert len(await chat.history()) == 3 and (await chat.summary()).title == "x"
        await chat.update(title="y")
        assert [info.title for info in await me.list_conversations()] == ["y"]
        assert (await chat.attach(reply.turn_id).reply()).text == reply.text
        assert (await engine.provider("sim").request("GET", "/v1/models")).status == 200
        await engine.warm_up("sim/any")
        await chat.delete()
        with pytest.raises(t.NotFoundError):
            await chat.summary()
        assert await engine.open() is engine
        assert "AsyncTertulia" in repr(engine) and chat.id in repr(chat)

    run(body)


def test_a_stream_is_iterated_awaited_and_entered() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", "text=Hello%20world;chunks=4")
        chat = engine.user().new_conversation()
        assert "".join([word async for word in chat.stream("hi").text()]) == "Hello world"
        stream = await chat.stream("hi")
        assert stream.turn_id is not None and sim.request_count >= 1
        assert (await stream.reply()).text == "Hello world" == (await stream.reply()).text
        async with chat.stream("hi") as stream:
            events = [event async for event in stream]
        assert isinstance(events[0], t.StartedEvent) and isinstance(events[-1], t.DoneEvent)
        assert (await chat.stream("hi").reply()).text == "Hello world"
        stream = chat.stream("hi")
        got: list[t.StreamEvent] = []
        while batch := await stream.next_batch(3):
            got += batch
        assert isinstance(got[-1], t.DoneEvent) and len(await chat.history()) == 10

    run(body)


def test_two_hundred_calls_run_at_once() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        async def one(i: int) -> str:
            chat = engine.user(f"user {i}").new_conversation()
            return "".join([word async for word in chat.stream(f"number {i}.").text()])

        texts = await asyncio.gather(*[one(i) for i in range(200)])
        assert all(f"number {i}." in text for i, text in enumerate(texts))

    run(body)


@pytest.mark.parametrize("verb", ["send", "iterate", "reply"])
def test_a_cancelled_task_stops_its_call(verb: str) -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", SLOW)
        chat = engine.user().new_conversation()

        async def work() -> None:
            if verb == "send":
                await chat.send("hi")
            elif verb == "iterate":
                async for _ in chat.stream("hi").text():
                    pass
            else:
                await chat.stream("hi").reply()

        task = asyncio.create_task(work())
        await happens(sim, "response_started")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()
        await cancelled(chat, sim)

    run(body)


def test_a_timeout_around_a_call_stops_it() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", "stall")
        chat = engine.user().new_conversation()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(chat.send("hi"), 0.1)
        await happens(sim, "closed_by_peer")
        with pytest.raises(t.TimedOutError):
            await chat.send("hi", timeout=0.1)

    run(body)


def test_leaving_a_stream_stops_the_call_and_keeps_what_had_come() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", SLOW)
        chat = engine.user().new_conversation()
        async with chat.stream("hi") as stream:
            async for _ in stream.text():
                break
        assert (await chat.history())[-1].status == "cancelled"  # stored before the block is left
        assert (await stream.reply()).status == "cancelled"
        await cancelled(chat, sim)

    run(body)


def test_cancel_wakes_a_reader_in_another_task() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", "text=ab;chunks=2;stall=1")
        stream = await engine.user().new_conversation().stream("hi")
        reader = asyncio.create_task(stream.reply())
        await happens(sim, "response_started")
        stream.cancel()
        assert (await reader).status == "cancelled"

    run(body)


def test_a_reply_that_is_let_go_goes_on() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", "words=200;delay_ms=2")
        chat = engine.user().new_conversation()
        stream = await chat.stream("hi")
        stream.detach()
        turn = stream.turn_id
        assert turn is not None
        del stream
        gc.collect()
        assert len((await chat.attach(turn).reply()).text.split()) == 200

    run(body)


def test_a_failure_is_raised_where_it_happens() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", "text=Hello%20world;chunks=4;cut=2", "status=503", "text=Hello")
        chat = engine.user().new_conversation()
        words: list[str] = []
        with pytest.raises(t.TruncatedError) as caught:
            async for word in chat.stream("hi").text():
                words.append(word)
        assert "".join(words) == "Hello" and caught.value.turn_id is not None
        with pytest.raises(t.UnavailableError) as parked:
            async with chat.stream("hi") as stream:
                await stream.reply()
        assert parked.value.turn_id is not None
        assert (await chat.retry(parked.value.turn_id).reply()).text == "Hello"
        with pytest.raises(t.ConflictError, match="already_answered"):
            await chat.retry(parked.value.turn_id)
        with pytest.raises(t.InvalidError):
            await chat.stream("")
        with pytest.raises(TypeError, match="did you mean 'temperature'"):
            chat.stream("hi", temprature=1)  # type: ignore[call-arg]

    run(body)


def test_a_stream_that_was_never_begun_sends_nothing_and_warns() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            engine.user().new_conversation().stream("hi")
            engine.user().new_conversation().send("hi")
            gc.collect()
        assert len(caught) == 2 and all("never awaited" in str(warning.message) for warning in caught)
        assert sim.request_count == 0
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            reply = await engine.user().new_conversation().stream("hi").reply()
            batch = await engine.user().new_conversation().stream("hi").next_batch()
            gc.collect()
        assert reply.text and batch and not caught, "a handle that is let go of at once has begun all the same"

    run(body)


def test_one_engine_serves_one_loop_after_another(tmp_path: Path) -> None:
    engine = t.AsyncTertulia(tmp_path / "chat.db", model="echo/any")  # as at module level
    chat = engine.user().conversation_for("one")

    async def main() -> int:
        await chat.send("hi")
        return len(await chat.history())

    assert [asyncio.run(main()) for _ in range(3)] == [2, 4, 6]

    async def end() -> None:
        await engine.close()
        with pytest.raises(t.ClosedError) as caught:
            await chat.history()
        assert caught.value.operation == "conversation.history"
        with pytest.raises(t.ClosedError) as caught:
            await engine.open()
        assert caught.value.operation == "open"

    asyncio.run(end())


def test_the_loop_stays_free_while_answers_come() -> None:
    async def body(engine: t.AsyncTertulia, sim: Simulator) -> None:
        sim.script("any", "words=50;delay_ms=5")
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticker = asyncio.create_task(tick())
        await engine.ask("hi")
        ticker.cancel()
        assert ticks >= 10

    run(body)
