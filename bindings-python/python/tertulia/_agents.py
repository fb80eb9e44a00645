"""Agents as values, and what a run of one comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ._errors import InvalidError, OutputInvalidError
from ._json import Unfit
from ._kinds import is_object, kind
from ._native import Cost, Usage
from ._tools import Tool

if TYPE_CHECKING:
    from .types import BoundsDict, FinishReason

_T = TypeVar("_T")


class Agent(Generic[_T]):
    """Instructions, tools, and the type of the answer. A value: make it once, run it in any conversation.

    instructions: what it is told before everything else. tools: functions, as they are or made by ``tool``. output: what
    its answer is: ``str``, or a dataclass, TypedDict or pydantic model, whose schema the model is shown; an answer that
    does not fit is mended by the model. model: as ``provider/model``, where the run is given none. bounds: what a run may
    do at most.

    Raises ``InvalidError`` (bad_tool, bad_annotation, bad_output).
    """

    instructions: str
    """What it is told before everything else."""

    model: str | None
    """Its model, as ``provider/model``, where the run is given none."""

    tools: tuple[Tool[..., Any], ...]
    """What it may have called."""

    bounds: Mapping[str, Any]
    """What a run of it may do at most, where that is not the default."""

    output: type[_T]
    """What its answer is."""

    @overload
    def __init__(
        self: Agent[str],
        instructions: str,
        *,
        tools: Sequence[Callable[..., Any]] = (),
        model: str | None = None,
        bounds: BoundsDict | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        instructions: str,
        *,
        tools: Sequence[Callable[..., Any]] = (),
        output: type[_T],
        model: str | None = None,
        bounds: BoundsDict | None = None,
    ) -> None: ...
    def __init__(
        self,
        instructions: str,
        *,
        tools: Sequence[Callable[..., Any]] = (),
        output: Any = str,
        model: str | None = None,
        bounds: BoundsDict | None = None,
    ) -> None:
        self.instructions, self.model, self.output = instructions, model, output
        self.tools = tuple(one if isinstance(one, Tool) else Tool(one) for one in tools)
        self.bounds = dict(bounds or {})
        self._shape = None if output is str else _Shape(output)

    def __repr__(self) -> str:
        return f"Agent(tools={list(self.tools)}, output={getattr(self.output, '__name__', self.output)})"


class _Shape:
    """Reads answers as the type that an agent's ``output`` names."""

    schema: dict[str, Any]

    def __init__(self, output: Any) -> None:
        self._kind = kind(output, "the output of an agent")
        if not is_object(self._kind):
            detail = (
                "the output of an agent is str, a dataclass, a TypedDict or a pydantic model: put other types into one"
            )
            raise InvalidError.of("bad_output", detail)
        self.schema = self._kind.schema

    def unfit(self, value: object) -> str | None:
        """Why this is no answer, for the model to read."""
        try:
            self._kind.read(value, "")
        except Unfit as why:
            return str(why)
        return None

    def made(self, value: object) -> Any:
        """The answer as Python has it."""
        try:
            return self._kind.read(value, "")
        except Unfit:
            detail = "the result of this run is no value of the type that the agent's `output` names"
            raise OutputInvalidError.of("unfit_output", detail) from None


@dataclass(frozen=True)
class AgentResult(Generic[_T]):
    """What an agent came to."""

    output: _T
    """The answer: its words, or a value of the type that was asked for."""

    run_id: str
    """The run."""

    message_id: str
    """The stored message that holds the answer."""

    finish_reason: FinishReason | None
    """Why the model stopped; ``length`` says that the answer was cut off."""

    rounds: int
    """How often a model was asked."""

    calls: int
    """How many calls of tools it asked for."""

    usage: Usage
    """What all of it took."""

    cost: Cost
    """What all of it cost; nothing where a price is not known."""
