"""A provider on loopback that keeps what it was sent and answers in the words of any dialect, whole or streamed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """By lower-case name."""
    raw: bytes

    @property
    def body(self) -> Any:
        """The body as JSON."""
        return json.loads(self.raw)


class Loopback:
    """The server. ``answers`` holds the reply of each dialect, as its provider would send it whole."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: dict[str, Json] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else a body waits 40 ms for its headers to be acknowledged, more than a thousand times.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                outer.serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        """Stops it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Keeps a request and answers it."""
        raw = handler.rfile.read(int(handler.headers["content-length"]))
        parts = urlsplit(handler.path)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.sent.append(Sent(handler.command, parts.path, dict(parse_qsl(parts.query)), headers, raw))
        dialect, framing = spoken(parts.path)
        answer = self.answers[dialect]
        streamed = "streamGenerateContent" in parts.path or json.loads(raw).get("stream", False)
        if not streamed:
            kind, body = "application/json", json.dumps(answer)
        elif framing == "ndjson":
            kind = "application/x-ndjson"
            body = "".join(json.dumps(piece) + "\n" for piece in STREAMS[dialect](answer))
        else:
            kind = "text/event-stream"
            body = "".join(
                (f"event: {piece['type']}\n" if "type" in piece else "") + f"data: {json.dumps(piece)}\n\n"
                for piece in STREAMS[dialect](answer)
            )
        data = body.encode()
        handler.send_response(200)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


def spoken(path: str) -> tuple[str, str]:
    """The dialect that a path belongs to, and how it streams."""
    for end, dialect in (
        ("/chat/completions", "openai_chat"),
        ("/responses", "openai_responses"),
        ("/messages", "anthropic"),
        ("enerateContent", "gemini"),
    ):
        if path.endswith(end):
            return dialect, "sse"
    assert path.endswith("/api/chat"), path
    return "ollama", "ndjson"


def chat_stream(answer: Json) -> Iterable[Json]:
    """A chat completion in chunks."""
    head = {"id": answer["id"], "object": "chat.completion.chunk", "created": 1, "model": answer["model"]}
    choice = answer["choices"][0]
    delta = dict(choice["message"])
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(delta["tool_calls"])]
    yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    yield head | {"choices": [], "usage": answer["usage"]}


def responses_stream(answer: Json) -> Iterable[Json]:
    """A response, item by item."""
    yield {"type": "response.created", "response": answer | {"status": "in_progress", "output": []}}
    for at, item in enumerate(answer["output"]):
        yield {"type": "response.output_item.added", "output_index": at, "item": item}
        yield {"type": "response.output_item.done", "output_index": at, "item": item}
    yield {"type": "response.completed", "response": answer}


def anthropic_stream(answer: Json) -> Iterable[Json]:
    """A message, block by block, each begun empty and filled by one delta."""
    yield {"type": "message_start", "message": answer | {"content": [], "stop_reason": None}}
    for at, block in enumerate(answer["content"]):
        kind = block["type"]
        deltas: list[Json] = []
        begun = block
        if kind == "text":
            begun = {"type": "text", "text": ""}
            deltas.append({"type": "text_delta", "text": block["text"]})
            deltas += [{"type": "citations_delta", "citation": one} for one in block.get("citations") or []]
        elif kind == "thinking":
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            deltas.append({"type": "thinking_delta", "thinking": block["thinking"]})
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif kind in ("tool_use", "server_tool_use"):
            begun = block | {"input": {}}
            deltas.append({"type": "input_json_delta", "partial_json": json.dumps(block["input"])})
        yield {"type": "content_block_start", "index": at, "content_block": begun}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": at, "delta": delta}
        yield {"type": "content_block_stop", "index": at}
    yield {"type": "message_delta", "delta": {"stop_reason": answer["stop_reason"]}, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def gemini_stream(answer: Json) -> Iterable[Json]:
    """A candidate, part by part."""
    candidate = answer["candidates"][0]
    for part in candidate["content"]["parts"]:
        yield {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]}
    yield answer | {"candidates": [{"index": 0, "content": {"role": "model"}, "finishReason": "STOP"}]}


def ollama_stream(answer: Json) -> Iterable[Json]:
    """A message in one line, and its end in another."""
    yield {"model": answer["model"], "message": answer["message"], "done": False}
    yield answer | {"message": {"role": "assistant", "content": ""}}


STREAMS = {
    "openai_chat": chat_stream,
    "openai_responses": responses_stream,
    "anthropic": anthropic_stream,
    "gemini": gemini_stream,
    "ollama": ollama_stream,
}


def chat_answer(message: Json, finish: str = "stop") -> Json:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": None} | message, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    return {"id": "c_1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def responses_answer(*output: Json) -> Json:
    """A response."""
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
    return {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "usage": usage} | {
        "error": None,
        "incomplete_details": None,
        "output": list(output),
    }


def anthropic_answer(*content: Json, stop: str = "end_turn") -> Json:
    """A message."""
    usage = {"input_tokens": 9, "output_tokens": 5}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "usage": usage}
    return head | {"content": list(content), "stop_reason": stop, "stop_sequence": None}


def gemini_answer(*parts: Json) -> Json:
    """An answer of generateContent."""
    candidate = {"index": 0, "content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r_1"}


def ollama_answer(message: Json) -> Json:
    """An answer of /api/chat."""
    head = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "stop"}
    return head | {"message": {"role": "assistant", "content": ""} | message, "prompt_eval_count": 9, "eval_count": 5}


def words(dialect: str, text: str = "Hola") -> Json:
    """An answer of words alone."""
    return {
        "openai_chat": chat_answer({"content": text}),
        "openai_responses": responses_answer(
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }
        ),
        "anthropic": anthropic_answer({"type": "text", "text": text}),
        "gemini": gemini_answer({"text": text}),
        "ollama": ollama_answer({"content": text}),
    }[dialect]
