"""The bridge between Python's threads and loops and the runtime: cancel, signals, forks, ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import tertulia as t
from tertulia._native import _probe

FOREVER = 600_000


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for a state of the runtime's own thread, which nothing announces."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


class Ends:
    """How many calls ended since: to their end, and dropped before."""

    def __init__(self) -> None:
        gc.collect()
        self.start: tuple[int, int] = _probe.ends()

    def since(self) -> tuple[int, int]:
        completed, dropped = _probe.ends()
        return completed - self.start[0], dropped - self.start[1]

    def become(self, completed: int, dropped: int) -> None:
        gc.collect()
        wait_until(lambda: self.since() >= (completed, dropped))
        assert self.since() == (completed, dropped)


def script(source: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, timeout=60, check=False, **more
    )


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("kind", ["ready", "yield", "sleep"])
def test_a_call_is_awaited(kind: str, inline: bool) -> None:
    async def main() -> int:
        return await _probe.awaiting(kind, 3, inline=inline)

    assert asyncio.run(main()) == 3
    assert asyncio.run(main()) == 3  # a second loop in the same process


def test_a_call_goes_wherever_a_coroutine_goes() -> None:
    async def main() -> None:
        assert await asyncio.create_task(_probe.awaiting("sleep", 3)) == 3
        assert await asyncio.wait_for(_probe.awaiting("sleep", 4), 60) == 4
        assert await asyncio.gather(_probe.awaiting("sleep", 5), _probe.awaiting("ready", 6)) == [5, 6]
        assert await asyncio.shield(_probe.awaiting("yield", 7)) == 7
        assert isinstance(_probe.awaiting("ready").close(), type(None))
        assert isinstance(call := _probe.awaiting("ready"), Coroutine)
        await call

    asyncio.run(main(), debug=True)


@pytest.mark.parametrize("inline", [True, False])
def test_errors_and_panics_come_out_of_an_await(inline: bool) -> None:
    async def main() -> None:
        with pytest.raises(t.RateLimitedError):
            await _probe.awaiting("fail", 10, inline=inline)
        with pytest.raises(t.InternalError):
            await _probe.awaiting("panic", inline=inline)
        assert await _probe.awaiting("sleep", 1) == 1

    asyncio.run(main())


def test_a_panic_in_a_blocking_call_is_an_ordinary_exception() -> None:
    with pytest.raises(t.InternalError):
        _probe.blocking("panic")
    assert _probe.blocking("sleep", 1) == 1


@pytest.mark.parametrize("inline", [True, False])
def test_a_cancelled_task_drops_its_call(inline: bool) -> None:
    async def main() -> None:
        ends = Ends()
        task = asyncio.ensure_future(_probe.awaiting("sleep", FOREVER, inline=inline))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ends.become(0, 1)

    asyncio.run(main())


def test_five_hundred_timeouts_drop_five_hundred_calls() -> None:
    async def main() -> None:
        ends = Ends()
        calls = [asyncio.wait_for(_probe.awaiting("sleep", FOREVER), 0.05) for _ in range(500)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.TimeoutError}
        ends.become(0, 500)

    asyncio.run(main())


def test_many_calls_at_once_all_come_back() -> None:
    async def main() -> None:
        async def one(i: int) -> int:
            return sum([await _probe.awaiting("yield", i) for _ in range(20)])

        assert await asyncio.gather(*[one(i) for i in range(100)]) == [20 * i for i in range(100)]

    asyncio.run(main())


def test_loops_in_several_threads_do_not_mix() -> None:
    results: list[int] = []

    def run(i: int) -> None:
        async def main() -> int:
            return sum(await asyncio.gather(*[_probe.awaiting("sleep", i) for _ in range(50)]))

        results.append(asyncio.run(main()))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [50 * i for i in range(8)]


def test_a_loop_that_cannot_watch_sockets_is_woken_all_the_same() -> None:
    class Proactor(asyncio.SelectorEventLoop):
        def add_reader(self, *_: Any) -> None:
            raise NotImplementedError

    loop = Proactor()
    try:

        async def main() -> None:
            assert await asyncio.gather(*[_probe.awaiting("sleep", i) for i in range(50)]) == list(range(50))
            ends = Ends()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(_probe.awaiting("sleep", FOREVER), 0.01)
            ends.become(0, 1)

        loop.run_until_complete(main())
    finally:
        loop.close()


def test_a_call_cannot_be_awaited_twice() -> None:
    async def main() -> None:
        call = _probe.awaiting("ready", 1)
        assert await call == 1
        with pytest.raises(RuntimeError, match="awaited already"):
            await call

    asyncio.run(main())


def test_a_forgotten_await_is_warned_of() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _probe.awaiting("ready")
        gc.collect()
    assert [str(warning.message) for warning in caught] == ["a call of tertulia was never awaited"]


def test_awaiting_without_a_loop_is_an_ordinary_error() -> None:
    call = _probe.awaiting("sleep", FOREVER)
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)


def test_events_come_in_order_both_ways() -> None:
    words = [f"word {i} " for i in range(1, 1_001)]
    events = _probe.Events(1_000)
    assert [event.delta for event in events] == words
    assert next(events, None) is None  # the end stays the end

    async def main() -> None:
        assert [event.delta async for event in _probe.Events(1_000)] == words
        stream = _probe.Events(1_000)
        got: list[str] = []
        while batch := await stream.next_batch(64):
            assert len(batch) <= 64
            got += [event.delta for event in batch]
        assert got == words

    asyncio.run(main())


def test_a_stream_that_breaks_off_gives_what_had_come_and_then_the_error() -> None:
    got: list[str] = []
    with pytest.raises(t.TruncatedError):
        for event in _probe.Events(3, fails=True):
            got.append(event.delta)
    assert len(got) == 3

    async def main() -> None:
        got.clear()
        with pytest.raises(t.TruncatedError):
            async for event in _probe.Events(3, fails=True):
                got.append(event.delta)
        assert len(got) == 3

    asyncio.run(main())


def test_leaving_a_stream_stops_its_producer() -> None:
    ends = Ends()
    for _ in _probe.Events(1_000_000, every_us=100):
        break
    ends.become(0, 1)

    async def broken() -> None:
        async for _ in _probe.Events(1_000_000, every_us=100):
            break

    asyncio.run(broken())
    ends.become(0, 2)

    async def cancelled() -> None:
        async def consume() -> None:
            async for _ in _probe.Events(1_000_000, every_us=100):
                begun.set()

        begun = asyncio.Event()
        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    ends.become(0, 3)


def test_a_step_that_timed_out_loses_no_event() -> None:
    async def main() -> None:
        stream = _probe.Events(200, every_us=1_500)
        got: list[int] = []
        while True:
            try:
                event = await asyncio.wait_for(stream.__anext__(), 0.001)
            except asyncio.TimeoutError:
                continue
            except StopAsyncIteration:
                break
            got.append(event.seq)
        assert got == list(range(1, 201))

    asyncio.run(main())


def test_the_loop_and_other_threads_go_on_while_a_call_is_waited_for() -> None:
    ticks = 0

    async def main() -> None:
        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticker = asyncio.create_task(tick())
        await _probe.awaiting("sleep", 300)
        ticker.cancel()

    asyncio.run(main())
    assert ticks >= 10

    done = threading.Event()
    thread = threading.Thread(target=lambda: (_probe.blocking("sleep", 300), done.set()))
    thread.start()
    turns = 0
    while not done.is_set():
        time.sleep(0.005)
        turns += 1
    thread.join()
    assert turns >= 10


INTERRUPTED = """
import os, signal, sys, threading, time
from tertulia._native import _probe
def interrupt():
    while _probe.begun() == 0:                       # before that Ctrl-C is Python's own affair
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    {call}
except KeyboardInterrupt:
    deadline = time.monotonic() + 5
    while _probe.ends()[1] != 1:
        assert time.monotonic() < deadline, _probe.ends()
        time.sleep(0.001)
    print("interrupted")
