"""Replies as server-sent events, over real web servers whose readers come and go."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import tertulia as t
from tertulia.testing import Simulator

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
BEAT = 0.1

Event = tuple[int, dict[str, Any]]


def events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Read events as a browser does, line by line."""
    number = 0
    for line in lines:
        if line.startswith(b"id: "):
            number = int(line[4:])
        elif line.startswith(b"data: "):
            yield number, json.loads(line[6:])


def show(shown: str, event: dict[str, Any]) -> str:
    """Do as a page does: words since the answer began last."""
    if event["type"] == "started":
        return ""
    return shown + event["delta"] if event["type"] == "text" else shown


def request(port: int, last: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n".encode())
    return connection


def read(port: int, last: int, enough: Callable[[str], bool], shown: str) -> tuple[int, str]:
    """Read until it is enough, and break the connection. Gives the last number and what is shown by then."""
    with request(port, last) as connection, connection.makefile("rb") as file:
        for number, event in events(file):
            assert number > last or event["type"] == "started", f"{number} came again after {last}"
            last, shown = number, show(shown, event)
            if enough(shown):
                break
    return last, shown


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


class Quiet(WSGIRequestHandler):
    """Says nothing on the terminal."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_plain_wsgi_serves_a_reply_whose_reader_breaks_off_and_comes_back(tmp_path: Path, sim: Simulator) -> None:
    sim.script("any", "words=60;delay_ms=20")
    with t.Tertulia(tmp_path / "chat.db", providers=[sim.provider()], model="sim/any") as engine:
        chat = engine.user("ana").new_conversation()
        stream = chat.stream("hi", detached=True)
        turn = stream.turn_id
        assert turn is not None
        gone = threading.Semaphore(0)

        class Told:
            """The reply, and word of its end."""

            def __init__(self, pieces: t.SseStream) -> None:
                self.pieces = pieces

            def __iter__(self) -> Iterator[bytes]:
                return self.pieces

            def close(self) -> None:
                self.pieces.close()
                assert list(self.pieces) == []
                gone.release()

        def app(environ: dict[str, Any], start_response: Any) -> Told:
            start_response("200 OK", [("content-type", "text/event-stream")])
            last = int(environ.get("HTTP_LAST_EVENT_ID", "0"))
            return Told(chat.attach(turn, after_seq=last).sse(heartbeat_s=BEAT))

        class Server(WSGIServer):
            """One thread for each reader; a reader that broke off is no news."""

            def process_request(self, request: Any, client_address: Any) -> None:
                threading.Thread(
                    target=self.process_request_thread, args=(request, client_address), daemon=True
                ).start()

            def process_request_thread(self, request: Any, client_address: Any) -> None:
                self.finish_request(request, client_address)
                self.shutdown_request(request)

        with make_server("127.0.0.1", 0, app, Server, Quiet) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            last, shown = 0, ""
            for words in (3, 8):
                last, shown = read(server.server_port, last, lambda shown, n=words: shown.count(" ") >= n, shown)
                assert gone.acquire(timeout=10), "a reader that was gone was not let go"
            assert chat.turn(turn).state in ("sending", "streaming"), "a reader stopped the turn"
            last, shown = read(server.server_port, last, lambda _: False, shown)
            assert gone.acquire(timeout=10)
            # Who has heard the end hears nothing more.
            assert read(server.server_port, last, lambda _: False, shown) == (last, shown)
            server.shutdown()
        assert shown == chat.history()[-1].text and shown.count(" ") >= 59
        assert chat.turn(turn).state == "done"


def test_an_event_loop_serves_a_reply_to_readers_that_come_and_go(sim: Simulator) -> None:
    sim.script("any", "words=60;delay_ms=20")

    async def body(engine: t.AsyncTertulia) -> None:
        chat = engine.user("ana").new_conversation()
        stream = await chat.stream("hi", detached=True)
        turn = stream.turn_id
        assert turn is not None
        gone: asyncio.Queue[None] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            last = int(head.split("Last-Event-ID: ")[1].split("\r\n")[0])
            pieces = (await chat.attach(turn, after_seq=last)).sse(heartbeat_s=BEAT)
            writer.write(HEAD)
            try:
                async for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
            except ConnectionError:
                pass
            await pieces.aclose()
            assert [piece async for piece in pieces] == []
            writer.close()
            gone.put_nowait(None)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            last, shown = 0, ""
            for words in (3, 8):
                last, shown = await asyncio.to_thread(
                    read, port, last, lambda shown, n=words: shown.count(" ") >= n, shown
                )
                await asyncio.wait_for(gone.get(), 10)
            assert (await chat.turn(turn)).state in ("sending", "streaming"), "a reader stopped the turn"
            many = await asyncio.gather(
                *(asyncio.to_thread(read, port, last, lambda _: False, shown) for _ in range(5)),
            )
        kept = (await chat.history())[-1].text
        assert {shown for _, shown in many} == {kept}

    async def main() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
            await asyncio.wait_for(body(engine), 30)

    asyncio.run(main())


def told(pieces: Iterable[bytes]) -> list[dict[str, Any]]:
    return [event for _, event in events(b"".join(pieces).splitlines())]


def test_a_page_is_told_the_answer_alone_and_who_asks_for_it_everything(sim: Simulator) -> None:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        chat = engine.user().new_conversation()
        sim.script("any", "text=a%0D%0A%0Adata:%20b")
        pieces = list(chat.stream("hi").sse())
        assert all(type(piece) is bytes for piece in pieces) and pieces[0] == b"retry: 3000\n\n"
        plain = told(pieces)
        first, *words, last = plain
        assert (first["type"], last["type"]) == ("started", "done")
        assert all(event.keys() == {"type", "delta"} and event["type"] == "text" for event in words)
        assert "".join(event["delta"] for event in words) == "a\r\n\ndata: b"
        assert last.keys() == {"type", "status", "message_id", "finish_reason"}
        stream = chat.stream("again")
        next(stream)  # what was read before is told all the same
        full = told(stream.sse(detail=True))
        assert full[0]["type"] == "started" and full[0]["model"] == "sim/any"
        assert full[-1]["type"] == "done" and full[-1]["reply"]["usage"]["output_tokens"] > 0


def test_a_failure_is_an_event_and_what_cannot_begin_is_raised(sim: Simulator) -> None:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        chat = engine.user().new_conversation()
        sim.script("any", "words=9;cut=4")
        *_, last = told(chat.stream("hi").sse())
        assert (last["type"], last["kind"], last["saved"]) == ("error", "truncated", True)
        assert "detail" not in last and last["user_message"]
        with pytest.raises(t.InvalidError):
            chat.stream("hi").sse(heartbeat_s=-1)
        with pytest.raises(t.NotFoundError):
            chat.attach("01890000-0000-7000-8000-000000000000")


def test_a_stream_that_was_handed_over_says_so_and_can_still_be_stopped(sim: Simulator) -> None:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        chat = engine.user().new_conversation()
        sim.script("any", "words=10000;delay_ms=20")
        stream = chat.stream("hi")
        pieces = stream.sse()
        assert next(pieces) == b"retry: 3000\n\n"
        for read in (stream.reply, lambda: next(stream)):
            with pytest.raises(t.InvalidError) as caught:
                read()
            assert caught.value.reason == "handed_over"
        stream.cancel()
        assert told(pieces)[-1]["status"] == "cancelled"


def test_a_reader_that_goes_stops_the_reply_it_owns_and_no_other(sim: Simulator) -> None:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        chat = engine.user().new_conversation()
        sim.script("any", "words=10000;delay_ms=20")
        stream = chat.stream("hi")
        pieces = stream.sse()
        next(pieces)
        sim.wait_for("response_started")
        pieces.close()
        sim.wait_for("closed_by_peer")
        stream = chat.stream("hi")
        pieces = stream.sse()
        next(pieces)
        stream.detach()
        turn = stream.turn_id
        assert turn is not None
        pieces.close()
        assert chat.turn(turn).state in ("sending", "streaming")
        chat.stop(turn)


def test_closing_ends_the_wait_of_another_thread(sim: Simulator) -> None:
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        chat = engine.user().new_conversation()
        sim.script("any", "stall")
        pieces = chat.stream("hi").sse(heartbeat_s=1_000)
        begun, seen = threading.Event(), list[bytes]()

        def read() -> None:
            for piece in pieces:
                seen.append(piece)
                begun.set()

        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(10)
        pieces.close()
        thread.join(10)
        assert not thread.is_alive() and seen[0] == b"retry: 3000\n\n"


def test_an_awaited_stream_needs_no_await_of_its_own(sim: Simulator, recwarn: pytest.WarningsRecorder) -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
            pieces = [piece async for piece in engine.user().new_conversation().stream("hi").sse()]
            assert told(pieces)[-1]["type"] == "done"

    asyncio.run(main())
    assert not recwarn.list


def lay(rows: list[dict[str, Any]], diff: dict[str, Any]) -> None:
    """Do as a page does with one change of its rows; those that this test does not bring about are errors."""
    match diff["type"]:
        case "reset":
            rows[:] = diff["items"]
        case "append":
            rows.extend(diff["items"])
        case "push_back":
            rows.append(diff["item"])
        case "insert":
            rows.insert(diff["index"], diff["item"])
        case "set":
            rows[diff["index"]] = diff["item"]
        case "remove":
            del rows[diff["index"]]
        case "pop_back":
            rows.pop()
        case "append_text":
            part = rows[diff["index"]]["message"]["parts"][diff["part_index"]]
            assert len(part["text"]) == diff["from"]
            part["text"] += diff["text"]
        case other:
            raise AssertionError(other)


def answered(rows: list[dict[str, Any]]) -> bool:
    messages = [row["message"] for row in rows if row["type"] == "message"]
    return bool(messages) and (messages[-1]["role"], messages[-1]["status"]) == ("assistant", "complete")


def words(rows: list[dict[str, Any]]) -> list[str]:
    return [part["text"] for row in rows if row["type"] == "message" for part in row["message"]["parts"]]


def test_a_timeline_as_bytes_shows_a_page_the_conversation_as_it_grows(sim: Simulator) -> None:
    sim.script("any", "words=30;delay_ms=5")
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        chat = engine.user().new_conversation()
        pieces, rows = chat.timeline().sse(), list[dict[str, Any]]()
        assert next(pieces) == b"retry: 3000\n\n"
        stream = chat.stream("hi", detached=True)
        reader = threading.Thread(target=stream.reply)
        reader.start()
        numbers = list[int]()
        while not answered(rows):
            for number, event in events(next(pieces).splitlines()):
                assert event["type"] == "changes"
                numbers.append(number)
                for diff in event["diffs"]:
                    lay(rows, diff)
        reader.join(10)
        assert words(rows) == [message.text for message in chat.history()]
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 2
        assert {*rows[-1]["message"]} == {
            *("id", "turn_id", "role", "status", "created_at", "parts", "sibling_index", "sibling_count")
        }
        pieces.close()
        assert list(pieces) == []
        detailed = chat.timeline().sse(detail=True)
        _, first = next(detailed), next(detailed)
        assert told([first])[0]["diffs"][0]["items"][-1]["message"]["usage"]["output_tokens"] > 0
        with pytest.raises(t.InvalidError):
            chat.timeline().sse(heartbeat_s=-1)
        quiet = chat.timeline().sse(heartbeat_s=0.1)
        assert [next(quiet).splitlines()[0][:4] for _ in range(3)] == [b"retr", b"id: ", b": "]


def test_an_event_loop_serves_a_timeline_and_closing_the_engine_ends_it(sim: Simulator) -> None:
    async def body(engine: t.AsyncTertulia) -> None:
        chat = engine.user().new_conversation()
        pieces, rows = chat.timeline().sse(), list[dict[str, Any]]()
        await chat.send("hi")
        async for piece in pieces:
            for _, event in events(piece.splitlines()):
                for diff in event["diffs"]:
                    lay(rows, diff)
            if answered(rows):
                break
        assert words(rows) == [message.text for message in await chat.history()]
        await engine.close()
        assert [piece async for piece in pieces] == []

    async def main() -> None:
        async with t.AsyncTertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
            await asyncio.wait_for(body(engine), 30)

    asyncio.run(main())
