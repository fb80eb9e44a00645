"""Providers that are Python code, used like any other."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tertulia
from samples import reply
from tertulia import (
    AsyncTertulia,
    ChatMessage,
    ChatRequest,
    ContentFilteredError,
    Cost,
    DoneEvent,
    ImagePart,
    InvalidError,
    OwnProvider,
    PartEvent,
    RateLimitedError,
    ReasoningEvent,
    Sampling,
    StreamEvent,
    Tertulia,
    TertuliaError,
    TextEvent,
    TextPart,
    ToolCall,
    ToolCallEvent,
    TruncatedError,
    UnavailableError,
    Usage,
    UsageEvent,
    image,
)

WAIT = 10
"""Longer than anything here takes, in seconds."""


async def house(request: ChatRequest) -> AsyncIterator[StreamEvent]:
    yield TextEvent("You said: " + request.messages[-1].text)


def engine(function: tertulia.ProviderFunction, **options: Any) -> Tertulia:
    given: OwnProvider = {"name": "house", "stream": function}
    return Tertulia("memory:", providers=[given], model="house/any", **options)


def test_a_function_answers_and_the_next_request_shows_the_whole_conversation(tmp_path: Path) -> None:
    seen: list[ChatRequest] = []

    async def house(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        seen.append(request)
        yield TextEvent("You said: ")
        yield TextEvent(request.messages[-1].text)

    lab: tertulia.ProviderSpec = {"name": "lab", "base_url": "https://llm.lab.example/v1", "key_variable": "LAB_KEY"}
    path = tmp_path / "chat.db"
    with Tertulia(path, model="house/any", providers=[lab, house]) as t:
        chat = t.user("ana").new_conversation(system="Be brief.")
        reply = chat.send("hello", temperature=0.5, tools=[{"name": "f", "description": "", "parameters": {}}])
        assert (reply.text, reply.provider, reply.model) == ("You said: hello", "house", "any")
        assert reply.usage.source == "estimated" and reply.usage.output_tokens > 0
        chat_id = chat.id
    with Tertulia(path, model="house/any", providers=[house]) as t:
        chat = t.user("ana").conversation(chat_id)
        stream = chat.stream("and again", model="house/org/other")
        assert "".join(stream.text()) == "You said: and again"  # what came together is one piece
        assert [m.text for m in chat.history()] == ["hello", "You said: hello", "and again", "You said: and again"]
    first, second = seen
    assert (first.model, first.system, first.sampling) == ("any", "Be brief.", Sampling(temperature=0.5))
    assert [tool.name for tool in first.tools] == ["f"]
    assert second.model == "org/other"
    assert [(m.role, m.text) for m in second.messages] == [
        ("user", "hello"),
        ("assistant", "You said: hello"),
        ("user", "and again"),
    ]
    assert second.to_dict()["messages"][0]["parts"] == [{"type": "text", "text": "hello"}]


def test_a_request_can_be_made_by_hand_to_test_the_function_alone() -> None:
    async def first() -> StreamEvent:
        request = ChatRequest("any", [{"role": "user", "content": "hello"}])
        return await house(request).__aiter__().__anext__()

    assert asyncio.run(first()) == TextEvent("You said: hello")
    again = ChatRequest("any", [ChatMessage("user", ["hello"])], tool_choice={"name": "f"}, prompt_cache=True)
    assert again.tool_choice == {"name": "f"} and again.messages[0].parts == (TextPart("hello"),)


def sync_generator(request: ChatRequest) -> Iterator[StreamEvent]:
    yield TextEvent("You said: " + request.messages[-1].text)


def list_of_events(request: ChatRequest) -> list[StreamEvent]:
    return [TextEvent("You said: " + request.messages[-1].text)]


def gives_an_async_generator(request: ChatRequest) -> AsyncIterator[StreamEvent]:
    return house(request)


async def coroutine(request: ChatRequest) -> AsyncIterator[StreamEvent]:
    await asyncio.sleep(0)
    return house(request)


async def coroutine_of_a_list(request: ChatRequest) -> list[StreamEvent]:
    return list_of_events(request)


class Callable_:
    async def __call__(self, request: ChatRequest) -> AsyncIterator[StreamEvent]:
        yield TextEvent("You said: " + request.messages[-1].text)


@pytest.mark.parametrize(
    "function",
    [
        house,
        sync_generator,
        list_of_events,
        gives_an_async_generator,
        coroutine,
        coroutine_of_a_list,
        Callable_(),
        functools.partial(house),
    ],
    ids=lambda function: getattr(function, "__name__", type(function).__name__),
)
def test_every_kind_of_function_answers(function: tertulia.ProviderFunction) -> None:
    with engine(function) as t:
        for words in ("one", "two"):
            assert t.ask(words).text == f"You said: {words}"


def test_blocking_code_holds_up_nobody_else() -> None:
    meet = threading.Barrier(2)

    def blocking(request: ChatRequest) -> Iterator[StreamEvent]:
        meet.wait(WAIT)
        yield TextEvent(request.messages[-1].text)

    with engine(blocking) as t:
        me = t.user("ana")
        said: list[str] = []
        work = [
            threading.Thread(target=lambda words=words: said.append(me.new_conversation().send(words).text))
            for words in ("one", "two")
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join(WAIT)
        assert sorted(said) == ["one", "two"]


def test_async_code_of_two_calls_runs_at_once() -> None:
    async def main() -> None:
        here = 0
        both = asyncio.Event()

        async def meeting(request: ChatRequest) -> AsyncIterator[StreamEvent]:
            nonlocal here
            here += 1
            if here == 2:
                both.set()  # on the loop of the providers, where it was first awaited
            await asyncio.wait_for(both.wait(), WAIT)
            yield TextEvent(request.messages[-1].text)

        async with AsyncTertulia("memory:", providers=[meeting], model="meeting/any") as t:
            me = t.user("ana")
            one, two = await asyncio.gather(me.new_conversation().send("one"), me.new_conversation().send("two"))
            assert (one.text, two.text) == ("one", "two")

    asyncio.run(main())


def test_code_may_ask_other_models() -> None:
    other = AsyncTertulia("memory:", model="echo/sim:text=from%20the%20other")
    third = Tertulia("memory:", model="echo/sim:text=from%20the%20third")

    async def router(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        async with other:
            yield TextEvent((await other.ask(messages=list(request.messages))).text)

    def sync_router(request: ChatRequest) -> Iterator[StreamEvent]:
        with third:
            for words in third.user("ana").new_conversation().stream(request.messages[-1].text).text():
                yield TextEvent(words)

    for function, told in ((router, "from the other"), (sync_router, "from the third")):
        with engine(function) as t:
            assert t.user("ana").new_conversation().send("hello").text == told


def test_everything_that_may_be_given_arrives_in_order() -> None:
    picture = image(data=b"\x89PNG", mime_type="image/png")

    async def rich(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        yield ReasoningEvent("hm")
        yield TextEvent("Let me see.")
        yield ToolCallEvent(ToolCall("", "weather", {"city": "Lima"}))
        yield PartEvent(picture)
        yield UsageEvent(Usage(7, 3), Cost(5))

    with engine(rich) as t:
        reply = t.ask("go")
        assert [part.type for part in reply.parts] == ["reasoning", "text", "tool_call", "image"]
        (call,) = reply.tool_calls
        assert call.id.startswith("call_") and call.arguments == {"city": "Lima"}
        assert isinstance(reply.parts[3], ImagePart) and reply.finish_reason == "tool_calls"
        assert (reply.usage.input_tokens, reply.usage.source, reply.cost.nano_usd) == (7, "reported", 5)


def test_many_events_arrive_whole_and_none_is_far_ahead_of_its_reader() -> None:
    given = 0

    async def many(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        nonlocal given
        for number in range(5_000):
            given += 1
            yield TextEvent(f"{number} ")

    def as_many(request: ChatRequest) -> Iterator[StreamEvent]:
        for number in range(5_000):
            yield TextEvent(f"{number} ")

    expected = "".join(f"{number} " for number in range(5_000))
    with engine(many) as t:
        assert t.ask("go").text == expected and given == 5_000
    with engine(as_many) as t:
        assert t.user("ana").new_conversation().send("go").text == expected


def test_a_retryable_error_before_the_first_content_is_asked_again() -> None:
    tries = 0

    async def flaky(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RateLimitedError.of("busy", "come back", retry_after=0.001)
        yield TextEvent("at last")

    with engine(flaky) as t:
        reply = t.user("ana").new_conversation().send("go")
        assert (reply.text, [attempt.kind for attempt in reply.attempts]) == ("at last", ["rate_limited", None])


def test_an_error_of_ours_keeps_its_kind_and_another_becomes_unavailable_with_it_as_cause() -> None:
    mine = ContentFilteredError.of("prompt", "not that")
    theirs = KeyError("secret")

    async def async_raiser(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        raise mine if request.messages[-1].text == "mine" else theirs
        yield TextEvent("never")

    def sync_raiser(request: ChatRequest) -> Iterator[StreamEvent]:
        raise mine if request.messages[-1].text == "mine" else theirs

    for function in (async_raiser, sync_raiser):
        with engine(function) as t:
            with pytest.raises(TertuliaError) as caught:
                t.ask("mine")
            error = caught.value
            assert (error.kind, error.reason, error.provider) == ("content_filtered", "prompt", "house")
            assert error.__cause__ is mine
            for chat in (None, t.user("ana").new_conversation()):
                with pytest.raises(UnavailableError) as caught:
                    t.ask("theirs") if chat is None else chat.send("theirs")
                error = caught.value
                assert (error.reason, error.retry, len(error.attempts)) == ("provider_failed", "never", 1)
                assert error.__cause__ is theirs and "KeyError" in error.detail and "secret" not in str(error)


def test_an_error_of_ones_own_has_its_kind_and_a_sentence_for_the_end_user() -> None:
    class Asleep(UnavailableError):
        """Waking up."""

    error = Asleep.of("asleep", "the clerk is waking up", retry_after=1.5)
    assert (error.kind, error.reason, error.retry, error.retry_after) == ("unavailable", "asleep", "after", 1.5)
    assert error.user_message and error.user_message != error.detail
    assert RateLimitedError.of("busy", "x", retry="safe").retry == "safe"
    with pytest.raises(InvalidError):
        TertuliaError.of("x", "y")
    with pytest.raises(InvalidError):
        RateLimitedError.of("busy", "x", retry="at once")  # type: ignore[arg-type]


def test_an_error_after_the_first_content_is_truncated_with_what_had_arrived() -> None:
    failed = ValueError("gone")

    async def half(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        yield TextEvent("half")
        if len(request.messages) == 1 and not retried:
            raise failed
        yield TextEvent(" and whole")

    retried: list[bool] = []
    with engine(half) as t:
        chat = t.user("ana").new_conversation()
        with pytest.raises(TruncatedError) as caught:
            chat.send("go")
        assert caught.value.partial == (TextPart("half"),) and caught.value.__cause__ is failed
        retried.append(True)
        assert caught.value.turn_id is not None
        assert chat.retry(caught.value.turn_id).reply().text == "half and whole"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("words", "type str"),
        (None, "type NoneType"),
        ({"type": "text"}, "type dict"),
        (TextPart("x"), "type TextPart"),
        (DoneEvent(reply), "Done"),
        (PartEvent("words"), "an event of its own"),
        (ToolCallEvent(ToolCall("a", "", {})), "does not name its tool"),
    ],
)
def test_what_is_no_event_ends_the_reply_and_says_what_it_was(given: Any, told: str) -> None:
    closed = threading.Event()

    async def nonsense(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        try:
            yield given
            await asyncio.sleep(WAIT)
        finally:
            closed.set()

    with engine(nonsense) as t:
        with pytest.raises(UnavailableError, match=told) as caught:
            t.ask("go")
        assert caught.value.reason == "bad_response"
        assert closed.wait(WAIT)


@pytest.mark.parametrize("given", [None, "words", 42])
def test_a_function_that_gives_no_events_is_an_error(given: Any) -> None:
    for function in (lambda _: given, coroutine_that_gives(given)):
        with engine(function) as t, pytest.raises(UnavailableError):
            t.ask("go")


def coroutine_that_gives(given: object) -> Callable[[ChatRequest], Any]:
    async def function(_: ChatRequest) -> object:
        return given

    return function


def test_a_reply_without_end_meets_its_bound_and_the_code_is_closed() -> None:
    closed: list[str] = []
    both = threading.Semaphore(0)

    async def endless(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        try:
            while True:
                yield TextEvent("x" * 1_000)
        finally:
            closed.append("async")
            both.release()

    def endless_too(request: ChatRequest) -> Iterator[StreamEvent]:
        try:
            while True:
                yield TextEvent("x" * 1_000)
        finally:
            closed.append("sync")
            both.release()

    for function in (endless, endless_too):
        with engine(function, settings={"network": {"max_text_bytes": 100_000}}) as t:
            with pytest.raises(TruncatedError, match="max_text_bytes"):
                t.ask("go")
            assert both.acquire(timeout=WAIT)
    assert closed == ["async", "sync"]


@pytest.mark.parametrize("how", ["cancel", "drop", "close"])
def test_stopping_the_call_cancels_the_code_where_it_waits_and_its_finally_runs(how: str) -> None:
    ended: list[str] = []
    over = threading.Event()

    async def waiting(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        try:
            yield TextEvent("one")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)  # a clean-up that waits is waited for
            ended.append("finally")
            over.set()

    with engine(waiting) as t:
        stream = t.user("ana").new_conversation().stream("go")
        text = iter(stream.text())
        assert next(text) == "one"
        if how == "cancel":
            stream.cancel()
            assert (stream.reply().status, stream.reply().text) == ("cancelled", "one")
        elif how == "drop":
            del stream, text
        else:
            stream.cancel()
            t.close()
        assert over.wait(WAIT)
    assert ended == ["cancelled", "finally"]


def test_a_stop_does_not_break_off_a_clean_up_that_has_begun() -> None:
    ended: list[str] = []
    over = threading.Event()

    async def tidy(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        try:
            yield "no event"  # type: ignore[misc]
        finally:
            try:
                for _ in range(10_000):  # long enough for the engine to say that nobody reads any more
                    await asyncio.sleep(0)
                ended.append("tidied")
            finally:
                over.set()

    with engine(tidy) as t:
        with pytest.raises(UnavailableError):
            t.ask("go")
        assert over.wait(WAIT)
    assert ended == ["tidied"]


def test_what_was_raised_and_never_read_is_freed() -> None:
    class Gone(Exception):
        """Can be seen to go."""

    raised: list[weakref.ref[Gone]] = []

    async def more_than_fits(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        if request.messages[-1].text == "last":
            return
        error = Gone()
        raised.append(weakref.ref(error))
        yield TextEvent("x" * 1_000)  # breaks the bound, so that nothing behind it is read
        raise error

    with engine(more_than_fits, settings={"network": {"max_text_bytes": 100}}) as t:
        for _ in range(20):
            with pytest.raises(TruncatedError, match="max_text_bytes"):
                t.ask("go")
        t.ask("last")  # behind all others on the loop
    gc.collect()
    assert len(raised) == 20 and [error for error in raised if error() is not None] == []


def test_async_code_that_would_stop_its_own_loop_hears_so() -> None:
    async def asleep(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        if request.messages[-1].text == "inner":
            yield TextEvent("from within")
        else:
            yield TextEvent(t.ask("inner").text)  # its own loop would have to answer meanwhile

    async def awake(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        if request.messages[-1].text == "inner":
            yield TextEvent("from within")
        else:
            yield TextEvent((await a.ask("inner")).text)

    async def main() -> None:
        async with a:
            assert (await a.user("ana").new_conversation().send("outer")).text == "from within"

    with engine(asleep) as t:
        with pytest.raises(InvalidError) as caught:
            t.ask("outer")
        assert caught.value.reason == "would_block" and "AsyncTertulia" in caught.value.detail
    a = AsyncTertulia("memory:", providers=[{"name": "house", "stream": awake}], model="house/any")
    asyncio.run(main())


def test_code_that_waits_for_its_reader_is_closed_too() -> None:
    over = threading.Event()

    async def ahead(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        try:
            for _ in range(100_000):
                yield TextEvent("x" * 100)
        finally:
            over.set()

    with engine(ahead) as t:
        stream = t.user("ana").new_conversation().stream("go")
        next(iter(stream.text()))
        stream.cancel()
        assert stream.reply().status == "cancelled"
        assert over.wait(WAIT)


def test_an_error_while_being_stopped_goes_to_the_log_of_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()

    async def clumsy(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        try:
            yield TextEvent("one")
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_later(0, over.set)
            raise ValueError("clumsy")

    with engine(clumsy) as t:
        stream = t.user("ana").new_conversation().stream("go")
        next(iter(stream.text()))
        stream.cancel()
        stream.reply()
        assert over.wait(WAIT)
    assert "ValueError: clumsy" in caplog.text


def test_a_call_that_says_nothing_meets_its_deadline() -> None:
    over = threading.Event()

    async def silent(request: ChatRequest) -> AsyncIterator[StreamEvent]:
        try:
            await asyncio.Event().wait()
            yield TextEvent("never")
        finally:
            over.set()

    with engine(silent) as t:
        with pytest.raises(tertulia.TimedOutError) as caught:
            t.ask("go", timeout=0.05)
        assert caught.value.reason == "total" and over.wait(WAIT)


def test_its_models_are_listed_and_priced() -> None:
    price = {"input_nano_usd": 1_000_000, "output_nano_usd": 2_000_000}
    given: OwnProvider = {
        "name": "mine",
        "stream": house,
        "models": {"small": {"context_window": 8_192, "price": price, "capabilities": {"tools": True}}},
    }
    t = Tertulia("memory:", providers=[given])
    (small,) = t.models("mine/*")
    assert (small.id, small.context_window, small.capabilities.tools) == ("mine/small", 8_192, True)
    assert [p.base_url for p in t.providers() if p.name == "mine"] == [""]
    with t:
        reply = t.ask("hello", model="mine/small")
        assert reply.cost.source == "estimated"
        assert reply.cost.nano_usd == reply.usage.input_tokens + 2 * reply.usage.output_tokens
        with pytest.raises(InvalidError) as caught:
            t.provider("mine").request("GET", "/models")
        assert caught.value.reason == "unsupported"
        with pytest.raises(InvalidError):
            t.ask("x", model="mine/")


def test_a_provider_that_cannot_be_is_refused_where_it_is_written() -> None:
    def House(request: ChatRequest) -> Iterator[StreamEvent]:
        yield TextEvent("x")

    cases: list[tuple[Any, type[Exception], str]] = [
        (House, InvalidError, "1 to 64"),
        (lambda _: [], InvalidError, "1 to 64"),
        (functools.partial(house), InvalidError, "__name__"),
        (42, TypeError, r"providers\[0\] must be a dict"),
        ({"name": "x", "stream": 42}, TypeError, "a function"),
        ({"stream": house}, InvalidError, "name"),
        ({"name": "x", "stream": house, "base_url": "https://x.example"}, InvalidError, "base_url"),
        ({"name": "x", "stream": house, "models": {"m": {"context_window": "big"}}}, InvalidError, "models"),
    ]
    for given, error, told in cases:
        with pytest.raises(error, match=told):
            Tertulia("memory:", providers=[given])
    with pytest.raises(InvalidError, match="two providers"), Tertulia("memory:", providers=[house, house]):
        pass


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + code]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


PREAMBLE = """
import asyncio, os, sys, threading, time
from tertulia import Tertulia, TextEvent

