"""Everything of a user is taken out, from Python."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import tertulia as t

CANARY = "zqxwcanaryvjk"


def traces(folder: Path) -> int:
    return sum(path.read_bytes().count(CANARY.encode()) for path in folder.iterdir())


def test_nothing_is_left_and_nothing_of_others_is_gone(tmp_path: Path) -> None:
    with t.Tertulia(str(tmp_path / "chat.db"), model="echo/any") as tertulia:
        me, other = tertulia.user("ana"), tertulia.user("bob")
        theirs = other.new_conversation()
        theirs.send("what bob says")
        chat = me.new_conversation(title=CANARY, tags=[CANARY])
        chat.send(f"{CANARY} and more")
        chat.edit(chat.history()[0].id, f"{CANARY} said anew").reply()
        me.update_preferences(name=CANARY)
        assert len(me.search(CANARY)) > 0
        tertulia.store().checkpoint()
        assert traces(tmp_path) > 3
        spent = me.usage()

        report = me.erase()
        assert (report.conversations, report.messages, report.scrubbed) == (1, 4, True)
        assert traces(tmp_path) == 0
        assert len(me.list_conversations()) == 0
        assert me.preferences() == t.Preferences()
        assert me.usage() == spent and spent.total.requests == 2
        with pytest.raises(t.NotFoundError):
            chat.summary()
        assert len(theirs.history()) == 2
        assert tertulia.store().verify().problems == ()
        me.new_conversation().send("hello")
        assert len(me.list_conversations()) == 1


def test_it_is_awaited_and_done_again() -> None:
    async def work() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as tertulia:
            me = tertulia.user("ana")
            await me.new_conversation().send("hello")
            assert (await me.erase()).conversations == 1
            assert await me.erase() == t.ErasureReport(scrubbed=True)

    asyncio.run(work())
