"""A conversation as a chat message history of LangChain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, cast

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.load.load import Reviver
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
)

from .. import (
    AsyncConversation,
    AudioPart,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResult,
    ToolResultPart,
    UrlSource,
    Usage,
)
from ._kept import call_of, clear, clear_async, counts, media_of, named, original, original_of, refusal, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..types import MessageDict, Part, Role

_NAME = "langchain.message"
_ROLES: dict[str, Role] = {"assistant": "assistant", "ai": "assistant", "system": "system", "developer": "system"}


class LangchainHistory(BaseChatMessageHistory):
    """A conversation as a chat message history of LangChain: each message is a message.

    A message comes back equal to what went in: content, names, ids, calls of tools, artifacts, ``additional_kwargs``,
    ``response_metadata`` and fields of its own. One that JSON cannot say (its artifact may hold ``Document``s as well), or
    of a class of your own, is an ``InvalidError`` (unsupported), one of more than 16 MiB an ``InvalidError`` (too_large).
    All messages of one ``add_messages`` are saved in one transaction, or none.

    Words, calls of tools and their answers, and what a model lets see of its thoughts are ordinary parts as well, and so
    are pictures, sounds and files of the user by their bytes or a web address.
    """

    def __init__(self, chat: Conversation | AsyncConversation) -> None:
        if not isinstance(chat, (Conversation, AsyncConversation)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise refusal(f"langchain_history takes a conversation, not a {type(chat).__name__}")
        super().__init__()
        self._chat = chat

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """All messages, in order. Deleted ones are left out."""
        return [said for message in self._blocking().messages() for said in _messages_of(message)]

    async def aget_messages(self) -> list[BaseMessage]:
        """The same, awaited."""
        if isinstance(self._chat, Conversation):
            return await super().aget_messages()
        return [said async for message in self._chat.messages() for said in _messages_of(message)]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages at the end, all of them or none."""
        self._blocking().append([_message_of(message) for message in messages])

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """The same, awaited."""
        if isinstance(self._chat, Conversation):
            await super().aadd_messages(messages)
        else:
            await self._chat.append([_message_of(message) for message in messages])

    def clear(self) -> None:
        """Remove every message, on all branches. The conversation stays, with its title, instructions and metadata.

        Long ones in several transactions: when it is stopped in the middle of it, call it again.
        """
        clear(self._blocking())

    async def aclear(self) -> None:
        """The same, awaited."""
        if isinstance(self._chat, Conversation):
            await super().aclear()
        else:
            await clear_async(self._chat)

    def _blocking(self) -> Conversation:
        if isinstance(self._chat, AsyncConversation):
            raise refusal(
                "this history stands on a conversation of an AsyncTertulia: await aget_messages, aadd_messages and "
                "aclear (ainvoke, astream), or give langchain_history a conversation of a Tertulia"
            )
        return self._chat


def _message_of(message: BaseMessage) -> MessageDict:
    role, parts = _said(message)
    is_call = any(isinstance(part, ToolCallPart) for part in parts)
    if not is_call and _messages(role, parts) == [message]:
        return {"role": role, "content": parts}
    return {"role": role, "content": [*parts, original(_NAME, _written(message))]}


def _messages_of(message: Message) -> list[BaseMessage]:
    if not counts(message):
        return []
    text = original_of(message, _NAME)
    if text is not None:
        return [_read(text)]
    return _messages(message.role, message.parts, message.model, message.usage)


# A message as JSON text. Its form is LangChain's own, with a place for an artifact of documents.


def _written(message: BaseMessage) -> str:
    documents: list[Document] = []

    def document(value: object) -> Any:
        if not isinstance(value, Document):
            raise TypeError(f"JSON cannot say a {type(value).__name__}")
        documents.append(value)
        return value.to_json()

    fields = dict(message)
    cause: Exception | None = None
    try:
        artifact = json.dumps(fields.pop("artifact", None), default=document)
        kept = {"type": message.type, "data": fields, "artifact": artifact, "documents": bool(documents)}
        text = json.dumps(kept)
        if _read(text) == message:
            return text
    except Exception as error:  # whatever a value of somebody's class raises when it is written, read or compared
        cause = error
    raise refusal(
        f"a {type(message).__name__} holds something that would not come back as it is: use a message class of "
        "langchain_core, and what JSON can say in it (lists for tuples); an artifact may hold Documents, too"
    ) from cause


