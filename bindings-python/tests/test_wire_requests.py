"""Requests are checked by somebody else's rules: the types of the providers' own SDKs (``provider_types.py``).

Every request goes the whole way: public API, engine, dialect, a real socket (``loopback.py``).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import loopback
import provider_types
import pytest
import tertulia as t
from loopback import Loopback, Sent
from provider_types import DIALECTS, GAPS, Body, Dialect, Gap, faults

KEY = "sk-never-in-a-url"
PNG = b"\x89PNG\r\n\x1a\n\x00"
PDF = b"%PDF-1.7\n"
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "

# Every generation that is told something in its own way.
MODELS: dict[Dialect, list[str]] = {
    "openai_chat": ["openai/gpt-5", "openai/gpt-4o", "plain-chat/any", "whole-chat/any"],
    "openai_responses": ["openai-responses/gpt-5", "openai-responses/gpt-4o", "responses/any", "whole-responses/any"],
    "anthropic": [
        "anthropic/claude-sonnet-4-5",
        "anthropic/claude-opus-4-6",
        "anthropic/claude-opus-5",
        "whole-anthropic/any",
    ],
    "gemini": ["google/gemini-2.5-flash", "google/gemini-3.1-pro-preview", "whole-gemini/gemini-2.5-flash"],
    "ollama": ["ollama/llama3.3", "ollama/gpt-oss", "whole-ollama/any"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()


@pytest.fixture(scope="module")
def engine(server: Loopback) -> Iterator[t.Tertulia]:
    bases = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "/v1", "google": "/v1beta", "ollama": ""}
    whole = {"*": {"capabilities": {"streaming": False}}}
    providers: list[Any] = [
        {
            "name": f"whole-{dialect.removeprefix('openai_')}",
            "base_url": server.url,
            "dialect": dialect,
            "models": whole,
        }
        for dialect in DIALECTS
    ]
    providers.append({"name": "plain-chat", "base_url": server.url})
    providers.append({"name": "responses", "base_url": server.url + "/v1", "dialect": "openai_responses"})
    with pytest.MonkeyPatch.context() as patch:
        for name, path in bases.items():
            patch.setenv(f"TERTULIA_{name.upper().replace('-', '_')}_BASE_URL", server.url + path)
        keys = {name: KEY for name in [*bases, *(spec["name"] for spec in providers)]}
        with t.Tertulia("memory:", keys=keys, providers=providers, settings={"retry": {"max_attempts": 1}}) as engine:
            yield engine


@pytest.fixture(autouse=True)
def answers(server: Loopback) -> None:
    server.sent.clear()
    server.answers = {dialect: loopback.words(dialect) for dialect in DIALECTS}


def no_faults(dialect: Dialect, sent: Sent) -> None:
    """Fails with what is wrong, and the body."""
    beta = "anthropic-beta" in sent.headers
    found = faults(dialect, sent.body, beta)
    assert not found, "\n".join([*found[:12], json.dumps(sent.body, indent=1)])


# --- what is asked ------------------------------------------------------------------------------------------------

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = t.ToolSpec("weather", "The weather in a city", CITY)
STRICT = t.ToolSpec("weather", "The weather in a city", CITY, strict=True)
NOW = t.ToolSpec("now", "", {"type": "object", "properties": {}, "required": [], "additionalProperties": False})
LOOSE = t.ToolSpec("loose", "Anything", {})


def called(*calls: t.ToolCall) -> dict[str, Any]:
    return {"role": "assistant", "content": list(calls)}


def answered(*results: t.ToolResult) -> dict[str, Any]:
    return {"role": "tool", "content": list(results)}


CALL = t.ToolCall("call_1", "weather", {"city": "Cádiz"})
OTHER = t.ToolCall("call_2", "now", {})
ASK: dict[str, Any] = {"role": "user", "content": "Weather?"}


def image_of(source: dict[str, Any], mime: str | None = None) -> dict[str, Any]:
    return {"source": source, "mime_type": mime}


@dataclass(frozen=True)
class Case:
    """One request in the engine's own words, and the dialects that must refuse it before it is sent."""

    messages: list[Any] = field(default_factory=lambda: [ASK])
    options: dict[str, Any] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


def say(*content: Any, refused: tuple[str, ...] = ()) -> Case:
    return Case([{"role": "user", "content": list(content)}], refused=refused)


