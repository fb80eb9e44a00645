"""Annotations as what a model is shown of them, and as what reads it: a JSON schema and a function.

References are written out where they stand, because providers do not follow them.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import importlib
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from ._errors import InvalidError
from ._json import Unfit, unfit, written

Read = Callable[[Any, str], Any]
_PYDANTIC = {"pydantic", "pydantic_core", "annotated_types"}
_LISTS: dict[Any, Any] = {
    list: list,
    abc.Sequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    set: set,
    abc.Set: set,
}
_LISTS |= {frozenset: frozenset, abc.MutableSequence: list, abc.MutableSet: set}
_DICTS: set[Any] = {dict, abc.Mapping, abc.MutableMapping}
_REQUIRED, _NOT_REQUIRED, _READ_ONLY = "Required", "NotRequired", "ReadOnly"
MISSING: Any = object()
"""No default."""


@dataclass(frozen=True)
class Kind:
    """What a model is shown of a type, and what makes a value of it of what the model fills in."""

    schema: dict[str, Any]
    read: Read


@dataclass(frozen=True)
class Field:
    """A named value of an object."""

    kind: Kind
    default: Any = MISSING
    """What stands for it when it is left out."""
    left_out: bool = False
    """May be left out, and nothing stands for it then."""

    @property
    def is_required(self) -> bool:
        return self.default is MISSING and not self.left_out


def kind(hint: Any, place: str, within: tuple[Any, ...] = ()) -> Kind:
    """The kind of an annotation. ``place`` names what is annotated, ``within`` the types that it stands in.

    Raises ``InvalidError`` (bad_annotation) for a type that JSON cannot be read as.
    """
    if isinstance(hint, (str, list, dict, set)):
        raise _bad(place, f"{hint!r} is no type")
    if hint is Any or hint is object:
        return Kind({}, lambda value, _: value)
    if hint is None or hint is NoneType:
        return Kind({"type": "null"}, _exactly(None, "null"))
    if isinstance(hint, type) and (simple := _SIMPLE.get(hint)):
        return Kind(dict(simple.schema), simple.read)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(hint, args, place, within)
    if origin is Union or origin is UnionType:
        return _any_of([kind(arg, place, within) for arg in args])
    if origin is Literal:
        return _words(list(args), place)
    if name := _wrapper(origin):
        return kind(args[0], f"{name}[{place}]" if not place else place, within)
    if origin is None and isinstance(hint, type) and issubclass(hint, Enum):
        return _words(list(hint), place)
    if (origin or hint) in _LISTS:
        return _list(kind(args[0] if args else Any, place, within), _LISTS[origin or hint])
    if (origin or hint) is tuple:
        return _tuple(args, place, within)
    if (origin or hint) in _DICTS:
        return _dict(args, place, within)
    if supertype := getattr(hint, "__supertype__", None):  # NewType
        return kind(supertype, place, within)
    if type(hint).__name__ == "TypeAliasType":
        return kind(hint.__value__, place, within)
    if hint in within:
        raise _bad(place, f"`{hint.__name__}` holds itself, and what a model is shown cannot")
    if hasattr(hint, "__pydantic_core_schema__"):
        return _by_pydantic(hint, place)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(hint, place, (*within, hint))
    if typing.is_typeddict(hint):
        return _typed_dict(hint, place, (*within, hint))
    shown = getattr(hint, "__name__", None) or str(hint)
    detail = (
        f"`{shown}` cannot be read from JSON; use str, int, float, bool, Literal, Enum, list, tuple, set, dict, a date, time, "
        "UUID or Decimal, a dataclass, a TypedDict or a pydantic model"
    )
    raise _bad(place, detail)


def _bad(place: str, detail: str) -> InvalidError:
    return InvalidError.of("bad_annotation", f"{place}: {detail}")


def is_object(of: Kind) -> bool:
    """Whether every value of it is an object."""
    return of.schema.get("type") == "object"


# Simple values


def _exactly(wanted: object, called: str) -> Read:
    def read(value: Any, place: str) -> Any:
        if value is not wanted:
            raise unfit(place, called, value)
        return value

    return read


def _of_type(wanted: type, called: str) -> Read:
    def read(value: Any, place: str) -> Any:
        if not isinstance(value, wanted):
            raise unfit(place, called, value)
        return value

    return read


def _int(value: Any, place: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise unfit(place, "a whole number", value)
    return value


def _float(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise unfit(place, "a number", value)
    return float(value)


def _decimal(value: Any, place: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise unfit(place, "a number as text", value)
    try:
        made = Decimal(str(value))
    except InvalidOperation:
        raise unfit(place, "a number as text", value) from None
    if not made.is_finite():
        raise unfit(place, "a finite number as text", value)
    return made


def _text(make: Callable[[str], Any], called: str) -> Read:
    def read(value: Any, place: str) -> Any:
        if not isinstance(value, str):
            raise unfit(place, called, value)
        try:
            return make(value)
        except ValueError:
            raise unfit(place, called, value) from None

    return read


def _utc(text: str) -> str:
    """Python 3.10 does not know that Z is UTC."""
    return text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text


def _string(form: str, make: Callable[[str], Any], called: str) -> Kind:
    return Kind({"type": "string", "format": form}, _text(make, called))


_SIMPLE: dict[type, Kind] = {
    str: Kind({"type": "string"}, _of_type(str, "text")),
    bool: Kind({"type": "boolean"}, _of_type(bool, "true or false")),
    int: Kind({"type": "integer"}, _int),
    float: Kind({"type": "number"}, _float),
    Decimal: Kind({"type": "string", "description": "A number, as text"}, _decimal),
    date: _string("date", date.fromisoformat, "a date as 2026-11-23"),
    datetime: _string(
        "date-time", lambda text: datetime.fromisoformat(_utc(text)), "a date and time as 2026-11-23T09:30:00Z"
    ),
    time: _string("time", lambda text: time.fromisoformat(_utc(text)), "a time as 09:30:00"),
    UUID: _string("uuid", UUID, "a UUID"),
}


def _words(values: list[Any], place: str) -> Kind:
    """One of these, each known by its plain form."""
    pairs = [(written(value), value) for value in values]
    if any(not isinstance(word, (str, int, float, NoneType)) for word, _ in pairs):
        raise _bad(place, "one of its words is neither text nor a number")
    called = "one of " + ", ".join(json.dumps(word, ensure_ascii=False) for word, _ in pairs)

    def read(value: Any, place: str) -> Any:
        for word, meant in pairs:
            if type(word) is type(value) and word == value:
                return meant
        raise unfit(place, called, value)

    schema = {"enum": [word for word, _ in pairs]}
    return Kind({"type": "string", **schema} if all(isinstance(word, str) for word, _ in pairs) else schema, read)


# What holds others


def _any_of(kinds: list[Kind]) -> Kind:
    def read(value: Any, place: str) -> Any:
        reasons = []
        for one in kinds:
            try:
                return one.read(value, place)
            except Unfit as why:
                reasons.append(str(why))
        # Of `str | None` the first is what is meant.
        raise Unfit(reasons[0] if len(reasons) == 2 and kinds[1].schema == {"type": "null"} else "; or ".join(reasons))

    return Kind({"anyOf": [one.schema for one in kinds]}, read)


def _list(item: Kind, make: Callable[[Any], Any]) -> Kind:
    unique = {"uniqueItems": True} if make is not list else {}

    def read(value: Any, place: str) -> Any:
        if not isinstance(value, list):
            raise unfit(place, "a list", value)
        return make(item.read(one, f"{place}[{index}]") for index, one in enumerate(value))

    return Kind({"type": "array", "items": item.schema, **unique}, read)


def _tuple(args: tuple[Any, ...], place: str, within: tuple[Any, ...]) -> Kind:
    if not args or args[-1] is Ellipsis:
        return _list_as_tuple(_list(kind(args[0] if args else Any, place, within), list))
    kinds = [kind(arg, place, within) for arg in args]

    def read(value: Any, place: str) -> Any:
        if not isinstance(value, list) or len(value) != len(kinds):
            raise unfit(place, f"a list of {len(kinds)}", value)
        return tuple(one.read(item, f"{place}[{i}]") for i, (one, item) in enumerate(zip(kinds, value, strict=True)))

    shown = [one.schema for one in kinds]
    return Kind({"type": "array", "prefixItems": shown, "minItems": len(kinds), "maxItems": len(kinds)}, read)


def _list_as_tuple(of: Kind) -> Kind:
    return Kind(of.schema, lambda value, place: tuple(of.read(value, place)))


def _dict(args: tuple[Any, ...], place: str, within: tuple[Any, ...]) -> Kind:
    keys, items = (kind(arg, place, within) for arg in args or (str, Any))
    if keys.schema.get("type") != "string":
        raise _bad(place, "the keys of a dict are text in JSON: annotate it as `dict[str, …]`")

    def read(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise unfit(place, "an object", value)
        return {keys.read(key, place): items.read(item, _below(place, key)) for key, item in value.items()}

    return Kind({"type": "object", "additionalProperties": items.schema}, read)


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


# Objects


def object_of(fields: Mapping[str, Field], make: Callable[[dict[str, Any]], Any]) -> Kind:
    """An object of these fields, of which this makes the value."""
    required = [name for name, field in fields.items() if field.is_required]
    schema: dict[str, Any] = {"type": "object", "properties": {name: _shown(field) for name, field in fields.items()}}
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False

    def read(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise unfit(place, "an object", value)
        if unknown := [name for name in value if name not in fields]:
            known = ", ".join(f"`{name}`" for name in fields) or "none"
            raise Unfit(f"there is no `{_below(place, unknown[0])}`; there are: {known}")
        if absent := [name for name in required if name not in value]:
            raise Unfit(f"`{_below(place, absent[0])}` is missing")
        return make({name: fields[name].kind.read(given, _below(place, name)) for name, given in value.items()})

    return Kind(schema, read)


def _shown(field: Field) -> dict[str, Any]:
    schema = field.kind.schema
    if field.default is MISSING:
        return schema
    try:
        return {**schema, "default": json.loads(json.dumps(written(field.default), allow_nan=False))}
    except (TypeError, ValueError):
        return schema


def _hints(of: Any, place: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(of, include_extras=True)
    except NameError as error:
        raise _bad(place, f"an annotation of `{of.__name__}` cannot be read: {error}") from error


def _dataclass(of: Any, place: str, within: tuple[Any, ...]) -> Kind:
    hints, fields = _hints(of, place), {}
    for field in dataclasses.fields(of):
        if field.init:
            default = field.default if field.default is not dataclasses.MISSING else MISSING
            left_out = field.default_factory is not dataclasses.MISSING
            fields[field.name] = Field(kind(hints[field.name], f"{place}.{field.name}", within), default, left_out)
    return _titled(object_of(fields, _checked(lambda given: of(**given))), of)


def _checked(make: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """A ``__post_init__`` may refuse what it gets."""

    def made(given: dict[str, Any]) -> Any:
        try:
            return make(given)
        except (ValueError, TypeError) as error:
            raise Unfit(str(error)) from error

    return made


def _titled(of: Kind, described: Any) -> Kind:
    text = described.__dict__.get("__doc__") or ""
    if not text or text.startswith(f"{described.__name__}("):  # as dataclasses write it
        return of
    return Kind({"description": inspect.cleandoc(text).split("\n\n")[0].replace("\n", " "), **of.schema}, of.read)


def _typed_dict(of: Any, place: str, within: tuple[Any, ...]) -> Kind:
    fields = {}
    for name, hint in _hints(of, place).items():
        required = name in of.__required_keys__
        # A class under `from __future__ import annotations` does not look into its own words.
        while wrapper := _wrapper(get_origin(hint)):
            required = {_REQUIRED: True, _NOT_REQUIRED: False}.get(wrapper, required)
            hint = get_args(hint)[0]
        fields[name] = Field(kind(hint, f"{place}.{name}", within), left_out=not required)
    return _titled(object_of(fields, dict), of)


def _wrapper(origin: Any) -> str | None:
    name = getattr(origin, "_name", None) or getattr(origin, "__name__", None)
    return name if name in (_REQUIRED, _NOT_REQUIRED, _READ_ONLY) and not isinstance(origin, type) else None


def _annotated(hint: Any, args: tuple[Any, ...], place: str, within: tuple[Any, ...]) -> Kind:
    if any(type(one).__module__.partition(".")[0] in _PYDANTIC for one in args[1:]):
        of = _by_pydantic(hint, place)
    else:
        of = kind(args[0], place, within)
    description = next((one for one in args[1:] if isinstance(one, str)), None)
    return Kind({**of.schema, "description": description}, of.read) if description else of


# pydantic


def _by_pydantic(hint: Any, place: str) -> Kind:
    try:
        pydantic: Any = importlib.import_module("pydantic")  # no import, so no dependency
        adapter = pydantic.TypeAdapter(hint)
        schema = adapter.json_schema()
    except Exception as error:
        raise _bad(place, f"pydantic makes no schema of it: {error}") from error
    schema = _written_out(schema, schema.pop("$defs", {}), place, ())

    def read(value: Any, place: str) -> Any:
        try:
            return adapter.validate_json(json.dumps(value))
        except pydantic.ValidationError as error:
            raise Unfit("; ".join(_told(one, place) for one in error.errors(include_url=False))) from error

    return Kind(schema, read)


def _told(error: dict[str, Any], place: str) -> str:
    for step in error["loc"]:
        place = f"{place}[{step}]" if isinstance(step, int) else _below(place, str(step))
    return f"`{place}`: {error['msg']}" if place else str(error["msg"])


def _written_out(schema: Any, known: dict[str, Any], place: str, within: tuple[str, ...]) -> Any:
    """The schema without references and without titles."""
    if isinstance(schema, list):
        return [_written_out(one, known, place, within) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        if name in within:
            raise _bad(place, f"`{name}` holds itself, and what a model is shown cannot")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**_written_out(known[name], known, place, (*within, name)), **beside}
    out = {}
    for key, value in schema.items():
        if key in ("properties", "patternProperties"):
            out[key] = {name: _written_out(one, known, place, within) for name, one in value.items()}
        elif key in ("default", "const", "enum", "examples", "required"):
            out[key] = value
        elif key != "title" and key != "discriminator":
            out[key] = _written_out(value, known, place, within)
    return out
