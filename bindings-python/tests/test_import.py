"""What importing costs: classes, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import tertulia


def run(source: str) -> str:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")
def test_the_import_opens_no_thread_and_no_file() -> None:
    source = """
import os
def state():
    return sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")), len(os.listdir("/proc/self/task"))
before = state()
import tertulia
after = state()
assert before == after, (before, after)
print("same")
"""
    assert run(source) == "same"


def test_the_import_loads_no_asyncio_no_typing_and_no_dependency() -> None:
    loaded = run(
        "import sys; before = set(sys.modules); import tertulia; print(*sorted(set(sys.modules) - before))"
    ).split()
    assert set(loaded) <= {"tertulia", "tertulia._native", "tertulia._errors", "tertulia._shared", "__future__"}, loaded


def test_every_public_name_is_there() -> None:
    for name in tertulia.__all__:
        assert getattr(tertulia, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tertulia.nothing  # noqa: B018
