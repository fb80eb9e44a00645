"""Python values as JSON, and what is said of JSON that does not fit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

_SHOWN = 60


class Unfit(Exception):
    """What a model filled in does not fit; it reads the words."""


def unfit(place: str, expected: str, value: object) -> Unfit:
    """The value at this place is no such thing."""
    shown = json.dumps(value, ensure_ascii=False)
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "…"
    return Unfit(f"`{place}` must be {expected}, not {shown}" if place else f"it must be {expected}, not {shown}")


def written(value: object) -> Any:
    """The plain form of an answer: what JSON knows as it is, dataclasses and models as dicts, dates and ids as text."""
    if isinstance(value, Enum):
        return written(value.value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(written(key)): written(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [written(item) for item in value]
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if not isinstance(value, type):
        if callable(dump := getattr(value, "model_dump", None)):
            return dump(mode="json")
        if dataclasses.is_dataclass(value):
            return {field.name: written(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if callable(plain := getattr(value, "to_dict", None)):
            return plain()
    raise TypeError(
        f"an answer of type {type(value).__name__} cannot be told to a model; give text, JSON or a dataclass"
    )
