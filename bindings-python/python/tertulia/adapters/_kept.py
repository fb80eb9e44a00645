"""What the adapters have in common: how a message of a framework is kept, and what of it is said in ordinary parts."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from .. import (
    AsyncConversation,
    AudioPart,
    Conversation,
    DataSource,
    FilePart,
    ImagePart,
    InvalidError,
    Media,
    Message,
    NotFoundError,
    OpaquePart,
    ToolCall,
    ToolCallPart,
    UrlSource,
)

_MAX_MEDIA_BYTES = 32 << 20  # what the engine takes of one picture, sound or file


def missing(error: ModuleNotFoundError, module: str, what: str, extra: str) -> ImportError:
    """The error for a framework that is not installed; any other import that fails is told as it is."""
    if error.name is None or error.name.split(".")[0] != module:
        return error
    return ImportError(f'{what}: pip install "tertulia[{extra}]"', name=error.name)


def refusal(detail: str) -> InvalidError:
    """The error for what an adapter cannot do."""
    return InvalidError.of("unsupported", detail)


def original(name: str, text: str) -> OpaquePart:
    """A framework's own message beside what is said of it. As text: numbers and odd characters stay as they are."""
    return OpaquePart("", name, data=text)


def original_of(message: Message, name: str) -> str | None:
    """A framework's own message, if this message came from it."""
    for part in message.parts:
        if isinstance(part, OpaquePart) and (part.provider, part.name) == ("", name) and isinstance(part.data, str):
            return part.data
    return None


def counts(message: Message) -> bool:
    """True for what a model would be shown: whole, not deleted, not taken back."""
    taken_back = message.status == "cancelled" and message.role != "assistant"
    return bool(message.parts) and message.status not in ("deleted", "streaming") and not taken_back


def words(value: object) -> str:
    """A text as every store can hold it: without NUL characters and halves of surrogate pairs."""
    return value.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def call_of(id: object, name: object, arguments: object, *, free_text: bool = False) -> list[ToolCallPart]:
    """A call of a tool; none without id or name, for no provider takes such a call."""
    if not words(id) or not words(name):
        return []
    try:
        call = ToolCall(words(id), words(name), arguments, free_text=free_text)
    except (InvalidError, TypeError, RecursionError):  # no JSON that the engine can hold
        call = ToolCall(words(id), words(name), words(str(arguments)))
    return [ToolCallPart(call)]


def media_of(
    kind: Literal["image", "audio", "file"], *, url: object = None, data: object = None, mime_type: object = None
) -> list[ImagePart | AudioPart | FilePart]:
    """A picture, sound or file by its address (also a ``data:`` one) or its bytes in base64; none when it has neither.

    Nor one when what calls itself a picture or a sound has bytes of another type: no provider takes it.
    """
    if isinstance(url, str) and url.startswith("data:"):
        head, _, data = url.partition(",")
        mime_type = head.removeprefix("data:").removesuffix(";base64")
    parts: dict[str, type[ImagePart | AudioPart | FilePart]] = {
        "image": ImagePart,
        "audio": AudioPart,
        "file": FilePart,
    }
    made = parts[kind]
    known = words(mime_type) or None
    if isinstance(data, str) and known and "/" in known and len(data) <= _MAX_MEDIA_BYTES:
        if kind != "file" and not known.startswith(f"{kind}/"):
            return []
        try:
            content = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return []
        return [made(Media(DataSource(content), known))] if content else []
    if isinstance(url, str) and url.startswith(("https://", "http://")) and url == words(url):
        return [made(Media(UrlSource(url), known))]
    return []


def named(part: ImagePart | AudioPart | FilePart) -> str:
    """A line in the place of bytes that are not handed on."""
    return f"[{part.type}: {part.media.name or part.media.mime_type or 'unknown'}]"


def clear(chat: Conversation) -> None:
    """Remove every message, on all branches. The conversation stays, with its title, instructions and metadata."""
    while page := chat.branches(limit=1):
        try:
            first = chat.at(page[0].head_id).history(position=1, limit=1)[0]
            chat.delete_message(first.id, subtree=True)
        except NotFoundError:  # somebody else removes it, too
            continue


async def clear_async(chat: AsyncConversation) -> None:
    """The same, awaited."""
    while page := await chat.branches(limit=1):
        try:
            first = (await chat.at(page[0].head_id).history(position=1, limit=1))[0]
            await chat.delete_message(first.id, subtree=True)
        except NotFoundError:
            continue
