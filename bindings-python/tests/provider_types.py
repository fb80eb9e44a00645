"""Request bodies held against the types of the providers' own SDKs, and against rules that no type can say.

Everything is closed: a field that the SDK does not know is a failure, and so is a value of another type. What an SDK
leaves out although its provider takes it stands in ``GAPS``, with the reason, and a test asserts that it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import ollama._types as ollama_types
from anthropic.types import message_create_params as anthropic_types
from anthropic.types.beta import message_create_params as anthropic_beta_types
from google.genai import types as gemini_types
from openai.types.chat import completion_create_params as chat_types
from openai.types.responses import response_create_params as responses_types
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator, ValidationError

Body = dict[str, Any]
Dialect = Literal["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"]
DIALECTS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")


class GenerateContentBody(BaseModel):
    """The body of generateContent: google-genai has types for what is in it, and writes this level by hand."""

    model_config = ConfigDict(alias_generator=to_camel)
    contents: list[gemini_types.Content]
    system_instruction: gemini_types.Content | None = None
    tools: list[gemini_types.Tool] | None = None
    tool_config: gemini_types.ToolConfig | None = None
    generation_config: gemini_types.GenerationConfig | None = None
    safety_settings: list[gemini_types.SafetySetting] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None


class OllamaMessage(ollama_types.Message):
    """Ollama's message with pictures as they are on the wire: the SDK's own class makes them of paths and bytes."""

    images: list[str] | None = None  # type: ignore[assignment]


class OllamaChat(ollama_types.ChatRequest):
    """Ollama's request without the dict of anything that the SDK takes in the place of a message or the options."""

    messages: list[OllamaMessage]  # type: ignore[assignment]
    options: ollama_types.Options | None = None


ROOTS: dict[Dialect, Any] = {
    "openai_chat": chat_types.CompletionCreateParamsNonStreaming | chat_types.CompletionCreateParamsStreaming,
    "openai_responses": responses_types.ResponseCreateParamsNonStreaming
    | responses_types.ResponseCreateParamsStreaming,
    "anthropic": anthropic_types.MessageCreateParamsNonStreaming | anthropic_types.MessageCreateParamsStreaming,
    "gemini": GenerateContentBody,
    "ollama": OllamaChat,
}
# Files that were handed over before are in the types of the beta alone, as on the wire.
ANTHROPIC_BETA = (
    anthropic_beta_types.MessageCreateParamsNonStreaming | anthropic_beta_types.MessageCreateParamsStreaming
)


def closed(node: Any) -> Any:
    """The core schema of a type, closed: no further fields, no lazily read lists, no words of tomorrow."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if isinstance(node, tuple):
        return tuple(closed(item) for item in node)
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if kind == "generator":  # read only when iterated, which nobody would do
        kept = {name: node[name] for name in ("items_schema", "min_length", "max_length") if name in node}
        return closed({"type": "list", **kept})
    if kind == "union":
        # The SDKs also take back their own replies, as classes open to any field.
        choices = [choice for choice in node["choices"] if not is_model(choice)]
        node = {**node, "choices": choices or node["choices"]}
    if kind == "enum":
        node = {name: value for name, value in node.items() if name != "missing"}
    made = {name: value if name in ("cls", "metadata") else closed(value) for name, value in node.items()}
    # A type that says itself what may stand beside its fields (the root of a JSON schema) means it.
    if kind in ("typed-dict", "model-fields"):
        made["extra_behavior"] = "allow" if "extras_schema" in made else "forbid"
    if isinstance(made.get("config"), dict):
        names = {"validate_by_alias": True, "validate_by_name": False}
        made["config"] = {
            name: value
            for name, value in made["config"].items()
            if name not in ("populate_by_name", "extra_fields_behavior")
        } | {"extra_fields_behavior": "forbid", **names}
    return made


def is_model(choice: Any) -> bool:
    """True for a class that the SDK reads replies into, and for a choice among such classes alone."""
    choice = choice[0] if isinstance(choice, tuple) else choice
    if choice.get("type") == "union":
        return all(is_model(inner) for inner in choice["choices"])
    if choice.get("type") == "definition-ref":
        # The types of requests end in Param.
        name = choice["schema_ref"].split(":")[0].rsplit(".", 1)[-1]
        return "anthropic.types" in choice["schema_ref"] and not name.endswith(("Param", "Params"))
    return choice.get("type") == "model"


@cache
def validator(dialect: Dialect, beta: bool = False) -> SchemaValidator:
    """What a body of this dialect is held against."""
    root = ANTHROPIC_BETA if beta else ROOTS[dialect]
    # In a tuple, because a type with a configuration of its own takes no other.
    adapter = TypeAdapter(tuple[root], config=ConfigDict(arbitrary_types_allowed=True))
    # Not with the validators that the classes carry already, which are open.
    return SchemaValidator(closed(adapter.core_schema), _use_prebuilt=False)


def type_faults(dialect: Dialect, body: Body, beta: bool = False) -> list[str]:
    """What the SDK's types do not allow."""
    try:
        validator(dialect, beta).validate_json(json.dumps([body]), strict=True)
    except ValidationError as error:
        # One per place: a union tells each of its members' complaints, of which the deepest is meant.
        return [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors(include_url=False)]
    return []


