"""A web chat: replies as server-sent events, which a browser goes on reading where its connection broke.

``python 17_web.py 8000`` serves it at http://127.0.0.1:8000; without a port a small reader of its own shows how it goes.
"""

import json
import os
import sys
import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.request import Request, urlopen
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tertulia import Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")

PAGE = b"""<!doctype html><meta charset=utf-8><title>Chat</title>
<form><input name=text autofocus> <button>Send</button></form><div></div>
<script>
document.forms[0].onsubmit = async event => {
  event.preventDefault();
  const line = document.querySelector("div").appendChild(document.createElement("p"));
  const {turn_id} = await (await fetch("/send", {method: "POST", body: event.target.text.value})).json();
  const events = new EventSource("/turns/" + turn_id);      // comes back by itself, with the number of its last event
  events.onmessage = ({data}) => {
    const event = JSON.parse(data);
    if (event.type == "started") line.textContent = "";     // the answer begins, perhaps anew
    if (event.type == "text") line.textContent += event.delta;
    if (event.type == "error") line.textContent += " " + event.user_message;
    if (event.type == "done" || event.type == "error") events.close();
  };
};
</script>"""


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each reader. Any WSGI or ASGI server will do as well."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def read(url: str, last: int = 0, events: int = 1_000) -> tuple[int, str]:
    """Read as a browser does, at most so many events: the number of the last one, and the words."""
    words = ""
    with urlopen(Request(url, headers={"Last-Event-ID": str(last)})) as response:
        for line in response:
            if line.startswith(b"id: "):
                last = int(line[4:])
            elif line.startswith(b"data: "):
                event = json.loads(line[6:])
                words = "" if event["type"] == "started" else words + event.get("delta", "")
                events -= 1
                if events == 0:
                    break
    return last, words


with Tertulia("memory:", model=model) as tertulia:
    chat = tertulia.user("ana").new_conversation()

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, said = environ["PATH_INFO"], environ["wsgi.input"]
        if path == "/send":
            text = said.read(int(environ["CONTENT_LENGTH"])).decode()
            stream = chat.stream(text, detached=True)  # goes on, whoever reads
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"turn_id": stream.turn_id}).encode()]
        if path.startswith("/turns/"):
            last = int(environ.get("HTTP_LAST_EVENT_ID", 0))
            stream = chat.attach(path.removeprefix("/turns/"), after_seq=last)
            start_response("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
            return stream.sse()
        start_response("200 OK", [("Content-Type", "text/html")])
        return [PAGE]

    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with make_server("127.0.0.1", port, app, Server, Quiet) as server:
        if port:
            server.serve_forever()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with urlopen(f"{url}/send", "Three things to see in Cádiz?".encode()) as response:
            turn = f"{url}/turns/{json.load(response)['turn_id']}"
        last, words = read(turn, events=2)  # and the connection breaks
        last, rest = read(turn, last)
        told = chat.history()[-1].text
        print("read in two parts:", told in (words + rest, rest))
        print("nothing is told twice:", read(turn, last) == (last, ""))
        server.shutdown()
