"""Pages of a long history through Python, beside what one would take from PyPI, in one run; and how long a loop waits.

All of them hold the same messages in a file of their own and give the newest 50; times are by the clock on the wall, one
page after the other. Whoever cannot page reads the whole history, and is asked less often.

    python bindings-python/bench/history.py [bench.json]
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from agents import SQLiteSession
from langchain_community.chat_message_histories import SQLChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from sqlalchemy import Index, Integer, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from tertulia import AsyncConversation, AsyncTertulia, ProviderSpec, Tertulia

MESSAGES, LONG = 20_000, 100_000
PAGES, WHOLE = 1_000, 3
STREAMS, WORDS = 200, 60
TEXT = "Plan a day in Cádiz, please: a walk, a museum, something to eat. "
SERVER = """
from tertulia.testing import Simulator
import sys
with Simulator() as simulator:
    print(simulator.url, flush=True)
    sys.stdin.read()
"""
MEMORY = """
import sys
from tertulia import Tertulia
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
before = resident()
t = Tertulia(sys.argv[1])
assert len(t.user("ana").conversation(sys.argv[2]).history().items) == 50
print((resident() - before) / 1024)
"""

Figures = dict[str, tuple[float, str]]


def text(number: int) -> str:
    """What the message of this number says: 300 bytes."""
    return f"{number}: {TEXT * 5}"[:300]


def is_users(number: int) -> bool:
    """Whether it is the person who speaks."""
    return number % 2 == 0


def spread(name: str, took: list[float]) -> Figures:
    """What 50 and what 99 of 100 take at most, in microseconds."""
    took.sort()
    return {
        f"{name}.p50_us": (took[len(took) // 2] * 1e6, "µs"),
        f"{name}.p99_us": (took[len(took) * 99 // 100] * 1e6, "µs"),
    }


def timed(work: Callable[[], int], times: int = PAGES) -> list[float]:
    """How long each page took."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        assert work() >= 50
        took.append(time.perf_counter() - began)
    return took


async def awaited(work: Callable[[], Awaitable[int]]) -> list[float]:
    """How long each page took that is awaited."""
    took = []
    for _ in range(PAGES):
        began = time.perf_counter()
        assert await work() == 50
        took.append(time.perf_counter() - began)
    return took


def fill(path: Path) -> str:
    """A conversation of 100,000 messages; gives its id."""
    with Tertulia(str(path)) as t:
        chat = t.user("ana").new_conversation()
        for first in range(0, LONG, 1_000):
            chat.append(
                [
                    {"role": "user" if is_users(n) else "assistant", "content": text(n)}
                    for n in range(first, first + 1_000)
                ]
            )
        return chat.id


async def engine(folder: Path) -> Figures:
    """Ours, waiting and awaited, and what it keeps in memory."""
    path = folder / "tertulia.db"
    chat_id = fill(path)
    with Tertulia(str(path)) as t:
        chat = t.user("ana").conversation(chat_id)
        figures = spread("history.page50.python_sync", timed(lambda: len(chat.history().items)))
    async with AsyncTertulia(str(path)) as at:
        lasting = at.user("ana").conversation(chat_id)

        async def page() -> int:
            return len((await lasting.history()).items)

        figures |= spread("history.page50.python", await awaited(page))
    if sys.platform == "linux":
        ran = subprocess.run([sys.executable, "-c", MEMORY, path, chat_id], check=True, capture_output=True, text=True)  # noqa: ASYNC221, S603
        figures["history.open_100k.memory_mb"] = (float(ran.stdout), "MB")
    return figures


async def agents_session(folder: Path) -> Figures:
    """The session of the OpenAI Agents SDK."""
    session = SQLiteSession("ana", folder / "agents.db")
    for first in range(0, MESSAGES, 1_000):
        await session.add_items(
            [{"role": "user" if is_users(n) else "assistant", "content": text(n)} for n in range(first, first + 1_000)]
        )

    async def page() -> int:
        return len(await session.get_items(limit=50))

    figures = spread("peers.openai_agents.page50", await awaited(page))
    session.close()
    return figures


