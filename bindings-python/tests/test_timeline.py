"""Live timelines and live lists, from Python."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tertulia as t
from tertulia.testing import Simulator

NOW: dict[str, Any] = {"timeline": {"min_interval_ms": 0}}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        sim.script("any", "text=Walk%20the%20old%20town.;chunks=8")
        yield sim


@pytest.fixture(params=["memory:", "chat.db"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory:" else str(tmp_path / "chat.db")


def engine(sim: Simulator, store: str = "memory:") -> t.Tertulia:
    return t.Tertulia(store, providers=[sim.provider()], model="sim/any", settings=NOW)


def text(rows: list[t.TimelineItem]) -> list[tuple[str, str]]:
    return [(row.message.status, row.message.text) for row in rows if row.message is not None]


def read(timeline: t.Timeline, rows: list[t.TimelineItem], last: tuple[str, str]) -> list[str]:
    """Read until the last message is this one; gives the changes in words."""
    seen: list[str] = []
    while not rows or text(rows[-1:]) != [last]:
        batch = timeline.next()
        assert batch
        for diff in batch:
            diff.apply(rows)
            seen.append(diff.type)
    return seen


def test_a_screen_gets_all_rows_once_and_then_only_what_changed(sim: Simulator, store: str) -> None:
    with engine(sim, store) as tertulia:
        me = tertulia.user("ana")
        chat = me.new_conversation()
        timeline = chat.timeline()
        first = timeline.next()
        assert first is not None and [(diff.type, diff.items) for diff in first] == [("reset", ())]
        rows: list[t.TimelineItem] = []
        reply = chat.send("What to see?")
        seen = read(timeline, rows, ("complete", reply.text))
        assert "reset" not in seen
        assert text(rows) == [("complete", "What to see?"), ("complete", "Walk the old town.")]
        assert rows[0].type == "day_divider" and rows[0].day is not None and rows[0].message is None
        assert (rows[1].delivery, rows[1].error, rows[1].turn_id) == ("sent", None, reply.turn_id)
        assert [row.id for row in rows[1:]] == [message.id for message in chat.history()]
        assert rows[2].message == chat.history()[1]
        # The values are values like all others.
        assert (
            pickle.loads(pickle.dumps(rows)) == rows and json.loads(json.dumps(rows[1].to_dict()))["type"] == "message"
        )
        assert t.TimelineItem("day", kind={"type": "day_divider", "day": "2026-11-22"}).day == "2026-11-22"
        fresh = chat.timeline().next()
        assert fresh is not None and list(fresh[0].items or ()) == rows and fresh[0].to_dict()["type"] == "reset"
        assert repr(fresh[0]) == "TimelineDiff(type='reset')" and fresh[0] == fresh[0] and fresh[0].index is None


def test_words_are_appended_where_they_come(sim: Simulator) -> None:
    sim.script("any", "text=" + "word%20" * 200 + ";chunks=200;delay_ms=2")
    with engine(sim) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        timeline, rows = chat.timeline(), list[t.TimelineItem]()
        stream = chat.stream("hi", detached=True)
        grown = 0
        while not rows or text(rows[-1:]) != [("complete", "word " * 200)]:
            for diff in timeline.next() or ():
                if diff.type == "append_text":
                    grown += 1
                    assert diff.index is not None and diff.part_index == 0 and diff.text and diff.from_ is not None
                    message = rows[diff.index].message
                    assert message is not None and message.status == "streaming" and len(message.text) == diff.from_
                    assert diff.stable_prefix == 0
                diff.apply(rows)
        assert grown > 0
        assert stream.reply().text == "word " * 200
        other = t.TimelineItem("x", kind={"type": "gap"})
        for diff in chat.timeline().next() or ():
            diff.apply(rows := [other])
        assert len(rows) == 3


def test_a_refused_message_is_shown_with_its_reason(sim: Simulator) -> None:
    with engine(sim) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        timeline, rows = chat.timeline(), list[t.TimelineItem]()
        timeline.next()
        with pytest.raises(t.InvalidError) as refused:
            chat.send("hi", model="nobody/any")
        read(timeline, rows, ("pending", "hi"))
        while rows[0].delivery != "failed":
            for diff in timeline.next() or ():
                diff.apply(rows)
        assert rows[0].error is not None and rows[0].error.reason == refused.value.reason
        assert timeline.dismiss(rows[0].id) and not timeline.dismiss(rows[0].id)
        (gone,) = timeline.next() or ()
        assert gone.type == "clear"


def test_a_long_conversation_is_walked_both_ways_in_a_window(sim: Simulator, store: str) -> None:
    with engine(sim, store) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        ids = chat.append([{"role": "user", "content": f"message {number}"} for number in range(1, 301)])
        timeline, rows = chat.timeline(), list[t.TimelineItem]()
        timeline.set_visible(0, 3)  # nothing is open yet

        def pull() -> list[str]:
            for diff in timeline.next() or ():
                diff.apply(rows)
            return [words for _, words in text(rows)]

        assert pull() == [f"message {number}" for number in range(251, 301)]
        while not timeline.load_older(100):
            pull()
        assert pull() == [f"message {number}" for number in range(1, 151)] and rows[-1].type == "gap"
        assert not timeline.load_newer()
        assert pull()[-1] == "message 200"
        timeline.focus(message=ids[99])
        assert pull()[25] in ("message 100", "message 101")
        timeline.focus(branch=ids[9])
        assert pull() == [f"message {number}" for number in range(1, 11)]
        timeline.set_read(ids[7])
        pull()
        assert [row.type for row in rows[-3:]] == ["unread_marker", "message", "message"]
        marked = chat.timeline(read_upto=ids[298], utc_offset_minutes=60).next()
        assert marked is not None and marked[0].items is not None and marked[0].items[-2].type == "unread_marker"
        with pytest.raises(t.InvalidError):
            chat.timeline(message="x")
        with pytest.raises(t.InvalidError):
            chat.timeline(message=ids[0], branch=ids[0])
        with pytest.raises(t.InvalidError):
            timeline.load_older(0)
        with pytest.raises(t.NotFoundError):
            tertulia.user("bo").conversation(chat.id).timeline().next()


def test_it_ends_with_the_engine(sim: Simulator) -> None:
    tertulia = engine(sim)
    with tertulia:
        chat = tertulia.user("ana").new_conversation()
        batches: list[int] = []
        timeline = chat.timeline()
        batches.append(len(timeline.next() or ()))
        reader = threading.Thread(target=lambda: batches.extend(len(batch) for batch in timeline))
        reader.start()
        chat.append([{"role": "user", "content": "one"}])
    reader.join(timeout=10)
    assert not reader.is_alive() and batches[0] == 1
    with pytest.raises(t.InvalidError, match="did you mean"):
        t.Tertulia("memory:", settings={"timeline": {"window_page": 1}}).open()


def test_the_list_of_conversations_changes_by_itself(sim: Simulator) -> None:
    with engine(sim) as tertulia:
        me = tertulia.user("ana")
        watch, rows = me.watch_conversations(), list[t.ConversationInfo]()
        assert [diff.type for diff in watch.next() or ()] == ["reset"]
        chats = [me.new_conversation() for _ in range(3)]
        for chat in chats:
            chat.append([{"role": "user", "content": f"hi from {chat.id}"}])
        chats[0].send("again")
        while not rows or rows[0].id != chats[0].id or rows[0].last_role != "assistant":
            for diff in watch.next() or ():
                diff.apply(rows)
        assert rows == list(me.list_conversations())
        assert watch.load_older(10)
        chats[1].delete()
        while len(rows) == 3:
            for diff in watch.next() or ():
                diff.apply(rows)
        assert [row.id for row in rows] == [chats[0].id, chats[2].id]


def test_the_same_awaited(sim: Simulator) -> None:
    async def run() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any", settings=NOW) as tertulia:
            me = tertulia.user("ana")
            chat, listed = me.new_conversation(), me.watch_conversations()
            rows: list[t.TimelineItem] = []
            infos: list[t.ConversationInfo] = []
            sending = asyncio.create_task(chat.send("What to see?"))
            timeline = chat.timeline()
            async for batch in timeline:
                for diff in batch:
                    diff.apply(rows)
                if text(rows[-1:]) == [("complete", "Walk the old town.")]:
                    break
            reply = await sending
            assert await timeline.load_older() and await timeline.load_newer(5)
            await timeline.set_read(None)
            await timeline.focus()
            again = await timeline.next()
            assert again is not None and list(again[0].items or ()) == rows and reply.message_id == rows[-1].id
            async for changes in listed:
                for change in changes:
                    change.apply(infos)
                if infos and infos[0].last_role == "assistant":
                    break
            assert infos == list(await me.list_conversations()) and await listed.load_older()
            waiting = asyncio.ensure_future(timeline.next())
            await asyncio.sleep(0)
            waiting.cancel()
            await chat.append([{"role": "user", "content": "kept"}])
            kept = await timeline.next()
            assert kept is not None and kept[-1].item is not None, "whoever stops waiting loses nothing"
            ends = asyncio.ensure_future(timeline.next())
        assert await ends is None

    asyncio.run(run())


def test_whoever_stops_waiting_loses_nothing_at_whatever_moment(sim: Simulator) -> None:
    async def run() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any", settings=NOW) as tertulia:
            chat = tertulia.user("ana").new_conversation()
            await chat.append([{"role": "user", "content": "first"}])
            timeline = chat.timeline()
            rows: list[t.TimelineItem] = []
            for moment in range(150):
                # The change may come before the cancelled one hears of it, meanwhile, or after.
                waiting = asyncio.ensure_future(timeline.next())
                await asyncio.sleep(0)
                saving = asyncio.ensure_future(chat.append([{"role": "user", "content": str(moment)}]))
                for _ in range(moment % 7):
                    await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting, saving])
                for diff in () if waiting.cancelled() else waiting.result() or ():
                    diff.apply(rows)
                saved = (await saving)[0]
                while not rows or rows[-1].id != saved:
                    for diff in await asyncio.wait_for(timeline.next(), 10) or ():
                        diff.apply(rows)

    asyncio.run(run())
