"""Many changes at once, from Python."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import tertulia as t


def words(chat: t.Conversation) -> list[str]:
    return [message.text for message in chat.history()]


@pytest.mark.parametrize("store", ["memory:", "file"])
def test_all_of_it_is_done_or_nothing(tmp_path: Path, store: str) -> None:
    path = tmp_path / "old.jsonl"
    where = store if store == "memory:" else str(tmp_path / "chat.db")
    with t.Tertulia(where, model="echo/any") as tertulia:
        me, other = tertulia.user("ana"), tertulia.user("bob")
        chats = [me.new_conversation(title=str(number), tags=["inbox"]) for number in range(4)]
        for chat in chats:
            chat.append([{"role": "user", "content": "one"}])
        theirs = other.new_conversation()
        theirs.append([{"role": "user", "content": "theirs"}])

        batch = me.batch().archive(chats).delete(theirs.id)
        assert len(batch) == 5 and "5" in repr(batch)
        with pytest.raises(t.NotFoundError) as refused:
            batch.run()
        assert refused.value.detail.startswith("item 4 (delete): ")
        assert refused.value.operation == "user.batch"
        assert len(me.list_conversations()) == 4
        looked = batch.run(dry_run=True)
        assert looked.dry_run and (looked.done, looked.refused) == (4, 1)
        assert looked.items[4].error is not None and looked.items[4].error.kind == "not_found"

        new = me.new_conversation(title="new")
        old = chats[2].history()[0].id
        report = (
            me.batch()
            .export(path, chats[:2])
            .delete(chats[:2])
            .retag(chats[2:], "inbox", "done")
            .tag(chats[3], "starred")
            .untag(chats[3].id, ["done"])
            .append(new, [{"role": "user", "content": "hello"}])
            .edit(chats[2], old, "said anew")
            .update([new], title="renamed", pinned=True)
            .run()
        )
        assert (report.done, report.refused, report.skipped) == (10, 0, 0)
        assert [item.verb for item in report.items[:3]] == ["export", "delete", "delete"]
        assert report.items[0].export is not None and report.items[0].export.conversations == 2
        assert {item.state for item in report.items} == {"done"}
        assert path.exists()
        assert {info.title for info in me.list_conversations()} == {"renamed", "2", "3"}
        assert chats[2].summary().tags == ("done",) and chats[3].summary().tags == ("starred",)
        assert words(chats[2]) == ["said anew"] and words(new) == ["hello"]
        assert new.history()[0].id == report.items[7].message_ids[0]
        assert words(theirs) == ["theirs"]


def test_what_can_be_done_is_done(tmp_path: Path) -> None:
    with t.Tertulia("memory:", model="echo/any") as tertulia:
        me = tertulia.user("ana")
        chats = [me.conversation_for(str(number)) for number in range(1_200)]
        for chat in chats[:3]:
            chat.append([{"role": "user", "content": "one"}])
        run = me.batch().pin(chats).start(best_effort=True)
        told = list(run)
        assert all(progress.total == 1_200 for progress in told)
        report = run.report()
        assert (report.done, report.refused) == (3, 1_197)
        assert run.progress == t.BatchProgress("over", 1_200, 1_200)
        run.cancel()
        assert run.report() == report


def test_what_cannot_be_in_a_batch_is_said() -> None:
    with t.Tertulia("memory:", model="echo/any") as tertulia, t.Tertulia("memory:", model="echo/any") as elsewhere:
        me = tertulia.user("ana")
        with pytest.raises(t.InvalidError):
            me.batch().delete(["no id"])
        with pytest.raises(TypeError):
            me.batch().delete(7)  # type: ignore[arg-type]
        with pytest.raises((t.InvalidError, TypeError)):
            me.batch().update([], colour="red")  # type: ignore[call-arg]
        chat = elsewhere.user("ana").new_conversation()
        with pytest.raises(t.InvalidError) as refused:
            me.batch().append(chat, [{"role": "user", "content": "one"}]).run()
        assert refused.value.reason == "other_user"
        assert me.batch().run() == t.BatchReport()


def test_a_batch_is_awaited_watched_and_cancelled() -> None:
    async def work() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as tertulia:
            me = tertulia.user("ana")
            chats = [me.new_conversation() for _ in range(3)]
            batch = me.batch()
            for chat in chats:
                batch.append(chat, [{"role": "user", "content": "one"}])
            report = await batch.run()
            assert report.done == 3
            run = await me.batch().archive(chats).start()
            phases = [progress.phase async for progress in run]
            assert "over" not in phases
            assert (await run.report()).done == 3
            assert run.progress.phase == "over"
            assert len(await me.list_conversations()) == 0

            # Cancelled in time, it has done nothing; too late, all of it.
            run = await me.batch().delete(chats[1]).append(chats[2], [{"role": "user", "content": "two"}]).start()
            run.cancel()
            try:
                assert (await run.report()).done == 2
            except t.CancelledError:
                assert len(await chats[1].history()) == 1

    asyncio.run(work())