def option(refused: tuple[str, ...] = (), **options: Any) -> Case:
    return Case(options=options, refused=refused)


def tools(refused: tuple[str, ...] = (), **options: Any) -> Case:
    return Case(options={"tools": [WEATHER, NOW], **options}, refused=refused)


def history(*messages: Any, refused: tuple[str, ...] = (), **options: Any) -> Case:
    return Case([ASK, *messages], {"tools": [WEATHER, NOW], **options}, refused)


HEARS_NOTHING = ("anthropic", "ollama")
SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}},
    "required": ["days"],
    "additionalProperties": False,
}
CASES: dict[str, Case] = {
    "words": say("Hi"),
    "several words": say("Hi", " there"),
    "instructions": option(system="Be brief."),
    "empty instructions": option(system=""),
    "instructions in the middle": Case(
        [ASK, {"role": "assistant", "content": "Sun."}, {"role": "system", "content": ["Now", " in French."]}, ASK]
    ),
    "instructions twice": Case([{"role": "system", "content": "One."}, {"role": "system", "content": "Two."}, ASK]),
    "one side twice": Case(
        [ASK, ASK, {"role": "assistant", "content": "A"}, {"role": "assistant", "content": "B"}, ASK]
    ),
    "an answer to go on with": Case([ASK, {"role": "assistant", "content": "The sun is "}]),
    "a refusal said before": Case([ASK, {"role": "assistant", "content": [t.RefusalPart("No.")]}, ASK]),
    "thoughts of nobody": Case([ASK, {"role": "assistant", "content": [t.ReasoningPart("Hm."), "Sun."]}, ASK]),
    "parts of another provider": Case(
        [
            ASK,
            {
                "role": "assistant",
                "content": [
                    t.ReasoningPart("Hm."),
                    t.OpaquePart("elsewhere", "signature", attached=True, data="c2ln"),
                    t.OpaquePart("elsewhere", "web_search_call", attached=False, data={"type": "web_search_call"}),
                    t.ToolCall("s1", "search", {"q": "x"}, provider_executed=True),
                    "Sun.",
                ],
            },
            ASK,
        ]
    ),
    "a picture": say("What?", t.image(data=PNG, mime_type="image/png")),
    "a picture alone": say(t.image(data=PNG, mime_type="image/png")),
    "a picture by address": say("What?", t.image(url="https://x.example/a.png"), refused=("ollama",)),
    "a picture by address with its type": say(
        t.image(url="https://x.example/a", mime_type="image/webp"), refused=("ollama",)
    ),
    "a picture in its address": say(t.image(url="data:image/png;base64,iVBORw0KGgoA")),
    "two pictures and words between": say(
        t.image(data=PNG, mime_type="image/png"), "and", t.image(data=PNG, mime_type="image/png"), "differ?"
    ),
    "a document": say("Sum it up.", t.file(data=PDF, mime_type="application/pdf", name="a.pdf"), refused=("ollama",)),
    "a document without a name": say(t.file(data=PDF, mime_type="application/pdf"), refused=("ollama",)),
    "a document by address": say(t.file(url="https://x.example/a.pdf"), "?", refused=("ollama",)),
    "a text file": say(t.file(data=b"one,two", mime_type="text/csv", name="a.csv"), refused=("ollama",)),
    "a sound": say(t.audio(data=WAV, mime_type="audio/wav"), "?", refused=HEARS_NOTHING),
    "an mp3": say(t.audio(data=b"ID3\x04", mime_type="audio/mpeg"), refused=HEARS_NOTHING),
    "temperature": option(temperature=0.5),
    "temperature 0": option(temperature=0),
    "top_p": option(top_p=0.9),
    "what every model does anyway": option(temperature=1),
    "seed": option(seed=7, refused=("openai_responses", "anthropic")),
    "stop sequences": option(stop_sequences=["END", "\n\n"], refused=("openai_responses",)),
    "max_tokens": option(max_tokens=2048),
    "penalties": option(frequency_penalty=0.5, presence_penalty=-0.5, refused=("openai_responses", "anthropic")),
    "reasoning off": option(reasoning_effort="off"),
    "reasoning minimal": option(reasoning_effort="minimal"),
    "reasoning low": option(reasoning_effort="low", max_tokens=3000),
    "reasoning medium": option(reasoning_effort="medium"),
    "reasoning high": option(reasoning_effort="high", max_tokens=1500),
    "reasoning high with tools": tools(reasoning_effort="high"),
    "a tool": option(tools=[WEATHER]),
    "a strict tool": option(tools=[STRICT, NOW]),
    "a tool of any arguments": option(tools=[LOOSE]),
    "a tool as a dict": option(tools=[{"name": "f", "description": "F", "parameters": CITY}]),
    "tool_choice auto": tools(tool_choice="auto"),
    "tool_choice never": tools(tool_choice="never"),
    "tool_choice required": tools(tool_choice="required", refused=("ollama",)),
    "tool_choice of one": tools(tool_choice={"name": "now"}, refused=("ollama",)),
    "tool_choice without tools": option(tool_choice="auto"),
    "never without tools": option(tool_choice="never", parallel_tools=True),
    "parallel tools": tools(parallel_tools=True),
    "one tool at a time": tools(parallel_tools=False, refused=("gemini", "ollama")),
    "one tool at a time, required": tools(parallel_tools=False, tool_choice="required", refused=("gemini", "ollama")),
    "strict tool, required": option(tools=[STRICT], tool_choice="required", refused=("ollama",)),
    "a schema": option(output_schema=SCHEMA),
    "a named schema": option(output_schema={"name": "plan", "schema": SCHEMA, "strict": False}),
    "a schema and tools and thoughts": tools(output_schema=SCHEMA, reasoning_effort="low"),
    "a kept beginning": tools(system="Long.", prompt_cache=True),
    "a kept beginning for an hour": Case(
        [ASK, {"role": "assistant", "content": "Sun."}, ASK],
        {"system": "Long.", "prompt_cache": {"system": True, "messages": [0, 2], "one_hour": True, "key": "k1"}},
    ),
    "fields of one's own": option(extra_body={"metadata": {"user_id": "u1"}}, refused=()),
    "an answered call": history(called(CALL), answered(CALL.result("24 °C"))),
    "an answer of JSON": history(called(CALL), answered(CALL.result({"c": 24, "tags": ["sun"]}))),
    "an answer of nothing": history(called(CALL), answered(CALL.result(None))),
    "an empty answer": history(called(CALL), answered(CALL.result(""))),
    "an answer of a list": history(called(CALL), answered(CALL.result([1, 2]))),
    "a failed call": history(called(CALL), answered(CALL.result("no such city", is_error=True))),
    "a failed call without words": history(called(CALL), answered(CALL.result("", is_error=True))),
    "two calls answered out of order": history(
        {"role": "assistant", "content": ["Let me see. ", CALL, OTHER]},
        answered(OTHER.result("noon"), CALL.result("24")),
    ),
    "answers in two messages": history(
        called(CALL, OTHER), answered(CALL.result("24")), answered(OTHER.result("noon"))
    ),
    "words beside an answer": history(
        called(CALL),
        {"role": "user", "content": ["Thanks. And?", CALL.result("24"), t.image(data=PNG, mime_type="image/png")]},
    ),
    "calls in two rounds": history(
        called(CALL), answered(CALL.result("24")), called(OTHER), answered(OTHER.result("noon")), ASK
    ),
    "a picture as an answer": history(
        called(CALL),
        answered(
            t.ToolResult("call_1", "see", media=[{"source": {"type": "data", "data": PNG}, "mime_type": "image/png"}])
        ),
    ),
    "a document as an answer": history(
        called(CALL, OTHER),
        answered(
            t.ToolResult(
                "call_1",
                "",
                media=[{"source": {"type": "data", "data": PDF}, "mime_type": "application/pdf", "name": "a.pdf"}],
            ),
            OTHER.result("noon"),
        ),
        refused=("ollama",),
    ),
    "arguments that were cut off": history(
        called(t.ToolCall("call_1", "weather", '{"city": "C')), answered(t.ToolResult("call_1", "bad", is_error=True))
    ),
    "ids of another provider": history(
        called(t.ToolCall("call:1/ü", "weather", {"city": "x"})), answered(t.ToolResult("call:1/ü", "24"))
    ),
    "an answered call, thinking": history(called(CALL), answered(CALL.result("24")), reasoning_effort="medium"),
    "tools of before that are no more": Case([ASK, called(CALL), answered(CALL.result("24")), ASK]),
}
# Refused for a model, not for a dialect.
REFUSED_BY_MODEL = {("temperature", "anthropic/claude-opus-5"), ("temperature 0", "anthropic/claude-opus-5")}
REFUSED_BY_MODEL |= {("top_p", "anthropic/claude-opus-5")}
# The catalogue says that these hear nothing; whoever is not in it is believed to.
REFUSED_BY_MODEL |= {
    (sound, f"{provider}/{model}")
    for sound in ("a sound", "an mp3")
    for provider in ("openai", "openai-responses")
    for model in ("gpt-5", "gpt-4o")
}


