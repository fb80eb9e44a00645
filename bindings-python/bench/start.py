"""What `import tertulia` takes over Python with asyncio: time, and memory.

Each is a process of its own, one after the other in turns, the median of many; times are by the clock on the wall, of an
import that the system's cache of files has seen before.

    python bindings-python/bench/start.py [bench.json]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 31
BEFORE, IMPORT = "import asyncio", "import tertulia"
PROGRAM = """
import time
{before}
began = time.perf_counter()
{work}
took = (time.perf_counter() - began) * 1e3
with open("/proc/self/status") as status:
    resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
print(took, resident)
"""


def once(work: str) -> tuple[float, float]:
    """Milliseconds of the work, and the megabytes that the process holds behind it."""
    program = PROGRAM.format(before=BEFORE, work=work)
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    took, resident = (float(word) for word in told.split())
    return took, resident


def main(target: Path) -> None:
    """Measure, print, and add the figures to the file."""
    once(IMPORT)
    rounds = [(once("pass"), once(IMPORT)) for _ in range(ROUNDS)]
    figures = {
        "import_ms": (statistics.median(with_it[0] - bare[0] for bare, with_it in rounds), "ms"),
        "import_mb": (statistics.median(with_it[1] - bare[1] for bare, with_it in rounds), "MB"),
    }
    for name, (value, unit) in figures.items():
        print(f"{name:<24} {value:>10.2f}  {unit}")
    known = json.loads(target.read_text()) if target.exists() else {}
    known |= {f"python.{name}": {"value": value, "unit": unit} for name, (value, unit) in figures.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(known, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "target/bench.json"))
