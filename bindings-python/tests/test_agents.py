"""Agents whose tools are Python functions: what they answer, how they fail, and what is left of a run when it is stopped."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pydantic
import pytest
import tertulia as t
from tertulia.testing import Simulator

WAIT = 10
"""Longer than anything here takes, in seconds."""

ASKS = 'tool=weather:{"city": "Cádiz"}'
FITS = 'text={"city": "Cádiz", "days": 2}'


def weather(city: str, day: date | None = None) -> str:
    "The weather in a city on a day, today unless told."
    return f"{city}: 24 °C on {day}" if day else f"{city}: 24 °C"


@dataclass
class Trip:
    """Where to, and for how long."""

    city: str
    days: int
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError("`days` is at least 1")


class Stop(pydantic.BaseModel):
    city: str
    nights: Annotated[int, pydantic.Field(gt=0)]


class Tour(pydantic.BaseModel):
    stops: list[Stop]


class Place(TypedDict):
    city: str
    days: int


@pytest.fixture
def open_engine(sim: Simulator) -> Iterator[t.Tertulia]:
    with t.Tertulia("memory:", providers=[sim.provider("lab")]) as engine:
        yield engine


@pytest.fixture
def chat(open_engine: t.Tertulia) -> t.Conversation:
    return open_engine.user("ana").new_conversation()


def told(sim: Simulator) -> str:
    """What a tool answered, as the model was told last."""
    return str(sim.requests[-1].json()["messages"][-1]["content"]).removeprefix("Error: ")


def answered(sim: Simulator, chat: t.Conversation, call: str, *tools: Any) -> str:
    """What the model is told of this call."""
    sim.script("m", f"tool={call}", "text=I see.")
    assert chat.run(t.Agent("", tools=tools, model="lab/m"), "?").output == "I see."
    return told(sim)


def test_a_function_is_a_tool_and_a_run_is_told_step_by_step(sim: Simulator, chat: t.Conversation) -> None:
    sim.script("m", 'tool=weather:{"city": "Cádiz", "day": "2026-11-28"}', "text=Sunny, 24 degrees.;chunks=3")
    agent = t.Agent("You know the weather.", tools=[weather], model="lab/m")
    run = chat.start(agent, "How is it in Cádiz?")
    events = list(run.events())
    words = "".join(event.delta for event in events if isinstance(event, t.TextRunEvent))
    kept = [event for event in events if event.seq]
    assert words == "Sunny, 24 degrees."
    assert [event.type for event in kept] == [
        "started", "asking", "replied", "tool_started", "tool_done", "asking", "replied", "done",
    ]  # fmt: skip
    assert [event.seq for event in kept] == list(range(1, 9)) and run.next_event() is None
    done = kept[4]
    assert isinstance(done, t.ToolDoneRunEvent) and done.result.output == "Cádiz: 24 °C on 2026-11-28"
    result = run.result()
    assert (result.output, result.rounds, result.calls) == ("Sunny, 24 degrees.", 2, 1)
    assert result.run_id == run.id and result.message_id == chat.history()[-1].id
    assert result == run.result() and result.usage.requests == 2 and isinstance(result.cost, t.Cost)
    summary = run.summary()
    assert (summary.status, summary.program, summary.last_seq) == ("done", "agent", 8)
    tool = sim.requests[0].json()["tools"][0]["function"]
    assert tool["description"] == "The weather in a city on a day, today unless told."
    assert tool["parameters"]["required"] == ["city"]


def test_a_run_is_attached_to_by_whoever_knows_its_id(sim: Simulator, open_engine: t.Tertulia) -> None:
    sim.script("m", ASKS, "text=Sunny.")
    me = open_engine.user("ana")
    first = me.new_conversation().run(t.Agent("", tools=[weather], model="lab/m"), "?", temperature=0.5)
    assert sim.requests[-1].json()["temperature"] == 0.5
    run = me.attach_run(first.run_id, after_seq=6)
    assert [event.type for event in run] == ["replied", "done"]
    assert run.result() == first
    for ask in (lambda r: r.summary(), lambda r: r.approve("c"), lambda r: r.result()):
        with pytest.raises(t.NotFoundError):
            ask(open_engine.user("eve").attach_run(first.run_id))


def test_coroutines_of_the_sync_engine_run_beside_functions(sim: Simulator, chat: t.Conversation) -> None:
    both = threading.Barrier(2, timeout=WAIT)

    async def near(city: str) -> str:
        await asyncio.to_thread(both.wait)
        return "near"

    def far(city: str) -> str:
        both.wait()
        return "far"

    sim.script("m", 'tool=near:{"city": "a"};tool=far:{"city": "b"}', "text=Both.")
    assert chat.run(t.Agent("", tools=[near, far], model="lab/m"), "?").output == "Both."
    outputs = [message["content"] for message in sim.requests[-1].json()["messages"][-2:]]
    assert outputs == ["near", "far"]


def test_coroutines_run_on_the_loop_that_the_run_was_begun_on(sim: Simulator) -> None:
    """Two loops at once, on two threads, over one engine each: no tool strays to another's loop."""
    meeting = threading.Barrier(2, timeout=WAIT)

    def program() -> None:
        async def main() -> None:
            here, lock = asyncio.get_running_loop(), asyncio.Lock()

            async def meet(city: str) -> str:
                async with lock:  # which belongs to one loop
                    await asyncio.to_thread(meeting.wait)
                    await asyncio.sleep(0)
                    return str(asyncio.get_running_loop() is here)

            async with t.AsyncTertulia("memory:", providers=[sim.provider("lab")]) as engine:
                chat = engine.user("ana").new_conversation()
                result = await chat.run(t.Agent("", tools=[meet], model="lab/m"), "?")
                assert result.output == "Met."
                outputs.append((await chat.history())[-2].parts[0])

        asyncio.run(main())

    outputs: list[Any] = []
    sim.script("m", 'tool=meet:{"city": "a"};text=Met.')
    threads = [threading.Thread(target=program) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert [part.result.output for part in outputs] == ["True", "True"]


def test_a_tool_of_a_loop_that_has_closed_runs_beside(sim: Simulator, tmp_path: Path) -> None:
    entered, go_on, where = threading.Event(), threading.Event(), []

    async def second(city: str) -> str:
        where.append(threading.current_thread().name)
        return "there"

    def first(city: str) -> str:
        entered.set()
        assert go_on.wait(WAIT)
        return "here"

    sim.script("m", 'tool=first:{"city": "a"}', 'tool=second:{"city": "a"};loop', "text=Both.")
    engine = t.AsyncTertulia(tmp_path / "chat.db", providers=[sim.provider("lab")])

    async def begin() -> str:
        run = await engine.user("ana").new_conversation().start(t.Agent("", tools=[first, second], model="lab/m"), "?")
        await asyncio.to_thread(entered.wait, WAIT)
        return run.id

    async def end(run_id: str) -> None:
        result = await engine.user("ana").attach_run(run_id).result()
        assert result.output == "Both."
        await engine.close()

    run_id = asyncio.run(begin())
    go_on.set()
    asyncio.run(end(run_id))
    assert where == ["tertulia-providers"]


def test_what_arguments_are_is_known_to_the_function_and_what_does_not_fit_to_the_model(
    sim: Simulator, chat: t.Conversation
) -> None:
    seen: list[Any] = []

    def book(trip: Trip, tour: Tour, place: Place, /, *, urgent: bool = False) -> Trip:
        seen.extend((trip, tour, place, urgent))
        return trip

    stops = '{"stops": [{"city": "Lima", "nights": 2}]}'
    bad = '{"trip": {"city": "Cádiz"}, "tour": {"stops": []}, "place": {"city": "", "days": 1}}'
    good = f'{{"trip": {{"city": "Cádiz", "days": 2}}, "tour": {stops}, "place": {{"city": "Faro", "days": 1}}}}'
    sim.script("m", f"tool=book:{bad}", f"tool=book:{good};loop", "text=Booked.")
    # The script calls once more although it was told; then it answers.
    result = chat.run(t.Agent("", tools=[book], model="lab/m"), "?")
    assert (result.output, result.calls) == ("Booked.", 2)
    assert seen == [Trip("Cádiz", 2), Tour(stops=[Stop(city="Lima", nights=2)]), {"city": "Faro", "days": 1}, False]
    mended = sim.requests[1].json()["messages"][-1]["content"]
    assert mended == "Error: `book`: the arguments do not fit its schema: `trip.days` is missing"
    assert json.loads(told(sim)) == {"city": "Cádiz", "days": 2, "notes": []}, "a dataclass is told as a dict"

    tries = {
        '{"trip": {"city": 1, "days": 2}': "`trip.city` must be text, not 1",
        '{"trip": {"city": "", "days": 0}': "`days` is at least 1",
        '{"town": 1, "trip": {"city": "", "days": 1}': "there is no `town`; there are: `trip`, `tour`, `place`, `urgent`",
    }
    for given, why in tries.items():
        rest = f', "tour": {stops}, "place": {{"city": "", "days": 1}}}}'
        assert why in answered(sim, chat, f"book:{given}{rest}", book)
    nights = '{"trip": {"city": "", "days": 1}, "tour": {"stops": [{"city": "", "nights": 0}]}, "place": {}}'
    assert "`tour.stops[0].nights`: Input should be greater than 0" in answered(sim, chat, f"book:{nights}", book)
    assert "must be an object" in answered(sim, chat, "book:no JSON", book)


def test_what_is_raised_in_a_tool_is_told_to_the_model(sim: Simulator, chat: t.Conversation) -> None:
    def closed(city: str) -> str:
        raise LookupError("the station is closed")

    async def silent(city: str) -> str:
        raise TimeoutError

    async def odd(city: str) -> object:
        return object()

    def leaves(city: str) -> str:
        raise SystemExit("bye")

    def late(city: str) -> object:
        return silent(city)

    cases = {
        "closed": "`closed`: LookupError: the station is closed",
        "silent": "`silent`: TimeoutError",
        "odd": "`odd`: TypeError: an answer of type object cannot be told to a model; give text, JSON or a dataclass",
        "leaves": "`leaves`: SystemExit: bye",
        "late": "`late`: TimeoutError",
        "rain": "`rain`: there is no such tool; there are: closed, silent, odd, leaves, late",
    }
    for name, words in cases.items():
        call = f'{name}:{{"city": ""}}'
        assert answered(sim, chat, call, closed, silent, odd, leaves, late) == words


def test_a_tool_has_its_time_and_the_run_its_bounds(sim: Simulator, chat: t.Conversation) -> None:
    over = threading.Event()

    @t.tool(timeout=0.001, name="never", description="Says nothing.")
    async def waits(city: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            over.set()

    assert answered(sim, chat, 'never:{"city": ""}', waits) == "`never`: it did not answer within 1 ms"
    assert over.wait(WAIT), "the coroutine was cancelled"
    sim.script("m", ASKS + ";loop")
    agent = t.Agent("", tools=[weather], model="lab/m", bounds={"max_rounds": 2})
    with pytest.raises(t.OutputInvalidError) as caught:
        chat.run(agent, "?")
    assert caught.value.reason == "too_many_rounds"
    for wrong in ({"max_round": 2}, {"max_rounds": -1}, {"max_rounds": "2"}):
        with pytest.raises(t.InvalidError, match="bad_bounds.*whole numbers from 0 on.*max_rounds, .*wall_ms"):
            chat.run(t.Agent("", model="lab/m", bounds=wrong), "?")  # type: ignore[arg-type]


def test_a_stopped_run_cancels_its_coroutine_and_tells_its_function(sim: Simulator, chat: t.Conversation) -> None:
    begun, ended, let_go = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
    contexts: list[t.ToolContext] = []

    async def sleeps(city: str) -> None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.release()

    def blocks(context: t.ToolContext, city: str) -> None:
        contexts.append(context)
        begun.release()
        assert let_go.wait(WAIT)
        ended.release()

    before = set(threading.enumerate())
    sim.script("m", 'tool=sleeps:{"city": ""};tool=blocks:{"city": ""};text=Never.')
    run = chat.start(t.Agent("", tools=[sleeps, blocks], model="lab/m"), "?")
    for _ in range(2):
        assert begun.acquire(timeout=WAIT)
    assert contexts[0].run_id == run.id and contexts[0].call_id and not contexts[0].is_cancelled
    run.cancel()
    with pytest.raises(t.CancelledError):
        run.result()
    assert ended.acquire(timeout=WAIT), "the coroutine"
    assert contexts[0].is_cancelled
    let_go.set()
    assert ended.acquire(timeout=WAIT), "the function"
    for thread in set(threading.enumerate()) - before:
        if thread.name == "tertulia-tool":
            thread.join(WAIT)
    assert not [one for one in threading.enumerate() if one.name == "tertulia-tool"]
    run.cancel()
    with pytest.raises(t.CancelledError):
        chat.pick_up(t.Agent("", model="lab/m"), run.id)


def test_a_task_that_is_cancelled_stops_its_run(sim: Simulator) -> None:
    async def main() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def sleeps(city: str) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with t.AsyncTertulia("memory:", providers=[sim.provider("lab")]) as engine:
            chat = engine.user("ana").new_conversation()
            waits = asyncio.ensure_future(chat.run(t.Agent("", tools=[sleeps], model="lab/m"), "?"))
            await asyncio.wait_for(begun.wait(), WAIT)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            await asyncio.wait_for(ended.wait(), WAIT)

    sim.script("m", 'tool=sleeps:{"city": ""};text=Never.')
    asyncio.run(main())


@pytest.mark.parametrize("refusal", [None, "not on a Sunday"])
def test_a_call_waits_for_approval_from_another_handle(
    sim: Simulator, open_engine: t.Tertulia, refusal: str | None
) -> None:
    times: list[str] = []

    @t.tool(needs_approval=True)
    def book(city: str) -> str:
        "Books a flight."
        times.append(city)
        return "booked"

    sim.script("m", 'tool=book:{"city": "Lima"}', "text=Very well.")
    me = open_engine.user("ana")
    run = me.new_conversation().start(t.Agent("", tools=[book], model="lab/m"), "Book it")
    elsewhere = me.attach_run(run.id)
    call = next(event.call for event in elsewhere if isinstance(event, t.ApprovalNeededRunEvent))
    assert elsewhere.summary().status == "waiting" and times == []
    with pytest.raises(t.NotFoundError, match="no_call"):
        elsewhere.approve("another")
    if refusal:
        elsewhere.deny(call.id, refusal)
    else:
        elsewhere.approve(call.id)
    assert run.result().output == "Very well." and times == ([] if refusal else ["Lima"])
    assert told(sim) == (f"`book`: the user refused this call: {refusal}" if refusal else "booked")
    assert [event.type for event in elsewhere][-1] == "done"
    with pytest.raises(t.ConflictError, match="run_over"):
        elsewhere.approve(call.id)
    assert book("Faro") == "booked", "a tool is still its function"


@pytest.mark.parametrize(
    ("output", "made"),
    [
        (Trip, Trip("Cádiz", 2)),
        (Place, {"city": "Cádiz", "days": 2}),
        (pydantic.create_model("Weekend", city=str, days=int), None),
    ],
)
def test_an_answer_of_a_type_is_mended_by_the_model_and_is_its_object(
    sim: Simulator, chat: t.Conversation, output: Any, made: Any
) -> None:
    sim.script("m", 'text={"city": "Cádiz"}', FITS)
    agent = t.Agent("You plan trips.", output=output, model="lab/m")
    run = chat.start(agent, "A weekend")
    result = run.result()
    assert result.output == (made or output(city="Cádiz", days=2)) and result.rounds == 2
    schema = sim.requests[-1].json()["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["city", "days"] and "title" not in schema
    mend = told(sim)
    assert mend.startswith("Your answer does not fit") and "`days`" in mend
    assert run.result().output == result.output
    sim.script("m", "text=Two days in Cádiz")
    with pytest.raises(t.OutputInvalidError) as caught:
        chat.run(agent, "?")
    assert caught.value.reason == "unfit_output"


async def events_of(run: t.AsyncRun[Any]) -> AsyncIterator[str]:
    async for event in run.events():
        yield event.type


def test_all_of_it_can_be_awaited(sim: Simulator) -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider("lab")]) as engine:
            me = engine.user("ana")
            chat = me.new_conversation()

            @t.tool(needs_approval=True)
            async def book(city: str) -> str:
                return "booked"

            sim.script("m", 'tool=book:{"city": "Lima"}', FITS)
            agent = t.Agent("", tools=[book], output=Trip, model="lab/m")
            run = await chat.start(agent, "?")
            while (event := await run.next_event()) is not None:
                if isinstance(event, t.ApprovalNeededRunEvent):
                    assert (await run.summary()).status == "waiting"
                    await me.attach_run(run.id).approve(event.call.id)
            assert (await run.result()).output == Trip("Cádiz", 2)
            assert [word async for word in events_of(me.attach_run(run.id))][-1] == "done"
            assert (await me.attach_run(run.id).result()).output == {"city": "Cádiz", "days": 2}, (
                "its type is unknown here"
            )
            sim.script("m", 'tool=book:{"city": "Lima"}', "text=Never.")
            run = await chat.start(agent, "?")
            async for event in run:
                if isinstance(event, t.ApprovalNeededRunEvent):
                    await run.cancel()
            with pytest.raises(t.CancelledError):
                await run.result()
            sim.script("m", FITS)
            assert (await chat.run(agent, "?")).output.days == 2

    asyncio.run(main())


def test_a_run_whose_engine_closed_in_the_middle_of_a_tool_is_picked_up(sim: Simulator, tmp_path: Path) -> None:
    begun, calls = threading.Event(), []

    @t.tool(idempotent=True)
    async def weather(city: str) -> str:
        calls.append(city)
        if len(calls) == 1:
            begun.set()
            await asyncio.Event().wait()
        return "24 °C"

    sim.script("m", ASKS, FITS)
    agent = t.Agent("", tools=[weather], output=Trip, model="lab/m")
    path, lab = tmp_path / "chat.db", sim.provider("lab")
    with t.Tertulia(path, providers=[lab]) as engine:
        chat = engine.user("ana").new_conversation()
        run = chat.start(agent, "?")
        assert begun.wait(WAIT)
        with pytest.raises(t.ConflictError, match="at_work"):
            chat.pick_up(agent, run.id)
    with t.Tertulia(path, providers=[lab]) as engine:
        chat = engine.user("ana").conversation(chat.id)
        again = chat.pick_up(agent, run.id)
        assert [event.type for event in again if event.seq][0] == "picked_up"
        assert again.result().output == Trip("Cádiz", 2)
        assert calls == ["Cádiz", "Cádiz"] and sim.request_count == 2, "nothing was asked twice"
        assert engine.user("ana").attach_run(run.id).summary().status == "done"


def test_a_failed_run_tells_its_last_failure_and_can_be_picked_up(sim: Simulator, chat: t.Conversation) -> None:
    agent = t.Agent("", tools=[weather], model="lab/m")
    sim.script("m", "error=context")
    run = chat.start(agent, "?")
    with pytest.raises(t.ContextTooLongError):
        run.result()
    assert [event.type for event in run][-1] == "failed"
    sim.script("m", "error=invalid")
    with pytest.raises(t.InvalidError):
        chat.pick_up(agent, run.id).result()
    with pytest.raises(t.InvalidError):
        run.result()
    sim.script("m", "text=At last.")
    assert chat.pick_up(agent, run.id).result().output == "At last." == run.result().output


def test_whatever_is_no_agent_is_refused(chat: t.Conversation) -> None:
    with pytest.raises(TypeError, match="agent must be an Agent"):
        chat.run("You plan trips.", "?")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="temprature"):
        chat.run(t.Agent(""), "?", temprature=1)  # type: ignore[call-arg]
    with pytest.raises(t.InvalidError, match="two tools"):
        chat.run(t.Agent("", tools=[weather, functools.partial(weather, day=None)], model="lab/m"), "?")


