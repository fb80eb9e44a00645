"""A conversation as a session of the OpenAI Agents SDK, against the SDK itself."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import tertulia as t
from agents import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    Session,
    SessionSettings,
    SQLiteSession,
    function_tool,
)
from openai import AsyncOpenAI
from tertulia.adapters import agents_session
from tertulia.testing import Simulator

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PIXEL_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"

Item = Any
Told = Callable[[t.AsyncUserScope, t.AsyncConversation], Awaitable[None]]


def within(told: Told, **options: Any) -> None:
    """Run this with a conversation that nobody has said anything in."""

    async def main() -> None:
        async with t.AsyncTertulia("memory:", **{"model": "echo/any", **options}) as tertulia:
            me = tertulia.user("ana")
            await told(me, me.new_conversation(title="Trip"))

    asyncio.run(main())


def said(text: str) -> Item:
    return {"role": "user", "content": text}


def call(id: str, city: str) -> Item:
    arguments = json.dumps({"city": city})
    return {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": "weather", "arguments": arguments}


def answer(id: str, output: Any, **more: Any) -> Item:
    return {"type": "function_call_output", "call_id": id, "output": output, **more}


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 24 degrees"


def without_ids(items: list[Item]) -> list[Item]:
    """Items without the numbers that the simulator counts up from run to run."""
    counted = ("id", "call_id", "tool_call_id", "response_id", "encrypted_content")

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: type(field).__name__ if name in counted else plain(field) for name, field in value.items()}
        return [plain(part) for part in value] if isinstance(value, list) else value

    return [plain(item) for item in items]


@pytest.mark.parametrize("model", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
def test_a_run_with_tools_is_kept_as_the_sdks_own_session_keeps_it(model: type[Any]) -> None:
    async def told(me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        client = AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="sk-test")
        agent = Agent(name="guide", model=cast("Model", model("any", client)), tools=[weather])
        silent = RunConfig(tracing_disabled=True)

        async def two_turns(session: Session) -> list[Item]:
            sim.script("any", 'reasoning=hm;tool=weather:{"city":"Cádiz"};tool=weather:{"city": "Lima"}')
            asked = "Where is it warmer?"
            first = await Runner.run(agent, asked, session=session, run_config=silent)
            assert "Cádiz: 24 degrees, Lima: 24 degrees" in first.final_output
            sim.script("any", "text=A%20pleasure")
            again: list[Item] = [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "Thank you, and look:"},
                        {"type": "input_image", "image_url": PIXEL_URL, "detail": "auto"},
                    ],
                }
            ]
            together = RunConfig(tracing_disabled=True, session_input_callback=lambda history, new: history + new)
            second = await Runner.run(agent, again, session=session, run_config=together)
            assert second.final_output == "A pleasure"
            return list(await session.get_items())

        own = SQLiteSession("chat")
        expected = await two_turns(own)
        sent_with_their_own = [request.json() for request in sim.requests]
        own.close()
        sim.clear()
        session = agents_session(chat)
        assert isinstance(session, Session) and session.session_id == chat.id
        kept = await two_turns(session)
        assert without_ids(kept) == without_ids(expected)
        kinds = [item.get("type", "message") for item in kept]
        assert kinds.count("function_call") == kinds.count("function_call_output") == 2 and "reasoning" in kinds
        # The model was asked the same by either way, byte for byte but for the ids.
        sent = [request.json() for request in sim.requests]
        assert [without_ids([body]) for body in sent] == [without_ids([body]) for body in sent_with_their_own]
        # What the SDK would send next is what it has kept: the very same ids.
        assert [item for item in await agents_session(me.conversation(chat.id)).get_items()] == kept
        await client.close()

        # The chat goes on without the SDK, and the model sees all of it.
        sim.clear()
        assert (await chat.send("And in Quito?")).text == "A pleasure"
        (request,) = sim.requests
        messages = request.json()["messages"]
        assert [message["role"] for message in messages] == [
            *("user", "assistant", "tool", "tool", "assistant"),
            *("user", "assistant", "user"),
        ]
        called = [(made["function"]["name"], made["function"]["arguments"]) for made in messages[1]["tool_calls"]]
        assert [(name, json.loads(given)["city"]) for name, given in called] == [
            ("weather", "Cádiz"),
            ("weather", "Lima"),
        ]
        assert [message["tool_call_id"] for message in messages[2:4]] == [
            made["id"] for made in messages[1]["tool_calls"]
        ]
        assert messages[5]["content"][1]["image_url"]["url"] == PIXEL_URL
        assert "openai_agents" not in request.body.decode()
        found = await me.search("pleasure")
        assert len(found) == 2 and found[0].conversation_id == chat.id

    with Simulator() as sim:
        within(told, providers=[sim.provider()], model="sim/any")


def test_the_newest_items_are_given_in_order_however_long_the_history_is() -> None:
    async def told(_me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        session = agents_session(chat)
        assert await session.get_items() == [] and await session.get_items(limit=3) == []
        assert await session.pop_item() is None
        await session.clear_session()
        await session.add_items([])
        items = [said(f"{n}") if n % 3 else {"type": "odd", "n": n} for n in range(650)]
        await session.add_items(items)
        assert await session.get_items() == items
        for limit in (1, 2, 199, 200, 201, 649, 650, 1_000):
            assert await session.get_items(limit=limit) == items[-limit:], limit
        assert await session.get_items(limit=0) == []
        assert await session.get_items(limit=-1) == items  # as the SDK's own sessions do
        session.session_settings = SessionSettings(limit=4)
        assert await session.get_items() == items[-4:] and await session.get_items(limit=2) == items[-2:]
        session.session_settings = None
        assert await session.get_items() == items

    within(told)


def test_popping_takes_the_newest_and_leaves_what_others_add() -> None:
    async def told(_me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        session = agents_session(chat)
        items = [said("a"), call("c1", "Lima"), answer("c1", "24"), said("b")]
        await session.add_items(items)
        assert await session.pop_item() == items[3]
        await session.add_items([said("c")])
        assert await session.pop_item() == said("c")
        assert await session.pop_item() == items[2]
        assert await session.get_items() == items[:2]
        assert [m.status for m in await chat.history()] == ["complete"] * 2 + ["deleted"] * 3
        popped = await asyncio.gather(*(session.pop_item() for _ in range(3)), session.add_items([said("d")]))
        left = await session.get_items()
        both = [*(item for item in popped[:3] if item), *left]
        assert sorted(map(json.dumps, both)) == sorted(map(json.dumps, [*items[:2], said("d")]))

    within(told)


def test_clearing_removes_every_branch_and_nothing_else() -> None:
    async def told(me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        session, other = agents_session(chat), agents_session(me.conversation_for("other"))
        await other.add_items([said("mine")])
        await session.add_items([said("first"), said("second")])
        first = (await chat.history())[0].id
        assert await chat.edit(first, "instead").reply()
        assert len(await chat.branches()) == 2
        await session.clear_session()
        assert await session.get_items() == [] and not await chat.branches() and not await me.search("first")
        assert (await chat.summary()).title == "Trip"
        await session.add_items([said("anew")])
        assert await session.get_items() == [said("anew")]
        assert await other.get_items() == [said("mine")]

    within(told)


def test_two_tasks_that_add_at_once_lose_nothing_and_mix_nothing() -> None:
    async def told(me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        sessions = [agents_session(me.conversation_for("shared")) for _ in range(2)]

        async def adds(session: Any, who: str) -> None:
            for n in range(40):
                await session.add_items([said(f"{who} {n} {part}") for part in "abc"])

        await asyncio.gather(*(adds(session, who) for session, who in zip(sessions, "xy", strict=True)))
        texts = [item["content"] for item in cast("list[Item]", await sessions[0].get_items())]
        assert len(texts) == 240
        for at in range(0, 240, 3):
            assert [text.split()[:2] for text in texts[at : at + 3]] == [texts[at].split()[:2]] * 3
        for who in "xy":
            mine = [text for text in texts if text[0] == who]
            assert mine == [f"{who} {n} {part}" for n in range(40) for part in "abc"]

    within(told)


def test_nobody_reads_or_clears_the_session_of_another() -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:") as tertulia:
            session = agents_session(tertulia.user("ana").new_conversation())
            await session.add_items([said("secret")])
            theirs = agents_session(tertulia.user("bo").conversation(session.session_id))
            for verb in (theirs.get_items, theirs.pop_item, lambda: theirs.add_items([said("x")])):
                with pytest.raises(t.NotFoundError):
                    await verb()
            await asyncio.gather(theirs.clear_session(), return_exceptions=True)
            assert await session.get_items() == [said("secret")]

    asyncio.run(main())


def test_what_others_say_is_given_as_items() -> None:
    async def told(me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        session = agents_session(chat)
        sim.script("any", 'reasoning=hm;text=Let%20me%20see;tool=weather:{"city":"Lima"}')
        picture = t.image(url="https://x.example/a.png")
        document = t.file(data=b"%PDF-1.4 x", mime_type="application/pdf")
        reply = await chat.send(
            ["Where?", picture, document], tools=[{"name": "weather", "description": "", "parameters": {}}]
        )
        (made,) = reply.tool_calls
        sim.script("any", "text=Warm")
        await chat.send([made.result({"degrees": 24})])
        await chat.append([{"role": "system", "content": "Be brief."}])
        asked = {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Where?"},
                {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"},
                {"type": "input_text", "text": "[file: application/pdf]"},
            ],
        }
        called = {"type": "function_call", "call_id": made.id, "name": "weather", "arguments": '{"city": "Lima"}'}
        expected: list[Item] = [
            asked,
            {"role": "assistant", "content": "Let me see"},
            called,
            answer(made.id, '{"degrees": 24}'),
            {"role": "assistant", "content": "Warm"},
            {"role": "system", "content": "Be brief."},
        ]
        assert await session.get_items() == expected
        for limit in range(7):
            assert await session.get_items(limit=limit) == (expected[-limit:] if limit else [])
        for item in reversed(expected):  # also where several of them are one message
            assert await session.pop_item() == item
        assert await session.pop_item() is None

    with Simulator() as sim:
        within(told, providers=[sim.provider()], model="sim/any")


def test_what_cannot_be_kept_is_refused_and_nothing_is_saved() -> None:
    async def told(_me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        session = agents_session(chat)
        endless: Any = {}
        endless["content"] = endless
        for bad in ({"content": object()}, {"content": b"bytes"}, endless):
            with pytest.raises(t.InvalidError, match="what JSON can say") as refused:
                await session.add_items([said("before"), cast("Any", bad)])
            assert refused.value.reason == "unsupported"
        with pytest.raises(t.InvalidError, match="16777216 bytes"):
            await session.add_items([said("before"), {"type": "odd", "n": "x" * (17 << 20)}])
        assert await session.get_items() == []

    within(told)


WORDS = ["", " ", "hola", "a\0b", "\ud83d", "👩‍🚀", "\u2028", "{", "x" * 70_000, "data:image/png;base64,AA", PIXEL_URL]
KINDS = (
    "message,function_call,function_call_output,custom_tool_call,custom_tool_call_output,reasoning,input_text,"
    "output_text,refusal,input_image,input_file,input_audio,web_search_call,compaction"
).split(",")
FIELDS = (
    "type,role,content,id,call_id,name,arguments,input,output,summary,text,refusal,image_url,file_data,file_url,"
    "input_audio,data,format,status,annotations"
).split(",")


def odd(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON at all, with the words of items in likely and unlikely places."""
    kind = chance.randrange(9 if depth < 4 else 6)
    if kind == 0:
        return chance.choice([None, True, False, 0, -1, 1.5, 1e300, float("inf"), 0.1 + 0.2, 2**80])
    if kind < 4:
        return chance.choice(WORDS)
    if kind == 4:
        return chance.choice(KINDS)
    if kind == 5:
        return json.dumps({"city": chance.choice([0.1, "Lima", [2**70]])})
    if kind < 7:
        return [odd(chance, depth + 1) for _ in range(chance.randrange(4))]
    return item(chance, depth + 1)


