#!/usr/bin/env python3
"""Write the pages of every language, and fail at what is wrong with them.

    tools/docs.py pages     the folder `docs` as a site, with every public word of Python; into target/docs/pages
    tools/docs.py rust      rustdoc; into target/doc
    tools/docs.py kotlin    Dokka; into target/docs/kotlin. Needs a JDK and Maven
    tools/docs.py swift     DocC; into target/docs/swift. Needs Swift 6

Wrong is what the tools warn of (a link that leads nowhere, a parameter that is not there), and a public word that nobody
explains. What generators add for themselves needs no explanation. Stdlib only.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import border
import swift

PYTHON = border.ROOT / "bindings-python" / "python" / "tertulia"
MKDOCS = border.ROOT / ".venv" / "bin" / "mkdocs"
PAGES = border.ROOT / "docs" / "api"
FOLDER = border.target().parent / "docs"
STUBS = ("_native.pyi", "_errors.py", "_shared.py")
DOKKA = "org.jetbrains.dokka:dokka-maven-plugin:dokka"
# What UniFFI, Kotlin itself and their companions write: nobody can explain it, and nobody has to.
OF_GENERATORS = re.compile(
    r"^(uniffi\w+|Disposable|InternalException|.*\b(FfiConverter|ErrorHandler|Companion)\b.*|\w+Exception\.\w+/message/.*"
    r"|.*/(destroy|close|values|valueOf|entries|toString)/.*)"
)
# The target is asked for: that of Debian has a name of its own.
EXTRACT = (
    'exec swift-symbolgraph-extract -target "$(swift -print-target-info | sed -n '
    '\'s/.*"triple": "\\(.*\\)".*/\\1/p\''
    ')" "$@"'
)
# Of a record nobody writes its initializer, which names its fields, or its form in a log.
MADE_WITH_RECORDS = re.compile(r"^s:11TertuliaFFI.*(c|11descriptionSSvp)$")


class WrongError(Exception):
    """Something is wrong with the pages."""


def members(page: str) -> list[str]:
    """List the names that a page explains."""
    found = re.findall(r"members: \[(.*?)\]", page, re.DOTALL)
    return [name for names in found for name in re.findall(r"\w+", names)]


def exported(package: str) -> list[str]:
    """List the public names of a package of Python."""
    for node in ast.parse(package).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return list(ast.literal_eval(node.value))
    raise WrongError("the package of Python has no __all__")


def unlisted(names: Iterable[str], listed: Iterable[str]) -> list[str]:
    """Say which names stand on no page, on several, or on one without being there."""
    wanted, shown = list(names), list(listed)
    found = [f"{name} stands on no page of docs/api" for name in wanted if name not in shown]
    found += [f"{name} stands on a page of docs/api and is not public" for name in shown if name not in wanted]
    return found + [f"{name} stands on docs/api twice" for name in sorted(set(shown)) if shown.count(name) > 1]


def unexplained_in_python(source: str) -> list[str]:
    """Name the public classes, methods and functions without a docstring."""
    found: list[str] = []

    def look(body: list[ast.stmt], within: str) -> None:
        said: dict[str, bool] = {}
        for node in body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            # Of several forms of one function, one has to say what it does.
            said[node.name] = said.get(node.name, False) or ast.get_docstring(node) is not None
            if isinstance(node, ast.ClassDef):
                look(node.body, f"{within}{node.name}.")
        found.extend(f"{within}{name} has no docstring" for name, explained in said.items() if not explained)

    look(ast.parse(source).body, "")
    return found


def faults_of_dokka(output: str) -> list[str]:
    """Pick of what Dokka says what is wrong with comments of ours."""
    found: list[str] = []
    for line in re.findall(r"^\[(?:WARNING|ERROR)\] (.*)", output, re.MULTILINE):
        name = re.match(r"Undocumented: dev\.tertulia/(.*?) ?\(\w+\)$", line)
        if not name or not OF_GENERATORS.match(name[1]):
            found.append(line)
    return found


def unexplained_in_swift(graph: Mapping[str, Any]) -> list[str]:
    """Name the public symbols without a comment. A second name of something needs none."""
    return [
        f"{'.'.join(symbol['pathComponents'])} has no comment"
        for symbol in graph["symbols"]
        if "docComment" not in symbol
        and symbol["kind"]["identifier"] != "swift.typealias"
        and not MADE_WITH_RECORDS.match(symbol["identifier"]["precise"])
    ]


def refuse(found: list[str]) -> None:
    """End badly, with everything that is wrong."""
    if found:
        raise WrongError("\n".join(found))


def pages() -> None:
    """Write the site, its links and anchors looked up."""
    listed = [name for page in sorted(PAGES.glob("*.md")) for name in members(page.read_text("utf-8"))]
    found = unlisted(exported((PYTHON / "__init__.py").read_text("utf-8")), listed)
    for stub in STUBS:
        found += [f"{stub}: {fault}" for fault in unexplained_in_python((PYTHON / stub).read_text("utf-8"))]
    refuse(found)
    if not MKDOCS.exists():
        raise WrongError("mkdocs is missing: `tools/run_tests.py environment` fetches it into .venv")
    subprocess.run([MKDOCS, "build", "--strict", "--site-dir", FOLDER / "pages"], cwd=border.ROOT, check=True)


def rust() -> None:
    """Write the pages of the crate."""
    subprocess.run(
        ["cargo", "doc", "--locked", "--no-deps", "-p", "tertulia", "--all-features"],
        cwd=border.ROOT, env=os.environ | {"RUSTDOCFLAGS": "-D warnings"}, check=True,
    )  # fmt: skip


def kotlin() -> None:
    """Write the pages of the package for Kotlin, with what is generated of it."""
    written = FOLDER / "kotlin"
    shutil.rmtree(written, ignore_errors=True)
    done = subprocess.run(
        ["mvn", "-B", "-ntp", "-f", "bindings-kotlin/pom.xml", "-Pdocs", f"-Ddocs.dir={written}", DOKKA],
        cwd=border.ROOT, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise WrongError(f"{done.stdout}\nDokka ended with {done.returncode}")
    refuse(faults_of_dokka(done.stdout))
    if not (written / "tertulia/dev.tertulia/-tertulia/index.html").exists():
        raise WrongError("Dokka wrote no page of Tertulia")


def swift_pages() -> None:
    """Write the pages of the package for Swift, with the records that it hands on."""
    graph, written = FOLDER / "symbols", FOLDER / "swift"
    for folder in (graph, written):
        shutil.rmtree(folder, ignore_errors=True)
    graph.mkdir(parents=True)
    modules = Path(swift.SCRATCH[1]) / "debug" / "Modules"
    extract = (
        "-module-name", "Tertulia", "-experimental-allowed-reexported-modules=TertuliaFFI",
        "-I", str(modules), "-I", "Sources/CTertulia", "-output-dir", str(graph),
        "-minimum-access-level", "public", "-skip-synthesized-members",
    )  # fmt: skip
    named = ("--fallback-display-name", "Tertulia", "--fallback-bundle-identifier", "dev.tertulia")
    convert = ("docc", "convert", "--additional-symbol-graph-dir", str(graph), *named)
    for command in (
        ("swift", "build", *swift.SCRATCH, "--target", "Tertulia"),
        ("sh", "-c", EXTRACT, "extract", *extract),
        (*convert, "--warnings-as-errors", "--output-path", str(written)),
    ):
        if code := swift.run(command, swift.PACKAGE):
            raise WrongError(f"{command[0]} ended with {code}")
    refuse(unexplained_in_swift(json.loads((graph / "Tertulia.symbols.json").read_text("utf-8"))))


PARTS = {"pages": pages, "rust": rust, "kotlin": kotlin, "swift": swift_pages}


def main() -> int:
    """Write what the argument says."""
    if len(sys.argv) != 2 or sys.argv[1] not in PARTS:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    PARTS[sys.argv[1]]()
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (WrongError, swift.ImpossibleError, subprocess.CalledProcessError) as error:
        raise SystemExit(str(error)) from error
