"""What a run comes to is known to type checkers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_mypy_knows_what_a_run_comes_to(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
from dataclasses import dataclass
from typing import TypedDict

from pydantic import BaseModel
from typing_extensions import assert_type

import tertulia as t

@dataclass
class Trip:
    city: str

class Place(TypedDict):
    city: str

class Stop(BaseModel):
    city: str

@t.tool(idempotent=True)
def weather(city: str) -> str:
    return city

async def book(context: t.ToolContext, city: str) -> None: ...

assert_type(weather("Lima"), str)
words = t.Agent("", tools=[weather, book, t.tool(book)])
trip = t.Agent("", output=Trip, bounds={"max_rounds": 2})

def sync(chat: t.Conversation, me: t.UserScope) -> None:
    assert_type(chat.run(words, "?").output, str)
    assert_type(chat.run(trip, "?", model="lab/m").output, Trip)
    assert_type(chat.run(t.Agent("", output=Place), "?").output, Place)
    assert_type(chat.run(t.Agent("", output=Stop), "?").output, Stop)
    run = chat.start(trip, "?")
    assert_type(run, t.Run[Trip])
    assert_type(run.result().output, Trip)
    assert_type(chat.pick_up(words, run.id).result(), t.AgentResult[str])
    for event in me.attach_run(run.id).events():
        if event.type == "approval_needed":
            assert_type(event.call, t.ToolCall)

async def awaited(chat: t.AsyncConversation) -> None:
    assert_type((await chat.run(trip, "?")).output, Trip)
    run = await chat.start(words, "?")
    assert_type(run, t.AsyncRun[str])
    async for event in run:
        assert_type(event.seq, int)
    assert_type(await run.result(), t.AgentResult[str])
"""
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