# The field of this case is not one of these providers.
ELSEWHERE = {("gemini", "fields of one's own"), ("ollama", "fields of one's own")}


@pytest.mark.parametrize(
    ("dialect", "name"), [(dialect, name) for dialect in DIALECTS for name in CASES if (dialect, name) not in ELSEWHERE]
)
def test_what_is_asked_is_sent_as_the_provider_wants_it_or_refused_before(
    dialect: Dialect, name: str, engine: t.Tertulia, server: Loopback
) -> None:
    case = CASES[name]
    for model in MODELS[dialect]:
        server.sent.clear()
        if dialect in case.refused or (name, model) in REFUSED_BY_MODEL:
            with pytest.raises(t.InvalidError) as caught:
                engine.ask(messages=case.messages, model=model, **case.options)
            assert caught.value.reason == "unsupported" and not server.sent
            continue
        assert engine.ask(messages=case.messages, model=model, **case.options).text == "Hola"
        [sent] = server.sent
        no_faults(dialect, sent)


# The options that change nothing: what is the case anyway, what no tools are there for, hints that no field takes.
NOWHERE = {
    ("empty instructions", "system"),
    ("tool_choice without tools", "tool_choice"),
    ("never without tools", "tool_choice"),
    ("never without tools", "parallel_tools"),
}
PARALLEL_ANYWAY = ("parallel tools", "parallel_tools")
UNKEPT = {("a kept beginning", "prompt_cache"), ("a kept beginning for an hour", "prompt_cache")}
SILENT: dict[Dialect, set[tuple[str, str]]] = {
    # These keep a beginning by themselves; a key alone is told.
    "openai_chat": {("a kept beginning", "prompt_cache")},
    "openai_responses": {("a kept beginning", "prompt_cache")},
    "anthropic": {
        PARALLEL_ANYWAY,
        ("reasoning off", "reasoning_effort"),
        ("what every model does anyway", "temperature"),
    },
    "gemini": {PARALLEL_ANYWAY, *UNKEPT},
    # Whoever may call nothing is offered nothing, which is the one way to say so.
    "ollama": {PARALLEL_ANYWAY, *UNKEPT, ("tool_choice auto", "tool_choice"), ("tool_choice never", "tools")},
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_option_changes_the_body_but_those_that_say_what_is_the_case_anyway(
    dialect: Dialect, engine: t.Tertulia, server: Loopback
) -> None:
    # The types of an SDK do not miss a field that need not be there.
    def body_of(case: Case, model: str, options: dict[str, Any]) -> Any:
        try:
            engine.ask(messages=case.messages, model=model, **options)
        except t.InvalidError:  # one makes no sense without the other
            return None
        return server.sent[-1].body

    silent = set()
    for name, case in CASES.items():
        if (dialect, name) in ELSEWHERE or dialect in case.refused:
            continue
        for model in MODELS[dialect]:
            if (name, model) in REFUSED_BY_MODEL:
                continue
            whole = body_of(case, model, case.options)
            for option in case.options:
                rest = {key: value for key, value in case.options.items() if key != option}
                if body_of(case, model, rest) == whole:
                    silent.add((name, option))
    assert silent == NOWHERE | SILENT[dialect]


def test_a_budget_of_thoughts_goes_to_those_who_know_one(engine: t.Tertulia, server: Loopback) -> None:
    takes: dict[Dialect, list[str]] = {
        "anthropic": ["anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-6"],
        "gemini": ["google/gemini-2.5-flash", "google/gemini-3.1-pro-preview"],
    }
    for dialect, models in takes.items():
        for model in models:
            for options in ({"reasoning_tokens": 2048}, {"reasoning_tokens": 1024, "max_tokens": 1100}):
                engine.ask("Hi", model=model, **options)  # type: ignore[arg-type]
                no_faults(dialect, server.sent[-1])
    server.sent.clear()
    for model in ("openai/gpt-5", "openai-responses/gpt-5", "anthropic/claude-opus-5", "ollama/llama3.3"):
        with pytest.raises(t.InvalidError) as caught:
            engine.ask("Hi", model=model, reasoning_tokens=2048)
        assert caught.value.reason == "unsupported"
    with pytest.raises(t.InvalidError, match="reasoning_tokens"):
        engine.ask("Hi", model="anthropic/claude-sonnet-4-5", reasoning_tokens=2048, max_tokens=2048)
    assert not server.sent


# --- where it goes ------------------------------------------------------------------------------------------------

PLACES: dict[str, tuple[Dialect, str, dict[str, str], dict[str, str]]] = {
    "openai/gpt-5": ("openai_chat", "/v1/chat/completions", {}, {"authorization": f"Bearer {KEY}"}),
    "openai-responses/gpt-5": ("openai_responses", "/v1/responses", {}, {"authorization": f"Bearer {KEY}"}),
    "anthropic/claude-opus-5": (
        "anthropic",
        "/v1/messages",
        {},
        {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    ),
    "google/gemini-2.5-flash": (
        "gemini",
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        {"alt": "sse"},
        {"x-goog-api-key": KEY},
    ),
    "whole-gemini/m": ("gemini", "/models/m:generateContent", {}, {}),
    "ollama/llama3.3": ("ollama", "/api/chat", {}, {}),
}


@pytest.mark.parametrize("model", PLACES)
def test_a_request_goes_to_its_place_and_its_key_stands_in_one_header(
    model: str, engine: t.Tertulia, server: Loopback
) -> None:
    dialect, path, query, headers = PLACES[model]
    engine.ask("Hi", model=model)
    [sent] = server.sent
    assert (sent.method, sent.path, sent.query) == ("POST", path, query)
    assert sent.headers["content-type"] == "application/json"
    assert {name: sent.headers[name] for name in headers} == headers
    assert KEY not in sent.path + json.dumps(sent.query) and KEY.encode() not in sent.raw
    assert sum(KEY in value for value in sent.headers.values()) <= 1
    no_faults(dialect, sent)


# --- what a reply held goes back ----------------------------------------------------------------------------------

SEARCH_TOOLS = [
    t.ToolSpec.of_provider("openai", {"type": "web_search_preview"}),
    t.ToolSpec.of_provider("openai-responses", {"type": "web_search", "search_context_size": "low"}),
    t.ToolSpec.of_provider("responses", {"type": "web_search"}),
    t.ToolSpec.of_provider("whole-responses", {"type": "web_search"}),
    t.ToolSpec.of_provider("anthropic", {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}),
    t.ToolSpec.of_provider("whole-anthropic", {"type": "web_search_20250305", "name": "web_search"}),
    t.ToolSpec.of_provider("google", {"googleSearch": {}}),
    t.ToolSpec.of_provider("whole-gemini", {"googleSearch": {}}),
]
PATCH = t.ToolSpec.free_text("patch", "Applies a patch")
GRAMMAR: Any = {
    "name": "sql",
    "description": "Asks the database",
    "text_format": {"type": "grammar", "syntax": "lark", "definition": "start: /SELECT .+/"},
}

FUNCTIONS: dict[Dialect, Any] = {
    "openai_chat": loopback.chat_answer(
        {
            "reasoning_content": "Hm.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "x"}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": '{"not": "parsed"}'}},
            ],
        },
        "tool_calls",
    ),
    "openai_responses": loopback.responses_answer(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "gAAA",
        },
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {
                "type": "search",
                "query": "x",
                "queries": ["x"],
                "sources": [{"type": "url", "url": "https://x.example"}],
            },
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c1",
            "name": "weather",
            "arguments": "{}",
            "status": "completed",
        },
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "patch", "input": '{"not": "parsed"}'},
    ),
    "anthropic": loopback.anthropic_answer(
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "RXFr"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {
                    "type": "web_search_result",
                    "url": "https://x.example",
                    "title": "X",
                    "encrypted_content": "RW5j",
                    "page_age": None,
                }
            ],
        },
        {
            "type": "text",
            "text": "X says so.",
            "citations": [
                {
                    "type": "web_search_result_location",
                    "url": "https://x.example",
                    "title": "X",
                    "encrypted_index": "RW8=",
                    "cited_text": "so",
                },
                {
                    "type": "char_location",
                    "cited_text": "so",
                    "document_index": 0,
                    "document_title": None,
                    "start_char_index": 0,
                    "end_char_index": 2,
                    "file_id": None,
                },
            ],
        },
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "x"}},
        {"type": "tool_use", "id": "toolu_2", "name": "patch", "input": {"input": '{"not": "parsed"}'}},
        stop="tool_use",
    ),
    "gemini": loopback.gemini_answer(
        {"text": "Hm.", "thought": True},
        {
            "toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["x"]}, "id": "s1"},
            "thoughtSignature": "c2lnMQ==",
        },
        {
            "toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"k": "v"}, "id": "s1"},
            "thoughtSignature": "c2lnMg==",
        },
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"text": "I look."},
        {"functionCall": {"name": "weather", "args": {"city": "x"}, "id": "f1"}, "thoughtSignature": "c2lnMw=="},
        {"functionCall": {"name": "patch", "args": {"input": '{"not": "parsed"}'}}},
    ),
    "ollama": loopback.ollama_answer(
        {
            "thinking": "Hm.",
            "tool_calls": [
                {"function": {"name": "weather", "arguments": {"city": "x"}}},
                {"function": {"name": "patch", "arguments": {"input": '{"not": "parsed"}'}}},
            ],
        }
    ),
}
# What must stand in the second request as it came in the reply.
KEPT: dict[Dialect, Callable[[Any], list[Any]]] = {
    "openai_chat": lambda answer: [],
    "openai_responses": lambda answer: answer["output"][:2],
    "anthropic": lambda answer: answer["content"][:6],
    "gemini": lambda answer: answer["candidates"][0]["content"]["parts"][1:7],
    "ollama": lambda answer: [],
}


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "asked"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_thoughts_calls_and_the_providers_own_items_go_back_as_they_came(
    dialect: Dialect, stored: bool, engine: t.Tertulia, server: Loopback
) -> None:
    answer = FUNCTIONS[dialect]
    for model in MODELS[dialect]:
        provider = model.split("/")[0]
        # Chat completions of OpenAI have no entry for a search in their tools.
        search = [tool for tool in SEARCH_TOOLS if provider != "openai" or tool.provider != "openai"]
        tools = [WEATHER, PATCH, GRAMMAR, *search]
        server.sent.clear()
        server.answers[dialect] = answer
        options: dict[str, Any] = {"model": model, "tools": tools, "reasoning_effort": "medium", "max_tokens": 9000}
        chat = engine.user().new_conversation()
        reply = chat.send("Weather?", **options) if stored else engine.ask("Weather?", **options)
        assert [call.name for call in reply.tool_calls] == ["weather", "patch"]
        first, second = reply.tool_calls
        assert second.free_text and second.arguments == '{"not": "parsed"}' and not first.free_text
        server.answers[dialect] = loopback.words(dialect)
        results = [second.result("applied"), first.result("24 °C")]
        if stored:
            chat.send(list(results), **options)
        else:
            messages: list[Any] = [ASK, {"role": "assistant", "content": list(reply.parts)}, answered(*results)]
            engine.ask(messages=messages, **options)
        for sent in server.sent:
            no_faults(dialect, sent)
        assert len(server.sent) == 2
        body = server.sent[1].body
        there = list(provider_types.nodes(body))
        for kept in KEPT[dialect](answer):
            assert kept in there, kept
        entries = [tool.parameters for tool in SEARCH_TOOLS]
        own = [tool.parameters for tool in search if tool.provider == provider]
        assert [entry for entry in body["tools"] if entry in entries] == own


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tool_of_free_text_is_one_where_it_is_known_and_a_function_elsewhere(
    dialect: Dialect, engine: t.Tertulia, server: Loopback
) -> None:
    call = t.ToolCall("c1", "patch", "*** Begin", free_text=True)
    history = [ASK, called(call), answered(call.result("applied"))]
    for model in MODELS[dialect]:
        engine.ask(messages=history, model=model, tools=[PATCH, GRAMMAR])
        raw = server.sent[-1].raw.decode()
        known = model.startswith("openai")
        assert ('"type":"custom' in raw) == known, raw
        # What is wrapped stands in an argument of its own; quotes are escaped where the arguments are a string.
        assert '"input":"*** Begin"' in raw.replace('\\"', '"'), raw
        assert (GRAMMAR["text_format"]["definition"] in raw) and ("Text that fits this Lark grammar" in raw) != known


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_call_of_free_text_goes_on_with_any_other_provider(
    dialect: Dialect, engine: t.Tertulia, server: Loopback
) -> None:
    call = t.ToolCall("c1", "patch", "*** Begin", free_text=True)
    history = [ASK, called(call), answered(call.result("applied"))]
    for model in MODELS[dialect]:
        for choice in ("auto", None) if dialect == "ollama" else ("auto", {"name": "patch"}):
            options: dict[str, Any] = {} if choice is None else {"tool_choice": choice}
            engine.ask(messages=history, model=model, tools=[PATCH, GRAMMAR], **options)
            no_faults(dialect, server.sent[-1])
            assert (
                '"malformed' not in server.sent[-1].raw.decode() and "invalid_json" not in server.sent[-1].raw.decode()
            )
            assert "*** Begin" in server.sent[-1].raw.decode()


