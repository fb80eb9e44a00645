"""The command line in a terminal: words as they come, Ctrl-C, Ctrl-D, colours, bars."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tertulia as t
from command import MODEL, filled
from tertulia.testing import Simulator

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is one of Unix", allow_module_level=True)

# The pseudo-terminal has to be the controlling one, or else Ctrl-C reaches nobody; nor does it where these tests run in
# the background. NOFLSH: what was written before Ctrl-C is shown, so that it can be compared.
BEGIN = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
modes = termios.tcgetattr(0)
modes[3] |= termios.NOFLSH
termios.tcsetattr(0, termios.TCSANOW, modes)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
PATIENCE_SECONDS = 60


class Screen:
    """The other side of a pseudo-terminal: what is shown there, and who types."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process, self.master, self.shown = process, master, ""
        self._raw = b""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def wait_for(self, words: str) -> str:
        """Wait until these words are shown behind all that was waited for before; give what stands before them."""
        while words not in self.shown:
            assert self.more(), f"the end came before {words!r}: {self.shown!r}"
        before, _, self.shown = self.shown.partition(words)
        return before

    def interrupt_prompt(self, words: str) -> None:
        """Press Ctrl-C where a line is read until these words are shown: Python does not hear it while the line begins."""
        self.type("\x03")
        while words not in self.shown:
            if select.select([self.master], [], [], 2)[0]:
                assert self.more()
            else:
                self.type("\x03")
        self.wait_for(words)

    def end(self) -> int:
        """Read all that comes until the process ends, and give its exit code."""
        while self.more():
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def more(self) -> bool:
        """Take in what is shown next; false at the end."""
        ready, _, _ = select.select([self.master], [], [], PATIENCE_SECONDS)
        assert ready, f"nothing comes behind {self.shown!r}"
        try:
            read = os.read(self.master, 1 << 16)
        except OSError:  # as Linux tells that the other side is closed
            return False
        self._raw += read
        whole = self._raw.decode(errors="ignore")
        self._raw = self._raw[len(whole.encode()) :]
        self.shown += whole
        return bool(read)


@contextmanager
def screen(*arguments: str, program: tuple[str, ...] = ("-m", "tertulia"), **variables: str) -> Iterator[Screen]:
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", **variables}
    command = [sys.executable, "-c", BEGIN, "-W", "error", *program, *arguments]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    ) as process:
        os.close(slave)
        try:
            yield Screen(process, master)
        finally:
            process.kill()
            os.close(master)


def kept(folder: Path) -> list[t.Message]:
    """What is in the history of the only conversation."""
    with t.Tertulia(folder / "tertulia.db") as engine:
        me = engine.user()
        (info,) = me.list_conversations()
        return list(me.conversation(info.id).history())


def first_words(seen: Screen) -> None:
    """Wait until some words of a reply are shown."""
    seen.wait_for("\n")  # behind what was typed
    while len(seen.shown.split()) < 5:
        assert seen.more()


def test_ctrl_c_stops_a_reply_and_what_had_arrived_is_in_the_history(
    online: None, sim: Simulator, tmp_path: Path
) -> None:
    sim.script(MODEL, "words=10000;delay_ms=20", "text=A%20whole%20answer.")
    with screen("chat") as seen:
        assert "Ctrl-C stops a reply" in seen.wait_for("you> ")
        seen.type("Tell me a long story\n")
        first_words(seen)
        seen.type("\x03")
        shown = seen.wait_for("[stopped; what had come is kept; /retry asks again]")
        sim.wait_for("closed_by_peer")
        seen.wait_for("you> ")
        said, cut = kept(tmp_path)
        assert (said.text, cut.status) == ("Tell me a long story", "cancelled")
        words = shown.replace("^C", "").split()
        assert len(words) >= 5 and words == cut.text.split()

        seen.type("/retry\n")
        seen.wait_for("A whole answer.")
        assert "tokens, $0.0" in seen.wait_for("you> ")
        seen.type("\x04")
        assert seen.end() == 0
    assert kept(tmp_path)[-1].text == "A whole answer."


def test_ctrl_c_stops_a_single_turn_and_ends(online: None, sim: Simulator, tmp_path: Path) -> None:
    sim.script(MODEL, "words=10000;delay_ms=20")
    with screen("chat", "A long story") as seen:
        first_words(seen)
        seen.type("\x03")
        seen.wait_for("[stopped; what had come is kept]")
        assert seen.end() == 130
    said, cut = kept(tmp_path)
    assert cut.status == "cancelled" and len(cut.text.split()) >= 5


def test_ctrl_c_ends_what_shows_nothing_on_its_way(online: None, sim: Simulator, tmp_path: Path) -> None:
    sim.script(MODEL, "words=10000;delay_ms=20")
    with screen("chat", "A long story", "--json") as seen:
        sim.wait_for("response_started")
        seen.type("\x03")
        assert seen.end() == 130 and "Traceback" not in seen.shown
    sim.wait_for("closed_by_peer")
    assert kept(tmp_path)[0].text == "A long story"


