"""Value classes: frozen, equal by value, picklable, and with the same names everywhere."""

from __future__ import annotations

import ast
import copy
import json
import pickle
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import GetSetDescriptorType
from typing import Any

import pytest
import tertulia as t
from samples import HEADER, ID, MOMENT, SAMPLES, conversation, error, message, reply, text, turn
from tertulia._native import _probe

each = pytest.mark.parametrize("value", SAMPLES, ids=[type(value).__name__ for value in SAMPLES])

STUB = {
    node.name: node
    for node in ast.parse((Path(t.__file__).parent / "_native.pyi").read_text()).body
    if isinstance(node, ast.ClassDef)
}


def stub_properties(name: str) -> set[str]:
    return {
        node.name
        for node in STUB[name].body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list)
    }


def stub_arguments(name: str) -> tuple[list[str], list[str]]:
    new = next(n for n in STUB[name].body if isinstance(n, ast.FunctionDef) and n.name == "__new__")
    return [a.arg for a in new.args.args[1:]], [a.arg for a in new.args.kwonlyargs]


def properties(cls: type) -> set[str]:
    return {name for name, value in vars(cls).items() if isinstance(value, GetSetDescriptorType)}


def test_every_class_has_a_sample() -> None:
    classes = {name for name in vars(t) if hasattr(getattr(t, name), "_of_json") and name != "Page"}
    assert {type(value).__name__ for value in SAMPLES} == classes


@each
def test_names_of_json_constructor_attributes_and_stub_agree(value: Any) -> None:
    cls = type(value)
    positional, keywords = stub_arguments(cls.__name__)
    plain = set(value.to_dict())
    if cls is t.ProgressEvent:
        # The step lies flat in the event; Python has it as a dict, and as attributes.
        plain = {"progress", "type", *HEADER}
        assert {"step", "position", "wait_ms"} <= set(value.progress)
    if cls is t.TimelineItem:
        # What a row shows lies flat in it, too.
        assert plain == {"id", *value.kind}
        plain = {"id", "kind"}
    assert plain - {"type"} == {*positional, *keywords}
    assert tuple(positional) == cls.__match_args__
    assert properties(cls) == stub_properties(cls.__name__)
    assert plain <= properties(cls)


@each
def test_a_value_is_built_again_from_its_own_attributes(value: Any) -> None:
    positional, keywords = stub_arguments(type(value).__name__)
    again = type(value)(**{name: getattr(value, name) for name in positional + keywords})
    assert again == value
    assert hash(again) == hash(value)
    assert again.to_dict() == value.to_dict()


@each
def test_a_value_is_built_again_from_its_plain_form(value: Any) -> None:
    plain = {name: field for name, field in value.to_dict().items() if name != "type"}
    if isinstance(value, t.ProgressEvent):
        plain = {name: field for name, field in plain.items() if name in HEADER} | {"progress": value.progress}
    if isinstance(value, t.TimelineItem):
        plain = {"id": value.id, "kind": value.kind}
    assert type(value)(**plain) == value


@each
def test_a_value_survives_pickle_copy_and_json(value: Any) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    assert copy.copy(value) is value
    assert copy.deepcopy([value])[0] is value
    assert json.loads(json.dumps(value.to_dict())) == value.to_dict()


@each
def test_a_value_is_read_only_and_shows_itself_in_one_line(value: Any) -> None:
    for name in properties(type(value)):
        getattr(value, name)
        with pytest.raises(AttributeError):
            setattr(value, name, None)
    with pytest.raises(AttributeError):
        value.anything_else = 1
    shown = repr(value)
    assert shown.startswith(type(value).__name__ + "(") and "\n" not in shown and len(shown) < 400
    assert type(value).__module__ == "tertulia"
    assert not value == 1 and value != object()


def test_values_that_differ_are_not_equal() -> None:
    assert t.TextPart("a") != t.TextPart("b")
    assert t.TextPart("a") != t.ReasoningPart("a")
    assert t.TextEvent("a", seq=1) != t.TextEvent("a", seq=2)
    assert len({t.TextPart("a"), t.TextPart("a"), t.TextPart("b")}) == 2


def test_a_repr_is_short_and_hides_bytes() -> None:
    assert len(repr(t.TextPart("x" * 10_000))) < 80
    assert "\\x00" not in repr(t.image(data=b"\x00" * 100, mime_type="image/png"))