class Base(DeclarativeBase):
    """Tables of the ORM."""


class Row(Base):
    """A message, as one would write it down."""

    __tablename__ = "message"
    __table_args__ = (Index("message_of_chat", "chat", "id"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    chat: Mapped[str] = mapped_column(String)
    role: Mapped[str] = mapped_column(String)
    words: Mapped[str] = mapped_column(String)


def orm(folder: Path) -> Figures:
    """SQLAlchemy's ORM, paging by a key, a session for each page as a web service has it."""
    database = create_engine(f"sqlite:///{folder / 'orm.db'}")
    Base.metadata.create_all(database)
    with Session(database) as session:
        session.add_all(
            [Row(chat="ana", role="user" if is_users(n) else "assistant", words=text(n)) for n in range(MESSAGES)]
        )
        session.commit()
    newest = select(Row).where(Row.chat == "ana").order_by(Row.id.desc()).limit(50)

    def page() -> int:
        with Session(database) as session:
            return len(session.scalars(newest).all())

    figures = spread("peers.sqlalchemy.page50", timed(page))
    database.dispose()
    return figures


def langchain(folder: Path) -> Figures:
    """LangChain's history in SQL, which has no pages: all of it is read."""
    history = SQLChatMessageHistory("ana", connection=f"sqlite:///{folder / 'langchain.db'}")
    messages: list[BaseMessage] = [
        HumanMessage(text(n)) if is_users(n) else AIMessage(text(n)) for n in range(MESSAGES)
    ]
    history.add_messages(messages)
    return spread("peers.langchain_sql.page50", timed(lambda: len(history.messages[-50:]), WHOLE))


async def lags(until: asyncio.Event) -> list[float]:
    """How much later than asked for the loop comes back, again and again."""
    late = []
    while not until.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.002)
        late.append(time.perf_counter() - began - 0.002)
    return late


async def lag(folder: Path) -> Figures:
    """How long a loop waits for its turn while 200 streams run and pages are read; and with nothing to do."""
    idle = asyncio.Event()
    asyncio.get_running_loop().call_later(1, idle.set)
    figures = spread("python.loop_lag_idle", await lags(idle))
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220, S603
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    lab: ProviderSpec = {"name": "lab", "base_url": f"{url}/v1"}
    settings = {"network": {"max_connections": STREAMS}}
    async with AsyncTertulia(str(folder / "lag.db"), providers=[lab], settings=settings) as t:
        chats = [t.user("ana").new_conversation() for _ in range(STREAMS)]
        long = t.user("bo").new_conversation()
        await long.append([{"role": "user", "content": text(n)} for n in range(1_000)])
        done = asyncio.Event()

        async def stream(chat: AsyncConversation) -> None:
            async for _ in chat.stream("hello", model=f"lab/sim:words={WORDS};first_ms=200;delay_ms=50"):
                pass

        async def read() -> int:
            pages = 0
            while not done.is_set():
                pages += len((await long.history()).items) == 50
                await asyncio.sleep(0.01)
            return pages

        waiting, reading = asyncio.create_task(lags(done)), asyncio.create_task(read())
        await asyncio.gather(*(stream(chat) for chat in chats))
        done.set()
        figures |= spread("python.loop_lag", await waiting)
        assert await reading > 0
    server.communicate()
    return figures


async def measured() -> Figures:
    """All of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = await engine(folder)
        figures |= await agents_session(folder)
        figures |= orm(folder)
        figures |= langchain(folder)
        return figures | await lag(folder)


def main(target: Path) -> None:
    """Measure, print, and add the figures to the file."""
    figures = asyncio.run(measured())
    for name, (value, unit) in figures.items():
        print(f"{name:<44} {value:>12.2f} {unit}")
    known = json.loads(target.read_text()) if target.exists() else {}
    known |= {name: {"value": value, "unit": unit} for name, (value, unit) in figures.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(known, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "target/bench.json"))
