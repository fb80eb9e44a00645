"""The engine from Python, waiting: over real sockets, against the simulator."""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tertulia as t
from tertulia import types
from tertulia._native import _probe
from tertulia.testing import Simulator

ONCE: dict[str, Any] = {"retry": {"max_attempts": 1}}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def engine(sim: Simulator) -> Iterator[t.Tertulia]:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any", settings=ONCE) as engine:
        yield engine


def body(sim: Simulator, index: int = -1) -> Any:
    return sim.requests[index].json()


def test_the_opening_of_the_readme(sim: Simulator, tmp_path: Path) -> None:
    store = str(tmp_path / "chat.db")
    with t.Tertulia(store, model="sim/any", providers=[sim.provider()]) as tertulia:
        chat = tertulia.user("ana").new_conversation(system="Answer briefly.")
        words = list(chat.stream("Three things to see in Cádiz?").text())
        assert "Cádiz" in "".join(words)
        reply = chat.send("Which of them on a rainy day?")
        assert "rainy" in reply.text and reply.usage.output_tokens > 0 and str(reply.cost) == "unknown"
        assert [m["role"] for m in body(sim)["messages"]] == ["system", "user", "assistant", "user"]
    with t.Tertulia(store) as again:  # the conversation outlives the process
        page = again.user("ana").conversation(chat.id).history()
        assert [m.role for m in page] == ["user", "assistant", "user", "assistant"]
        assert page[-1].text == reply.text


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("openai_chat", "/v1/chat/completions"),
        ("openai_responses", "/v1/responses"),
        ("anthropic", "/v1/messages"),
        ("gemini", "/v1beta/models/any:streamGenerateContent?alt=sse"),
        ("ollama", "/api/chat"),
    ],
)
def test_the_simulator_speaks_every_dialect(sim: Simulator, dialect: str, path: str) -> None:
    with t.Tertulia("memory:", providers=[sim.provider(dialect=dialect)], model="sim/any", settings=ONCE) as engine:
        assert engine.ask("hi").text.startswith('You said: "hi".') and sim.requests[-1].path == path
        sim.script("any", "text=one two;cut=1")
        with pytest.raises(t.TruncatedError):
            engine.ask("hi")


def test_making_an_engine_opens_nothing(tmp_path: Path) -> None:
    store = tmp_path / "chat.db"
    engine = t.Tertulia(store, model="echo/any")
    chat = engine.user().new_conversation(title="x")
    assert chat.id and engine.models("anthropic/*") and engine.providers()
    assert os.listdir(tmp_path) == []
    assert chat.send("hi").text and store.exists()  # the first verb opens
    engine.close()


def test_a_closed_engine_says_so(engine: t.Tertulia) -> None:
    chat = engine.user().new_conversation()
    stream = chat.stream("hi")
    engine.close()
    engine.close()  # closing twice is closing once
    verbs: list[tuple[Callable[[], object], str]] = [
        (lambda: chat.send("hi"), "conversation.send"),
        (lambda: next(chat.stream("hi")), "conversation.stream"),
        (chat.history, "conversation.history"),
        (engine.open, "open"),
        (lambda: engine.ask("hi"), "ask"),
        (lambda: engine.user().ask("hi"), "ask"),
        (engine.user().list_conversations, "user.list_conversations"),
        (lambda: engine.provider("sim").request("GET", "/v1/models"), "provider.request"),
    ]
    for verb, operation in verbs:
        with pytest.raises(t.ClosedError) as caught:
            verb()
        assert caught.value.reason == "closed" and caught.value.http_status == 503
        assert caught.value.operation == operation
    assert stream.reply().status == "done"  # closing waits for what is under way


def test_leaving_with_an_exception_closes_too(sim: Simulator) -> None:
    with pytest.raises(RuntimeError, match="mine"), t.Tertulia("memory:", providers=[sim.provider()]) as engine:
        raise RuntimeError("mine")
    with pytest.raises(t.ClosedError):
        engine.ask("hi", model="sim/any")


