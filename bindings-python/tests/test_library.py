"""Libraries of the application and of its users, from Python."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tertulia as t


@pytest.fixture
def engine() -> Iterator[t.Tertulia]:
    with t.Tertulia("memory:", model="echo/any") as tertulia:
        yield tertulia


def text(library: t.Library, name: str) -> str | None:
    found = library.get(name)
    return found and found.text


def test_a_users_own_prompt_stands_before_the_applications(engine: t.Tertulia) -> None:
    ana, bo = engine.user("ana").prompts(), engine.user("bo").prompts()
    assert engine.prompts().get("guide") is None
    assert engine.prompts().put("guide", "You show {{who}} around {{ place }}.") == 1
    assert ana.put("guide", "Two tips for {{place}}.") == 1
    own, shared = ana.get("guide"), bo.get("guide")
    assert own is not None and shared is not None and (own.shared, shared.shared) == (False, True)
    assert own.render(place="Cádiz") == "Two tips for Cádiz."
    assert shared.render(who="Bo", place="Lisbon", more="nothing") == "You show Bo around Lisbon."
    with pytest.raises(t.InvalidError, match="asks for a value `who`") as refused:
        shared.render(place="Lisbon")
    assert (refused.value.reason, refused.value.operation) == ("missing_value", "library.render")
    with pytest.raises(TypeError):
        shared.render(who=7, place="x")  # type: ignore[arg-type]
    ana.delete("guide")
    assert text(ana, "guide") == shared.text
    with pytest.raises(t.NotFoundError):
        ana.delete("guide")


def test_values_are_json_in_versions(engine: t.Tertulia) -> None:
    councils = engine.councils()
    council: dict[str, Any] = {"members": ["echo/a", "echo/b"], "quorum": 2, "share": 0.5, "seed": None}
    assert [councils.put("main", council), councils.put("main", council), councils.put("main", [1, True])] == [1, 1, 2]
    newest, first = councils.get("main"), councils.version("main", 1)
    assert newest is not None and first is not None
    assert (newest.kind, newest.version, newest.value, newest.text) == ("council", 2, [1, True], None)
    assert first.value == council and first.created_at == newest.created_at <= newest.updated_at
    assert councils.version("main", 3) is None
    rows = councils.versions("main")
    assert [(row.version, row.size_bytes) for row in rows] == [
        (2, 8),
        (1, len(json.dumps(council, separators=(",", ":")))),
    ]
    assert councils.versions("main", before=2, limit=1) == rows[1:]
    with pytest.raises(t.InvalidError, match="no text"):
        newest.render()
    with pytest.raises(t.ConflictError, match="version 2 is there now") as moved:
        councils.put("main", 1, expected_version=1)
    assert moved.value.reason == "entry_moved"
    with pytest.raises(t.ConflictError):
        councils.delete("main", expected_version=1)
    assert councils.put("main", 1, expected_version=2) == 3
    councils.delete("main", expected_version=3)
    assert councils.put("main", 1, expected_version=0) == 4


def test_a_list_shows_each_name_once(engine: t.Tertulia) -> None:
    ana = engine.user("ana").library("setting")
    for name in ("a", "c", "d/1"):
        engine.library("setting").put(name, 1)
    for name in ("b", "c"):
        ana.put(name, 2)
    assert [(item.name, item.shared) for item in ana.list()] == [("a", True), ("b", False), ("c", False), ("d/1", True)]
    assert [item.name for item in ana.list(limit=2)] == ["a", "b"]
    assert [item.name for item in ana.list(after="b", limit=2)] == ["c", "d/1"]
    assert [item.name for item in ana.list(prefix="d/")] == ["d/1"]
    assert ana.kind == "setting" and repr(ana) == 'Library("setting", user="ana")'
    assert repr(engine.prompts()) == 'Library("prompt")'


def test_what_cannot_be_is_refused(engine: t.Tertulia) -> None:
    prompts = engine.prompts()
    for bad, reason in (("", "bad_name"), ("a\n", "bad_name"), ("x" * 129, "bad_name")):
        with pytest.raises(t.InvalidError) as refused:
            prompts.put(bad, "x")
        assert refused.value.reason == reason and refused.value.operation == "library.put"
    with pytest.raises(t.InvalidError, match="65536 bytes"):
        prompts.put("p", "x" * 65_536)
    with pytest.raises(t.InvalidError, match="such as `prompt`"):
        engine.library("My kind").get("p")
    with pytest.raises(t.InvalidError, match="1 to 200"):
        prompts.list(limit=201)
    with pytest.raises(TypeError, match="value must be JSON"):
        prompts.put("p", {1, 2})
    assert prompts.list() == ()
    with pytest.raises(t.InvalidError, match="settings.library has no field `max_byte`"):
        t.Tertulia("memory:", settings={"library": {"max_byte": 1}}).open()


def test_what_is_remembered_is_counted_and_can_be_forgotten(engine: t.Tertulia) -> None:
    me, cache = engine.user("ana"), engine.library_cache()
    me.prompts().put("p", "one")
    for _ in range(3):
        assert text(me.prompts(), "p") == "one"
        assert me.preferences() == t.Preferences()
    assert (cache.health().hits, cache.health().misses, cache.health().entries) == (4, 2, 2)
    assert engine.health().library == cache.health() and cache.health().hit_rate == pytest.approx(2 / 3)
    cache.invalidate("prompt", "p", user="ana")
    cache.invalidate("preferences", user="ana")
    assert cache.health().entries == 0 and text(me.prompts(), "p") == "one"
    cache.clear()
    assert cache.health().entries == 0 and repr(cache) == "LibraryCache()"
    me.update_preferences(name="Ana")
    assert me.preferences().name == "Ana"
    with pytest.raises(t.InvalidError, match="not_open"):
        t.Tertulia("memory:").library_cache().health()


def test_two_engines_on_one_file_are_never_behind(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with t.Tertulia(path) as one, t.Tertulia(path) as other:
        for number in range(50):
            one.prompts().put("p", f"{number}")
            one.user("ana").update_preferences(name=f"{number}")
            assert text(other.user("ana").prompts(), "p") == f"{number}"
            assert other.user("ana").preferences().name == f"{number}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_the_child_of_a_fork_changes_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with t.Tertulia(path) as engine:
        prompts = engine.user("ana").prompts()
        for number in range(5):
            prompts.put("p", f"before {number}")
            assert text(prompts, "p") == f"before {number}"
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    with t.Tertulia(path) as own:
                        theirs = own.user("ana").prompts()
                        if text(theirs, "p") == f"before {number}":
                            theirs.put("p", f"behind {number}")
                            status = 0 if text(theirs, "p") == f"behind {number}" else 2
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert text(prompts, "p") == f"behind {number}"


def test_the_same_is_awaited() -> None:
    async def work() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as engine:
            prompts = engine.user("ana").prompts()
            await engine.prompts().put("a", "for {{who}}")
            assert await prompts.put("b", "own") == 1
            found = await asyncio.gather(*(prompts.get("a") for _ in range(20)))
            assert all(entry is not None and entry.render(who="Ana") == "for Ana" for entry in found)
            assert [item.name for item in await prompts.list()] == ["a", "b"]
            assert [row.version for row in await prompts.versions("b")] == [1]
            assert (await prompts.version("b", 1)) == await prompts.get("b")
            await prompts.delete("b")
            assert await prompts.get("b") is None
            await engine.personas().put("p", {"tone": "dry"})
            assert (await engine.user("ana").personas().get("p")) is not None
            assert await engine.councils().list() == () == await engine.library("own").list()
            assert engine.library_cache().health().hits >= 19
            assert repr(prompts) == 'AsyncLibrary("prompt", user="ana")'

    asyncio.run(work())
