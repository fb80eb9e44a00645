"""The cache of replies, counted at the provider."""

import asyncio
from collections.abc import Iterator

import pytest
import tertulia as t
from tertulia.testing import Simulator


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        sim.script("any", "text=one two three;chunks=3;usage=10/3")
        yield sim


def engine(sim: Simulator, **cache: object) -> t.Tertulia:
    return t.Tertulia("memory:", providers=[sim.provider()], model="sim/any", settings={"cache": cache})


def test_without_a_word_about_it_every_call_is_asked(sim: Simulator) -> None:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        assert [engine.ask("hi").from_cache for _ in range(2)] == [False, False]
    assert len(sim.requests) == 2


def test_a_setting_keeps_replies_and_a_hit_costs_nothing(sim: Simulator) -> None:
    with engine(sim, enabled=True) as tertulia:
        first, second = tertulia.ask("hi"), tertulia.ask("hi")
        assert (first.text, second.text) == ("one two three", "one two three")
        assert (first.from_cache, second.from_cache) == (False, True)
        assert (first.usage.requests, second.usage.requests, second.usage.output_tokens) == (1, 0, 0)
        assert second.cost.nano_usd == 0
        assert tertulia.ask("hi", temperature=0.5).from_cache is False
    assert len(sim.requests) == 2


def test_a_call_says_for_itself_what_it_does_with_the_cache(sim: Simulator) -> None:
    with engine(sim) as tertulia:
        assert tertulia.ask("hi", cache="use").from_cache is False
        assert tertulia.ask("hi", cache="use").from_cache is True
        assert tertulia.ask("hi", cache="bypass").from_cache is False
        sim.script("any", "text=new")
        assert tertulia.ask("hi", cache="refresh").text == "new"
        assert tertulia.ask("hi", cache="use").text == "new"
        with pytest.raises(t.InvalidError, match="cache"):
            tertulia.ask("hi", cache="always")  # type: ignore[call-overload, unused-ignore]
    assert len(sim.requests) == 3


def test_users_and_keys_share_nothing(sim: Simulator) -> None:
    with engine(sim, enabled=True) as tertulia:
        for user in ("ana", "bea"):
            assert [tertulia.user(user).ask("hi").from_cache for _ in range(2)] == [False, True]
        assert tertulia.ask("hi").from_cache is False
        for key in ("sk-one", "sk-two"):
            assert [tertulia.ask("hi", key=key).from_cache for _ in range(2)] == [False, True]
    assert len(sim.requests) == 5


def test_a_hit_streams_and_is_a_turn_like_any_other(sim: Simulator) -> None:
    with engine(sim, enabled=True) as tertulia:
        user = tertulia.user("ana")
        assert user.new_conversation().send("hi").from_cache is False
        chat = user.new_conversation()
        with chat.stream("hi") as stream:
            assert "".join(stream.text()) == "one two three"
            assert stream.reply().from_cache is True
        assert [message.text for message in chat.history()] == ["hi", "one two three"]
        assert chat.summary().output_tokens == 0
    assert len(sim.requests) == 1


def test_errors_are_not_kept(sim: Simulator) -> None:
    sim.script("any", "status=400")
    with engine(sim, enabled=True) as tertulia:
        for _ in range(2):
            with pytest.raises(t.InvalidError):
                tertulia.ask("hi")
    assert len(sim.requests) == 2


@pytest.mark.parametrize("bad", [{"enabled": "yes"}, {"ttl_ms": -1}, {"max_byte": 1}])
def test_bad_settings_are_refused_by_name(sim: Simulator, bad: dict[str, object]) -> None:
    with pytest.raises(t.InvalidError, match=r"settings\.cache"):
        engine(sim, **bad).open()


def test_many_who_ask_at_once_make_one_request(sim: Simulator) -> None:
    sim.script("any", "text=one two three;chunks=3;delay_ms=20")

    async def main() -> list[t.Reply]:
        settings = {"cache": {"enabled": True}}
        engine = t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any", settings=settings)
        async with engine as tertulia:
            return await asyncio.gather(*(tertulia.ask("hi") for _ in range(50)))

    replies = asyncio.run(main())
    assert {reply.text for reply in replies} == {"one two three"}
    assert sum(reply.usage.requests for reply in replies) == 1
    assert len(sim.requests) == 1