def test_ask_takes_text_parts_and_messages(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "text=Lima")
    assert engine.ask("Capital of Peru?").text == "Lima"
    assert engine.ask(["Capital ", t.TextPart("of Peru?")]).message_id is None
    reply = engine.ask(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": ["Capital of Peru?"]},
            {"role": "assistant", "content": "Lima"},
            {"role": "user", "content": "Sure?"},
        ]
    )
    assert reply.status == "done" and reply.finish_reason == "stop" and reply.turn_id is None
    assert [m["role"] for m in body(sim)["messages"]] == ["system", "user", "assistant", "user"]
    assert len(engine.user("ana").list_conversations()) == 0
    for wrong in ({}, {"content": "a", "messages": []}):
        with pytest.raises(t.InvalidError, match="content or messages"):
            engine.ask(**wrong)
    for empty in ("", "  ", []):
        with pytest.raises(t.InvalidError) as caught:
            engine.ask(empty)
        assert caught.value.reason == "empty_message"
    with pytest.raises(TypeError, match=r"messages\[0\] must be a dict"):
        engine.ask(messages=["hi"])  # type: ignore[list-item]
    with pytest.raises(t.InvalidError, match=r"messages\[0\].role must be one of 'system'"):
        engine.ask(messages=[{"role": "usr", "content": "hi"}])  # type: ignore[typeddict-item]


def test_a_stored_message_may_be_said_again(engine: t.Tertulia, sim: Simulator) -> None:
    chat = engine.user().new_conversation()
    chat.send("hi")
    engine.ask(messages=[*chat.history(), {"role": "user", "content": "and?"}])
    assert [m["role"] for m in body(sim)["messages"]] == ["user", "assistant", "user"]


def test_options_reach_the_wire(engine: t.Tertulia, sim: Simulator) -> None:
    engine.ask(
        "hi",
        model="sim/other",
        system="Be brief.",
        temperature=0.2,
        top_p=0.5,
        seed=7,
        stop_sequences=["END"],
        max_tokens=100,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        tools=[{"name": "weather", "description": "The weather", "parameters": {"type": "object"}}],
        tool_choice={"name": "weather"},
        parallel_tools=False,
        output_schema={"type": "object", "properties": {}},
        extra_body={"service_tier": "flex"},
        extra_headers={"X-Mine": "yes"},
        timeout=timedelta(seconds=30),
        metadata={"screen": "home"},
        key="sk-call",
    )
    sent, headers = body(sim), sim.requests[-1].headers
    assert sent["model"] == "other" and sent["temperature"] == 0.2 and sent["top_p"] == 0.5 and sent["seed"] == 7
    assert sent["stop"] == ["END"] and sent["frequency_penalty"] == 0.1 and sent["presence_penalty"] == -0.1
    assert 100 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert sent["tools"][0]["function"]["name"] == "weather" and sent["parallel_tool_calls"] is False
    assert sent["tool_choice"]["function"]["name"] == "weather"
    assert sent["response_format"]["type"] == "json_schema" and sent["service_tier"] == "flex"
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert headers["x-mine"] == "yes" and headers["authorization"] == "Bearer sk-call"
    assert "home" not in json.dumps(sent)


def test_the_stub_knows_every_keyword_of_a_call() -> None:
    assert sorted(_probe.call_options()) == sorted(types.CallOptions.__annotations__)


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"temprature": 1}, TypeError, "send() does not know the keyword 'temprature'; did you mean 'temperature'?"),
        ({"temperature": "hot"}, TypeError, "temperature must be a number, not str"),
        ({"temperature": float("inf")}, t.InvalidError, "temperature must be a finite number"),
        ({"seed": 1.5}, TypeError, "seed must be an int, not float"),
        ({"seed": 2**64}, t.InvalidError, "seed is too large"),
        ({"stop_sequences": "END"}, TypeError, "stop_sequences must be a list or tuple, not str"),
        ({"timeout": -1}, t.InvalidError, "timeout must be a span of time"),
        ({"timeout": 1, "timeout_ms": 1}, t.InvalidError, "timeout (seconds) or timeout_ms, not both"),
        ({"reasoning_effort": "hard"}, t.InvalidError, "reasoning_effort must be one of 'off', 'minimal'"),
        ({"tool_choice": "weather"}, t.InvalidError, "tool_choice must be one of 'auto', 'never', 'required'"),
        ({"tools": [{"name": "f", "desc": ""}]}, t.InvalidError, "tools[0] does not know 'desc'"),
        ({"metadata": {"a": 1}}, TypeError, "metadata.a must be a str, not int"),
        ({"extra_body": {"a": object()}}, TypeError, "extra_body.a must be JSON"),
        ({"fallback": "sim/other"}, TypeError, "fallback must be a list or tuple, not str"),
        ({"fallback": ["nobody/any"]}, t.InvalidError, "unknown_provider"),
        ({"mid_stream": "later"}, t.InvalidError, "mid_stream must be one of 'surface', 'restart', 'continue'"),
        ({"model": "nothing"}, t.InvalidError, "unknown_model"),
        ({"model": "nobody/any"}, t.InvalidError, "unknown_provider"),
    ],
)
def test_an_option_that_cannot_work_is_refused_before_anything_is_stored(
    engine: t.Tertulia, sim: Simulator, options: dict[str, Any], kind: type[Exception], told: str
) -> None:
    chat = engine.user().new_conversation()
    with pytest.raises(kind) as caught:
        chat.send("hi", **options)
    assert told in str(caught.value)
    assert sim.request_count == 0 and len(engine.user().list_conversations()) == 0


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"modle": "a/b"}, TypeError, "Tertulia() does not know the keyword 'modle'; did you mean 'model'?"),
        ({"settings": {"retyr": {}}}, t.InvalidError, "did you mean `retry`?"),
        ({"settings": {"retry": {"max_attempt": 3}}}, t.InvalidError, "did you mean `max_attempts`?"),
        ({"settings": {"profile": "fast"}}, t.InvalidError, "server, desktop, mobile"),
        ({"settings": {"retry": {"max_attempts": 0}}}, t.InvalidError, "max_attempts"),
        ({"settings": 3}, t.InvalidError, "settings"),
        ({"settings": {"fallback": {"hedge_share": 2}}}, t.InvalidError, "hedge_share"),
        ({"fallback": "a/b"}, TypeError, "fallback must be a list or tuple, not str"),
        ({"providers": [{"name": "lab"}]}, t.InvalidError, "providers[0] needs 'base_url'"),
        ({"providers": [{"name": "lab", "base_ulr": "x"}]}, t.InvalidError, "did you mean 'base_url'?"),
        ({"providers": [{"name": "lab", "base_url": "http://x.example"}]}, t.InvalidError, "https"),
        ({"providers": [{"name": "lab", "base_url": "https://x.example", "local": 3}]}, t.InvalidError, "providers[0]"),
        ({"providers": ["lab"]}, TypeError, "providers[0] must be a dict"),
        ({"keys": {"openai": 3}}, TypeError, "keys.openai must be a str"),
        ({"store": 3}, TypeError, "os.PathLike"),
    ],
)
def test_an_engine_that_cannot_work_is_refused_at_once(
    options: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind) as caught:
        t.Tertulia(**options)
    assert told in str(caught.value)


