"""The examples are run as a reader would: in a folder of their own, against the simulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tertulia.testing import Simulator

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples" / "python").glob("[0-9][0-9]_*.py"))


# What each example says that is run as it stands; the first two have tests of their own.
TOLD = {
    "03": ["Cádiz", "children", "Lima", "tokens", "stopped; the message is kept"],
    "04": ["weather({'city': 'Cadiz'})", "Warm: take a hat."],
    "05": ["so far: First", "again: First walk the old town.", "unknown_provider - "],
    "06": ["Cádiz 6 True", "('user', 'Question 0')", "somebody else's: 0"],
    "07": ["passed"],
    "08": ["clerk asked 1 times; last: Are you open?  (2 tries)", "last: And on Sunday?", "8192 tokens"],
    "09": ["old town", "try 3 for ana after", "1 call, 2 retries, success rate 1.0", "store ok - echo ok"],
    "10": [
        "user 2/2: Plan two days",
        "assistant 1/2: ",
        "branches: [2, 2, 2]",
        "another message by now",
        "0 shown here, 2 in",
    ],
    "11": ["A long talk: 10000", "['Question 2500', 'Answer 2500'", "longest: 13", "changed: False"],
    "12": [
        "Ana prefers {'theme': 'dark'}",
        "['Taxes', 'Lisbon', 'Cádiz'] and in the archive ['Last year']",
        "trips: ['Lisbon', 'Cádiz']",
        "changed: False",
        "ends by itself: True",
    ],
    "13": [
        "in [Cádiz]?  (on another branch)",
        "eat [salmorejo in Córdoba]?",
        "parse[Http]Request",
        "東京[タワー]",
        "best of several: True, there are more: True",
        "somebody else's: 0",
    ],
    "14": ["backed up: True", "2 messages in 1 conversation, sound: True", "closed: suspended", "rainy day"],
    "15": [
        "1 conversation, 4 messages",
        "would add: 4",
        "0 added, 4 here already",
        "branches: 2 - shown: Plan a rainy day",
        "messages: 1 message, and item 2: a message has no role that is known",
    ],
    "16": [
        "grows: '",
        "-- 2",
        "user (sent): What to see in Cádiz?",
        "assistant (complete): First walk the old town.",
        "['First walk the old town.']",
    ],
    "17": ["read in two parts: True", "nothing is told twice: True"],
    "18": [
        "Cádiz: 24 °C",
        "['human', 'ai', 'tool', 'ai', 'human', 'ai']",
        "A little",
        "['user', 'assistant', 'tool', 'assistant', 'user', 'assistant', 'user', 'assistant']",
        "[{'role': 'assistant', 'content': 'A little'}]",
    ],
    "19": [
        "7 items done; in the file: 2 conversations",
        "nothing is pinned: item 0 (update)",
        "5 done, 2 refused; the first of them: item 0",
    ],
    "20": [
        "her own: Two tips for Cádiz, no more.",
        "versions: [2, 1]",
        "somebody was faster: entry_moved",
        "names: ['guide']",
        "dark: True",
        "remembered: 4 values",
    ],
}


def run(example: Path, folder: Path, **variables: str) -> str:
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")}
    environment = {**keep, "TERTULIA_HOME": str(folder), "PYTHONUTF8": "1", **variables}
    command = [sys.executable, "-W", "error", str(example)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def example(number: str) -> Path:
    (found,) = [path for path in EXAMPLES if path.name.startswith(number)]
    return found


def test_the_example_of_the_readme_is_the_one_that_is_run() -> None:
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert example("02").read_text(encoding="utf-8") == block


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    with Simulator() as sim:
        out = run(example("02"), tmp_path, TERTULIA_ANTHROPIC_BASE_URL=f"{sim.url}/v1", ANTHROPIC_API_KEY="sk-test")
        assert "Cádiz" in out and "rainy day" in out and "$0." in out
        assert sim.requests[0].path == "/v1/messages" and sim.requests[1].headers["x-api-key"] == "sk-test"
    assert (tmp_path / "chat.db").exists()


def test_the_page_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guide" / "python.md").read_text(encoding="utf-8")
    program = tmp_path / "page.py"
    program.write_text("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), encoding="utf-8")
    with Simulator() as sim:
        out = run(program, tmp_path, TERTULIA_ANTHROPIC_BASE_URL=f"{sim.url}/v1", ANTHROPIC_API_KEY="sk-test")
    for words in (
        "Cádiz?",
        "rainy day",
        "user Three",
        "assistant You said",
        "where to eat",
        "unknown_provider",
        "1 round",
        " done",
    ):
        assert words in out


@pytest.mark.parametrize("number", TOLD)
def test_an_example_runs(number: str, tmp_path: Path) -> None:
    out = run(example(number), tmp_path)
    for words in TOLD[number]:
        assert words in out


def test_the_chat_keeps_and_continues_the_conversation(tmp_path: Path) -> None:
    assert "hello from Cádiz" in run(example("01"), tmp_path, MESSAGE="hello from Cádiz")
    again = run(example("01"), tmp_path, MESSAGE="and again")
    assert "user> hello from Cádiz" in again and "3 messages" in again


def test_every_example_is_tested() -> None:
    numbers = [path.name[:2] for path in EXAMPLES]
    assert numbers == [f"{number:02}" for number in range(1, len(EXAMPLES) + 1)]
    assert numbers == sorted({"01", "02", *TOLD})