def test_tools_of_other_kinds_are_read_from_dicts_and_wrong_ones_are_refused(
    engine: t.Tertulia, server: Loopback
) -> None:
    search: Any = {"provider": "openai-responses", "parameters": {"type": "web_search"}}
    engine.ask("Hi", model="openai-responses/gpt-5", tools=[GRAMMAR, search])
    [sent] = server.sent
    assert sent.body["tools"][0]["format"] == GRAMMAR["text_format"]
    assert sent.body["tools"][1] == {"type": "web_search"}
    spec = t.ToolSpec.free_text("sql", "Asks", GRAMMAR["text_format"])
    assert spec.text_format == GRAMMAR["text_format"] and t.ToolSpec.of_provider("x", {"type": "y"}).name == "y"
    wrong: list[Any] = [
        {"name": "sql", "description": "", "text_format": {"type": "yacc"}},
        {"name": "sql", "description": "", "text_format": {"type": "grammar", "syntax": "ebnf", "definition": ""}},
        {"name": "sql", "description": "", "text_format": {"type": "grammar", "syntax": "lark"}},
        {"name": "sql", "description": "", "text_format": {"type": "text", "more": 1}},
        {"name": "sql", "description": ""},
        {"provider": "responses"},
    ]
    for tool in wrong:
        with pytest.raises(t.InvalidError):
            engine.ask("Hi", model="responses/gpt-5", tools=[tool])


