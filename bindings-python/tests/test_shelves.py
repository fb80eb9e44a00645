"""Conversations that are pinned, archived, tagged, or gone from a moment on, from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
import tertulia as t


@pytest.fixture
def me() -> Iterator[t.UserScope]:
    with t.Tertulia("memory:", model="echo/any") as tertulia:
        yield tertulia.user("ana")


def titles(page: t.Page[t.ConversationInfo]) -> list[str | None]:
    return [info.title for info in page]


def said(me: t.UserScope, title: str, *tags: str) -> t.Conversation:
    chat = me.new_conversation(title=title, tags=tags)
    chat.append([{"role": "user", "content": "words"}])
    return chat


def test_a_list_is_ordered_and_filtered(me: t.UserScope) -> None:
    one, two, _three = said(me, "one", "work"), said(me, "two"), said(me, "three", "work", "trip")
    one.update(pinned=True)
    two.update(archived=True, tags=["home"])
    assert titles(me.list_conversations()) == ["one", "three"]
    assert titles(me.list_conversations(archived=True)) == ["two"]
    assert titles(me.list_conversations(pinned=False)) == ["three"]
    assert titles(me.list_conversations(tag="trip")) == ["three"]
    assert titles(me.list_conversations(tag="home", archived=True)) == ["two"]
    first = me.list_conversations(tag="work", limit=1)
    assert titles(first) == ["one"] and first[0].pinned and first[0].tags == ("work",)
    assert titles(me.list_conversations(tag="work", before=first.before)) == ["three"]
    page = me.list_conversations()
    assert me.list_conversations(unchanged_since=page.version) is None
    one.update(title="uno", pinned=False)
    changed = me.list_conversations(unchanged_since=page.version)
    assert changed is not None and titles(changed) == ["three", "uno"]
    with pytest.raises(t.InvalidError, match="32 tags"):
        one.update(tags=[""])
    with pytest.raises(t.InvalidError, match="8192 bytes"):
        one.update(metadata={"key": "x" * 9000})


def test_a_conversation_may_end_by_itself(me: t.UserScope) -> None:
    chat = me.new_conversation(expires_in=timedelta(hours=1))
    chat.append([{"role": "user", "content": "words"}])
    info = chat.summary()
    assert info.expires_at is not None and info.expires_at - info.created_at == timedelta(hours=1)
    chat.update(expires_in=None)
    assert chat.summary().expires_at is None and chat.summary().depth == 1
    with pytest.raises(t.InvalidError, match="at least a millisecond"):
        chat.update(expires_in=0)
    chat.update(expires_in=0.001)
    there = me.conversation(chat.id)
    with pytest.raises(t.NotFoundError):
        for _ in range(100_000):
            there.history()
    assert len(me.list_conversations()) == 0


def test_a_users_preferences_are_kept(me: t.UserScope) -> None:
    assert me.preferences() == t.Preferences()
    me.update_preferences(name="Ana", language="pt-BR", values={"theme": "dark", "font": "large"})
    me.update_preferences(time_zone="America/Sao_Paulo", language=None, values={"font": None})
    assert me.preferences() == t.Preferences("Ana", time_zone="America/Sao_Paulo", values={"theme": "dark"})
    with pytest.raises(t.InvalidError, match="BCP 47"):
        me.update_preferences(language="Português")
    with pytest.raises(t.InvalidError, match="8192 bytes"):
        me.update_preferences(values={"key": "x" * 9_000})
    with pytest.raises(TypeError, match="time_zone"):
        me.update_preferences(timezone="UTC")  # type: ignore[call-arg]
    assert me.preferences().name == "Ana"


def test_the_same_is_awaited() -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as tertulia:
            me = tertulia.user("ana")
            chat = me.new_conversation(title="one", tags=["work"])
            await chat.append([{"role": "user", "content": "words"}])
            await chat.update(pinned=True)
            assert titles(await me.list_conversations(tag="work", pinned=True)) == ["one"]
            await me.update_preferences(name="Ana")
            assert (await me.preferences()).name == "Ana"
            page = await me.list_conversations()
            assert await me.list_conversations(unchanged_since=page.version) is None

    asyncio.run(main())
