"""Letting an engine rest, looking its store over, copying it."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import tertulia
from tertulia import AsyncTertulia, Tertulia


def test_a_suspended_engine_answers_closed_holds_no_lock_and_wakes_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with Tertulia(path, model="echo/any") as engine:
        chat = engine.user("ana").new_conversation()
        chat.send("before")
        engine.suspend()
        engine.suspend()
        calls = [
            lambda: chat.send("meanwhile"),
            lambda: chat.history(),
            lambda: engine.user("ana").list_conversations(),
            lambda: engine.store().verify(),
            lambda: engine.ask("meanwhile"),
        ]
        for call in calls:
            with pytest.raises(tertulia.ClosedError) as refused:
                call()
            assert refused.value.reason == "suspended"
            assert refused.value.user_message
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("COMMIT")
        other.close()
        engine.resume()
        chat.send("after")
        said = [message.text for message in chat.history() if message.role == "user"]
        assert said == ["before", "after"]


def test_a_store_is_looked_over_repaired_reported_vacuumed_and_copied(tmp_path: Path) -> None:
    path, backup = tmp_path / "chat.db", tmp_path / "backup.db"
    with Tertulia(path, model="echo/any") as engine:
        chat = engine.user("ana").new_conversation()
        chat.send("hello")
        store = engine.store()
        found = store.verify()
        assert (found.is_sound, found.problems, found.conversations, found.messages) == (True, (), 1, 2)

        # By another process: two libraries of SQLite in one process take each other's locks away.
        wrong = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2])"
        count = "UPDATE conversation SET message_count = 77"
        subprocess.run([sys.executable, "-c", wrong, str(path), count], check=True)
        [problem] = store.verify().problems
        assert (problem.kind, problem.place, problem.repairable) == ("count", "conversation", True)
        assert store.repair() == tertulia.Repair([problem], [])
        assert store.verify().is_sound

        assert store.backup(backup) == backup.stat().st_size
        with pytest.raises(tertulia.InvalidError) as refused:
            store.backup(path)
        assert refused.value.reason == "bad_backup"
        assert store.checkpoint() is True
        assert store.vacuum() >= 0
        report = store.storage_report()
        assert (report.file_bytes, report.log_bytes) == (path.stat().st_size, 0)
        assert "messages" in {kind.name for kind in report.kinds}
    with Tertulia(backup, model="echo/any") as copy:
        assert [message.text for message in copy.user("ana").conversation(chat.id).history()][0] == "hello"


def test_a_store_in_memory_rests_and_has_no_files_to_look_after() -> None:
    with Tertulia("memory:", model="echo/any") as engine:
        engine.suspend()
        with pytest.raises(tertulia.ClosedError):
            engine.user("ana").new_conversation().send("meanwhile")
        engine.resume()
        engine.user("ana").new_conversation().send("after")
        with pytest.raises(tertulia.InvalidError) as refused:
            engine.store().backup("backup.db")
        assert refused.value.reason == "unsupported"


def test_the_same_awaited(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncTertulia(tmp_path / "chat.db", model="echo/any") as engine:
            chat = engine.user("ana").new_conversation()
            await chat.send("hello")
            store = engine.store()
            assert (await store.verify()).is_sound
            assert await store.backup(tmp_path / "backup.db") > 0
            assert (await store.repair()).left == ()
            assert await store.checkpoint() is True
            assert await store.vacuum() >= 0
            assert (await store.storage_report()).pages > 0
            await engine.suspend()
            with pytest.raises(tertulia.ClosedError):
                await chat.send("meanwhile")
            await engine.resume()
            await chat.send("after")

    asyncio.run(main())
