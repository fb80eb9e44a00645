"""The ground of the tests of the command line: an environment without keys, and one whose provider is the simulator."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import KEPT, KEY, NOWHERE, Cli, Done
from tertulia.cli import main
from tertulia.testing import Simulator


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without a key, whatever this machine's holds, and without a model that runs here."""
    for name in os.environ:
        if name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERTULIA_HOME", str(tmp_path))
    monkeypatch.setenv("TERTULIA_OLLAMA_BASE_URL", NOWHERE)
    monkeypatch.setenv("TERTULIA_LLAMACPP_BASE_URL", f"{NOWHERE}/v1")


@pytest.fixture
def online(offline: None, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a key for the simulator, which stands in the place of a provider."""
    monkeypatch.setenv("TERTULIA_ANTHROPIC_BASE_URL", f"{sim.url}/v1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
def cli(offline: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    def run(*arguments: object, said: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # as argparse ends
            code = int(str(ended.code))
        found = capsys.readouterr()
        return Done(code, found.out, found.err)

    return run
