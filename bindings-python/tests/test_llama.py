"""The engine and a server that nobody here wrote: llama.cpp, through three dialects, over real sockets.

Its model is half a megabyte of random weights (``tests/llama``): what it says has no meaning, holds NUL, control
characters and what is left of bytes that are no UTF-8, and never ends by itself. So no test here depends on the words.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tertulia as t

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "tests" / "llama"
STRICT = os.environ.get("CI", "").lower() in {"1", "true"}
ABSENT = [name for name in ("gguf", "xllamacpp") if importlib.util.find_spec(name) is None]
if ABSENT and not STRICT:
    pytest.skip(f"not installed: {', '.join(ABSENT)}", allow_module_level=True)

DIALECTS = ["openai_chat", "openai_responses", "anthropic"]
MANNERS = ["streamed", "whole"]
CONTEXT = 32_768
LIMIT_SECONDS = 30.0
# More than any server has said before it is told to stop: at a thousand tokens a second it takes half a minute.
ENDLESS = 30_000


class Llama:
    """A server of its own process."""

    def __init__(self, model: Path, log: Path, *, slots: int = 2) -> None:
        with log.open("ab") as log_file:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    str(SCRIPTS / "serve.py"),
                    str(model),
                    "--slots",
                    str(slots),
                    "--context",
                    str(CONTEXT),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
            )
        lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        threading.Thread(target=lambda out=self.process.stdout: lines.put(out.readline()), daemon=True).start()
        try:
            self.url = lines.get(timeout=LIMIT_SECONDS).strip()
            assert self.url.startswith("http://127.0.0.1:"), f"no address but {self.url!r}; see {log}"
        except BaseException:
            self.kill()
            raise

    def providers(self, path: str = "/v1") -> list[t.ProviderSpec]:
        """One provider for each dialect, of its name. The model ``whole`` is asked for whole replies."""
        models = {"whole": {"capabilities": {"streaming": False}}}
        return [{"name": name, "base_url": self.url + path, "dialect": name, "models": models} for name in DIALECTS]

    def ask(self, path: str, body: Any = None) -> Any:
        """What the server says itself, without the engine."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=LIMIT_SECONDS) as reply:
            content = reply.read()
        return content.decode() if path == "/metrics" else json.loads(content)

    def counted(self) -> tuple[int, int]:
        """How many tokens it has read and written so far."""
        lines = (line.split() for line in self.ask("/metrics").splitlines() if not line.startswith("#"))
        counts = {name.removeprefix("llamacpp:"): float(count) for name, count in lines}
        read = counts["prompt_tokens_total"] + counts["prompt_tokens_cached_total"]
        return int(read), int(counts["tokens_predicted_total"])

    def busy(self) -> int:
        """How many of its slots are at work."""
        return sum(slot["is_processing"] for slot in self.ask("/slots"))

    def tokens_of(self, messages: list[dict[str, str]]) -> int:
        """How many tokens these messages are, by its own template and tokenizer."""
        prompt = self.ask("/apply-template", {"messages": messages})["prompt"]
        return len(self.ask("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"])

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        """Close its input, on which it ends by itself."""
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        try:
            self.process.wait(LIMIT_SECONDS)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