# --- the checks themselves ----------------------------------------------------------------------------------------

GOOD: dict[Dialect, Body] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"model": "m", "store": False, "input": [{"type": "message", "role": "user", "content": "Hi"}]},
    "anthropic": {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    },
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "ollama": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
}


@pytest.mark.parametrize("beta", [False, True], ids=["", "beta"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_wrong_body_is_refused(dialect: Dialect, beta: bool) -> None:
    beta = beta and dialect == "anthropic"
    good = GOOD[dialect]
    listed = next(name for name in ("messages", "input", "contents") if name in good)
    inner = "parts" if dialect == "gemini" else "content"
    assert faults(dialect, good, beta) == []

    def spoil(work: Callable[[Any], object]) -> Body:
        spoilt = copy.deepcopy(good)
        work(spoilt)
        assert spoilt != good
        return spoilt

    wrong = [
        spoil(lambda body: body.update(unknown=1)),
        spoil(lambda body: body[listed][0].update(unknown=1)),
        spoil(lambda body: body[listed][0].update(role="narrator")),
        spoil(lambda body: body[listed][0].update({inner: 5})),
        spoil(lambda body: body.update({listed: "Hi" if dialect != "openai_responses" else 5})),
        spoil(lambda body: body.pop(listed)),
    ]
    for body in wrong:
        assert provider_types.type_faults(dialect, body, beta) or faults(dialect, body, beta), body


@pytest.mark.parametrize("gap", GAPS, ids=[f"{gap.dialect}: {gap.reason[:40]}" for gap in GAPS])
def test_what_an_sdk_leaves_out_it_still_leaves_out(gap: Gap) -> None:
    assert provider_types.type_faults(gap.dialect, gap.sample), "the SDK knows it now: take the gap out"
    mended = copy.deepcopy(gap.sample)
    gap.remove(mended)
    assert provider_types.type_faults(gap.dialect, mended) == []