def test_attributes_have_the_types_of_python() -> None:
    assert message.id == ID and isinstance(message.conversation_id, str)
    assert message.role == "assistant" and message.status == "complete"
    assert message.created_at == MOMENT and message.created_at.utcoffset() == timedelta(0)
    assert message.parts[0] == text and isinstance(message.parts, tuple)
    assert message.text == "Hola" == reply.text
    assert message.metadata == {"screen": "home"}
    assert list(message.parts[1].data) == ["z", "a"]
    assert message.usage is not None and message.usage.raw == {"prompt_tokens": 10}
    assert turn.delivery == "sent"
    assert reply.reasoning == "hm" and reply.refusal is None and reply.notice == "The answer broke off."
    assert [call.id for call in reply.tool_calls] == ["c2"]
    assert error.retry_after == 2.5 and error.http_status == 502


def test_unknown_money_is_none_and_prints_as_unknown() -> None:
    assert str(t.Cost(1_200_000)) == "$0.0012" and t.Cost(1_200_000).usd == 0.0012
    assert str(t.Cost()) == "unknown" and t.Cost().nano_usd is None and t.Cost().usd is None


def test_a_tool_call_makes_its_result() -> None:
    answer = reply.tool_calls[0].result({"c": 24}, is_error=True)
    assert answer == t.ToolResult("c2", {"c": 24}, is_error=True)


@pytest.mark.parametrize(
    ("progress", "attributes"),
    [
        ({"step": "queued", "position": 3, "wait_ms": 40}, {"position": 3, "wait_ms": 40}),
        ({"step": "waiting", "reason": "breaker", "wait_ms": 40}, {"reason": "breaker", "wait_ms": 40}),
        (
            {"step": "retrying", "attempt": 2, "kind": "unavailable", "delay_ms": 40},
            {"attempt": 2, "kind": "unavailable", "wait_ms": 40},
        ),
        ({"step": "fell_back", "from_model": "a/b", "to_model": "c/d"}, {"from_model": "a/b", "to_model": "c/d"}),
        ({"step": "heartbeat", "idle_ms": 40}, {"idle_ms": 40}),
    ],
)
def test_progress_lies_flat_in_its_event(progress: dict[str, Any], attributes: dict[str, Any]) -> None:
    event = t.ProgressEvent(progress)
    assert event.step == progress["step"] and event.progress == progress
    names = {"position", "wait_ms", "reason", "attempt", "kind", "from_model", "to_model", "idle_ms"}
    assert {name: getattr(event, name) for name in names if getattr(event, name) is not None} == attributes


def test_events_and_parts_match_by_class_and_position() -> None:
    def read(event: t.StreamEvent) -> object:
        match event:
            case t.TextEvent(delta):
                return delta
            case t.DoneEvent(t.Reply(parts, status)):
                return len(parts), status
            case t.PartEvent(t.ImagePart(t.Media(t.UrlSource(url)))):
                return url
            case _:
                return event.type

    assert read(t.TextEvent("a")) == "a"
    assert read(t.DoneEvent(reply)) == (3, "interrupted")
    assert read(t.PartEvent(t.image(url="https://x.example"))) == "https://x.example"
    assert read(t.UsageEvent(t.Usage(1, 2), t.Cost())) == "usage"