async def house(request):
    try:
        yield TextEvent("one")
        if request.messages[-1].text == "wait":
            await asyncio.Event().wait()
    finally:
        print("finally", flush=True)

def blocking(request):
    yield TextEvent("one")
    time.sleep(3600)

def full(request):
    while True:
        yield TextEvent("x")

providers = [house, blocking, full]
"""


def test_the_interpreter_exits_cleanly_while_code_is_on_its_way() -> None:
    for model, printed in (("house", "finally\n"), ("blocking", ""), ("full", "")):
        code = f"""
t = Tertulia("memory:", providers=providers, model="{model}/any")
stream = t.user("ana").new_conversation().stream("wait")
assert next(iter(stream.text()))[0] in "ox"
"""
        done = run(code)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", printed), model


def test_a_clean_up_that_has_begun_is_waited_for_at_the_exit() -> None:
    code = """
import tertulia._own as own

async def tidy(request):
    try:
        yield TextEvent("one")
        await asyncio.Event().wait()
    finally:
        while not own._over:
            await asyncio.sleep(0)
        for _ in range(10_000):
            await asyncio.sleep(0)
        print("tidied", flush=True)

t = Tertulia("memory:", providers=[tidy], model="tidy/any")
stream = t.user("ana").new_conversation().stream("go")
assert next(iter(stream.text())) == "one"
stream.cancel()
assert stream.reply().status == "cancelled"
t.close()
"""
    done = run(code)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "tidied\n")


def test_importing_the_package_and_making_an_engine_start_nothing() -> None:
    code = """
t = Tertulia("memory:", providers=providers, model="house/any")
assert threading.active_count() == 1
assert "tertulia._own" not in sys.modules
"""
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_parent_and_child_of_a_fork_both_go_on(tmp_path: Path) -> None:
    code = """
t = Tertulia(os.environ["STORE"], providers=providers, model="house/any")
chat = t.user("ana").new_conversation()
assert chat.send("hi").text == "one"
stream = t.user("ana").new_conversation().stream("wait")   # on its way while the process forks
text = iter(stream.text())
assert next(text) == "one"
child = os.fork()
if child == 0:
    assert t.user("ana").conversation(chat.id).send("hi").text == "one"
    t.close()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert chat.send("again").text == "one"
stream.cancel()
assert stream.reply().status == "cancelled"
t.close()
"""
    done = run(code.replace("-W error", ""), STORE=str(tmp_path / "chat.db"), PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finally") == 4
