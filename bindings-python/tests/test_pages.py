"""Pages of a conversation, from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import tertulia as t


@pytest.fixture
def chat() -> Iterator[t.Conversation]:
    with t.Tertulia("memory:", model="echo/any") as tertulia:
        chat = tertulia.user("ana").new_conversation(title="Trip")
        chat.append([{"role": role, "content": f"{role[0]}{n}"} for n in range(60) for role in ("user", "assistant")])
        yield chat


def texts(page: t.Page[t.Message]) -> list[str]:
    return [message.text for message in page]


def test_a_page_begins_around_a_message_or_at_a_position(chat: t.Conversation) -> None:
    page = chat.history(position=61, limit=2)
    assert texts(page) == ["u30", "a30"]
    around = chat.history(around=page[0].id, limit=3)
    assert texts(around) == ["a29", "u30", "a30"]
    assert texts(chat.history(after=around.after, limit=1)) == ["u31"]
    assert chat.history(position=1).reached_start
    with pytest.raises(t.InvalidError, match="count from 1"):
        chat.history(position=0)
    with pytest.raises(t.InvalidError, match="only one"):
        chat.history(position=1, before=page.before)
    with pytest.raises(OverflowError):
        chat.history(position=-1)


def test_a_page_of_turns_and_of_less_detail(chat: t.Conversation) -> None:
    assert texts(chat.history(turns=2)) == ["u58", "a58", "u59", "a59"]
    ids = chat.history(detail="ids")
    assert [message.id for message in ids] == [message.id for message in chat.history()]
    assert not ids[0].parts
    assert texts(chat.history(limit=1, detail="previews")) == ["a59"]
    bad: Any = "all"
    with pytest.raises(t.InvalidError, match="previews"):
        chat.history(detail=bad)


def test_an_unchanged_page_is_none(chat: t.Conversation) -> None:
    page = chat.history(limit=1)
    assert chat.history(unchanged_since=page.version) is None
    chat.append([{"role": "user", "content": "more"}])
    changed = chat.history(unchanged_since=page.version)
    assert changed is not None and changed[-1].text == "more"


def test_opening_gives_row_and_page(chat: t.Conversation) -> None:
    info, page = chat.open(turns=1)
    assert (info.title, info.message_count, texts(page)) == ("Trip", 120, ["u59", "a59"])
    assert info.version == page.version


def test_all_messages_are_iterated(chat: t.Conversation) -> None:
    forward = [message.text for message in chat.messages()]
    assert forward[:3] == ["u0", "a0", "u1"] and len(forward) == 120
    assert next(chat.messages()).text == "u0"
    assert [message.text for message in chat.messages(newest_first=True)] == forward[::-1]
    assert not next(chat.messages(detail="ids")).parts


def test_the_same_is_awaited() -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as tertulia:
            chat = tertulia.user("ana").new_conversation()
            assert [message async for message in chat.messages()] == []
            await chat.append([{"role": "user", "content": str(n)} for n in range(120)])
            assert [message.text async for message in chat.messages()] == [str(n) for n in range(120)]
            assert [m.text async for m in chat.messages(newest_first=True)][:2] == ["119", "118"]
            _info, page = await chat.open(limit=2)
            assert texts(page) == ["118", "119"]
            assert await chat.history(unchanged_since=page.version) is None
            assert texts(await chat.history(around=page[0].id, limit=2)) == ["118", "119"]

    asyncio.run(main())