def test_a_chat_is_led_by_commands(offline: None, tmp_path: Path) -> None:
    first = filled(tmp_path / "tertulia.db", "An older one")
    with screen("chat") as seen:
        assert "bundled simulator" in seen.wait_for("you> An older one")
        seen.wait_for("\nyou> ")
        for keys, answer in (
            ("/new\n", "/new"),
            ("Something new\n", 'You said: "Something new"'),
            ("/list\n", "Something new"),
            ("/open 2\n", "you> An older one"),
            ("/open 7\n", "there is no conversation 7"),
            ("/retry\n", "nothing was broken off"),
            ("/dance\n", "/dance is none of"),
            ("And again\n", "I have seen 3 messages"),
            ("/history\n", "And again"),
        ):
            seen.type(keys)
            seen.wait_for(answer)
            seen.wait_for("\nyou> ")
        seen.interrupt_prompt("(Ctrl-D ends it)")
        seen.wait_for("\nyou> ")
        seen.type("\n")
        assert seen.end() == 0
    with t.Tertulia(tmp_path / "tertulia.db") as engine:
        me = engine.user()
        assert [info.message_count for info in me.list_conversations()] == [4, 2]
        assert me.list_conversations()[0].id == first.id


def test_each_conversation_keeps_whom_it_talks_to(online: None, sim: Simulator, tmp_path: Path) -> None:
    with t.Tertulia(tmp_path / "tertulia.db") as engine:
        engine.user().new_conversation(model="echo/echo").append([{"role": "user", "content": "To the echo"}])
    with screen("chat", "--new") as seen:
        assert f"Talking to anthropic/{MODEL} (ANTHROPIC_API_KEY is set)." in seen.wait_for("you> ")
        for keys, answer in (
            ("/open 1\n", "Talking to echo/echo."),
            ("Hi\n", "I have seen 2 messages"),
            ("/new\n", f"Talking to anthropic/{MODEL}"),
        ):
            seen.type(keys)
            seen.wait_for(answer)
            seen.wait_for("\nyou> ")
        assert sim.requests == []
        seen.type("Hi\n")
        seen.wait_for("tokens")
        seen.wait_for("\nyou> ")
        seen.type("\x04")
        assert seen.end() == 0
    assert len(sim.requests) == 1


def test_a_failure_in_a_chat_is_told_and_can_be_asked_again(online: None, sim: Simulator, tmp_path: Path) -> None:
    sim.script(MODEL, "text=one%20two%20three%20four;cut=2", "text=Whole")
    with screen("chat") as seen:
        seen.wait_for("you> ")
        seen.type("Hi\n")
        assert "one" in seen.wait_for("truncated (")
        seen.wait_for("[/retry asks again]")
        seen.wait_for("you> ")
        seen.type("/retry\n")
        seen.wait_for("Whole")
        seen.wait_for("you> ")
        seen.type("\x04")
        assert seen.end() == 0
    assert kept(tmp_path)[-1].text == "Whole"


def test_what_a_model_says_commands_no_terminal(online: None, sim: Simulator, tmp_path: Path) -> None:
    sim.script(MODEL, "text=%1b]0%3bowned%07%1b[2J%c2%9b31mred")
    with screen("chat", "Hi") as seen:
        assert seen.end() == 0
        assert "owned" in seen.shown and "red" in seen.shown
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", seen.shown)
    with screen("history", kept(tmp_path)[0].conversation_id, NO_COLOR="1") as seen:
        assert seen.end() == 0 and "owned" in seen.shown and "\033" not in seen.shown
    with screen("history", kept(tmp_path)[0].conversation_id, "--json") as seen:
        assert seen.end() == 0 and "\\u001b]0;owned\\u0007" in seen.shown and "\\u009b31m" in seen.shown


def test_a_terminal_has_colours_unless_they_are_unwanted(offline: None, tmp_path: Path) -> None:
    filled(tmp_path / "tertulia.db", "An olive")
    with screen("search", "olive") as seen:
        assert seen.end() == 0 and "An \033[1molive\033[0m" in seen.shown
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with screen("search", "olive", **variables) as seen:
            assert seen.end() == 0 and "An [olive]" in seen.shown and "\033" not in seen.shown


WITHOUT_RICH = "import sys; sys.modules['rich'] = None; from tertulia.cli import main; sys.exit(main())"


def test_long_work_shows_a_bar_or_says_what_it_is(offline: None, tmp_path: Path) -> None:
    filled(tmp_path / "tertulia.db", "An olive")
    with screen("doctor") as seen:
        assert seen.end() == 0 and "Looking at all that is kept" in seen.shown and "\033[" in seen.shown
    with screen("doctor", program=("-c", WITHOUT_RICH), NO_COLOR="1") as seen:
        assert seen.end() == 0 and "Looking at all that is kept …" in seen.shown and "\033" not in seen.shown


def test_every_wait_is_told(online: None, tmp_path: Path) -> None:
    filled(tmp_path / "tertulia.db", "An olive")
    for arguments, words in (
        (["doctor", "--network", "--quick"], "Asking the providers"),
        (["models", "--provider", "anthropic", "--live"], "Asking anthropic"),
        (["export", str(tmp_path / "out.jsonl")], "Exporting"),
        (["import", str(tmp_path / "out.jsonl")], "Importing"),
    ):
        with screen(*arguments) as seen:
            assert seen.end() == 0 and words in seen.shown


def test_lines_are_cut_to_the_terminal_and_not_to_a_file(offline: None, tmp_path: Path) -> None:
    filled(tmp_path / "tertulia.db", "olives " * 15)
    with screen("history", COLUMNS="70", NO_COLOR="1") as seen:
        assert seen.end() == 0
        head, row, _ = seen.shown.split("\r\n")
        assert len(row) == 70 and row.endswith("…") and len(head) == 70