def test_no_key_is_shown_and_each_goes_where_it_belongs(sim: Simulator) -> None:
    engine = t.Tertulia("memory:", providers=[sim.provider()], model="sim/any", keys={"sim": "sk-app"})
    with engine:
        ana = engine.user("ana", keys={"sim": "sk-ana"})
        assert "sk-" not in f"{engine!r} {ana!r} {ana.new_conversation()!r} {engine.provider('sim')!r}"
        engine.ask("hi")
        ana.ask("hi")
        engine.user("bob").new_conversation().send("hi")
        ana.new_conversation().send("hi", key="sk-call")
        sent = [request.headers["authorization"] for request in sim.requests]
        assert sent == ["Bearer sk-app", "Bearer sk-ana", "Bearer sk-app", "Bearer sk-call"]
    with pytest.raises(TypeError):
        engine.user("ana", kyes={})  # type: ignore[call-arg]


def test_events_come_in_their_order(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "reasoning=hm;text=Hello%20world;chunks=4")
    with engine.user().new_conversation().stream("hi") as stream:
        events = list(stream)
    assert isinstance(events[0], t.StartedEvent) and events[0].model == "sim/any"
    assert events[0].turn_id == stream.turn_id
    assert isinstance(events[-1], t.DoneEvent) and events[-1].reply.text == "Hello world"
    assert "".join(e.delta for e in events if isinstance(e, t.TextEvent)) == "Hello world"
    assert "".join(e.delta for e in events if isinstance(e, t.ReasoningEvent)) == "hm"
    numbers = [e.seq for e in events]
    assert numbers == sorted(numbers) and numbers[0] == 1
    assert stream.reply() == events[-1].reply == stream.reply()  # as often as one likes
    assert list(stream) == [] and stream.next_batch() == []


def test_batches_give_every_event_once(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "words=500")
    stream = engine.user().new_conversation().stream("hi")
    got: list[t.StreamEvent] = [next(stream)]
    while batch := stream.next_batch(7):
        assert len(batch) <= 7
        got += batch
    assert stream.next_batch(0) == []
    done = got[-1]
    assert isinstance(done, t.DoneEvent)
    assert "".join(e.delta for e in got if isinstance(e, t.TextEvent)) == done.reply.text


SLOW = "words=10000;delay_ms=20"


def gone(sim: Simulator) -> None:
    """Waits until the client has hung up in the middle of a reply."""
    assert sim.wait_for("closed_by_peer")["request"] == 1


