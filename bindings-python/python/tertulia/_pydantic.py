"""The hook that lets pydantic and FastAPI take value classes as fields. Imported by pydantic's own request only."""

from __future__ import annotations

import importlib
from typing import Any


def schema(cls: Any) -> Any:
    """The pydantic schema of a value class: an instance or its plain form in, the plain form out."""
    core_schema: Any = importlib.import_module("pydantic_core").core_schema  # no import, so no dependency

    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"must be a {cls.__name__} or its plain form")
        try:
            made = cls(**{name: field for name, field in value.items() if name != "type"})
        except TypeError as error:  # which pydantic would not take for a verdict on the value
            raise ValueError(str(error)) from error
        if value.get("type") not in (None, getattr(made, "type", None)):
            raise ValueError(f"is no plain form of a {cls.__name__}")
        return made

    plain = core_schema.plain_serializer_function_ser_schema(lambda value: value.to_dict())
    return core_schema.no_info_plain_validator_function(read, serialization=plain)
