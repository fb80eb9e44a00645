"""A conversation as a ``Session`` of the OpenAI Agents SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from agents.memory import SessionSettings

from .. import (
    AsyncConversation,
    AudioPart,
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
)
from ._kept import call_of, clear_async, counts, media_of, named, original, original_of, refusal, words

if TYPE_CHECKING:
    from agents.items import TResponseInputItem

    from ..types import MessageDict, Part, Role

_NAME = "openai_agents.item"
_ROLES: dict[object, Role] = {"assistant": "assistant", "system": "system", "developer": "system"}
_ANSWERS = ("function_call_output", "custom_tool_call_output")


class AgentsSession:
    """A conversation as a ``Session`` of the OpenAI Agents SDK: each item is a message of its own.

    An item comes back equal to what went in, as far as JSON can say it; one that JSON cannot say is an ``InvalidError``
    (unsupported), and one of more than 16 MiB an ``InvalidError`` (too_large). All items of one ``add_items`` are saved in
    one transaction, or none.

    Words, pictures, sounds and files by their bytes or a web address, calls of functions and of custom tools and their
    answers, and what a model lets see of its thoughts are ordinary parts as well. What else there is (calls of the
    provider's own tools, encrypted thoughts, compactions) is kept for the SDK alone.
    """

    session_id: str
    """The id of the conversation."""

    session_settings: SessionSettings | None
    """How many items ``get_items`` gives unless told otherwise: all of them, unless you set ``limit`` here."""

    def __init__(self, chat: AsyncConversation) -> None:
        if not isinstance(chat, AsyncConversation):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise refusal(
                "the Agents SDK awaits its sessions: agents_session takes a conversation of an AsyncTertulia, "
                f"not a {type(chat).__name__}"
            )
        self.session_id = chat.id
        self.session_settings = SessionSettings()
        self._chat = chat
        self._popping = asyncio.Lock()

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The newest ``limit`` items in the order of the conversation; all of them when it is left out (and
        ``session_settings`` names none) or negative. Deleted messages are left out."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        if limit is None or limit < 0:
            return [item async for message in self._chat.messages() for item in _items_of(message)]
        newest_first: list[TResponseInputItem] = []
        if limit > 0:
            async for message in self._chat.messages(newest_first=True):
                newest_first += reversed(_items_of(message))
                if len(newest_first) >= limit:
                    break
        return newest_first[:limit][::-1]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items at the end, all of them or none."""
        await self._chat.append([_message_of(item) for item in items])

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the newest item and give it; ``None`` when there is none.

        Its message keeps its place as a ``deleted`` one, as with ``delete_message``. When the message was a reply of
        several items, the others are added again. A message that is being answered is a ``ConflictError``. Two sessions
        that pop from one conversation at the same moment may give the same item.
        """
        async with self._popping:
            async for message in self._chat.messages(newest_first=True):
                if items := _items_of(message):
                    await self._chat.delete_message(message.id)
                    await self.add_items(items[:-1])
                    return items[-1]
        return None

    async def clear_session(self) -> None:
        """Remove every message, on all branches. The conversation stays, with its title, instructions and metadata.

        Long ones in several transactions: when it is stopped in the middle of it, call it again.
        """
        await clear_async(self._chat)


def _message_of(item: TResponseInputItem) -> MessageDict:
    try:
        text = json.dumps(item)
        plain = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise refusal("an item of a session is a dict of what JSON can say; this one holds something else") from error
    role, parts = _said(plain)
    is_call = any(isinstance(part, ToolCallPart) for part in parts)
    if not is_call and json.dumps(_items(role, parts), sort_keys=True) == json.dumps([plain], sort_keys=True):
        return {"role": role, "content": parts}
    return {"role": role, "content": [*parts, original(_NAME, text)]}


def _items_of(message: Message) -> list[TResponseInputItem]:
    if not counts(message):
        return []
    text = original_of(message, _NAME)
    items = _items(message.role, message.parts) if text is None else [json.loads(text)]
    return cast("list[TResponseInputItem]", items)


# What an item says in ordinary parts. Items come from anywhere: nothing is taken for granted.


def _said(item: Any) -> tuple[Role, list[Part]]:
    if not isinstance(item, dict):
        return "assistant", []
    item = cast("dict[str, Any]", item)
    kind, call_id = item.get("type", "message"), words(item.get("call_id"))
    if kind == "message":
        spoken = item.get("role")
        role = _ROLES.get(spoken, "user") if isinstance(spoken, str) else "user"
        return role, [part for block in _blocks(item.get("content")) for part in _of_block(block, role)]
    if kind == "function_call":
        return "assistant", [*call_of(call_id, item.get("name"), _arguments(item.get("arguments")))]
    if kind == "custom_tool_call":
        return "assistant", [*call_of(call_id, item.get("name"), words(item.get("input")), free_text=True)]
    if kind in _ANSWERS and call_id:
        return "tool", [_answer(call_id, _blocks(item.get("output")))]
    if kind == "reasoning":
        shown = [*_blocks(item.get("summary")), *_blocks(item.get("content"))]
        return "assistant", [ReasoningPart(text) for block in shown if (text := words(block.get("text"))).strip()]
    return "assistant", []


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "input_text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if _is_list(content) else []


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _of_block(block: dict[str, Any], role: Role) -> Iterable[Part]:
    kind = block.get("type")
    if kind in ("input_text", "output_text", "text"):
        text = words(block.get("text"))
        return [TextPart(text)] if text.strip() else []
    if kind == "refusal" and role == "assistant":
        text = words(block.get("refusal"))
        return [RefusalPart(text)] if text.strip() else []
    return _media(block) if role == "user" else []  # from a model's mouth, not every provider takes them


def _media(block: dict[str, Any]) -> list[ImagePart | AudioPart | FilePart]:
    kind = block.get("type")
    if kind == "input_image":
        return media_of("image", url=block.get("image_url"))
    if kind == "input_file":
        data = block.get("file_data")
        return media_of("file", url=data if isinstance(data, str) else block.get("file_url"))
    if kind == "input_audio" and isinstance(sound := block.get("input_audio"), dict):
        sound = cast("dict[str, Any]", sound)
        return media_of("audio", data=sound.get("data"), mime_type=f"audio/{words(sound.get('format'))}")
    return []


def _answer(call_id: str, blocks: Sequence[dict[str, Any]]) -> ToolResultPart:
    texts = [words(block.get("text")) for block in blocks if block.get("type") == "input_text"]
    media = [part.media for block in blocks for part in _media(block)]
    return ToolResultPart(ToolResult(call_id, "\n".join(texts), media=media))


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):  # cut off, or written badly: the model shall see what it wrote
        return words(text)


# What others said, as items.


def _items(role: Role, parts: Sequence[Part]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case TextPart(text) | RefusalPart(text):
                content.append({"type": "input_text", "text": text})
            case ImagePart() | AudioPart() | FilePart():
                content.append(_handed_on(part, role))
            case ToolCallPart(call) if not call.provider_executed:
                items += _message(role, content)
                content = []
                said = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
                kind, field = ("custom_tool_call", "input") if call.free_text else ("function_call", "arguments")
                items.append({"type": kind, "call_id": call.id, "name": call.name, field: said})
            case ToolResultPart(result) if role != "assistant":  # else the provider ran the tool
                output = result.output if isinstance(result.output, str) else json.dumps(result.output)
                items.append({"type": "function_call_output", "call_id": result.call_id, "output": output})
            case _:
                pass
    return items + _message(role, content)


def _message(role: Role, content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not content:
        return []
    speaker = "user" if role == "tool" else role
    if speaker == "user" and (len(content) > 1 or content[0]["type"] != "input_text"):
        return [{"role": speaker, "content": content}]
    return [{"role": speaker, "content": "".join(block["text"] for block in content)}]


def _handed_on(part: ImagePart | AudioPart | FilePart, role: Role) -> dict[str, Any]:
    source = part.media.source
    if role == "user" and isinstance(source, UrlSource) and isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": source.url, "detail": "auto"}
    if role == "user" and isinstance(source, UrlSource) and isinstance(part, FilePart):
        return {"type": "input_file", "file_url": source.url}
    return {"type": "input_text", "text": named(part)}