def test_the_interpreter_exits_cleanly_while_tools_are_on_their_way(tmp_path: Path) -> None:
    program = """
import asyncio, threading
from tertulia import Agent, Tertulia

begun = threading.Semaphore(0)

async def sleeps(city: str) -> None:
    try:
        begun.release()
        await asyncio.Event().wait()
    finally:
        print("finally", flush=True)

def blocks(city: str) -> None:
    begun.release()
    threading.Event().wait()

t = Tertulia("memory:", model='echo/sim:tool=sleeps:{"city":""};tool=blocks:{"city":""};text=Never.')
run = t.user("ana").new_conversation().start(Agent("", tools=[sleeps, blocks]), "?")
begun.acquire()
begun.acquire()
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "finally\n")


def test_a_coroutine_that_would_stop_its_own_loop_hears_so_and_a_function_may_wait(
    sim: Simulator, open_engine: t.Tertulia, chat: t.Conversation
) -> None:
    async def asleep(city: str) -> str:
        return open_engine.ask("inner", model="lab/other").text

    def awake(city: str) -> str:
        return open_engine.ask("inner", model="lab/other").text

    sim.script("other", "text=From within.")
    assert "InvalidError: invalid (would_block)" in answered(sim, chat, 'asleep:{"city": ""}', asleep)
    assert answered(sim, chat, 'awake:{"city": ""}', awake) == "From within."
