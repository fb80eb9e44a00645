"""Calls tools that are Python code.

Async code runs on the loop that the run was begun on, and where there is none on the loop of `_own.py`; everything else
runs on a daemon thread of its own, so that it may block and holds nobody up. What is raised is told to the model.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from ._json import Unfit, written
from ._own import is_async, on_loop, report

if TYPE_CHECKING:
    from ._native import ToolContext, _Answer
    from ._tools import Tool

_Home = asyncio.AbstractEventLoop | None


def begin(tool: Tool[..., Any], arguments: object, context: ToolContext, answer: _Answer, home: _Home) -> None:
    """Starts one call. Called by a thread of the engine; returns at once."""
    if is_async(tool.function):
        on_loop(answer, lambda loop: _await(loop, tool, arguments, context, answer), home)
    else:
        given = (tool, arguments, context, answer, home)
        threading.Thread(target=_call, args=given, name="tertulia-tool", daemon=True).start()


def _call(tool: Tool[..., Any], arguments: object, context: ToolContext, answer: _Answer, home: _Home) -> None:
    try:
        if not answer.is_awaited():
            return  # stopped before it began
        ready = _ready(tool, arguments, context, answer)
        if ready is None:
            return
        made = tool.function(*ready[0], **ready[1])
        if inspect.isawaitable(made):
            on_loop(answer, lambda loop: _finish(loop, answer, made), home)
            return
        answer.end(written(made))
    except BaseException as error:  # whatever it is, the model hears of it
        if not answer.fail(error):
            raise


async def _await(
    loop: asyncio.AbstractEventLoop, tool: Tool[..., Any], arguments: object, context: ToolContext, answer: _Answer
) -> None:
    try:
        ready = _ready(tool, arguments, context, answer)
        if ready is None:
            return
        made = tool.function(*ready[0], **ready[1])
    except BaseException as error:
        answer.fail(error)
    else:
        await _finish(loop, answer, made)


async def _finish(loop: asyncio.AbstractEventLoop, answer: _Answer, made: Awaitable[object]) -> None:
    try:
        answer.end(written(await made))
    except BaseException as error:  # the loop goes on
        if not answer.fail(error) and not isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            report(loop, error, "tool")


def _ready(
    tool: Tool[..., Any], arguments: object, context: ToolContext, answer: _Answer
) -> tuple[list[Any], dict[str, Any]] | None:
    """What the function is called with, or nothing when that does not fit, which the model is told."""
    try:
        return tool._read(arguments, context)
    except Unfit as why:
        answer.unfit(str(why))
        return None
