"""Branches of a conversation, from Python: edited and regenerated messages, what is shown, deleted and copied."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator

import pytest
import tertulia as t
from tertulia.testing import Simulator


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        sim.script("any", *(f"text=answer%20{number}" for number in range(1, 20)))
        yield sim


@pytest.fixture
def chat(sim: Simulator) -> Iterator[t.Conversation]:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as tertulia:
        chat = tertulia.user("ana").new_conversation(title="Trip")
        chat.send("one")
        chat.send("two")
        yield chat


def texts(chat: t.Conversation) -> list[str]:
    return [message.text for message in chat.history(limit=200)]


def said(chat: t.Conversation, text: str) -> str:
    return next(message.id for message in chat.history() if message.text == text)


def test_what_is_said_anew_stands_beside_what_was_said_before(chat: t.Conversation, sim: Simulator) -> None:
    two = said(chat, "two")
    assert chat.edit(two, "two, anew").reply().text == "answer 3"
    assert "".join(chat.regenerate(said(chat, "answer 3")).text()) == "answer 4"
    assert texts(chat) == ["one", "answer 1", "two, anew", "answer 4"]
    assert [message["content"] for message in sim.requests[-1].json()["messages"]] == ["one", "answer 1", "two, anew"]
    siblings = chat.siblings(two)
    assert [(m.text, m.sibling_index, m.sibling_count) for m in siblings] == [("two", 0, 2), ("two, anew", 1, 2)]
    assert len(chat.siblings(two, limit=1)) == 1
    head = chat.switch_to(two)
    assert texts(chat) == ["one", "answer 1", "two", "answer 2"] and head == said(chat, "answer 2")
    with pytest.raises(t.InvalidError, match="not_editable"):
        chat.edit(said(chat, "answer 1"), "x")
    with pytest.raises(t.NotFoundError):
        chat.switch_to(chat.id)


def test_branches_are_listed_forked_and_seen_from_any_message(chat: t.Conversation) -> None:
    answer = said(chat, "answer 1")
    there = chat.at(answer)
    assert texts(there) == ["one", "answer 1"] and len(chat.history()) == 4
    there.send("other")
    assert texts(chat) == ["one", "answer 1", "other", "answer 3"]
    branches = chat.branches()
    assert [(b.last_preview, b.depth, b.is_current) for b in branches] == [
        ("answer 3", 4, True),
        ("answer 2", 4, False),
    ]
    assert isinstance(branches[0], t.Branch) and repr(branches).startswith("Page(2 branches")
    assert pickle.loads(pickle.dumps(branches)) == branches
    first = chat.branches(limit=1)
    assert chat.branches(limit=1, before=first.before)[0] == branches[1]
    chat.fork(answer)
    assert texts(chat) == ["one", "answer 1"]
    chat.switch_to(branches[1].head_id)
    assert texts(chat)[-1] == "answer 2"


def test_a_stale_head_is_refused_and_the_one_that_is_is_named(chat: t.Conversation) -> None:
    head = said(chat, "answer 2")
    with pytest.raises(t.ConflictError, match="head_moved") as refused:
        chat.send("stale", expected_head=said(chat, "one"))
    assert head in refused.value.detail
    chat.send("three", expected_head=head)
    assert len(chat.history()) == 6


def test_messages_are_deleted_and_copied(chat: t.Conversation) -> None:
    copy = chat.duplicate(said(chat, "answer 1"))
    assert texts(copy) == ["one", "answer 1"] and copy.id != chat.id and copy.summary().title == "Trip"
    one = said(chat, "one")
    chat.delete_message(one)
    assert [message.status for message in chat.history()] == ["deleted", "complete", "complete", "complete"]
    chat.delete_message(said(chat, "two"), subtree=True)
    assert texts(chat) == ["", "answer 1"]
    assert texts(copy) == ["one", "answer 1"]


def test_it_is_the_same_awaited(sim: Simulator) -> None:
    async def body() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
            chat = engine.user("ana").new_conversation()
            await chat.send("one")
            one, answer = [message.id for message in await chat.history()]
            assert (await chat.regenerate(answer).reply()).text == "answer 2"
            async with chat.edit(one, "anew") as stream:
                assert (await stream.reply()).text == "answer 3"
            assert [m.text for m in await chat.siblings(one)] == ["one", "anew"]
            assert [b.last_preview for b in await chat.branches()] == ["answer 3", "answer 2", "answer 1"]
            assert await chat.switch_to(answer) == answer
            await chat.fork(one)
            assert [m.text for m in await chat.history()] == ["one"]
            copy = await chat.duplicate(answer)
            assert isinstance(copy, t.AsyncConversation)
            assert [m.text for m in await copy.history()] == ["one", "answer 1"]
            assert [m.text for m in await chat.at(answer).history()] == ["one", "answer 1"]
            await chat.delete_message(answer)
            await chat.delete_message(one, subtree=True)
            with pytest.raises(t.NotFoundError):
                await chat.siblings(answer)

    asyncio.run(body())
