"""Conversations that leave in a file and come back, from Python."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import tertulia as t


def test_what_is_exported_comes_back_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with t.Tertulia("memory:", model="echo/any") as here, t.Tertulia("memory:", model="echo/any") as there:
        me = here.user("ana")
        chat = me.new_conversation(title="Trip", tags=["travel"])
        chat.send("Where to?")
        chat.edit(chat.history()[0].id, "Where to in May?").reply()
        chat.append(
            [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "Look"}, t.image(data=b"\x89PNG\r\n", mime_type="image/png")],
                }
            ]
        )
        chat.update(pinned=True)
        me.update_preferences(language="es")
        written = me.export_conversations(path, preferences=True)
        assert (written.conversations, written.messages, written.files) == (1, 5, 1)
        assert written.bytes == path.stat().st_size
        assert json.loads(path.read_text(encoding="utf-8").splitlines()[0])["version"] == 1

        copy = there.user("ana")
        dry = copy.import_conversations(str(path), dry_run=True)
        assert dry.dry_run and (dry.conversations, dry.messages) == (1, 5) and len(copy.list_conversations()) == 0
        report = copy.import_conversations(path)
        assert (report.format, report.conversations, report.messages, report.problems) == ("tertulia", 1, 5, ())
        again = copy.import_conversations(path)
        assert (again.conversations, again.messages, again.skipped) == (0, 0, 5)
        (info,) = copy.list_conversations()
        assert (info.id, info.title, info.tags, info.pinned) == (chat.id, "Trip", ("travel",), True)
        assert copy.preferences().language == "es"
        mine = copy.conversation(info.id)
        assert [message.text for message in mine.history()] == [message.text for message in chat.history()]
        assert len(mine.branches()) == 2
        copy.export_conversations(tmp_path / "again.jsonl", preferences=True)
        lines = [
            sorted(json.loads(line)) for line in (tmp_path / "again.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        assert lines == [sorted(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def test_conversations_are_chosen(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with t.Tertulia("memory:", model="echo/any") as tertulia:
        me = tertulia.user("ana")
        chats = [me.new_conversation(title=title) for title in ("one", "two", "three")]
        for chat in chats:
            chat.append([{"role": "user", "content": "words"}])
        chats[1].update(archived=True, tags=["x"])
        assert me.export_conversations(path).conversations == 3
        assert me.export_conversations(path, archived=False).conversations == 2
        assert me.export_conversations(path, tag="x").conversations == 1
        assert me.export_conversations(path, pinned=True).conversations == 0
        assert me.export_conversations(path, ids=[chats[2].id, chats[0].id]).conversations == 2
        with pytest.raises(t.NotFoundError):
            tertulia.user("bo").export_conversations(path, ids=[chats[0].id])
        with pytest.raises(t.InvalidError, match="conversation id"):
            me.export_conversations(path, ids=["x"])


def test_files_of_others_are_taken_and_bad_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.json"

    async def work() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as tertulia:
            me = tertulia.user("ana")
            path.write_text(json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]))
            report = await me.import_conversations(path)
            assert (report.format, report.conversations, report.messages) == ("messages", 1, 2)
            path.write_text('[{"role": "user", "content": "hi"}, {"role": "emperor", "content": "secret"}]')
            report = await me.import_conversations(path, dry_run=True)
            (problem,) = report.problems
            assert (problem.reason, problem.item, report.problem_count) == ("bad_role", 2, 1)
            for text, reason in [("hello", "malformed"), ('{"a": 1}', "unknown_format"), ("[{", "truncated")]:
                path.write_text(text)
                with pytest.raises(t.InvalidError, match="line 1, item 1") as caught:
                    await me.import_conversations(path)
                assert caught.value.reason == reason
            exported = await me.export_conversations(tmp_path / "out.jsonl")
            assert exported.messages == 2

    asyncio.run(work())