def _read(text: str) -> BaseMessage:
    kept = json.loads(text)
    # Nothing but documents is made from what is stored.
    artifact = json.loads(kept["artifact"], object_hook=Reviver([Document]) if kept["documents"] else None)
    if artifact is not None:
        kept["data"]["artifact"] = artifact
    return messages_from_dict([kept])[0]


# What a message says in ordinary parts.


def _said(message: BaseMessage) -> tuple[Role, list[Part]]:
    text = words(str(message.text))
    if isinstance(message, ToolMessage):
        media = [part.media for block in _blocks(message) for part in _media(block)]
        if not words(message.tool_call_id):
            return "tool", []
        is_error = message.status == "error"
        return "tool", [ToolResultPart(ToolResult(words(message.tool_call_id), text, is_error=is_error, media=media))]
    if isinstance(message, FunctionMessage):
        return "tool", [ToolResultPart(ToolResult(words(message.name) or "function", text))]
    role: Role = "assistant"
    if isinstance(message, HumanMessage):
        role = "user"
    elif isinstance(message, SystemMessage):
        role = "system"
    elif isinstance(message, ChatMessage):
        role = _ROLES.get(message.role, "user")
    parts: list[Part] = []
    for block in _blocks(message):
        kind = block.get("type")
        if kind in ("text", "text-plain") and (said := words(block.get("text"))).strip():
            parts.append(TextPart(said))
        elif kind == "reasoning" and role == "assistant" and (said := words(block.get("reasoning"))).strip():
            parts.append(ReasoningPart(said))
        elif role == "user":
            parts += _media(block)
    if isinstance(message, AIMessage):
        for call in message.tool_calls:
            parts += call_of(call["id"], call["name"], call["args"])
    return role, parts


def _blocks(message: BaseMessage) -> list[dict[str, Any]]:
    try:
        return cast("list[dict[str, Any]]", message.content_blocks)
    except Exception:  # content of a shape that LangChain's own translators do not know
        return [{"type": "text", "text": str(message.text)}]


def _media(block: dict[str, Any]) -> list[ImagePart | AudioPart | FilePart]:
    kind: Literal["image", "audio", "file"]
    if block.get("type") == "image":
        kind = "image"
    elif block.get("type") == "audio":
        kind = "audio"
    elif block.get("type") == "file":
        kind = "file"
    else:
        return []
    return media_of(kind, url=block.get("url"), data=block.get("base64"), mime_type=block.get("mime_type"))


# What others said, as messages.


def _messages(
    role: Role, parts: Sequence[Part], model: str | None = None, usage: Usage | None = None
) -> list[BaseMessage]:
    answers: list[BaseMessage] = []
    content: list[str | dict[Any, Any]] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    for part in parts:
        match part:
            case TextPart(text) | RefusalPart(text):
                content.append({"type": "text", "text": text})
            case ReasoningPart(text):
                thoughts.append(text)
            case ImagePart() | AudioPart() | FilePart() if role == "user" and isinstance(part.media.source, UrlSource):
                content.append({"type": part.type, "url": part.media.source.url})
            case ImagePart() | AudioPart() | FilePart():
                content.append({"type": "text", "text": named(part)})
            case ToolCallPart(call) if not call.provider_executed:
                args: Any = call.arguments
                if not isinstance(args, dict):
                    args = {"input": args}
                calls.append({"name": call.name, "args": args, "id": call.id, "type": "tool_call"})
            case ToolResultPart(result) if role != "assistant":  # else the provider ran the tool
                output = result.output if isinstance(result.output, str) else json.dumps(result.output)
                status = "error" if result.is_error else "success"
                answers.append(ToolMessage(output, tool_call_id=result.call_id, status=status))
            case _:
                pass
    texts = [block["text"] for block in content if isinstance(block, dict) and block["type"] == "text"]
    only_words = len(texts) == len(content) and (role != "user" or len(texts) == 1)
    said: Any = "".join(texts) if only_words else content
    if role == "assistant" and (content or thoughts or calls):
        return [
            AIMessage(
                said,
                tool_calls=calls,
                additional_kwargs={"reasoning_content": "\n".join(thoughts)} if thoughts else {},
                response_metadata={"model_name": model} if model else {},
                usage_metadata=_usage(usage) if usage else None,
            )
        ]
    if not content:
        return answers
    return [*answers, SystemMessage(said) if role == "system" else HumanMessage(said)]


def _usage(usage: Usage) -> Any:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_token_details": {
            "cache_read": usage.cache_read_input_tokens,
            "cache_creation": usage.cache_creation_input_tokens,
        },
        "output_token_details": {"reasoning": usage.reasoning_output_tokens},
    }
