#!/usr/bin/env python3
"""Run every test and check, time each, and end with the plain truth: ``N passed, N failed``.

    tools/run_tests.py            everything (``make test``)
    tools/run_tests.py check      the quick part (``make check``)
    tools/run_tests.py kotlin     the mobile border alone (``make test-kotlin``)
    tools/run_tests.py swift      the same in Swift (``make test-swift``)
    tools/run_tests.py scenarios  what all languages do alike alone (``make scenarios``)
    tools/run_tests.py simulate   the proofs by simulation alone (``make simulate``)
    tools/run_tests.py docs       the pages of every language alone (``make docs``)

The figures are read from what the runners themselves say. A step of tests that ran none has failed, and so has one
whose runner ends badly without naming a failed test. Steps are data (:func:`all_steps`): to add one is to add a line.
With ``CI=true`` a missing tool is a failure; elsewhere its step is named at the end as left out. Stdlib only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import border
import mobile
import swift

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv" / "bin"
REQUIREMENTS = ROOT / "bindings-python" / "requirements-dev.txt"
WASM = "wasm32-unknown-unknown"
STEP_LIMIT_SECONDS = 60 * 60
# Part of the check; among all tests it would run, and count, twice.
FLOORS = "rust: floors"
# What the steps of the scenarios gave in Rust.
TOLD = border.target().parent / "scenarios"
TOLD_IN_KOTLIN = ROOT / "bindings-kotlin/target/told"
TOLD_IN_SWIFT = border.target().parent / "scenarios-swift"


@dataclass(frozen=True)
class Counts:
    """How many tests a runner says it ran."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def cargo_counts(output: str) -> Counts:
    """Sum the ``test result:`` lines of cargo."""
    lines = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", output, re.MULTILINE)
    return sum((Counts(*map(int, line)) for line in lines), Counts())


