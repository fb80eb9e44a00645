"""The engine's log in Python's own logging."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import tertulia as t
from tertulia.testing import Simulator


class Seen(logging.Handler):
    """Keeps the records, and lets a test wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.came = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self.came:
            self.records.append(record)
            self.came.notify_all()


@pytest.fixture
def seen() -> Iterator[Seen]:
    handler, logger = Seen(), logging.getLogger("tertulia")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    t.forward_logs()


def run_an_engine() -> None:
    with Simulator() as sim, t.Tertulia("memory:", providers=[sim.provider()], model="sim/any") as engine:
        engine.user().new_conversation().send("canary")


def flush(seen: Seen) -> None:
    """Waits for the last record of an engine: they come from a thread of their own, in order."""
    with seen.came:
        assert seen.came.wait_for(lambda: any(r.getMessage().startswith("closed") for r in seen.records), 10)


def test_records_arrive_with_level_logger_and_fields(seen: Seen) -> None:
    logging.getLogger("tertulia").setLevel(logging.DEBUG)
    run_an_engine()
    flush(seen)
    names = {record.name for record in seen.records}
    assert "tertulia.engine" in names and all(name.startswith("tertulia.") for name in names)
    opened = next(record for record in seen.records if record.getMessage().startswith("opened"))
    assert opened.levelno == logging.INFO and opened.tertulia["operation"] == "open"
    assert "canary" not in "".join(record.getMessage() + str(record.tertulia) for record in seen.records)


def test_a_level_that_nobody_wants_is_not_forwarded(seen: Seen) -> None:
    logging.getLogger("tertulia").setLevel(logging.CRITICAL)
    run_an_engine()
    assert seen.records == []


def test_a_level_may_be_changed_while_an_engine_is_open(seen: Seen) -> None:
    logging.getLogger("tertulia").setLevel(logging.CRITICAL)
    with t.Tertulia("memory:") as engine:
        engine.open()
        logging.getLogger("tertulia").setLevel(logging.INFO)
        t.forward_logs()
    flush(seen)
    assert [record.getMessage() for record in seen.records if record.name == "tertulia.engine"]


def test_a_program_without_logging_hears_nothing_and_ends() -> None:
    source = "import tertulia\nwith tertulia.Tertulia('memory:', model='echo/any') as t: print(t.ask('hi').status)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_records_of_a_program_that_ends_are_not_lost() -> None:
    source = (
        "import logging, tertulia\nlogging.basicConfig(level=logging.INFO, format='%(name)s %(message)s')\n"
        "with tertulia.Tertulia('memory:', model='echo/any') as t: t.ask('hi')"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "tertulia.engine opened" in done.stderr and "tertulia.engine closed" in done.stderr