def cancelled(chat: t.Conversation) -> None:
    """The words that had come are kept, and the turn says that it was stopped."""
    user, answer = chat.history()
    assert user.text == "hi" and answer.status == "cancelled" and answer.text
    assert answer.turn_id is not None
    assert chat.turn(answer.turn_id).state == "cancelled" and chat.turn(answer.turn_id).delivery == "sent"


def read_some(stream: t.ReplyStream) -> None:
    words = stream.text()
    for _ in range(3):
        next(words)


def test_leaving_a_stream_stops_the_call_and_keeps_what_had_come(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", SLOW)
    chat = engine.user().new_conversation()
    with chat.stream("hi") as stream:
        read_some(stream)
    gone(sim)
    cancelled(chat)
    reply = stream.reply()
    assert reply.status == "cancelled" and chat.history()[-1].text == reply.text


def test_cancelling_a_stream_gives_the_partial_reply(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", SLOW)
    chat = engine.user().new_conversation()
    stream = chat.stream("hi")
    read_some(stream)
    stream.cancel()
    gone(sim)  # at once, though nobody reads
    reply = stream.reply()
    assert reply.status == "cancelled"
    assert (reply.usage.source, reply.usage.requests) == ("estimated", 1) and reply.usage.output_tokens > 0
    kept = chat.history()[-1]
    assert kept.usage == reply.usage and kept.cost == reply.cost
    cancelled(chat)


def test_a_reader_in_another_thread_is_woken_by_cancel(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "text=ab;chunks=2;stall=1")
    chat = engine.user().new_conversation()
    stream = chat.stream("hi")
    replies: list[t.Reply] = []
    reader = threading.Thread(target=lambda: replies.append(stream.reply()))
    reader.start()
    sim.wait_for("response_started")
    stream.cancel()
    reader.join(10)
    assert not reader.is_alive() and replies[0].status == "cancelled"


def test_dropping_a_stream_stops_the_call(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", SLOW)
    chat = engine.user().new_conversation()
    for _ in chat.stream("hi").text():
        break
    gc.collect()
    gone(sim)
    chat.send("again", model="sim/quick")  # turns run one after the other: the first has come to rest
    assert [m.status for m in chat.history()] == ["complete", "cancelled", "complete", "complete"]


@pytest.mark.parametrize("way", ["detach", "detached"])
def test_a_reply_that_is_let_go_goes_on_and_can_be_attached_to(engine: t.Tertulia, sim: Simulator, way: str) -> None:
    sim.script("any", "words=200;delay_ms=2")
    chat = engine.user().new_conversation()
    stream = chat.stream("hi", detached=way == "detached")
    first = next(stream)
    if way == "detach":
        stream.detach()
    turn = stream.turn_id
    assert turn is not None
    del stream
    gc.collect()
    rest = chat.attach(turn, after_seq=first.seq)
    assert rest.turn_id == turn
    reply = rest.reply()
    assert reply.status == "done" and len(reply.text.split()) == 200
    again = list(chat.attach(turn))
    assert isinstance(again[-1], t.DoneEvent) and again[-1].reply.text == reply.text


def test_a_turn_is_stopped_by_its_id(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", SLOW)
    chat = engine.user().new_conversation()
    stream = chat.stream("hi")
    read_some(stream)
    assert stream.turn_id is not None
    chat.stop(stream.turn_id)
    with pytest.raises(t.CancelledError):
        list(stream)
    gone(sim)
    cancelled(chat)
    with pytest.raises(t.NotFoundError):
        chat.stop(chat.id)


def test_a_reply_that_broke_off_is_told_kept_and_retried(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "text=Hello%20world;chunks=4;cut=2", "text=Hello%20world")
    chat = engine.user().new_conversation()
    with pytest.raises(t.TruncatedError) as caught:
        chat.send("hi")
    error = caught.value
    assert error.saved and error.turn_id and error.operation == "conversation.send"
    assert [part.text for part in error.partial if isinstance(part, t.TextPart)] == ["Hello"]
    assert error.user_message.startswith("The answer broke off.")
    assert chat.turn(error.turn_id).state == "interrupted"
    reply = chat.retry(error.turn_id).reply()
    assert reply.text == "Hello world" and chat.turn(error.turn_id).state == "done"


def test_a_failure_comes_out_of_the_iterator_once_and_out_of_reply_every_time(
    engine: t.Tertulia, sim: Simulator
) -> None:
    sim.script("any", "text=Hello%20world;chunks=4;cut=2")
    stream = engine.user().new_conversation().stream("hi")
    words: list[str] = []
    with pytest.raises(t.TruncatedError):
        for word in stream.text():
            words.append(word)
    assert "".join(words) == "Hello" and list(stream) == []
    for _ in range(2):
        with pytest.raises(t.TruncatedError):
            stream.reply()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("error=auth", t.UnauthorizedError),
        ("error=quota", t.QuotaExhaustedError),
        ("error=rate_limit;retry_after=120", t.RateLimitedError),
        ("status=503", t.UnavailableError),
        ("error=context", t.ContextTooLongError),
        ("error=filtered", t.ContentFilteredError),
        ("error=invalid", t.InvalidError),
        ("reset", t.UnavailableError),
        ("garbage=html", t.UnavailableError),
    ],
)
def test_each_failure_has_its_class(
    engine: t.Tertulia, sim: Simulator, script: str, kind: type[t.TertuliaError]
) -> None:
    sim.script("any", f"{script};message=canary-7")
    chat = engine.user().new_conversation()
    with pytest.raises(kind) as caught:
        chat.send("canary-8")
    error = caught.value
    assert type(error) is kind and error.provider == "sim" and len(error.attempts) >= 1
    assert "canary" not in f"{error} {error!r} {error.detail} {error.user_message}"


def test_a_call_ends_with_its_time(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "stall")
    chat = engine.user().new_conversation()
    for limit in ({"timeout": 0.2}, {"timeout_ms": 200}, {"timeout": timedelta(milliseconds=200)}):
        with pytest.raises(TimeoutError) as caught:
            chat.send("hi", **limit)
        assert isinstance(caught.value, t.TimedOutError) and caught.value.http_status == 504


def test_the_same_client_id_is_the_same_message(engine: t.Tertulia, sim: Simulator) -> None:
    chat = engine.user().new_conversation()
    first = chat.send("hi", client_id="1")
    again = chat.send("hi", client_id="1")
    assert again.message_id == first.message_id and again.text == first.text and sim.request_count == 1
    with pytest.raises(t.ConflictError):
        chat.send("other", client_id="1")


def test_tools_are_called_and_answered(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", 'tool=weather:{"city":"Cadiz"};text=It%20is%20warm.')
    chat = engine.user().new_conversation()
    spec = t.ToolSpec("weather", "The weather in a city", {"type": "object", "properties": {"city": {}}})
    reply = chat.send("Weather in Cádiz?", tools=[spec])
    (call,) = reply.tool_calls
    assert reply.finish_reason == "tool_calls" and call.name == "weather" and call.arguments == {"city": "Cadiz"}
    assert chat.send([call.result({"celsius": 24})], tools=[spec]).text == "It is warm."
    assert [m.role for m in chat.history()] == ["user", "assistant", "tool", "assistant"]


def test_pictures_are_read_stored_and_sent(engine: t.Tertulia, sim: Simulator, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(16)
    (tmp_path / "a.png").write_bytes(png)
    chat = engine.user().new_conversation()
    chat.send(["What is this?", t.image(path=tmp_path / "a.png"), t.image(url="https://x.example/b.png")])
    parts = body(sim)["messages"][0]["content"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert parts[2]["image_url"]["url"] == "https://x.example/b.png"
    stored = chat.history()[0].parts[1]
    assert isinstance(stored, t.ImagePart) and isinstance(stored.media.source, t.AttachmentSource)
    assert stored.media.size_bytes == len(png) and stored.media.name == "a.png"
    with pytest.raises(t.InvalidError) as caught:
        chat.send(t.image(path=tmp_path / "missing.png"))
    assert caught.value.reason == "unreadable_file"


def test_pages_lead_to_each_other(engine: t.Tertulia) -> None:
    chat = engine.user().new_conversation()
    for i in range(5):
        chat.send(f"message {i}")
    page = chat.history(limit=4)
    assert len(page) == 4 and page.reached_end and not page.reached_start and page[-1].role == "assistant"
    older = chat.history(limit=4, before=page.before)
    oldest = chat.history(limit=4, before=older.before)
    everything = [*oldest, *older, *page]
    assert len(everything) == 10 and oldest.reached_start and everything[0].text == "message 0"
    assert everything == list(chat.history(limit=200))
    assert chat.history(after=oldest.after, limit=4) == older
    assert len(chat.history(after=page.after)) == 0
    for wrong in ({"limit": 0}, {"limit": 201}, {"before": "nonsense"}, {"before": page.before, "after": page.after}):
        with pytest.raises(t.InvalidError):
            chat.history(**wrong)
    other = engine.user("other").new_conversation()
    other.send("hi")
    with pytest.raises(t.InvalidError) as caught:
        other.history(before=page.before)
    assert caught.value.reason == "bad_cursor"


def test_conversations_are_listed_changed_and_deleted(engine: t.Tertulia) -> None:
    me = engine.user("ana")
    chats = [me.new_conversation(title=f"chat {i}", metadata={"n": str(i)}) for i in range(3)]
    assert len(me.list_conversations()) == 0
    with pytest.raises(t.NotFoundError):
        chats[0].summary()
    for chat in chats:
        chat.send("hi")
    listed = me.list_conversations()
    assert [info.title for info in listed] == ["chat 2", "chat 1", "chat 0"]
    assert [info.id for info in listed] == [chat.id for chat in reversed(chats)]
    assert listed[0].message_count == 2 and listed[0].last_role == "assistant" and listed[0].metadata == {"n": "2"}
    first = me.list_conversations(limit=2)
    assert [info.title for info in me.list_conversations(limit=2, before=first.before)] == ["chat 0"]
    chats[0].update(title="renamed", model="sim/other", metadata={})
    info = chats[0].summary()
    assert (info.title, info.model, info.metadata) == ("renamed", "sim/other", {})
    chats[0].update(title=None)
    assert chats[0].summary().title is None and chats[0].summary().model == "sim/other"
    assert chats[0].send("hi").model == "other"
    chats[1].delete()
    with pytest.raises(t.NotFoundError):
        chats[1].summary()
    with pytest.raises(TypeError, match="did you mean 'title'"):
        chats[0].update(titel="x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="did you mean 'system'"):
        me.new_conversation(sytem="x")  # type: ignore[call-arg]


def test_messages_are_stored_without_asking_a_model(engine: t.Tertulia, sim: Simulator) -> None:
    chat = engine.user().new_conversation()
    ids = chat.append(
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ["Hello ", t.TextPart("there")]}]
    )
    assert sim.request_count == 0 and [m.id for m in chat.history()] == list(ids)
    chat.send("and?")
    assert [m["role"] for m in body(sim)["messages"]] == ["user", "assistant", "user"]
    with pytest.raises(TypeError, match="messages must be a list"):
        chat.append("hi")


def test_nobody_reaches_another_users_conversation(engine: t.Tertulia) -> None:
    chat = engine.user("ana").new_conversation()
    reply = chat.send("hi")
    assert reply.turn_id is not None
    same = engine.user("bob").conversation(chat.id)
    for verb in (
        same.history,
        same.summary,
        same.delete,
        lambda: same.send("hi"),
        lambda: same.turn(reply.turn_id),  # type: ignore[arg-type]
        lambda: same.attach(reply.turn_id).reply(),  # type: ignore[arg-type]
    ):
        with pytest.raises(t.NotFoundError):
            verb()
    assert len(engine.user("bob").list_conversations()) == 0 and len(chat.history()) == 2
    with pytest.raises(t.InvalidError) as caught:
        engine.user("ana").conversation("nonsense")
    assert caught.value.reason == "bad_id"
    with pytest.raises(t.InvalidError):
        engine.user("").new_conversation().send("hi")


def test_a_key_of_your_own_is_always_the_same_conversation(engine: t.Tertulia) -> None:
    me = engine.user("ana")
    me.conversation_for("whatsapp:+34600").send("hi")
    again = me.conversation_for("whatsapp:+34600")
    assert len(again.history()) == 2 and again.id != engine.user("bob").conversation_for("whatsapp:+34600").id


def test_any_endpoint_of_a_provider_can_be_asked(engine: t.Tertulia, sim: Simulator) -> None:
    answer = engine.provider("sim").request("POST", "/v1/embeddings", {"model": "m", "input": ["a"]}, key="sk-mine")
    assert answer.status == 200 and answer.json()["data"] and answer.headers["content-type"].startswith("application")
    assert answer.body and ("content-type", answer.headers["content-type"]) in answer.header_list
    assert sim.requests[0].headers["authorization"] == "Bearer sk-mine"
    assert engine.provider("sim").request("GET", "/v1/nothing").status == 404
    with pytest.raises(t.InvalidError):
        engine.provider("nobody").request("GET", "/v1/models")
    with pytest.raises(t.InvalidError):
        engine.provider("sim").request("GET", "no-slash")


def test_the_catalogue_is_there_without_an_engine(sim: Simulator) -> None:
    engine = t.Tertulia("memory:", providers=[sim.provider("mine")])
    assert {"openai", "anthropic", "mine"} <= {provider.name for provider in engine.providers()}
    models = engine.models("anthropic/*")
    assert models and all(model.id.startswith("anthropic/") for model in models)
    assert engine.models("nobody/*") == ()
    with engine:
        engine.warm_up("mine/any")
    assert sim.events[0]["kind"] == "connection_opened"


def test_many_threads_share_an_engine(engine: t.Tertulia) -> None:
    texts: list[str] = []

    def work(i: int) -> None:
        chat = engine.user(f"user {i}").new_conversation()
        for j in range(5):
            texts.append(chat.send(f"message {j} of {i}").text)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 40
    assert all(sum(f"message {j} of {i}" in text for text in texts) == 1 for i in range(8) for j in range(5))


def test_a_dropped_engine_keeps_what_it_had_acknowledged(sim: Simulator, tmp_path: Path) -> None:
    engine = t.Tertulia(tmp_path / "chat.db", providers=[sim.provider()], model="sim/any")
    chat = engine.user().new_conversation()
    chat.send("hi")
    identity = chat.id
    del engine, chat
    gc.collect()
    with t.Tertulia(tmp_path / "chat.db") as again:
        assert len(again.user().conversation(identity).history()) == 2


INTERRUPTED = """
import os, signal, sys, threading
import tertulia
from tertulia.testing import Simulator
sim = Simulator()
sim.script("any", "words=10000;delay_ms=20")
def interrupt():
    sim.wait_for("response_started")
    os.kill(os.getpid(), signal.SIGINT)
with tertulia.Tertulia(sys.argv[1], providers=[sim.provider()], model="sim/any") as t:
    chat = t.user().new_conversation()
    threading.Thread(target=interrupt).start()
    try:
        {call}
    except KeyboardInterrupt:
        sim.wait_for("closed_by_peer")
        # The turn has come to rest before the next one begins.
        chat.send("next", model="sim/quick")
        print(chat.turn(chat.history()[0].turn_id).state)
"""


@pytest.mark.parametrize("call", ["chat.send('hi')", "kept = chat.stream('hi'); list(kept)"])
def test_ctrl_c_stops_the_call(call: str, tmp_path: Path) -> None:
    source = INTERRUPTED.replace("{call}", call)
    command = [sys.executable, "-W", "error", "-c", source, str(tmp_path / "chat.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "cancelled\n"


FORKED = """
import os, sys
import tertulia
tertulia_ = tertulia.Tertulia(sys.argv[1], model="echo/any")   # at module level, before any fork
chat = tertulia_.user("ana").conversation_for("one")
{parent}
child = os.fork()
if child == 0:
    try:
        print(len(chat.send("from the child").text) > 0, len(chat.history()), flush=True)
        tertulia_.close()
    except tertulia.ClosedError as e:
        print(e.reason, flush=True)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
print(chat.send("from the parent").status, len(chat.history()))
tertulia_.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    ("store", "parent", "told"),
    [
        ("chat.db", "", "True 2\ndone 4\n"),
        ("chat.db", "chat.send('before')", "True 4\ndone 6\n"),
        ("memory:", "chat.send('before')", "forked\ndone 4\n"),
        ("memory:", "", "True 2\ndone 2\n"),
    ],
)
def test_the_child_of_a_fork_opens_for_itself(store: str, parent: str, told: str, tmp_path: Path) -> None:
    path = store if store == "memory:" else str(tmp_path / store)
    command = [sys.executable, "-c", FORKED.replace("{parent}", parent), path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, told), done.stderr


RECONFIGURED_AND_FORKED = """
import os, sys
import tertulia
from tertulia.testing import Simulator
with Simulator() as sim:
    fast = {"retry": {"base_delay_ms": 1, "max_attempts": 4}}
    engine = tertulia.Tertulia(sys.argv[1], providers=[sim.provider()], model="sim/sim:status=503", settings=fast)
    engine.open()
    engine.reconfigure({"retry": {"max_attempts": 2}}, keys={"sim": "sk-new"})
    try:
        engine.reconfigure({"store": {"readers": 1}})
    except tertulia.InvalidError as e:
        print(e.reason, flush=True)
    for generation in range(2):  # the child of a child, too
        child = os.fork()
        if child:
            break
        try:
            engine.ask("hi")
        except tertulia.UnavailableError as e:
            print(len(e.attempts), flush=True)
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    if generation:
        os._exit(0)
    print({r.headers["authorization"] for r in sim.requests}, len(sim.requests))
    engine.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_child_of_a_fork_opens_with_what_the_parent_was_changed_to(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RECONFIGURED_AND_FORKED, str(tmp_path / "chat.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = "cannot_change\n2\n2\n{'Bearer sk-new'} 4\n"
    assert (done.returncode, done.stdout) == (0, told), done.stderr


FORKED_WHILE_WRITING = """
import os, sys, threading
import tertulia
path, forks = sys.argv[1], int(sys.argv[2])
engine = tertulia.Tertulia(path)
chats = [engine.user("ana").conversation_for(str(n)) for n in range(4)]
for chat in chats:
    chat.append([{"role": "user", "content": "before"}])  # Python's own locks of modules are another matter
going = True
def write(chat):
    while going:
        chat.append([{"role": "user", "content": "in the parent"}])
        chat.history()
threads = [threading.Thread(target=write, args=[chat]) for chat in chats]
for thread in threads:
    thread.start()
for n in range(forks):
    child = os.fork()
    if child == 0:
        # A database of its own: what hangs here hangs because of the parent's threads alone.
        with tertulia.Tertulia(f"{path}.{n}") as own:
            own.user("bo").conversation_for("one").append([{"role": "user", "content": "in the child"}])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
going = False
for thread in threads:
    thread.join()
print(len(chats[0].history()) > 0)
engine.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_others_write_leaves_no_lock_behind_in_the_child(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKED_WHILE_WRITING, str(tmp_path / "chat.db"), "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


FORKED_AND_CLOSED = """
import os, sys
import tertulia
engine = tertulia.Tertulia(sys.argv[1], model="echo/any")
chat = engine.user("ana").conversation_for("one")
chat.send("before")
parent_reads, child_writes = os.pipe()
child_reads, parent_writes = os.pipe()
child = os.fork()
if child == 0:
    chat.send("beside the parent")
    os.write(child_writes, b".")
    os.read(child_reads, 1)
    chat.send("behind the parent")
    engine.close()
    os._exit(0)
os.read(parent_reads, 1)
chat.send("beside the child")
engine.close()
os.write(parent_writes, b".")
assert os.waitpid(child, 0)[1] == 0
with tertulia.Tertulia(sys.argv[1]) as engine:
    said = [m.text for m in engine.user("ana").conversation_for("one").history() if m.role == "user"]
print(said)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_what_the_child_of_a_fork_says_is_kept_when_its_parent_closes(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    command = [sys.executable, "-c", FORKED_AND_CLOSED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['before', 'beside the parent', 'beside the child', 'behind the parent']\n"
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_killed_process_loses_nothing_acknowledged(sim: Simulator, tmp_path: Path) -> None:
    sim.script("any", "words=10000;delay_ms=10")
    source = f"""
import tertulia
t = tertulia.Tertulia({str(tmp_path / "chat.db")!r}, providers=[{sim.provider()!r}], model="sim/any")
for text in t.user("ana").conversation_for("one").stream("hi").text():
    print("word", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"word\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    with t.Tertulia(tmp_path / "chat.db") as engine:
        page = engine.user("ana").conversation_for("one").history()
        assert [m.text for m in page if m.role == "user"] == ["hi"]
        assert {m.status for m in page if m.role == "assistant"} <= {"interrupted"}


def test_a_store_that_is_none_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"this is no database" * 1_000)
    with pytest.raises(t.StorageError) as caught, t.Tertulia(tmp_path / "chat.db"):
        pass
    assert caught.value.operation == "open"
    with pytest.raises(t.StorageError), t.Tertulia(tmp_path / "chat.db" / "below a file.db"):
        pass


def test_the_file_is_plain_sqlite(sim: Simulator, tmp_path: Path) -> None:
    with t.Tertulia(tmp_path / "chat.db", providers=[sim.provider()], model="sim/any") as engine:
        engine.user().new_conversation().send("hi")
    database = sqlite3.connect(tmp_path / "chat.db")
    try:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    finally:
        database.close()


def test_waiting_costs_no_processor(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "stall")
    before = time.process_time()
    with pytest.raises(t.TimedOutError):
        engine.ask("hi", timeout=1)
    assert time.process_time() - before < 0.5


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")
def test_closed_engines_leave_nothing_behind(tmp_path: Path) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    def use(name: str, count: int) -> None:
        with Simulator() as sim:
            for i in range(count):
                with t.Tertulia(tmp_path / f"{name}{i}.db", providers=[sim.provider()], model="sim/any") as engine:
                    chat = engine.user().new_conversation()
                    chat.send("hi")
                    next(chat.stream("left in the middle"))

    use("first", 1)
    before = held()
    use("more", 20)
    files, threads = held()
    # Idle threads of the runtime's pool may come and go.
    assert files <= before[0] and threads <= before[1] + 2, (before, files, threads)


def test_the_providers_words_are_there_for_who_asks_and_nowhere_else(engine: t.Tertulia, sim: Simulator) -> None:
    sim.script("any", "status=400;message=your%20prompt%20canary%20is%20bad")
    with pytest.raises(t.InvalidError) as caught:
        engine.user("ana").new_conversation().send("hi")
    error = caught.value
    assert error.provider_words == "your prompt canary is bad"
    assert "canary" not in f"{error} {error!r} {error.info!r} {error.info.to_dict()}"
    assert pickle.loads(pickle.dumps(error)).provider_words is None
