"""What a model is shown of a function, and what becomes of what it fills in."""

from __future__ import annotations

import dataclasses
import enum
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict
from uuid import UUID

import pydantic
import pytest
import tertulia as t
from tertulia._json import Unfit, written
from tertulia._kinds import kind
from typing_extensions import NotRequired, Required

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
UserId = NewType("UserId", str)


class Unit(enum.Enum):
    CELSIUS = "c"
    KELVIN = "k"


@dataclasses.dataclass
class Spot:
    """Where it is.

    The rest is for people.
    """

    lat: float
    lon: float = 0
    tags: list[str] = dataclasses.field(default_factory=list)
    seen: bool = dataclasses.field(default=False, init=False)


class Walk(TypedDict, total=False):
    spot: Required[Spot]
    minutes: Annotated[int, "How long"]
    title: NotRequired[str]


class Leg(pydantic.BaseModel):
    title: str
    spot: Spot


class Ride(pydantic.BaseModel):
    legs: list[Leg]
    first: Leg | None = None


@dataclasses.dataclass
class Endless:
    below: list[Endless]


class EndlessModel(pydantic.BaseModel):
    below: list[EndlessModel] = []


NUMBER = {"type": "number"}
SPOT = {
    "description": "Where it is.",
    "type": "object",
    "properties": {
        "lat": NUMBER,
        "lon": {"type": "number", "default": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["lat"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("hint", "schema", "given", "read"),
    [
        (str, {"type": "string"}, "a", "a"),
        (UserId, {"type": "string"}, "a", "a"),
        (int, {"type": "integer"}, 3.0, 3),
        (float, NUMBER, 3, 3.0),
        (bool, {"type": "boolean"}, True, True),
        (None, {"type": "null"}, None, None),
        (Any, {}, {"a": [1]}, {"a": [1]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, None),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1, 1),  # noqa: UP045
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "1", "1"),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
        (Literal[1, None], {"enum": [1, None]}, None, None),
        (Unit, {"type": "string", "enum": ["c", "k"]}, "k", Unit.KELVIN),
        (Literal[Unit.KELVIN], {"type": "string", "enum": ["k"]}, "k", Unit.KELVIN),
        (list[int], {"type": "array", "items": {"type": "integer"}}, [1], [1]),
        (Sequence[date], {"type": "array", "items": {"type": "string", "format": "date"}}, ["2026-11-23"], [date(2026, 11, 23)]),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [1, 1], {1}),
        (frozenset[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}, ["a"], frozenset("a")),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}, [1, 2], (1, 2)),
        (tuple[int, str], {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2}, [1, "a"], (1, "a")),
        (list, {"type": "array", "items": {}}, [1, "a"], [1, "a"]),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": 1}),
        (Mapping[Unit, int], {"type": "object", "additionalProperties": {"type": "integer"}}, {"c": 1}, {Unit.CELSIUS: 1}),
        (dict, {"type": "object", "additionalProperties": {}}, {"a": 1}, {"a": 1}),
        (datetime, {"type": "string", "format": "date-time"}, "2026-11-23T09:30:00Z", datetime(2026, 11, 23, 9, 30, tzinfo=timezone.utc)),
        (time, {"type": "string", "format": "time"}, "09:30", time(9, 30)),
        (UUID, {"type": "string", "format": "uuid"}, ID, UUID(ID)),
        (Decimal, {"type": "string", "description": "A number, as text"}, "1.10", Decimal("1.10")),
        (Annotated[str, "A town"], {"type": "string", "description": "A town"}, "a", "a"),
        (Annotated[int, pydantic.Field(ge=1, description="Days")], {"type": "integer", "minimum": 1, "description": "Days"}, 1, 1),
        (Spot, SPOT, {"lat": 1, "tags": ["a"]}, Spot(1, 0, ["a"])),
        (
            Walk,
            {
                "type": "object",
                "properties": {"spot": SPOT, "minutes": {"type": "integer", "description": "How long"}, "title": {"type": "string"}},
                "required": ["spot"],
                "additionalProperties": False,
            },
            {"spot": {"lat": 1}, "minutes": 5},
            {"spot": Spot(1), "minutes": 5},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_type_is_shown_as_a_schema_and_read_from_json(hint: Any, schema: Any, given: Any, read: Any) -> None:
    of = kind(hint, "it")
    assert of.schema == schema
    made = of.read(given, "it")
    assert made == read and type(made) is type(read)


def test_models_of_pydantic_are_written_out_without_references() -> None:
    of = kind(Ride, "it")
    leg = of.schema["properties"]["legs"]["items"]
    assert leg["required"] == ["title", "spot"] and leg["properties"]["title"] == {"type": "string"}
    assert of.schema["properties"]["first"]["anyOf"][0] == leg
    assert "$ref" not in str(of.schema) and "$defs" not in of.schema
    given = {"legs": [{"title": "a", "spot": {"lat": 1}}]}
    assert of.read(given, "it") == Ride(legs=[Leg(title="a", spot=Spot(1))])
    with pytest.raises(Unfit, match=r"`it.legs\[0\].spot`: Field required"):
        of.read({"legs": [{"title": "a"}]}, "it")


@pytest.mark.parametrize(
    ("hint", "given", "told"),
    [
        (str, 1, "`it` must be text, not 1"),
        (str, "x" * 100, None),
        (int, True, "`it` must be a whole number, not true"),
        (int, 1.5, "`it` must be a whole number, not 1.5"),
        (float, "1", '`it` must be a number, not "1"'),
        (bool, "yes", '`it` must be true or false, not "yes"'),
        (int | None, "a", '`it` must be a whole number, not "a"'),
        (int | bool, "a", '`it` must be a whole number, not "a"; or `it` must be true or false, not "a"'),
        (Literal["a", 1], True, '`it` must be one of "a", 1, not true'),
        (Unit, "f", '`it` must be one of "c", "k", not "f"'),
        (Unit, ["c"], '`it` must be one of "c", "k", not ["c"]'),
        (list[int], [1, "a"], '`it[1]` must be a whole number, not "a"'),
        (tuple[int, str], [1], "`it` must be a list of 2, not [1]"),
        (dict[str, int], {"a": "b"}, '`it.a` must be a whole number, not "b"'),
        (date, "tomorrow", '`it` must be a date as 2026-11-23, not "tomorrow"'),
        (UUID, "1", '`it` must be a UUID, not "1"'),
        (Decimal, "many", '`it` must be a number as text, not "many"'),
        (Decimal, "NaN", '`it` must be a finite number as text, not "NaN"'),
        (Spot, [], "`it` must be an object, not []"),
        (Spot, {}, "`it.lat` is missing"),
        (Spot, {"lat": 1, "seen": True}, "there is no `it.seen`; there are: `lat`, `lon`, `tags`"),
        (str, {"a": "é" * 100}, '`it` must be text, not {"a": "' + "é" * 53 + "…"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_said_in_words_for_a_model(hint: Any, given: Any, told: str | None) -> None:
    if told is None:
        assert kind(hint, "it").read(given, "it") == given
        return
    with pytest.raises(Unfit) as caught:
        kind(hint, "it").read(given, "it")
    assert str(caught.value) == told


def test_a_tool_is_described_by_its_docstring() -> None:
    def trip(city: str, days: Annotated[int, "How long"] = 2, unit: Unit = Unit.KELVIN) -> None:
        """Plans a trip
        to a city.

        Not for islands.

        Args:
            city (str): Where to, as people
                call it.
            days: not this
        Returns:
            unit: not this
        """

    tool = t.tool(trip)
    assert (tool.name, tool.description) == ("trip", "Plans a trip to a city.")
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where to, as people call it."},
            "days": {"type": "integer", "description": "How long", "default": 2},
            "unit": {"type": "string", "enum": ["c", "k"], "default": "k"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    other = t.tool(
        name="plan", description="Plans.", needs_approval=True, idempotent=True, timeout=timedelta(minutes=1)
    )
    made = other(trip)
    assert (made.name, made.description, repr(made)) == ("plan", "Plans.", "Tool('plan')")
    assert made.needs_approval and made.idempotent and made.timeout == timedelta(minutes=1)
    assert not (tool.needs_approval or tool.idempotent or tool.timeout)


class Station:
    """A station."""

    def weather(self, city: str) -> str:
        """Its weather."""
        return city

    def __call__(self, city: str) -> str:
        return city


def test_whatever_can_be_called_is_a_tool() -> None:
    def two(context: t.ToolContext, city: str, /, day: int) -> None: ...

    station = Station()
    method, one, part = (
        t.tool(station.weather),
        t.tool(station),
        t.tool(functools.partial(station.weather, city="Lima")),
    )
    assert (method.name, method.description) == ("weather", "Its weather.")
    assert (one.name, one.description) == ("Station", "A station.")
    assert part.name == "weather" and part.parameters["properties"]["city"]["default"] == "Lima"
    assert list(t.tool(two).parameters["properties"]) == ["city", "day"]
    nothing = t.tool(name="now")(lambda: "now")
    assert nothing.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert nothing() == "now"


def no_annotation(city):  # type: ignore[no-untyped-def]
    ...


def anything(*cities: str) -> None: ...


def named(**cities: str) -> None: ...


def lock(city: threading.Lock) -> None: ...


def numbers(cities: dict[int, str]) -> None: ...


def unknown(city: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    ...


def endless(city: Endless) -> None: ...


def endless_model(city: EndlessModel) -> None: ...


class Odd(enum.Enum):
    PAIR = (1, 2)


def odd(city: Odd) -> None: ...


def called(city: Callable[[], None]) -> None: ...


def yields(city: str) -> Iterator[str]:
    yield city


async def streams(city: str) -> AsyncIterator[str]:
    yield city


@pytest.mark.parametrize(
    ("function", "reason", "told"),
    [
        (no_annotation, "bad_annotation", "`city` of tool `no_annotation` has no annotation"),
        (lambda city: city, "bad_tool", "`<lambda>` is not: give `tool(name=…)`"),
        (anything, "bad_annotation", "`*cities` of tool `anything` takes anything"),
        (named, "bad_annotation", "`**cities` of tool `named` takes anything"),
        (lock, "bad_annotation", "`city` of tool `lock`: `"),
        (numbers, "bad_annotation", "`cities` of tool `numbers`: the keys of a dict are text"),
        (unknown, "bad_annotation", "an annotation of `unknown` cannot be read: name 'Nowhere' is not defined"),
        (endless, "bad_annotation", "`city` of tool `endless`.below: `Endless` holds itself"),
        (endless_model, "bad_annotation", "`city` of tool `endless_model`: `EndlessModel` holds itself"),
        (odd, "bad_annotation", "`city` of tool `odd`: one of its words is neither text nor a number"),
        (called, "bad_annotation", "`city` of tool `called`: `Callable`"),
        (yields, "bad_tool", "`yields` yields; a tool returns one answer"),
        (streams, "bad_tool", "`streams` yields; a tool returns one answer"),
        (Spot, "bad_tool", "`Spot` is a class"),
        (lambda: 1, "bad_tool", "`<lambda>` is not"),
    ],
    ids=str,
)
def test_what_cannot_be_a_tool_is_refused_where_it_is_written(function: Any, reason: str, told: str) -> None:
    with pytest.raises(t.InvalidError) as caught:
        t.Agent("", tools=[function])
    assert caught.value.reason == reason and told in caught.value.detail, caught.value.detail


@pytest.mark.parametrize("output", [int, list[Spot], Spot | None, None])
def test_an_output_that_is_no_object_is_refused(output: Any) -> None:
    with pytest.raises(t.InvalidError, match="bad_output"):
        t.Agent("", output=output)


def test_answers_are_told_in_their_plain_form() -> None:
    given = {
        Unit.KELVIN: (Spot(1), {2}),
        "model": Leg(title="a", spot=Spot(1)),
        "when": [date(2026, 11, 23), time(9), Decimal("1.10"), UUID(ID)],
        "ours": t.Cost(1),
        "none": None,
    }
    spot = {"lat": 1, "lon": 0, "tags": [], "seen": False}
    assert written(given) == {
        "k": [spot, [2]],
        "model": {"title": "a", "spot": {"lat": 1.0, "lon": 0.0, "tags": [], "seen": False}},
        "when": ["2026-11-23", "09:00:00", "1.10", ID],
        "ours": t.Cost(1).to_dict(),
        "none": None,
    }
    with pytest.raises(TypeError, match="an answer of type bytes"):
        written(b"")