"""


@pytest.mark.parametrize(
    "call",
    [
        "_probe.blocking('sleep', 600_000)",
        "list(_probe.Events(10_000_000, every_us=10_000))",
        "next(_probe.Events(1, every_us=600_000_000))",
        "import asyncio; asyncio.run(asyncio.wait_for(_probe.awaiting('sleep', 600_000), 600))",
    ],
)
def test_ctrl_c_is_heard_and_drops_the_call(call: str) -> None:
    done = script(INTERRUPTED.replace("{call}", call))
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


FORKED = """
import asyncio, os, sys
from tertulia import ClosedError
from tertulia._native import _probe
assert _probe.blocking("sleep", 1) == 1              # the parent's runtime is alive
stream = _probe.Events(100, every_us=100)
next(stream)
async def call():
    return await _probe.awaiting("sleep", 2)
child = os.fork()
if child == 0:
    assert _probe.blocking("sleep", 3) == 3          # the child makes its own
    assert asyncio.run(call()) == 2
    assert len(list(_probe.Events(100))) == 100
    try:
        list(stream)                                 # the parent's stream has no producer here
    except ClosedError as e:
        assert e.reason == "forked", e.reason
    else:
        raise AssertionError("the parent's stream went on")
    del stream
    grandchild = os.fork()
    if grandchild == 0:
        assert asyncio.run(call()) == 2
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) == 7
    sys.exit(8)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 8