@pytest.mark.parametrize(
    ("make", "kind", "told"),
    [
        (lambda: t.TextPart(), TypeError, "TextPart() needs text"),
        (lambda: t.TextPart("a", "b"), TypeError, "at most 1 positional"),
        (lambda: t.TextPart("a", text="b"), TypeError, "two values for text"),
        (lambda: t.TextPart(txt="a"), TypeError, "did you mean 'text'?"),
        (lambda: t.TextPart(3), TypeError, "text must be a str, not int"),
        (lambda: t.TextPart("\ud800"), t.InvalidError, "text holds half of a surrogate pair"),
        (lambda: t.Cost(True), TypeError, "nano_usd must be an int, not bool"),
        (lambda: t.Cost(2**63), t.InvalidError, "nano_usd is too large"),
        (lambda: t.Cost(1, source="asistant"), t.InvalidError, "source must be one of 'provider'"),
        (lambda: t.AttachmentSource("secret"), t.InvalidError, "an attachment id is a UUID"),
        (lambda: t.OpaquePart("a", "b", data=object()), TypeError, "data must be JSON"),
        (lambda: t.OpaquePart("a", "b", data=float("nan")), t.InvalidError, "no number that JSON can say"),
        (lambda: t.OpaquePart("a", "b", data={"a": [2**70]}), t.InvalidError, "data.a[0] is an integer beyond 64"),
        (lambda: t.OpaquePart("a", "b", data={1: 2}), TypeError, "data has a key that is no str"),
        (lambda: t.TextPart("a", citations=[{"strt": 1}]), t.InvalidError, "did you mean 'start'?"),
        (lambda: t.TextPart("a", citations=[{"start": "1"}]), TypeError, "citations[0].start must be an int"),
        (lambda: t.TextPart("a", citations="abc"), TypeError, "citations must be a list or tuple, not str"),
        (lambda: t.Turn(ID, "saved", message_id=ID, not_before=MOMENT.replace(tzinfo=None)), TypeError, "aware"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(make: Any, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert told in str(caught.value)
    assert "secret" not in str(caught.value) and "asistant" not in str(caught.value)


def test_json_comes_back_as_it_went() -> None:
    value = {"z": [1, -1, 2**63 - 1, 2**64 - 1, 1.5, "é\U0001f600", None, True], "a": {"": []}, "t": (1, 2)}
    assert _probe.json_round_trip(value) == {**value, "t": [1, 2]}
    assert list(_probe.json_round_trip(value)) == ["z", "a", "t"]
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(t.InvalidError, match="nested deeper"):
        _probe.json_round_trip(endless)


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 9999])
def test_any_time_that_python_has_comes_back(year: int) -> None:
    moment = datetime(year, 12, 31 if year < 9999 else 1, 23, 59, 59, 999_000, tzinfo=timezone.utc)
    assert t.Turn(ID, "saved", attempt=0, message_id=ID, last_seq=0, not_before=moment).not_before == moment
    east = moment.astimezone(timezone(timedelta(hours=-5)))
    assert t.Turn(ID, "saved", attempt=0, message_id=ID, last_seq=0, not_before=east).not_before == moment


def test_a_page_is_a_sequence_of_read_only_messages() -> None:
    page: t.Page[t.Message] = _probe.message_page(message, 5)
    assert isinstance(page, Sequence) and len(page) == 5
    assert page[0] == message == page[-1] and page[1:3] == [message, message] and page[::-2] == [message] * 3
    assert list(page) == [message] * 5 == list(reversed(page)) and page.items == tuple(page)
    assert message in page and conversation not in page and page.count(message) == 5 and page.index(message) == 0
    for index in (5, -6):
        with pytest.raises(IndexError):
            page[index]
    with pytest.raises(ValueError):
        page.index(conversation)
    with pytest.raises(TypeError):
        page["a"]
    assert page.reached_start and not page.reached_end and page.before is None and page.version == 1
    assert pickle.loads(pickle.dumps(page)) == page and hash(page) == hash(copy.copy(page))
    assert page != _probe.message_page(message, 4)
    assert repr(page) == "Page(5 messages, reached_start=True, reached_end=False)"
    assert page.to_dict()["items"][0] == message.to_dict()
    item = page[2]
    del page
    assert item.text == "Hola"
    assert t.Page[t.Message].__args__ == (t.Message,)


def test_pydantic_takes_a_value_as_a_field() -> None:
    import pydantic

    class Answer(pydantic.BaseModel):
        reply: t.Reply
        cost: t.Cost | None = None

    answer = Answer(reply=reply, cost={"nano_usd": 5})
    assert answer.reply is reply and answer.cost == t.Cost(5)
    assert answer.model_dump()["reply"] == reply.to_dict()
    assert Answer.model_validate_json(answer.model_dump_json()) == answer
    part = pydantic.TypeAdapter(t.Part)
    assert [part.validate_python(p.to_dict()) for p in reply.parts] == list(reply.parts)
    assert json.loads(answer.model_dump_json())["cost"]["nano_usd"] == 5
    with pytest.raises(pydantic.ValidationError):
        Answer(reply=3)
    with pytest.raises(pydantic.ValidationError):
        Answer(reply=reply, cost={"nano_usd": "5"})