def item(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {"type": chance.choice(KINDS)} if chance.random() < 0.8 else {}
    if chance.random() < 0.6:
        made["role"] = chance.choice(["user", "assistant", "system", "developer", "odd"])
    for field in chance.sample(FIELDS, chance.randrange(7)):
        made[field] = odd(chance, depth)
    return made


def test_any_item_comes_back_as_it_was() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    items = [item(chance) for _ in range(400)]
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    items += [{"type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps(deep)}, {"deep": deep}]

    async def told(_me: t.AsyncUserScope, chat: t.AsyncConversation) -> None:
        session = agents_session(chat)
        for at in range(0, len(items), 50):
            await session.add_items(cast("Any", items[at : at + 50]))
        came = await session.get_items()
        for number, (before, after) in enumerate(zip(items, came, strict=True)):
            # As text: 1, 1.0 and True are equal in Python.
            same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
            assert same, f"seed {seed}, item {number}: {before} came back as {after}"
        # Whatever was kept, the chat goes on.
        assert (await chat.send("Hello?")).text, f"seed {seed}"
        await session.pop_item(), await session.pop_item()  # that, and its answer
        for number, before in list(enumerate(items))[:-6:-1]:
            popped = json.dumps(await session.pop_item(), sort_keys=True)
            assert popped == json.dumps(before, sort_keys=True), f"seed {seed}, item {number}"

    within(told)
