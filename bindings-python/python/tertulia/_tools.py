"""Tools: functions that a model may have called, with what it is told of them read from their signature."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ._errors import InvalidError
from ._kinds import MISSING, Field, Kind, kind, object_of
from ._native import ToolContext

_P = ParamSpec("_P")
_R = TypeVar("_R")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ARGUMENTS = re.compile(r"(args|arguments|parameters):", re.IGNORECASE)
_ARGUMENT = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s+(\S.*)")


class Tool(Generic[_P, _R]):
    """A function that a model may have called, and what the model is told of it. Calling it calls the function.

    Made by ``tool``, or by an agent of a plain function. The schema is read from the annotations: ``str``, ``int``,
    ``float``, ``bool``, ``None``, ``Literal``, enums, lists, tuples, sets, dicts, dates and times, ``UUID`` and
    ``Decimal`` (as text), dataclasses, TypedDicts and pydantic models. What the model fills in is read as these types before
    the function sees it; what does not fit is told to the model. A parameter annotated ``ToolContext`` gets the
    context of the call and is not shown.
    """

    function: Callable[_P, _R]
    """The function."""

    name: str
    """Its name for the model."""

    description: str
    """What the model is told that it does."""

    parameters: dict[str, Any]
    """The JSON schema of its arguments."""

    needs_approval: bool
    """Each call waits until somebody approves it."""

    idempotent: bool
    """A call that a crash broke off may be made again."""

    timeout: float | timedelta | None
    """How long a call may take, in seconds, instead of what the agent's bounds say."""

    def __init__(
        self,
        function: Callable[_P, _R],
        *,
        name: str | None = None,
        description: str | None = None,
        needs_approval: bool = False,
        idempotent: bool = False,
        timeout: float | timedelta | None = None,
    ) -> None:
        self.function = function
        self.name = _name(function) if name is None else name
        if not _NAME.fullmatch(self.name):
            detail = f"a tool's name is 1 to 64 letters, digits, `_` and `-`; `{self.name}` is not: give `tool(name=…)`"
            raise InvalidError.of("bad_tool", detail)
        self._words, self._signature = _words(function), _signature(function, self.name)
        told, about = _documented(self._words)
        self.description = told if description is None else description
        self.needs_approval, self.idempotent, self.timeout = needs_approval, idempotent, timeout
        hints = _hints(function, self.name)
        self._context = [name for name in self._signature.parameters if hints.get(name) is ToolContext]
        fields = {name: field for name, field in _fields(self.name, self._signature, hints, about)}
        self._object = object_of(fields, dict)
        self.parameters = self._object.schema

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def _read(self, arguments: object, context: ToolContext) -> tuple[list[Any], dict[str, Any]]:
        """What the function is called with. Raises ``Unfit`` when the arguments do not fit."""
        given = self._object.read(arguments, "")
        given.update(dict.fromkeys(self._context, context))
        args = []
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                args.append(given.pop(name, parameter.default))
        return args, given


def _whole(function: Callable[..., object]) -> Callable[..., object]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _name(function: Callable[..., object]) -> str:
    function = _whole(function)
    return getattr(function, "__name__", None) or type(function).__name__


def _code(function: Callable[..., object]) -> Any:
    """The function behind a method, a partial or an object that can be called."""
    function = _whole(function)
    if inspect.isfunction(function) or inspect.ismethod(function):
        return inspect.unwrap(function)
    return type(function).__call__ if not isinstance(function, type) else function


def _words(function: Callable[..., object]) -> str:
    # Not `inspect.getdoc`: it finds words for `__call__` that are about nothing here.
    return inspect.cleandoc(_code(function).__doc__ or _whole(function).__doc__ or "")


def _signature(function: Callable[..., object], name: str) -> inspect.Signature:
    code = _code(function)
    if isinstance(code, type):
        raise InvalidError.of("bad_tool", f"`{name}` is a class; give a function that makes one")
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise InvalidError.of("bad_tool", f"`{name}` yields; a tool returns one answer")
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        detail = f"what `{name}` takes is not known: write a function around it with annotations"
        raise InvalidError.of("bad_tool", detail) from error


def _hints(function: Callable[..., object], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(_code(function), include_extras=True)
    except NameError as error:
        detail = f"an annotation of `{name}` cannot be read: {error}; types of a tool stand at the top of a module"
        raise InvalidError.of("bad_annotation", detail) from error


def _fields(
    tool: str, signature: inspect.Signature, hints: dict[str, Any], about: dict[str, str]
) -> Iterator[tuple[str, Field]]:
    for name, parameter in signature.parameters.items():
        place = f"`{name}` of tool `{tool}`"
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
            detail = f"`{stars}{name}` of tool `{tool}` takes anything, and a model has to be shown names; name each parameter"
            raise InvalidError.of("bad_annotation", detail)
        if name not in hints:
            raise InvalidError.of("bad_annotation", f"{place} has no annotation, so nobody knows what it takes")
        if hints[name] is ToolContext:
            continue
        of = kind(hints[name], place)
        if name in about and "description" not in of.schema:
            of = Kind({**of.schema, "description": about[name]}, of.read)
        default = parameter.default
        yield name, Field(of, MISSING if default is inspect.Parameter.empty else default)


def _documented(words: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and what it says of each argument."""
    first = words.strip().split("\n\n")[0]
    about: dict[str, str] = {}
    section, last = False, ""
    for line in words.splitlines():
        if not line.startswith((" ", "\t")):
            section = bool(_ARGUMENTS.fullmatch(line.strip()))
            continue
        if not section:
            continue
        if found := _ARGUMENT.fullmatch(line.strip()):
            last = found[1]
            about[last] = found[2]
        elif last and line.strip():
            about[last] += " " + line.strip()
    if _ARGUMENTS.match(first):
        first = ""
    return " ".join(first.split()), about


@overload
def tool(function: Callable[_P, _R], /) -> Tool[_P, _R]: ...
@overload
def tool(
    function: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    needs_approval: bool = False,
    idempotent: bool = False,
    timeout: float | timedelta | None = None,
) -> Callable[[Callable[_P, _R]], Tool[_P, _R]]: ...
def tool(function: Callable[..., Any] | None = None, /, **how: Any) -> Any:
    """Makes a tool of a function, also as a decorator: ``@tool`` or ``@tool(needs_approval=True)``.

    name: its name for the model; the function's own. description: what the model is told that it does; the first
    paragraph of the docstring. needs_approval: each call waits until somebody approves it. idempotent: a second call with
    the same arguments changes nothing more than the first, so one that a crash broke off is made again. timeout: how long a
    call may take, in seconds.

    Raises ``InvalidError`` (bad_tool, bad_annotation), which names the parameter that a model cannot fill in.
    """
    if function is None:
        return lambda function: Tool(function, **how)
    return Tool(function, **how)