# --- what the SDKs leave out -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """Something that the provider takes and its SDK has no type for."""

    dialect: Dialect
    reason: str
    sample: Body
    """A body whose only fault it is."""
    remove: Callable[[Body], None]
    """Takes it out of a body."""


def nodes(value: Any) -> Iterator[Body]:
    """Every object in a body."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def without(*names: str) -> Callable[[Body], None]:
    """Takes these fields out of the body itself."""

    def remove(body: Body) -> None:
        for name in names:
            body.pop(name, None)

    return remove


def _no_input_audio(body: Body) -> None:
    for node in nodes(body.get("input")):
        if node.get("type") == "input_audio":
            node.clear()
            node.update({"type": "input_text", "text": "a sound"})


def _no_call_ids(body: Body) -> None:
    for message in body.get("messages", []):
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", []):
            call.pop("id", None)


def _plain_schemas(body: Body) -> None:
    for tool in body.get("tools", []):
        tool["function"]["parameters"] = {"type": "object"}


def _no_file_ids(body: Body) -> None:
    for node in nodes(body.get("messages")):
        if str(node.get("type")).endswith("_location"):
            node.pop("file_id", None)


_ASK: list[Body] = [{"role": "user", "content": "Hi"}]
GAPS: tuple[Gap, ...] = (
    Gap(
        "anthropic",
        "models up to Claude 4.6 and those of other makers still take them; the SDK tells its users to send extra fields",
        {"model": "m", "max_tokens": 1, "messages": _ASK, "temperature": 0.5, "top_p": 0.9},
        without("temperature", "top_p"),
    ),
    Gap(
        "anthropic",
        "replies hold `file_id` in citations; the SDK sends its own replies back with it, past these types",
        {
            "model": "m",
            "max_tokens": 1,
            "messages": [
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "text",
                            "text": "Sun.",
                            "citations": [
                                {
                                    "type": "char_location",
                                    "cited_text": "Sun",
                                    "document_index": 0,
                                    "document_title": None,
                                    "start_char_index": 0,
                                    "end_char_index": 3,
                                    "file_id": None,
                                }
                            ],
                        }
                    ],
                }
            ],
        },
        _no_file_ids,
    ),
    Gap(
        "openai_responses",
        "sounds are in the API's own reference of input content, and left out of the SDK's union of it",
        {
            "model": "m",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}],
                }
            ],
        },
        _no_input_audio,
    ),
    Gap(
        "ollama",
        "the server reads `truncate` and `shift` (api/types.go), which keep it from dropping messages in silence",
        {"model": "m", "messages": _ASK, "truncate": False, "shift": False},
        without("truncate", "shift"),
    ),
    Gap(
        "ollama",
        "the server reads ids of calls (`tool_call_id`, `id` of a call); old ones ignore them",
        {"model": "m", "messages": [{"role": "tool", "content": "1", "tool_call_id": "c1"}]},
        _no_call_ids,
    ),
    Gap(
        "ollama",
        "the SDK has types for a corner of JSON Schema only; the server hands on whatever it does not know",
        {
            "model": "m",
            "messages": _ASK,
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"type": "object", "additionalProperties": False}},
                }
            ],
        },
        _plain_schemas,
    ),
)


# --- what no type says -------------------------------------------------------------------------------------------


def rule_faults(dialect: Dialect, body: Body) -> list[str]:
    """What the provider is known to refuse although every type is right."""
    return list(RULES[dialect](body))


def _chat_rules(body: Body) -> Iterator[str]:
    open_calls: list[str] = []
    for at, message in enumerate(body["messages"]):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                yield f"messages.{at} answers a call that was not made right before it"
            else:
                open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            yield f"messages.{at} stands before the answers of {open_calls}"
        open_calls = [call["id"] for call in message.get("tool_calls", [])]
        if message["role"] == "assistant" and not message.get("content") and not open_calls:
            yield f"messages.{at} says nothing"
    if open_calls:
        yield f"nobody answers {open_calls}"
    yield from _choice_rules(body)
    yield from _strict_rules([tool["function"] for tool in body.get("tools", []) if tool["type"] == "function"])


def _choice_rules(body: Body) -> Iterator[str]:
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and not body.get("tools"):
            yield f"{name} without tools"
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] in ("function", "custom"):
        named = choice.get(choice["type"], choice)["name"]
        known = {
            (tool["type"], tool.get(tool["type"], tool).get("name"))
            for tool in body["tools"]
            if tool["type"] in ("function", "custom")
        }
        if (choice["type"], named) not in known:
            yield f"tool_choice names {named}, which is no tool of its type"


def _strict_rules(functions: list[Body]) -> Iterator[str]:
    for function in functions:
        for schema in nodes(function.get("parameters")):
            if function.get("strict") and schema.get("type") == "object":
                if schema.get("additionalProperties") is not False:
                    yield f"{function['name']}: a strict object must forbid additionalProperties"
                if sorted(schema.get("required", [])) != sorted(schema.get("properties", {})):
                    yield f"{function['name']}: a strict object requires all of its properties"


def _responses_rules(body: Body) -> Iterator[str]:
    if "input" not in body:
        yield "nothing is asked"
    items = body.get("input", [])
    kinds = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
    calls: dict[str, str] = {}
    for at, item in enumerate(items):
        kind = item["type"]
        if kind in kinds:
            calls[item["call_id"]] = kinds[kind]
        elif kind in kinds.values():
            if calls.pop(item["call_id"], None) != kind:
                yield f"input.{at} answers no call of its kind"
        elif kind == "reasoning":
            if not item.get("encrypted_content") and body.get("store") is False:
                yield f"input.{at} names thoughts that the provider did not keep"
            if at + 1 == len(items) or items[at + 1].get("role") == "user":
                yield f"input.{at} is a thought that nothing follows"
    if calls:
        yield f"nobody answers {sorted(calls)}"
    if body.get("store") is not False:
        yield "the provider would keep a copy"
    yield from _choice_rules(body)
    yield from _strict_rules([tool for tool in body.get("tools", []) if tool["type"] == "function"])


def _anthropic_rules(body: Body) -> Iterator[str]:
    thinking = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
    budget = body.get("thinking", {}).get("budget_tokens")
    if budget is not None and not 1024 <= budget < body["max_tokens"]:
        yield "thinking.budget_tokens must be at least 1024 and less than max_tokens"
    if thinking and body.get("temperature", 1) != 1:
        yield "a model that thinks takes no temperature but 1"
    if thinking and body.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "a model that thinks cannot be forced to call"
    if "tool_choice" in body and not body.get("tools"):
        yield "tool_choice without tools"
    if sum("cache_control" in node for node in nodes(body)) > 4:
        yield "more than four marks of the cache"
    open_calls: set[str] = set()
    before = "assistant"
    for at, message in enumerate(body["messages"]):
        if message["role"] == before:
            yield f"messages.{at}: one side speaks twice"
        before = message["role"]
        content = message["content"]
        if not content:
            yield f"messages.{at} is empty"
        kinds = [block["type"] for block in content]
        if message["role"] == "user":
            answers = kinds.count("tool_result")
            if kinds[:answers] != ["tool_result"] * answers:
                yield f"messages.{at}: answers of tools must come first"
            answered = {block["tool_use_id"] for block in content if block["type"] == "tool_result"}
            if answered != open_calls:
                yield f"messages.{at} answers {sorted(answered)} where {sorted(open_calls)} are open"
        elif budget and "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking"):
            yield f"messages.{at} must begin with a thought"
        open_calls = {block["id"] for block in content if block["type"] == "tool_use"}
        ran = {block["id"] for block in content if block["type"] == "server_tool_use"}
        told = {block["tool_use_id"] for block in content if block["type"].endswith("_tool_result")}
        if not told <= ran:
            yield f"messages.{at} holds results of the provider's tools without their calls"
        for block in content:
            if block["type"] == "text" and not block["text"].strip():
                yield f"messages.{at} holds a text of blanks"
    if open_calls:
        yield f"nobody answers {sorted(open_calls)}"
    if "output_config" in body and "format" in body["output_config"]:
        for schema in nodes(body["output_config"]["format"]["schema"]):
            if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
                yield "an object of the output schema must forbid additionalProperties"


def _gemini_rules(body: Body) -> Iterator[str]:
    calls: list[str] = []
    for at, content in enumerate(body["contents"]):
        if content.get("role") not in ("user", "model"):
            yield f"contents.{at}.role must be user or model"
        if not content["parts"]:
            yield f"contents.{at} is empty"
        kinds = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode")
        kinds += ("codeExecutionResult", "toolCall", "toolResponse")
        for part in content["parts"]:
            if sum(kind in part for kind in kinds) != 1:
                yield f"contents.{at} has a part that is not of exactly one kind"
        answers = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        if answers != calls:
            yield f"contents.{at} answers {answers} where {calls} are open"
        calls = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
    if calls:
        yield f"nobody answers {calls}"
    if any("role" in body.get(name, {}) for name in ("systemInstruction",)):
        yield "instructions have no role"
    thinking = body.get("generationConfig", {}).get("thinkingConfig", {})
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        yield "a budget and a level at once"
    declared = [tool for tool in body.get("tools", []) if "functionDeclarations" in tool]
    calling = body.get("toolConfig", {}).get("functionCallingConfig")
    if calling is not None and not declared:
        yield "functionCallingConfig without functions"
    if calling and calling.get("allowedFunctionNames") and calling["mode"] not in ("ANY", "VALIDATED"):
        yield "allowedFunctionNames with a mode that does not look at them"


def _ollama_rules(body: Body) -> Iterator[str]:
    for at, message in enumerate(body["messages"]):
        if message["role"] not in ("system", "user", "assistant", "tool"):
            yield f"messages.{at}.role is unknown"
        if message["role"] == "tool" and not message.get("tool_name"):
            yield f"messages.{at} does not say which tool answered"
    if body.get("options", {}).get("num_predict", 1) < 1:
        yield "num_predict below 1 means without end"


RULES: dict[Dialect, Callable[[Body], Iterator[str]]] = {
    "openai_chat": _chat_rules,
    "openai_responses": _responses_rules,
    "anthropic": _anthropic_rules,
    "gemini": _gemini_rules,
    "ollama": _ollama_rules,
}


def faults(dialect: Dialect, body: Body, beta: bool = False) -> list[str]:
    """Everything that is wrong with a body, apart from the known gaps of the SDKs."""
    known = json.loads(json.dumps(body))
    for gap in GAPS:
        if gap.dialect == dialect:
            gap.remove(known)
    return type_faults(dialect, known, beta) or rule_faults(dialect, body)
