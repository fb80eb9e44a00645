"""Full-text search, from Python."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import tertulia as t
from tertulia.testing import Simulator


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        sim.script("any", *(f"text=an%20answer%20about%20olives%20{number}" for number in range(1, 20)))
        yield sim


@pytest.fixture(params=["memory:", "chat.db"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory:" else str(tmp_path / "chat.db")


def shown(hit: t.SearchHit) -> str:
    return "".join(f"[{span.text}]" if span.hit else span.text for span in hit.snippet)


def test_what_was_said_is_found_with_the_place_where_it_stands(sim: Simulator, store: str) -> None:
    with t.Tertulia(store, providers=[sim.provider()], model="sim/any") as tertulia:
        me = tertulia.user("ana")
        chat, other = me.new_conversation(), me.new_conversation()
        chat.send("Gazpacho is a cold soup of Andalucía")
        other.send("What of 東京タワー?")

        hits = me.search("andalucia gazpacho")
        assert [(hit.conversation_id, shown(hit)) for hit in hits] == [
            (chat.id, "[Gazpacho] is a cold soup of [Andalucía]")
        ]
        assert isinstance(hits[0], t.SearchHit) and isinstance(hits[0].snippet[0], t.Span)
        assert hits[0].message_id == chat.history()[0].id and hits[0].on_current_branch and hits[0].score == 0
        assert shown(me.search("タワー")[0]) == "What of 東京[タワー]?"
        assert [shown(hit) for hit in me.search('"olives 1"')] == ["an answer about [olives 1]"]
        assert len(me.search("olive*")) == 2 and len(me.search("olive* -1")) == 1 and len(me.search("olive")) == 0
        assert len(chat.search("olives")) == 1 and len(me.new_conversation().search("olives")) == 0
        assert len(tertulia.user("bo").search("olives")) == 0

        ranked = me.search("soup answer olives -gazpacho", sort="relevance")
        assert len(ranked) == 0
        ranked = me.search("olives", sort="relevance")
        assert len(ranked) == 2 and ranked[0].score >= ranked[1].score > 0
        assert repr(hits).startswith("Page(1 hits") and pickle.loads(pickle.dumps(hits)) == hits

        first = me.search("olives", limit=1)
        assert first.reached_end and not first.reached_start and first.after is None
        rest = me.search("olives", limit=1, before=first.before)
        assert rest.reached_start and rest.before is None and rest[0].message_id != first[0].message_id


def test_hostile_queries_find_nothing_and_break_nothing(sim: Simulator, store: str) -> None:
    with t.Tertulia(store, providers=[sim.provider()], model="sim/any") as tertulia:
        me = tertulia.user("ana")
        me.new_conversation().send("hello")
        for words in [
            "",
            '"',
            '""',
            "-",
            "*",
            "-hello",
            "AND OR NOT NEAR(",
            "{text}:",
            "a\0b",
            "'; DROP TABLE message",
            "((",
        ]:
            assert len(me.search(words)) == 0, words
        for words, reason in [("x" * 1_025, "bad_query"), ("a " * 33, "bad_query")]:
            with pytest.raises(t.InvalidError, match=reason):
                me.search(words)
        with pytest.raises(t.InvalidError, match="bad_limit"):
            me.search("hello", limit=201)
        with pytest.raises(t.InvalidError, match="bad_cursor"):
            me.search("hello", before="nonsense")
        with pytest.raises(t.InvalidError, match="recent"):
            me.search("hello", sort="newest")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            me.search(7)  # type: ignore[arg-type]
        with pytest.raises(t.NotFoundError):
            me.conversation(t.AttachmentSource("018f0000-0000-7000-8000-000000000000").id).search("hello")


def test_search_can_be_switched_off(sim: Simulator, store: str) -> None:
    with t.Tertulia(
        store, providers=[sim.provider()], model="sim/any", settings={"store": {"search": False}}
    ) as tertulia:
        tertulia.user("ana").new_conversation().send("hello")
        with pytest.raises(t.InvalidError, match="search_off"):
            tertulia.user("ana").search("hello")


def test_search_is_awaited_too(sim: Simulator, store: str) -> None:
    async def run() -> None:
        async with t.AsyncTertulia(store, providers=[sim.provider()], model="sim/any") as tertulia:
            me = tertulia.user("ana")
            chat = me.new_conversation()
            await chat.send("rosemary")
            hits = await me.search("rosemary")
            assert [shown(hit) for hit in hits] == ["[rosemary]"] == [shown(h) for h in await chat.search("rosemary")]
            ranked = await me.search("rosemary", sort="relevance", limit=1)
            assert ranked[0].score > 0

    asyncio.run(run())