def pytest_counts(output: str) -> Counts:
    """Read pytest's last line: ``1 failed, 12 passed, 1 error in 3.21s``."""
    summaries = re.findall(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s", output, re.MULTILINE)
    if not summaries:
        return Counts()
    words: dict[str, int] = {}
    for number, word in re.findall(r"(\d+) ([a-z]+)", summaries[-1]):
        words[word.removesuffix("s")] = int(number)
    return Counts(
        words.get("passed", 0),
        words.get("failed", 0) + words.get("error", 0) + words.get("xpassed", 0),
        words.get("skipped", 0) + words.get("xfailed", 0),
    )


def unittest_counts(output: str) -> Counts:
    """Read the end of unittest: ``Ran 5 tests in 0.1s`` and ``FAILED (failures=1, errors=2)``."""
    ran = re.findall(r"^Ran (\d+) tests? in", output, re.MULTILINE)
    if not ran:
        return Counts()
    bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", output.rsplit("Ran ", 1)[-1]))
    skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", output.rsplit("Ran ", 1)[-1]))
    return Counts(int(ran[-1]) - bad - skipped, bad, skipped)


def maven_counts(output: str) -> Counts:
    """Read surefire's totals, the line without a time: ``[INFO] Tests run: 5, Failures: 1, Errors: 0, Skipped: 1``."""
    totals = re.findall(
        r"^\[\w+\] Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)\s*$", output, re.MULTILINE
    )
    if not totals:
        return Counts()
    ran, failures, errors, skipped = map(int, totals[-1])
    return Counts(ran - failures - errors - skipped, failures + errors, skipped)


def plain_counts(output: str) -> Counts:
    """Read the last ``N passed, N failed`` of a runner of ours, with or without ``, N skipped``."""
    lines = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", output, re.MULTILINE)
    return Counts(*(int(number or 0) for number in lines[-1])) if lines else Counts()


def scenario_counts(output: str) -> Counts:
    """Read what a runner of scenarios says at its end: ``rust: 55 passed, 0 failed``."""
    lines = re.findall(r"^\w+: (\d+) passed, (\d+) failed$", output, re.MULTILINE)
    return Counts(*map(int, lines[-1])) if lines else Counts()


def swift_counts(output: str) -> Counts:
    """Count what Swift Testing says of each test: ``Test "a reply" passed after 0.1 seconds.``; its sum counts none."""
    said = re.findall(
        r"^\S+ Test (?!run with )(.+) (passed|failed) after [\d.]+ seconds(?: with \d+ issues?)?\.$",
        output,
        re.MULTILINE,
    )
    skipped = len(re.findall(r"^\S+ Test .+ skipped", output, re.MULTILINE))
    failed = sum(word == "failed" for _, word in said)
    return Counts(len(said) - failed, failed, skipped)


@dataclass(frozen=True)
class Step:
    """One command. With ``count`` it is a step of tests, without one a check, which only passes or fails."""

    name: str
    command: tuple[str, ...]
    count: Callable[[str], Counts] | None = None
    in_check: bool = False
    after: str | None = None
    missing: Callable[[], str | None] = lambda: None


@dataclass
class Outcome:
    """What became of a step."""

    step: Step
    counts: Counts = Counts()
    seconds: float = 0.0
    left_out: str | None = None
    problem: str | None = None


def no_tool(*names: str) -> Callable[[], str | None]:
    """Say which of these programs is not there."""

    def missing() -> str | None:
        absent = [name for name in names if shutil.which(name) is None]
        return f"{', '.join(absent)} not found" if absent else None

    return missing


def no_target(*targets: str) -> Callable[[], str | None]:
    """Add these targets of Rust when they are not there; say so when that fails."""

    def missing() -> str | None:
        return next((problem for target in targets if (problem := absent(target))), None)

    def absent(target: str) -> str | None:
        asked = ["rustc", "--print", "target-libdir", "--target", target]
        libdir = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
        if libdir.returncode == 0 and Path(libdir.stdout.strip()).is_dir():
            return None
        if shutil.which("rustup") is None:
            return f"the target {target} is not installed, and there is no rustup to add it"
        added = subprocess.run(["rustup", "target", "add", target], cwd=ROOT, check=False)
        return None if added.returncode == 0 else f"rustup could not add the target {target}"

    return missing


def no_swift() -> str | None:
    """Set the toolchain of Swift up where everything must run; say so when it is not there."""
    if swift.at_hand():
        return None
    if not must_run():
        return "no Swift; `tools/swift.py setup` fetches Debian's into a folder of its own"
    made = subprocess.run([sys.executable, "tools/swift.py", "setup"], cwd=ROOT, check=False)
    return None if made.returncode == 0 else "no Swift, and it could not be set up"


def must_run() -> bool:
    """Whether a missing tool is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def existing(*paths: str) -> tuple[str, ...]:
    """Keep the paths that the project has."""
    return tuple(path for path in paths if (ROOT / path).exists())


LIBRARY, CURRENT = "border: library", "border: bindings are current"


def border_step() -> Step:
    """Build what the languages of apps load, and what they are tested with."""
    return Step(LIBRARY, border.BUILD)


def current_step() -> Step:
    """Check that the committed code is what is made of the library."""
    return Step(CURRENT, (sys.executable, "tools/border.py", "check"), after=LIBRARY)


def kotlin_step() -> Step:
    """Run the tests in Kotlin, scenarios included."""
    return Step(
        "kotlin: tests",
        ("mvn", "-B", "-ntp", "-f", "bindings-kotlin/pom.xml", f"-Dnative.dir={border.target()}", "test"),
        maven_counts,
        after=CURRENT,
        missing=no_tool("java"),
    )


def played_in_kotlin() -> Step:
    """Play in Kotlin the scenarios alone."""
    mvn = ("mvn", "-B", "-ntp", "-f", "bindings-kotlin/pom.xml", f"-Dnative.dir={border.target()}")
    command = (*mvn, "test", "-Dtest=ScenariosTest")
    return Step("scenarios: kotlin", command, scenario_counts, after=LIBRARY, missing=no_tool("java"))


def android_step() -> Step:
    """Compile what the package for Android holds besides; it needs a phone to run."""
    command = ("mvn", "-B", "-ntp", "-q", "-f", "bindings-kotlin/pom.xml", "-Pandroid", "compile")
    return Step("kotlin: Android", command, missing=no_tool("java"))


def compose_step() -> Step:
    """Run the example in Compose, drawn without a window. It compiles the package along."""
    pom = ("-f", "examples/compose/pom.xml", f"-Dnative.dir={border.target()}", f"-Ddrawn.on={drawn_on()}")
    return Step(
        "examples: Compose", ("mvn", "-B", "-ntp", *pom, "test"), maven_counts, after=CURRENT, missing=no_tool("java")
    )


def drawn_on() -> str:
    """Name this machine as the library does that draws for Compose."""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
    return f"{system}-{'arm64' if platform.machine().lower() in {'arm64', 'aarch64'} else 'x64'}"


def screens_step() -> Step:
    """Check the types of the example in SwiftUI, and test what it stands on."""
    return Step(
        "examples: SwiftUI",
        (sys.executable, "tools/swift.py", "screens"),
        swift_counts,
        after=CURRENT,
        missing=no_swift,
    )


def phones_step() -> Step:
    """Compile the library for phones. No SDK of theirs is needed, as nothing is linked."""
    command = (sys.executable, "tools/mobile.py", "check")
    return Step("mobile: iOS and Android", command, after=ENVIRONMENT, missing=no_target(*mobile.CHECKED))


def swift_format_step() -> Step:
    """Hold what is written in Swift to its form."""
    return Step("swift: format", (sys.executable, "tools/swift.py", "format"), in_check=True, missing=no_swift)


def tested_in_swift() -> Step:
    """Run the tests in Swift."""
    command = (sys.executable, "tools/swift.py", "test")
    return Step("swift: tests", command, swift_counts, after=CURRENT, missing=no_swift)


def played_in_swift(after: str = CURRENT) -> Step:
    """Play in Swift the scenarios alone."""
    command = (sys.executable, "tools/swift.py", "scenarios", "--tell", str(TOLD_IN_SWIFT))
    return Step("scenarios: swift", command, scenario_counts, after=after, missing=no_swift)


def kotlin_steps() -> Iterable[Step]:
    """List the steps of the mobile border: its library, its committed code, its tests in Kotlin."""
    yield from (environment_step(), border_step(), current_step(), kotlin_step(), android_step(), compose_step())


def swift_steps() -> Iterable[Step]:
    """List the same in Swift."""
    yield from (swift_format_step(), environment_step(), border_step(), current_step())
    yield from (tested_in_swift(), played_in_swift(), screens_step())


WHEEL, INSTALLED, ENVIRONMENT = "python: wheel", "python: installed wheel", "python: environment"


def wheel_steps() -> Iterable[Step]:
    """List what it takes until Python can import the package."""
    python = str(VENV / "python")
    yield Step(
        WHEEL,
        (str(VENV / "maturin"), "build", "--locked", "--out", "dist", "--interpreter", python),
        after=ENVIRONMENT,
    )
    yield Step(
        INSTALLED,
        (python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", "--no-index",
         "--find-links", "dist", "tertulia"),
        after=WHEEL,
    )  # fmt: skip


def environment_step() -> Step:
    """Make the environment of Python."""
    return Step(ENVIRONMENT, (sys.executable, str(Path(__file__)), "environment"), in_check=True)


SCENARIOS_OF_RUST = "scenarios: rust"


def played_in_rust(after: str) -> Step:
    """Play the scenarios in Rust, and leave what every step gave for the other languages."""
    runner = str(border.target() / "tertulia-scenarios")
    return Step(SCENARIOS_OF_RUST, (runner, "--tell", str(TOLD)), scenario_counts, after=after)


def played_in_python() -> Step:
    """Play the scenarios in both ways of Python; every result must be what it was in Rust."""
    runner = (str(VENV / "python"), "tests/scenarios/play.py", "--beside", str(TOLD))
    return Step("scenarios: python", runner, scenario_counts, after=INSTALLED)


def beside_rust(language: str, told: Path, missing: Callable[[], str | None]) -> Step:
    """Compare every field that a language told of the scenarios with what Rust told."""
    command = (sys.executable, "tests/scenarios/beside.py", str(TOLD), str(told))
    name = f"scenarios: {language} beside rust"
    return Step(name, command, scenario_counts, after=SCENARIOS_OF_RUST, missing=missing)


def scenario_steps() -> Iterable[Step]:
    """List the scenarios in every language, and the check that no public verb is without one."""
    built = "scenarios: runner in rust"
    yield parity_step()
    yield Step(built, ("cargo", "build", "--locked", "-p", "tertulia-scenarios"))
    yield played_in_rust(built)
    yield environment_step()
    yield from wheel_steps()
    yield played_in_python()
    yield border_step()
    yield from (played_in_kotlin(), beside_rust("kotlin", TOLD_IN_KOTLIN, no_tool("java")))
    yield from (played_in_swift(LIBRARY), beside_rust("swift", TOLD_IN_SWIFT, no_swift))


def parity_step() -> Step:
    """Check that every public verb has a scenario, and is there in every language."""
    return Step("scenarios: parity", (sys.executable, "tests/scenarios/parity.py"), in_check=True)


def page_steps() -> Iterable[Step]:
    """List the pages of every language, each written by its own tool; what that warns of is a failure."""
    write = (sys.executable, "tools/docs.py")
    yield Step("docs: pages, Python", (*write, "pages"), after=ENVIRONMENT)
    yield Step("docs: Rust", (*write, "rust"))
    yield Step("docs: Kotlin", (*write, "kotlin"), missing=no_tool("java", "mvn"))
    yield Step("docs: Swift", (*write, "swift"), missing=no_swift)


def docs_steps() -> Iterable[Step]:
    """List the same with what they stand on."""
    yield from (environment_step(), *page_steps())


def simulation_steps() -> Iterable[Step]:
    """List the proofs that a seed and a paused clock make repeatable. All of them are among the tests as well."""
    test = ("cargo", "test", "--locked", "-p", "tertulia")
    shown = ("--", "--show-output")
    yield Step("simulate: policies", (*test, "--lib", "policy::", *shown), cargo_counts)
    yield Step("simulate: layers", (*test, "--lib", "call::tests::", *shown), cargo_counts)
    yield Step("simulate: calls", (*test, "--test", "simulation", *shown), cargo_counts)
    yield Step("simulate: queues", (*test, "--test", "admission", *shown), cargo_counts)
    yield Step("simulate: money", (*test, "--test", "budgets", *shown), cargo_counts)
    yield Step("simulate: money, processes", (*test, "--lib", "store::sqlite::tests::spending", *shown), cargo_counts)
    yield Step("simulate: outbox", (*test, "--test", "outage", *shown), cargo_counts)


def all_steps() -> Iterable[Step]:
    """List the steps, those that fail fastest first."""
    clippy = ("cargo", "clippy", "--locked")
    strict = ("--", "-D", "warnings")
    test = ("cargo", "test", "--locked", "--workspace", "--all-features", "--no-fail-fast")
    # As the tests have built them: built alone they would be built anew, with other features.
    built = ("tertulia-conformance", "tertulia-crash", "tertulia-load", "tertulia-trials")
    conformance, crash, load, trials = (str(border.target() / name) for name in built)
    tests = "rust: tests"
    python = str(VENV / "python")
    typed = existing("tools", "core/data", "bindings-python/python", "examples/python", "tests/scenarios", "tests/soak")
    bound, ready = existing("bindings-python/requirements-dev.txt"), ENVIRONMENT

    yield Step(
        "tools: tests", (sys.executable, "-m", "unittest", "discover", "-s", "tools"), unittest_counts, in_check=True
    )
    if bound:  # first: the lints of the binding's crate ask its interpreter
        yield environment_step()
    yield Step("rust: format", ("cargo", "fmt", "--all", "--check"), in_check=True)
    yield Step("rust: lints", (*clippy, "--workspace", "--all-targets", *strict), in_check=True)
    yield Step(
        "rust: lints, all features", (*clippy, "--workspace", "--all-targets", "--all-features", *strict), in_check=True
    )
    # As apps build it: without what the rest of the workspace brings along.
    alone = ("-p", "tertulia-ffi", "--no-default-features")
    yield Step("rust: lints, mobile", (*clippy, "-p", "tertulia", *alone, *strict), in_check=True)
    yield Step(
        "rust: floors without I/O, WebAssembly",
        ("cargo", "check", "--locked", "-p", "tertulia", "--no-default-features", "--target", WASM),
        in_check=True,
        missing=no_target(WASM),
    )
    yield Step(
        FLOORS,
        ("cargo", "test", "--locked", "-p", "tertulia", "--test", "architecture"),
        cargo_counts,
        in_check=True,
    )
    yield Step(tests, (*test, "--lib", "--bins", "--tests", "--examples"), cargo_counts)
    yield Step("rust: doctests", (*test, "--doc"), cargo_counts)
    if existing("sqlcipher/Cargo.toml"):
        # A workspace of its own: nobody else builds OpenSSL, or is tested on another SQLite.
        encrypted = ("cargo", "test", "--locked", "--manifest-path", "sqlcipher/Cargo.toml")
        yield Step("rust: SQLCipher", encrypted, cargo_counts, missing=no_tool("cc", "perl", "make"))
    if existing("tests/conformance/Cargo.toml"):
        for cases in existing("tests/conformance/cases", "../shared/wire"):
            yield Step(f"conformance: {cases}", (conformance, cases), plain_counts, after=tests)
        for cases in existing("../shared/wire"):
            yield Step(f"conformance: agents on {cases}", (conformance, "loops", cases), plain_counts, after=tests)
    yield parity_step()
    # No test of the workspace has cargo build this program; with the features of the tests it is only linked.
    player = "scenarios: runner in rust"
    build = ("cargo", "build", "--locked", "--workspace", "--all-features", "--bin", "tertulia-scenarios")
    yield Step(player, build, after=tests)
    yield played_in_rust(player)
    if existing("tests/crash/Cargo.toml"):
        yield Step("crash: 2,000 kills", (crash, "2000"), plain_counts, after=tests)
        yield Step("crash: the outbox", (crash, "outbox"), plain_counts, after=tests)
        yield Step("crash: 8 processes together", (crash, "together", "10"), plain_counts, after=tests)
        yield Step("crash: 5,000 power cuts", (crash, "images", "5000"), plain_counts, after=tests)
        yield Step("crash: a failing disk", (crash, "faults", "60"), plain_counts, after=tests)
    if existing("tests/trials/Cargo.toml"):
        yield Step("trials: 500 kills of agents", (trials, "500"), plain_counts, after=tests)
    if existing("tests/load/Cargo.toml"):
        yield Step("load: 20 chats", (load, "20", "--only-success"), plain_counts, after=tests)
    if bound:
        yield Step("python: lints", (str(VENV / "ruff"), "check"), in_check=True, after=ready)
        yield Step("python: format", (str(VENV / "ruff"), "format", "--check"), in_check=True, after=ready)
        yield Step("python: types", (str(VENV / "mypy"), *typed), in_check=True, after=ready)
        yield from wheel_steps()
        if existing("examples/python"):
            yield Step("python: types of the examples", (str(VENV / "pyright"),), after=INSTALLED)
        yield Step("python: tests", (python, "-m", "pytest"), pytest_counts, after=INSTALLED)
        yield played_in_python()
        yield from soaked("--cancels", "50", "--calls", "2000", "--streams", "1000", "rust", "python")
    yield swift_format_step()
    yield phones_step()
    yield from (border_step(), current_step(), kotlin_step(), android_step(), compose_step())
    yield beside_rust("kotlin", TOLD_IN_KOTLIN, no_tool("java"))
    yield from (tested_in_swift(), played_in_swift(), beside_rust("swift", TOLD_IN_SWIFT, no_swift), screens_step())
    yield from page_steps()


def soaked(*how: str) -> Iterable[Step]:
    """List what it takes to leave in the middle, over and over; how often and where is said by these or by the environment."""
    program = "soak: program in rust"
    build = ("cargo", "build", "--locked", "--workspace", "--all-features", "--bin", "tertulia-soak")
    yield Step(program, build)
    yield Step("soak", (sys.executable, "tests/soak/soak.py", *how), plain_counts, after=program)


def soak_steps() -> Iterable[Step]:
    """List the whole of it, in all languages."""
    yield from (environment_step(), border_step(), *wheel_steps(), *soaked())


PARTS: dict[str, Callable[[], Iterable[Step]]] = {
    "kotlin": kotlin_steps,
    "swift": swift_steps,
    "scenarios": scenario_steps,
    "simulate": simulation_steps,
    "soak": soak_steps,
    "docs": docs_steps,
}


def make_environment() -> int:
    """Create .venv with what requirements-dev.txt pins, unless it stands already."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV.parent / "requirements.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV.parent)], check=True)
    pip = [str(VENV / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    stamp.write_text(wanted)
    return 0


def say(text: str) -> None:
    """Write a line, now."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def stream(command: tuple[str, ...], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command, show its output as it comes, and hand it back."""
    output: list[str] = []
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

    def end() -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    limit = threading.Timer(STEP_LIMIT_SECONDS, end)
    limit.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            output.append(line)
        return process.wait(), "".join(output)
    finally:
        limit.cancel()
        end()


def judge(step: Step, code: int, output: str) -> tuple[Counts, str | None]:
    """Say what a finished command is worth: its counts, and what is wrong with it besides failed tests."""
    counts = step.count(output) if step.count else Counts()
    if code != 0 and counts.failed == 0:
        return counts + Counts(failed=1), f"ended with {code}"
    if step.count and counts.passed + counts.failed == 0:
        return Counts(failed=1), "ran no test at all"
    return counts, None


def run(step: Step, done: dict[str, Outcome], environment: dict[str, str], strict: bool) -> Outcome:
    """Run one step, unless what it stands on is missing."""
    before = done.get(step.after or "")
    if before and (before.problem or before.left_out):
        return Outcome(step, Counts(failed=1), problem=f"not run, because `{step.after}` did not pass")
    tool = no_tool(step.command[0])() or step.missing()
    if tool and strict:
        return Outcome(step, Counts(failed=1), problem=tool)
    if tool:
        return Outcome(step, left_out=tool)
    started = time.monotonic()
    code, output = stream(step.command, environment)
    counts, problem = judge(step, code, output)
    return Outcome(step, counts, time.monotonic() - started, problem=problem)


def report(outcomes: list[Outcome]) -> Counts:
    """Write what took long, what was left out and what failed, and the plain line at the very end."""
    say("\nThe slowest steps:")
    for outcome in sorted(outcomes, key=lambda o: -o.seconds)[:10]:
        say(f"{outcome.seconds:8.1f} s  {outcome.step.name}")
    for outcome in outcomes:
        if outcome.left_out:
            say(f"left out: {outcome.step.name} ({outcome.left_out})")
    for outcome in outcomes:
        if outcome.counts.failed:
            say(f"FAILED: {outcome.step.name}: {outcome.problem or f'{outcome.counts.failed} failed'}")
    total = sum((outcome.counts for outcome in outcomes), Counts())
    if total.skipped:
        say(f"{total.skipped} skipped")
    say(f"{total.passed} passed, {total.failed} failed")
    return total


def main() -> int:
    """Run the steps of the part that was asked for."""
    # Whoever is started in the background ignores Ctrl-C, and so would all tests of Ctrl-C: they would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description="Run every test and check.")
    parser.add_argument("part", nargs="?", default="test", choices=["test", "check", *PARTS, "environment"])
    part = parser.parse_args().part
    if part == "environment":
        return make_environment()
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    if REQUIREMENTS.exists():
        environment["PYO3_PYTHON"] = str(VENV / "python")
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "bin"
    os.environ["PATH"] = environment["PATH"] = f"{os.environ.get('PATH', '')}{os.pathsep}{cargo_home}"
    if shutil.which("cargo") is None:
        say("Rust is missing: install it from https://rustup.rs")
        say("0 passed, 1 failed")
        return 1
    strict = must_run()
    if strict:
        environment["CARGO_INCREMENTAL"] = "0"  # nothing is built a second time
        environment["CARGO_PROFILE_DEV_DEBUG"] = "0"  # panics name their line without it
        environment["CARGO_PROFILE_TEST_DEBUG"] = "0"
    done: dict[str, Outcome] = {}
    for step in PARTS.get(part, all_steps)():
        wanted = step.in_check if part == "check" else step.name != FLOORS
        if not wanted:
            continue
        say(f"\n=== {step.name}\n$ {' '.join(step.command)}")
        done[step.name] = run(step, done, environment, strict)
        if problem := done[step.name].problem:
            say(f"--- {problem}")
    return 1 if report(list(done.values())).failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
