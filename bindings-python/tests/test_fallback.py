"""Calls that go on to other models, and replies that go on where they broke off: over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import tertulia as t
from tertulia.testing import Simulator

AT_ONCE = {"retry": {"base_delay_ms": 0, "throttle_base_delay_ms": 0}, "breaker": {"enabled": False}}


@pytest.fixture
def a() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def b() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def engine(a: Simulator, b: Simulator) -> Iterator[t.Tertulia]:
    providers = [a.provider("a"), b.provider("b", dialect="anthropic")]
    with t.Tertulia("memory:", providers=providers, model="a/m", settings=AT_ONCE) as engine:
        yield engine


def test_every_verb_goes_on_to_another_model(engine: t.Tertulia, a: Simulator, b: Simulator) -> None:
    a.script("m", "status=503")
    b.script("m", "text=here")
    chat = engine.user("ana").new_conversation()
    with chat.stream("hi", fallback=["b/m"]) as stream:
        steps = [(e.from_model, e.to_model) for e in stream if isinstance(e, t.ProgressEvent) and e.step == "fell_back"]
        reply = stream.reply()
    assert steps == [("a/m", "b/m")]
    replies = [reply, chat.send("hi", fallback=("b/m",)), engine.ask("hi", fallback=["b/m"])]
    assert [(r.text, r.provider, r.continued) for r in replies] == [("here", "b", False)] * 3
    assert [attempt.model for attempt in reply.attempts] == ["a/m", "a/m", "a/m", "b/m"]
    assert chat.history()[1].model == "b/m"

    with pytest.raises(t.UnavailableError) as caught:
        chat.send("hi", fallback=[])
    turn = caught.value.turn_id
    assert turn is not None
    assert chat.retry(turn, fallback=["b/m"]).reply().text == "here"


def test_the_engine_has_a_list_for_calls_without_one(a: Simulator, b: Simulator) -> None:
    a.script("m", "error=quota")
    providers = [a.provider("a"), b.provider("b")]
    with t.Tertulia("memory:", providers=providers, model="a/m", fallback=["b/m"]) as engine:
        assert engine.ask("hi").provider == "b"
        with pytest.raises(t.QuotaExhaustedError):
            engine.ask("hi", fallback=[])
    settings = {"fallback": {"targets": ["b/m"], "mid_stream": "continue"}}
    with t.Tertulia("memory:", providers=providers, model="a/m", settings=settings) as engine:
        assert engine.user().new_conversation().send("hi").provider == "b"
    with pytest.raises(t.InvalidError, match="unknown_provider"):
        t.Tertulia("memory:", providers=providers, fallback=["nobody/m"]).open()


def test_what_is_wrong_with_the_call_is_not_asked_elsewhere(engine: t.Tertulia, a: Simulator, b: Simulator) -> None:
    a.script("m", "error=invalid")
    with pytest.raises(t.InvalidError) as caught:
        engine.ask("hi", fallback=["b/m"])
    assert len(caught.value.attempts) == 1 and (a.request_count, b.request_count) == (1, 0)


def test_all_failures_come_out_as_one_with_every_try(engine: t.Tertulia, a: Simulator, b: Simulator) -> None:
    a.script("m", "status=503")
    b.script("m", "error=overloaded")
    with pytest.raises(t.TertuliaError) as caught:
        engine.ask("hi", fallback=["b/m"])
    assert [attempt.model for attempt in caught.value.attempts] == ["a/m"] * 3 + ["b/m"] * 3
    assert caught.value.provider == "b"


@pytest.mark.parametrize("mid_stream", ["surface", "restart"])
def test_a_reply_that_breaks_off_is_raised_with_what_had_come(
    engine: t.Tertulia, a: Simulator, b: Simulator, mid_stream: t.MidStream
) -> None:
    a.script("m", "text=one two three;chunks=3;truncate=2")
    with pytest.raises(t.TruncatedError) as caught:
        engine.ask("count", fallback=["b/m"], mid_stream=mid_stream)
    assert "".join(part.text for part in caught.value.partial if isinstance(part, t.TextPart)) == "one two "
    assert (a.request_count, b.request_count) == (1, 0)


def test_a_reply_that_breaks_off_continued_without_repeating_anything(
    engine: t.Tertulia, a: Simulator, b: Simulator
) -> None:
    a.script("m", "text=one two three;chunks=3;truncate=2", "status=500")
    b.script("m", "text=two three")
    chat = engine.user("ana").new_conversation()
    with chat.stream("count", fallback=["b/m"], mid_stream="continue") as stream:
        words = [event.delta for event in stream if isinstance(event, t.TextEvent)]
        reply = stream.reply()
    assert "".join(words) == reply.text == chat.history()[-1].text == "one two three"
    assert reply.continued and reply.provider == "b" and reply.attempts[0].kind == "truncated"
    spoken = b.requests[-1].json()["messages"]
    assert [message["role"] for message in spoken] == ["user", "assistant"]


def test_a_call_in_a_task_goes_on_as_well(a: Simulator, b: Simulator) -> None:
    async def main() -> t.Reply:
        providers = [a.provider("a"), b.provider("b")]
        async with t.AsyncTertulia(
            "memory:", providers=providers, model="a/m", fallback=["b/m"], settings=AT_ONCE
        ) as engine:
            chat = engine.user("ana").new_conversation()
            return await chat.send("count", mid_stream="continue")

    a.script("m", "text=one two three;chunks=3;truncate=2", "status=500")
    b.script("m", "text=three")
    assert asyncio.run(main()).text == "one two three"