def until(happened: Callable[[], bool]) -> None:
    """Ask again and again; fail when it does not happen."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.005)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert not ABSENT, f"not installed: {ABSENT}"
    path = tmp_path_factory.mktemp("llama") / "random.gguf"
    subprocess.run([sys.executable, str(SCRIPTS / "make_model.py"), str(path)], check=True, timeout=LIMIT_SECONDS)
    return path


@pytest.fixture(scope="session")
def shared(model: Path) -> Iterator[Llama]:
    server = Llama(model, model.with_suffix(".log"))
    yield server
    server.end()
    assert server.process.returncode == 0


@pytest.fixture
def llama(shared: Llama) -> Llama:
    until(lambda: shared.busy() == 0)
    return shared


@pytest.fixture
def fragile(model: Path) -> Iterator[Llama]:
    """A server of one slot that a test may kill."""
    server = Llama(model, model.with_suffix(".log"), slots=1)
    yield server
    server.kill()


def engine_of(server: Llama, store: str = "memory:", attempts: int = 1) -> t.Tertulia:
    return t.Tertulia(store, providers=server.providers(), settings={"retry": {"max_attempts": attempts}})


def async_engine_of(server: Llama, attempts: int = 1) -> t.AsyncTertulia:
    return t.AsyncTertulia("memory:", providers=server.providers(), settings={"retry": {"max_attempts": attempts}})


@pytest.fixture
def engine(llama: Llama) -> Iterator[t.Tertulia]:
    with engine_of(llama) as engine:
        yield engine


def test_a_model_is_made_the_same_every_time_and_is_small(model: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.gguf"
    subprocess.run([sys.executable, str(SCRIPTS / "make_model.py"), str(again)], check=True, timeout=LIMIT_SECONDS)
    assert again.read_bytes() == model.read_bytes() and 400_000 < again.stat().st_size < 600_000


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_reply_is_as_long_as_it_may_be_and_counted_as_the_server_counts(
    llama: Llama, engine: t.Tertulia, dialect: str, manner: str
) -> None:
    read, written = llama.counted()
    stream = (
        engine.user("ana")
        .new_conversation(system="Be brief.")
        .stream("Hello", model=f"{dialect}/{manner}", max_tokens=60)
    )
    events = list(stream)
    reply = stream.reply()
    said = [event.delta for event in events if isinstance(event, t.TextEvent)]
    assert "".join(said) == reply.text and reply.status == "done"
    assert len(said) == 1 or manner == "streamed"
    until(lambda: llama.busy() == 0)
    now_read, now_written = llama.counted()
    usage = reply.usage
    assert usage.source == "reported" and usage.output_tokens == 60 == now_written - written
    assert usage.input_tokens == now_read - read
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert usage.input_tokens == llama.tokens_of(asked)
    # Through Responses this server calls every reply completed, whatever ended it.
    raw = {"openai_chat": "length", "openai_responses": "completed", "anthropic": "max_tokens"}[dialect]
    assert reply.finish_reason_raw == raw
    assert reply.finish_reason == ("stop" if dialect == "openai_responses" else "length")


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_stray_bytes_and_control_characters_survive_the_store_and_the_way_back(
    llama: Llama, tmp_path: Path, dialect: str, manner: str
) -> None:
    store = str(tmp_path / "chat.db")
    target = f"{dialect}/{manner}"
    said = [{"role": "system", "content": "You are Łukasz. ☕"}]
    with engine_of(llama, store) as engine:
        chat = engine.user("ana").new_conversation(system="You are Łukasz. ☕")
        for turn in range(3):
            said.append({"role": "user", "content": f"Turn {turn}: ¿qué tal?"})
            reply = chat.send(said[-1]["content"], model=target, max_tokens=150, temperature=1.0)
            # The server reads what it said itself just as it was said: not a character was lost on the way back.
            assert reply.usage.input_tokens == llama.tokens_of(said)
            said.append({"role": "assistant", "content": reply.text})
        text = "".join(message["content"] for message in said if message["role"] == "assistant")
        # What is left of bytes that are no UTF-8, and what no well-behaved model writes.
        assert "\ufffd" in text and any(letter < " " for letter in text)
    with engine_of(llama, store) as again:
        page = again.user("ana").conversation(chat.id).history()
        assert [message.text for message in page] == [message["content"] for message in said[1:]]


PET: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]{1,8}$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 30},
        "kind": {"enum": ["cat", "dog"]},
        "toys": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "kind", "toys"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("manner", MANNERS)
def test_a_schema_is_kept_by_grammar_even_by_a_model_that_knows_nothing(engine: t.Tertulia, manner: str) -> None:
    for _ in range(5):
        reply = engine.ask(
            "Invent a pet",
            model=f"openai_chat/{manner}",
            max_tokens=2_000,
            output_schema={"name": "pet", "schema": PET},
        )
        pet = json.loads(reply.text)
        assert reply.finish_reason == "stop" and sorted(pet) == ["age", "kind", "name", "toys"]
        assert pet["name"].isascii() and pet["name"].islower() and 1 <= len(pet["name"]) <= 8
        assert isinstance(pet["age"], int) and 0 <= pet["age"] <= 30 and pet["kind"] in {"cat", "dog"}
        assert 1 <= len(pet["toys"]) <= 3 and all(isinstance(toy, bool) for toy in pet["toys"])


@pytest.mark.parametrize("dialect", ["openai_responses", "anthropic"])
def test_a_schema_is_no_mistake_in_the_dialects_in_which_this_server_overlooks_it(
    engine: t.Tertulia, dialect: str
) -> None:
    schema = {"name": "pet", "schema": PET}
    assert engine.ask("Invent a pet", model=f"{dialect}/any", max_tokens=40, output_schema=schema).text


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tool_of_free_text_and_its_call_are_taken_in_every_dialect(engine: t.Tertulia, dialect: str) -> None:
    patch = t.ToolSpec.free_text("patch", "Applies a patch")
    call = t.ToolCall("call_1", "patch", "*** Begin", free_text=True)
    messages: list[Any] = [
        {"role": "user", "content": "Patch it"},
        {"role": "assistant", "content": [call]},
        {"role": "tool", "content": [call.result("applied")]},
    ]
    reply = engine.ask(messages=messages, model=f"{dialect}/any", max_tokens=20, tools=[patch])
    assert reply.text and reply.usage.output_tokens == 20


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_cancelled_stream_frees_its_slot_and_keeps_what_had_come(
    llama: Llama, engine: t.Tertulia, dialect: str
) -> None:
    target = f"{dialect}/any"
    chat = engine.user("ana").new_conversation()
    stream = chat.stream("Speak on", model=target, max_tokens=ENDLESS)
    heard = [next(event.delta for event in stream if isinstance(event, t.TextEvent)) for _ in range(5)]
    assert llama.busy() == 1
    stream.cancel()
    reply = stream.reply()
    assert reply.status == "cancelled" and reply.text.startswith("".join(heard))
    until(lambda: llama.busy() == 0)
    with chat.stream("Again", model=target, max_tokens=ENDLESS) as stream:  # leaving it cancels it, too
        next(stream.text())
    until(lambda: llama.busy() == 0)
    assert chat.send("And now?", model=target, max_tokens=8).text
    statuses = [message.status for message in chat.history() if message.role == "assistant"]
    assert statuses == ["cancelled", "cancelled", "complete"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_cancelled_task_frees_its_slot(llama: Llama, dialect: str) -> None:
    async def main() -> None:
        async with async_engine_of(llama) as engine:
            chat = engine.user("ana").new_conversation()
            sending = asyncio.create_task(chat.send("Speak on", model=f"{dialect}/any", max_tokens=ENDLESS))
            await asyncio.to_thread(until, lambda: llama.busy() == 1)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await asyncio.to_thread(until, lambda: llama.busy() == 0)
            assert (await chat.send("And now?", model=f"{dialect}/any", max_tokens=8)).text

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_who_cancels_a_whole_reply_need_not_wait_for_a_server_that_does_not_notice(llama: Llama) -> None:
    # Where nothing is streamed this server does not look whether anybody listens still: it goes on to the last token.
    async def main() -> None:
        async with async_engine_of(llama) as engine:
            chat = engine.user("ana").new_conversation()
            sending = asyncio.create_task(chat.send("Speak on", model="openai_chat/whole", max_tokens=2_000))
            await asyncio.to_thread(until, lambda: llama.busy() == 1)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert (await chat.send("And now?", model="openai_chat/whole", max_tokens=8)).text  # by the other slot

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


# With more callers than its threads this server closes connections that it had promised to keep, and a request that was
# just going out on one comes to nothing. That is a refusal that is worth another attempt.


def refusals(replies: list[t.Reply]) -> set[str]:
    """The kinds of all attempts that failed before the one that was answered."""
    return {attempt.kind for reply in replies for attempt in reply.attempts if attempt.kind is not None}


def targets_of(callers: int) -> list[str]:
    kinds = [f"{dialect}/{manner}" for dialect in DIALECTS for manner in MANNERS]
    return [kinds[caller % len(kinds)] for caller in range(callers)]


def test_twenty_tasks_are_all_answered_by_two_slots(llama: Llama) -> None:
    async def main() -> list[t.Reply]:
        async with async_engine_of(llama, attempts=4) as engine:
            return await asyncio.gather(
                *(engine.ask(f"Caller {n}", model=target, max_tokens=40) for n, target in enumerate(targets_of(20)))
            )

    replies = asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))
    assert [reply.usage.output_tokens for reply in replies] == [40] * 20 and all(reply.text for reply in replies)
    assert refusals(replies) <= {"unavailable"}


def test_twenty_threads_are_all_answered_by_two_slots(llama: Llama) -> None:
    def call(caller: int, target: str) -> t.Reply:
        chat = engine.user(f"user{caller}").new_conversation()
        chat.send("Hello", model=target, max_tokens=20)
        return chat.send("And then?", model=target, max_tokens=20)

    with engine_of(llama, attempts=4) as engine, ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(call, range(20), targets_of(20), timeout=LIMIT_SECONDS))
    assert [(reply.status, reply.usage.output_tokens) for reply in replies] == [("done", 20)] * 20
    assert refusals(replies) <= {"unavailable"}


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_prompt_that_is_too_long_says_how_much_fits(engine: t.Tertulia, dialect: str, manner: str) -> None:
    with pytest.raises(t.ContextTooLongError) as caught:
        engine.ask("%% " * CONTEXT, model=f"{dialect}/{manner}", max_tokens=5)
    error = caught.value
    assert (error.reason, error.retry, error.limit_tokens) == ("provider", "never", CONTEXT)
    assert error.estimated_tokens is not None and error.estimated_tokens > CONTEXT
    assert error.status == 400 and not error.partial


def test_a_wrong_address_or_dialect_says_what_to_check(llama: Llama) -> None:
    wrong: list[t.ProviderSpec] = [
        {"name": "gemini", "base_url": llama.url + "/v1beta", "dialect": "gemini"},
        {"name": "ollama", "base_url": llama.url, "dialect": "ollama"},
        *llama.providers("/nowhere"),
    ]
    with t.Tertulia("memory:", providers=wrong) as engine:
        for provider in wrong:
            with pytest.raises(t.InvalidError) as caught:
                engine.ask("hi", model=f"{provider['name']}/any", max_tokens=5)
            assert caught.value.reason == "bad_url" and "base_url" in caught.value.detail, provider


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_server_that_dies_leaves_what_it_had_said_and_is_then_unavailable(fragile: Llama, dialect: str) -> None:
    with engine_of(fragile) as engine:
        chat = engine.user("ana").new_conversation()
        stream = chat.stream("Speak on", model=f"{dialect}/any", max_tokens=ENDLESS)
        heard = next(event.delta for event in stream if isinstance(event, t.TextEvent))
        fragile.kill()
        with pytest.raises(t.TruncatedError) as caught:
            list(stream)
        error = caught.value
        [part] = error.partial
        assert isinstance(part, t.TextPart) and part.text.startswith(heard)
        assert error.saved and error.turn_id == stream.turn_id
        assert chat.history()[-1].text == part.text
        with pytest.raises(t.UnavailableError) as gone:
            chat.send("Are you there?", model=f"{dialect}/any")
        assert gone.value.retry != "never" and gone.value.saved


def test_the_server_ends_with_its_input(fragile: Llama) -> None:
    fragile.end()
    assert fragile.process.returncode == 0