assert len(list(stream)) == 99                       # and the parent's goes on as if nothing had been
print("forked")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_child_of_a_fork_has_a_runtime_of_its_own() -> None:
    done = script(FORKED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "forked\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_pool_of_forked_processes_works() -> None:
    source = """
import multiprocessing
from tertulia._native import _probe
def work(ms):
    return _probe.blocking("sleep", ms)
work(1)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(sum(pool.map(work, [5] * 20)))
"""
    done = script(source)
    assert (done.returncode, done.stdout) == (0, "100\n"), done.stderr


@pytest.mark.parametrize(
    "source",
    [
        # A thread that waits for ever.
        "import threading; threading.Thread(target=_probe.blocking, args=('sleep', 600_000), daemon=True).start()",
        # An abandoned stream.
        "stream = _probe.Events(10_000_000, every_us=100); next(stream)",
        # A loop that is left with tasks.
        "import asyncio\nloop = asyncio.new_event_loop()\n"
        "task = loop.create_task(_probe.awaiting('sleep', 600_000))\n"
        "loop.run_until_complete(_probe.awaiting('sleep', 10))\ntask.cancel()\n"
        "loop.run_until_complete(asyncio.gather(task, return_exceptions=True))\nloop.close()",
        # A loop in another thread, in flight.
        "import asyncio, threading\n"
        "def run():\n    asyncio.run(_wait())\n"
        "async def _wait():\n    begun.set(); await _probe.awaiting('sleep', 600_000)\n"
        "begun = threading.Event(); threading.Thread(target=run, daemon=True).start(); begun.wait()",
    ],
)
def test_the_interpreter_ends_at_once_with_calls_in_flight(source: str) -> None:
    started = time.monotonic()
    done = script(f"from tertulia._native import _probe\n{source}\nprint('end')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
    assert time.monotonic() - started < 20


def test_the_wake_up_is_one_per_batch() -> None:
    """Completions that come together wake the loop once: counted on the loop's own callbacks."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        await _probe.awaiting("sleep", 1)  # the waker is there
        handles = [h for h in loop._selector.get_map().values() if "Waker" in repr(h.data)]
        assert len(handles) == 1
        wakes = 0
        reader = handles[0].data[0]
        drain = reader._callback

        def counted() -> None:
            nonlocal wakes
            wakes += 1
            drain()

        reader._callback = counted
        ends = Ends()
        calls = [asyncio.ensure_future(_probe.awaiting("sleep", 300)) for _ in range(300)]  # all begin before one ends
        await asyncio.sleep(0)
        ends.become(300, 0)  # the loop is busy while all of them finish
        await asyncio.gather(*calls)
        return wakes

    assert asyncio.run(main()) <= 5


def test_a_call_that_is_given_up_takes_nobody_s_wake_up_with_it() -> None:
    """Whoever ends first wakes the loop for all that end with it: also when it is cancelled just then."""

    async def main() -> None:
        for _ in range(500):
            calls = [asyncio.ensure_future(_probe.awaiting("yield")) for _ in range(16)]
            await asyncio.sleep(0)
            for first in calls[:4]:
                first.cancel()
            ended = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
            assert ended[4:] == [0] * 12

    asyncio.run(main())


def test_sigterm_kills_a_waiting_process() -> None:
    source = "from tertulia._native import _probe; print('up', flush=True); _probe.blocking('sleep', 600_000)"
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
