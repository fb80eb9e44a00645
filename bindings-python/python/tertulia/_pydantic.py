"""The hook that lets pydantic and FastAPI take value classes as fields. Imported by pydantic's own request only."""

from __future__ import annotations

import importlib
from typing import Any


def schema(cls: Any) -> Any:
    """The pydantic schema of a value class: an instance or its fields in, the plain form out."""
    core_schema: Any = importlib.import_module("pydantic_core").core_schema  # no import, so no dependency

    def read(value: Any) -> Any:
        return value if isinstance(value, cls) else cls(**value)

    plain = core_schema.plain_serializer_function_ser_schema(lambda value: value.to_dict())
    return core_schema.no_info_plain_validator_function(read, serialization=plain)
