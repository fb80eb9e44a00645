"""A conversation as a chat message history of LangChain, against LangChain itself."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import tertulia as t
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
    convert_to_openai_messages,
)
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from openai import OpenAI
from tertulia.adapters import langchain_history
from tertulia.testing import Simulator

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
).decode()
CALL: Any = {"name": "weather", "args": {"city": "Cádiz", "days": [1, 0.1, None]}, "id": "c1", "type": "tool_call"}
OTHER: Any = {"name": "weather", "args": {}, "id": "c2", "type": "tool_call"}
USAGE: Any = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "input_token_details": {"cache_read": 1}}

EVERY_KIND: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("Where is it warm?"),
    HumanMessage("Where?", id="h1", name="ana", additional_kwargs={"lc": 1, "seen": True}, example=False),
    HumanMessage(
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
            {"type": "image", "base64": PIXEL, "mime_type": "image/png"},
            {"type": "file", "url": "https://x.example/a.pdf"},
            "and that?",
        ]
    ),
    AIMessage(""),
    AIMessage("Let me see", tool_calls=[CALL, OTHER], id="run-1", usage_metadata=USAGE, name="guide"),
    ToolMessage("24", tool_call_id="c1"),
    ToolMessage(
        "no such place", tool_call_id="c2", status="error", name="weather", id="t1", artifact={"lc": 1, "n": [1.5]}
    ),
    AIMessage(
        [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "text", "text": "Warm.", "annotations": [{"type": "citation", "url": "https://x.example"}]},
        ],
        response_metadata={"model_name": "m", "logprobs": None, "headers": {"x": "y"}},
        additional_kwargs={"reasoning_content": "hm", "parsed": None},
        invalid_tool_calls=[{"name": "f", "args": "{", "id": None, "error": "cut", "type": "invalid_tool_call"}],
        anything="more",
    ),
    ToolMessage(
        [{"type": "text", "text": "two"}, {"type": "image", "base64": PIXEL, "mime_type": "image/png"}],
        tool_call_id="c3",
        artifact=[Document("The old town", metadata={"page": 1, "lc": 1}), Document("The sea", id="d2")],
    ),
    FunctionMessage("24", name="weather"),
    ChatMessage("Quiet, please", role="moderator"),
    ChatMessage("Be kind", role="developer", id="x"),
    RemoveMessage(id="run-1"),
    HumanMessageChunk("Wh"),
    AIMessageChunk(
        "W", tool_call_chunks=[{"name": "f", "args": '{"a', "id": "c9", "index": 0, "type": "tool_call_chunk"}]
    ),
    SystemMessageChunk("B", id="s"),
    ToolMessageChunk("2", tool_call_id="c1"),
    FunctionMessageChunk("2", name="weather"),
    ChatMessageChunk("Q", role="moderator"),
]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def chat(sim: Simulator) -> Iterator[t.Conversation]:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as tertulia:
        yield tertulia.user("ana").new_conversation(title="Trip")


def test_every_kind_of_message_comes_back_equal(chat: t.Conversation) -> None:
    history = langchain_history(chat)
    assert isinstance(history, BaseChatMessageHistory)
    assert history.messages == []
    history.add_messages(EVERY_KIND)
    came = history.messages
    for before, after in zip(EVERY_KIND, came, strict=True):
        assert type(after) is type(before) and after == before
        assert after.model_dump() == before.model_dump()
    assert isinstance(came[9], ToolMessage) and isinstance(came[9].artifact[0], Document)
    history.add_user_message("One more")
    history.add_ai_message("Yes?")
    assert history.messages == [*EVERY_KIND, HumanMessage("One more"), AIMessage("Yes?")]
    history.clear()
    history.add_message(EVERY_KIND[11])
    assert str(history) == "moderator: Quiet, please"


def test_a_model_is_sent_what_was_said_when_the_chat_goes_on(chat: t.Conversation, sim: Simulator) -> None:
    langchain_history(chat).add_messages(EVERY_KIND[:9])
    sim.script("any", "text=So%20it%20is")
    chat.send("Is it?")
    (request,) = sim.requests
    messages = request.json()["messages"]
    assert [message["role"] for message in messages] == [
        *("system", "user", "user", "user", "assistant", "tool", "tool", "assistant", "user")
    ]
    pieces = [piece for piece in messages[3]["content"] if piece["type"] == "image_url"]
    assert pieces == [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}] * 2
    assert [made["id"] for made in messages[4]["tool_calls"]] == ["c1", "c2"]
    assert [message["tool_call_id"] for message in messages[5:7]] == ["c1", "c2"]
    assert messages[7]["content"] == "Warm."
    assert "langchain" not in request.body.decode() and "c2ln" not in request.body.decode()
    assert [hit.message_id for hit in chat.search("warm")] == [list(chat.messages())[n].id for n in (8, 1)]


def test_what_others_say_is_given_as_messages(chat: t.Conversation, sim: Simulator) -> None:
    sim.script("any", 'reasoning=hm;text=Let%20me%20see;tool=weather:{"city":"Lima"};usage=10/3')
    picture = t.image(url="https://x.example/a.png")
    document = t.file(data=b"%PDF-1.4 x", mime_type="application/pdf")
    tool = {"name": "weather", "description": "", "parameters": {}}
    reply = chat.send(["Where?", picture, document], tools=[tool])
    (made,) = reply.tool_calls
    sim.script("any", "text=Warm")
    chat.send([made.result({"degrees": 24}, is_error=True)])
    chat.append([{"role": "system", "content": "Be brief."}])
    asked, answered, told, warm, system = langchain_history(chat).messages
    assert asked == HumanMessage(
        [
            {"type": "text", "text": "Where?"},
            {"type": "image", "url": "https://x.example/a.png"},
            {"type": "text", "text": "[file: application/pdf]"},
        ]
    )
    assert isinstance(answered, AIMessage) and answered.content == "Let me see"
    assert answered.tool_calls == [{"name": "weather", "args": {"city": "Lima"}, "id": made.id, "type": "tool_call"}]
    assert answered.additional_kwargs == {"reasoning_content": "hm"}
    assert answered.response_metadata == {"model_name": "sim/any"}
    assert answered.usage_metadata is not None and answered.usage_metadata["total_tokens"] == 13
    assert told == ToolMessage('{"degrees": 24}', tool_call_id=made.id, status="error")
    assert warm.content == "Warm" and system == SystemMessage("Be brief.")


def model(sim: Simulator) -> RunnableLambda[Any, AIMessage]:
    """A chat model over real HTTP."""

    def ask(prompt: Any) -> AIMessage:
        with OpenAI(base_url=f"{sim.url}/v1", api_key="sk-test") as client:
            messages: Any = convert_to_openai_messages(prompt.to_messages())
            (choice,) = client.chat.completions.create(model="any", messages=messages).choices
        return AIMessage(choice.message.content or "", response_metadata={"finish_reason": choice.finish_reason})

    return RunnableLambda(ask)


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
def test_a_chain_with_message_history_keeps_it_here(chat: t.Conversation, sim: Simulator) -> None:
    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are a guide."), MessagesPlaceholder("history"), ("human", "{question}")]
    )
    chain = RunnableWithMessageHistory(
        prompt | model(sim),
        lambda session_id: langchain_history(chat),
        input_messages_key="question",
        history_messages_key="history",
    )
    config: Any = {"configurable": {"session_id": chat.id}}
    sim.script("any", "text=By%20the%20sea", "text=It%20does")
    assert chain.invoke({"question": "Where is Cádiz?"}, config).content == "By the sea"
    answer = asyncio.run(chain.ainvoke({"question": "Does it rain?"}, config))
    assert answer.content == "It does"
    assert [message["content"] for message in sim.requests[1].json()["messages"]] == [
        *("You are a guide.", "Where is Cádiz?", "By the sea", "Does it rain?")
    ]
    kept = langchain_history(chat).messages
    assert [message.content for message in kept] == ["Where is Cádiz?", "By the sea", "Does it rain?", "It does"]
    assert kept[3] == answer


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
def test_the_same_is_awaited(sim: Simulator) -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any") as tertulia:
            me = tertulia.user("ana")
            chat = me.new_conversation(title="Trip")
            history = langchain_history(chat)
            assert await history.aget_messages() == []
            await history.aadd_messages(EVERY_KIND)
            assert await history.aget_messages() == EVERY_KIND
            assert (await chat.send("Hello?")).text
            await chat.edit((await chat.history(position=2, limit=1))[0].id, "Instead").reply()
            other = langchain_history(me.conversation_for("other"))
            await other.aadd_messages([HumanMessage("mine")])
            await history.aclear()
            assert await history.aget_messages() == [] and not await chat.branches()
            assert (await chat.summary()).title == "Trip"
            assert await other.aget_messages() == [HumanMessage("mine")]

            chain = RunnableWithMessageHistory(
                RunnableLambda(lambda messages: AIMessage("ho")), lambda session_id: history
            )
            config: Any = {"configurable": {"session_id": chat.id}}
            for _ in range(2):
                assert (await chain.ainvoke([HumanMessage("hi")], config)).content == "ho"
            assert await history.aget_messages() == [HumanMessage("hi"), AIMessage("ho")] * 2
            theirs = langchain_history(tertulia.user("bo").conversation(chat.id))
            with pytest.raises(t.NotFoundError):
                await theirs.aget_messages()

    asyncio.run(main())


def test_clearing_removes_every_branch_and_nothing_else(chat: t.Conversation) -> None:
    history = langchain_history(chat)
    history.clear()
    history.add_messages([HumanMessage("first"), AIMessage("second")])
    chat.edit(chat.history()[0].id, "instead").reply()
    history.clear()
    assert history.messages == [] and not chat.branches() and chat.summary().title == "Trip"
    history.add_messages([HumanMessage("anew")])
    assert history.messages == [HumanMessage("anew")]
    chat.delete_message(chat.history()[0].id)
    assert history.messages == []


def test_threads_that_add_at_once_lose_nothing(chat: t.Conversation) -> None:
    def adds(who: str) -> None:
        for n in range(40):
            langchain_history(chat).add_messages([HumanMessage(f"{who} {n}"), AIMessage(f"{who} {n}")])

    threads = [threading.Thread(target=adds, args=(who,)) for who in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [str(message.content) for message in langchain_history(chat).messages]
    assert len(texts) == 240 and texts[::2] == texts[1::2]
    for who in "xyz":
        assert [text for text in texts[::2] if text[0] == who] == [f"{who} {n}" for n in range(40)]


class Loud(AIMessage):
    pass


@pytest.mark.parametrize(
    "bad",
    [
        ToolMessage("x", tool_call_id="c", artifact=b"bytes"),
        ToolMessage("x", tool_call_id="c", artifact=(1, 2)),
        ToolMessage("x", tool_call_id="c", artifact={1: 2}),
        ToolMessage("x", tool_call_id="c", artifact=[HumanMessage("not a document")]),
        HumanMessage("x", additional_kwargs={"when": object()}),
        Loud("x"),
    ],
)
def test_what_would_come_back_changed_is_refused_and_nothing_is_saved(chat: t.Conversation, bad: BaseMessage) -> None:
    history = langchain_history(chat)
    with pytest.raises(t.InvalidError, match=f"a {type(bad).__name__} holds something") as refused:
        history.add_messages([HumanMessage("before"), bad])
    assert refused.value.reason == "unsupported"
    assert history.messages == []


def test_nothing_but_documents_is_made_from_what_is_stored(chat: t.Conversation) -> None:
    history = langchain_history(chat)
    prompt: dict[str, Any] = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "prompts", "prompt", "PromptTemplate"],
    }
    prompt["kwargs"] = {"template": "x", "input_variables": []}
    message = ToolMessage("x", tool_call_id="c", artifact=prompt)
    history.add_messages([message])
    assert history.messages == [message]  # as the dict that it is
    with pytest.raises(t.InvalidError, match="holds something"):
        history.add_messages([ToolMessage("x", tool_call_id="c", artifact=[prompt, Document("x")])])
    # Nor when it was put there by another hand.
    forged = json.dumps({"type": "tool", "data": {}, "artifact": json.dumps(prompt), "documents": True})
    chat.append([{"role": "tool", "content": [t.OpaquePart("", "langchain.message", data=forged)]}])
    with pytest.raises(ValueError, match="PromptTemplate.* is not allowed"):
        _ = history.messages


def test_a_sound_with_the_bytes_of_a_picture_is_kept_and_keeps_no_message_from_being_sent(
    chat: t.Conversation, sim: Simulator
) -> None:
    history = langchain_history(chat)
    blocks: list[str | dict[str, Any]] = [
        {"type": "audio", "url": f"data:image/png;base64,{PIXEL}"},
        {"type": "audio", "base64": "hola", "mime_type": f"data:image/png;base64,{PIXEL}"},
        {"type": "image", "base64": "hola", "mime_type": "audio/wav"},
    ]
    messages: list[BaseMessage] = [HumanMessage([block]) for block in blocks]
    history.add_messages(messages)
    assert history.messages == messages
    assert chat.send("Hello?").text


WORDS = ["", " ", "hola", "a\0b", "\ud83d", "👩‍🚀", "{", "x" * 70_000, f"data:image/png;base64,{PIXEL}"]
TYPES = ["text", "text-plain", "image", "image_url", "audio", "file", "reasoning", "thinking", "tool_call", "odd"]
FIELDS = ["type", "text", "image_url", "url", "base64", "mime_type", "reasoning", "thinking", "data", "source", "id"]


def odd(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(8 if depth < 4 else 6)
    if kind == 0:
        return chance.choice([None, True, -1, 1.5, 1e300, 0.1 + 0.2, 2**80])
    if kind < 6:
        return chance.choice(WORDS)
    if kind == 6:
        return [odd(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(WORDS[:6]): odd(chance, depth + 1) for _ in range(chance.randrange(3))}


def message(chance: random.Random) -> BaseMessage:
    content: Any = chance.choice(WORDS)
    if chance.random() < 0.5:
        content = [
            chance.choice(WORDS)
            if chance.random() < 0.2
            else {"type": chance.choice(TYPES)} | {field: odd(chance) for field in chance.sample(FIELDS, 3)}
            for _ in range(chance.randrange(4))
        ]
    more: dict[str, Any] = {}
    for field in chance.sample(["id", "name"], chance.randrange(3)):
        more[field] = chance.choice(WORDS)
    for field in chance.sample(["additional_kwargs", "response_metadata"], chance.randrange(3)):
        more[field] = {chance.choice(WORDS): odd(chance)}
    kind = chance.randrange(6)
    if kind == 0:
        return SystemMessage(content, **more)
    if kind == 1:
        calls = [{"name": chance.choice(WORDS), "args": {"a": odd(chance)}, "id": chance.choice(["c", None])}]
        return AIMessage(content, tool_calls=calls * chance.randrange(3), **more)
    if kind == 2:
        return ToolMessage(content, tool_call_id=chance.choice(WORDS), artifact=odd(chance), **more)
    if kind == 3:
        return ChatMessage(content, role=chance.choice(["user", "assistant", "system", *WORDS]), **more)
    return (HumanMessage if kind == 4 else AIMessage)(content, **more)


def test_any_message_comes_back_as_it_was(chat: t.Conversation, sim: Simulator) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    messages = [message(chance) for _ in range(200)]
    history = langchain_history(chat)
    for at in range(0, len(messages), 50):
        history.add_messages(messages[at : at + 50])
    for number, (before, after) in enumerate(zip(messages, history.messages, strict=True)):
        # As text, too: 1, 1.0 and True are equal in Python.
        assert before == after and repr(before) == repr(after), f"seed {seed}, message {number}"
    try:
        assert chat.send("Hello?").text
    except t.TertuliaError as error:
        raise AssertionError(f"seed {seed}") from error
