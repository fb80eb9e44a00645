"""Runs of the command line, for its tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tertulia as t

MODEL = "claude-sonnet-4-5"
ASKED = f"anthropic/{MODEL}"
KEY = "sk-canary-of-the-key"
KEPT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
NOWHERE = "http://127.0.0.1:1"


@dataclass
class Done:
    """What a run of the command left."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code in (0, 1), self.err
        return json.loads(self.out)


Cli = Callable[..., Done]


def process(*arguments: object, said: str = "") -> Done:
    command = [sys.executable, "-W", "error", "-m", "tertulia", *map(str, arguments)]
    done = subprocess.run(command, input=said, capture_output=True, encoding="utf-8", timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def filled(path: Path, *said: str) -> t.ConversationInfo:
    """A conversation of this user with the echo."""
    with t.Tertulia(path, model="echo/echo") as engine:
        chat = engine.user().new_conversation()
        for words in said:
            chat.send(words)
        return chat.summary()
