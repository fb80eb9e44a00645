"""Runs providers that are Python code, and lends tools (`_called.py`) its loop.

Async code runs on one event loop of its own, on a daemon thread that the first call starts: a turn may outlive the loop
of whoever asked, and the sync engine has none. Everything else runs on a daemon thread per call, so that it may block.
Both give events until the engine is 64 behind, and go on when half of those are read.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import threading
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ._native import _never_wait_here

if TYPE_CHECKING:
    from ._native import ChatRequest, _Sink

_EXIT_WAIT = 1.0
"""How long the interpreter's exit waits for async code to clean up, in seconds."""

_BREATH = 64
"""After so many events without a pause, other calls on the loop get their turn."""

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_tasks: set[asyncio.Task[None]] = set()
_ending: set[asyncio.Task[None]] = set()
"""Those that were told to stop, or clean up without that: a second stop would break the clean-up off."""

_over = False
_left: list[object] = []
"""What the parent of a fork had. Neither used nor freed here: closing its loop would reach into the parent's."""

_Code = Callable[["ChatRequest"], Any]
_Work = Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, None]]


class _Stoppable(Protocol):
    """The code's end of something that the engine may give up."""

    def began(self, future: asyncio.Future[None]) -> None: ...


def begin(code: _Code, request: ChatRequest, sink: _Sink) -> None:
    """Starts the code for one request. Called by a thread of the engine; returns at once."""
    if is_async(code):
        on_loop(sink, lambda loop: _drive(loop, sink, code, request, None))
    else:
        _on_thread(sink, code, request)


def is_async(code: Callable[..., object]) -> bool:
    """Whether a call of it does nothing before it is awaited or iterated on a loop."""
    kinds = (inspect.isasyncgenfunction, inspect.iscoroutinefunction)
    return any(kind(one) for kind in kinds for one in (code, type(code).__call__))


# Async code


def on_loop(sink: _Stoppable, work: _Work, home: asyncio.AbstractEventLoop | None = None) -> None:
    """Starts async code on the loop ``home``; where that is closed, or there is none, on the loop of this module."""
    if home is not None:
        try:
            home.call_soon_threadsafe(_start, home, sink, work)
            return
        except RuntimeError:
            pass
    loop = _running()
    loop.call_soon_threadsafe(_start, loop, sink, work)


def _running() -> asyncio.AbstractEventLoop:
    """The loop of this process."""
    global _loop, _thread
    with _lock:
        if _over:
            raise RuntimeError("the interpreter is exiting")
        if _loop is None:
            loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_turn, args=(loop,), name="tertulia-providers", daemon=True)
            _thread.start()
            _loop = loop
        return _loop


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    _never_wait_here()
    loop.run_forever()


def _start(loop: asyncio.AbstractEventLoop, sink: _Stoppable, work: _Work) -> None:
    task = loop.create_task(work(loop))
    if loop is _loop:  # whoever owns another one ends what runs there
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    task.add_done_callback(_ending.discard)
    stop: asyncio.Future[None] = loop.create_future()
    stop.add_done_callback(lambda _: _stop(task))
    sink.began(stop)


def _stop(task: asyncio.Task[None]) -> None:
    if task not in _ending and not task.done():
        _ending.add(task)
        task.cancel()


async def _drive(loop: asyncio.AbstractEventLoop, sink: _Sink, code: _Code | None, request: Any, made: object) -> None:
    try:
        events = made if code is None else code(request)
        if inspect.isawaitable(events):
            events = await events
        if isinstance(events, AsyncIterable):
            await _pump(loop, sink, events)
        else:
            _on_thread(sink, None, None, events)
            return
    except BaseException as error:  # whatever it is, who asked hears of it, and the loop goes on
        if not sink.fail(error) and not isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            report(loop, error, "provider")
    else:
        sink.end()


async def _pump(loop: asyncio.AbstractEventLoop, sink: _Sink, events: AsyncIterable[object]) -> None:
    iterator = events.__aiter__()
    given = 0
    try:
        async for event in iterator:
            if not sink.push(event):
                room: asyncio.Future[None] = loop.create_future()
                if not sink.room(room):
                    return
                await room
            given += 1
            if given % _BREATH == 0:
                await asyncio.sleep(0)
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            if task := asyncio.current_task(loop):
                _ending.add(task)
            await close()


def report(loop: asyncio.AbstractEventLoop, error: BaseException, what: str) -> None:
    """Nobody waits for the outcome any more: the error goes where those of forgotten tasks go."""
    message = f"the code of a {what} failed while it was being stopped"
    loop.call_exception_handler({"message": message, "exception": error})


# Everything else


def _on_thread(sink: _Sink, code: _Code | None, request: ChatRequest | None, made: object = None) -> None:
    arguments = (sink, code, request, made)
    threading.Thread(target=_work, args=arguments, name="tertulia-provider", daemon=True).start()


def _work(sink: _Sink, code: _Code | None, request: Any, made: Any) -> None:
    try:
        if not sink.wait():
            return  # stopped before it began
        events = made if code is None else code(request)
        if code is not None and (inspect.isawaitable(events) or isinstance(events, AsyncIterable)):
            on_loop(sink, lambda loop: _drive(loop, sink, None, None, events))
            return
        _pour(sink, events)
    except BaseException as error:
        if not sink.fail(error):
            raise
    else:
        sink.end()


def _pour(sink: _Sink, events: Iterable[object]) -> None:
    iterator = iter(events)
    try:
        for event in iterator:
            if not sink.push(event) and not sink.wait():
                return
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


# The ends of a process


def _after_fork() -> None:
    """In the child of a fork the loop's thread does not exist."""
    global _lock, _loop, _thread, _tasks, _ending
    _lock = threading.Lock()
    _left.extend((_loop, _thread, _tasks, _ending))
    _loop, _thread, _tasks, _ending = None, None, set(), set()


async def _cancel() -> None:
    running = list(_tasks)
    for task in running:
        _stop(task)
    if running:
        await asyncio.wait(running, timeout=_EXIT_WAIT)


@atexit.register
def _exit() -> None:
    """Cancels async code that still runs, so that its `finally` blocks do."""
    global _over
    with _lock:
        _over = True
        loop, thread = _loop, _thread
    if loop is None or thread is None:
        return
    asyncio.run_coroutine_threadsafe(_cancel(), loop)
    loop.call_soon_threadsafe(_stop_when_idle, loop, loop.time() + _EXIT_WAIT)
    thread.join(2 * _EXIT_WAIT)


def _stop_when_idle(loop: asyncio.AbstractEventLoop, at_latest: float) -> None:
    if _tasks and loop.time() < at_latest:
        loop.call_later(0.005, _stop_when_idle, loop, at_latest)
    else:
        loop.stop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
