"""The stub is held to the truth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_stub_says_what_is_there() -> None:
    folder = Path(__file__).parent.parent
    command = [sys.executable, "-m", "mypy.stubtest", "tertulia", "--concise"]
    command += ["--allowlist", str(folder / "stubtest-allow.txt"), "--mypy-config-file", str(folder / "stubtest.ini")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
