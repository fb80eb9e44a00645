"""Check that every public verb is played by a scenario, and is there in every language.

It reads what is public from the sources: the engine's handles in Rust, the stub in Python, the facade that Kotlin sees,
the handles of the package in Swift. A verb that is public there and not in ``format/verbs.json``, one that no scenario plays, one that a
language lacks without being named in the list of what it lacks, and one that is named there and is no longer lacking:
each is a line, and the end is ``N passed, N failed``. Needs nothing but Python.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from verbs import FOLDER, FORMAT, VERBS, keys, played

ROOT = FOLDER.parents[1]
# How scenarios name what the languages name otherwise.
WORDS = {"content": "say", "turn_id": "turn", "message_id": "message"}
NEXT = {"__next__", "__anext__"}
# How a step is played, and records of words that are arguments.
WAYS = {"read", "cancel_after", "detach_after", "until", "options", "change"}
# What the list of what stands apart was needed for.
EXCUSED: set[tuple[str, str]] = set()
RECORDS = {"options", "change", "tier", "changes", "budget"}


def rust(folder: Path) -> dict[str, set[str]]:
    """The public methods of each type, by what stands in the sources of a folder."""
    methods: dict[str, set[str]] = {}
    pattern = re.compile(r"^impl(?:<[^>]*>)? ([^{]*?)\s*\{|^    pub (?:async |const )*fn (\w+)", re.MULTILINE)
    for file in sorted(folder.rglob("*.rs")):
        if "tests" in file.stem:
            continue
        subject = ""
        for found in pattern.finditer(file.read_text("utf-8")):
            if found[1]:
                subject = found[1]
            else:
                methods.setdefault(subject, set()).add(found[2])
    return methods


def python() -> dict[str, dict[str, set[str]]]:
    """The public methods and properties of each class of the stub, with the names of their arguments."""
    stub = ast.parse((ROOT / "bindings-python/python/tertulia/_native.pyi").read_text("utf-8"))
    classes: dict[str, dict[str, set[str]]] = {}
    for item in stub.body:
        if not isinstance(item, ast.ClassDef):
            continue
        methods = classes.setdefault(item.name, {})
        for method in item.body:
            if isinstance(method, ast.FunctionDef) and (not method.name.startswith("_") or method.name in NEXT):
                given = [*method.args.posonlyargs, *method.args.args[1:], *method.args.kwonlyargs]
                names = {argument.arg for argument in given}
                names |= {rest.arg for rest in (method.args.vararg, method.args.kwarg) if rest}
                methods.setdefault("next" if method.name in NEXT else method.name, set()).update(
                    WORDS.get(name, name) for name in names
                )
    return classes


def swift() -> dict[str, set[str]]:
    """The public methods and properties of each class of the package, as scenarios name them."""
    methods: dict[str, set[str]] = {}
    pattern = re.compile(
        r"^(?:public final class|extension) (\w+)|^    public (?:static )?(?:func|var) (\w+)", re.MULTILINE
    )
    for file in sorted((ROOT / "bindings-swift/Sources/Tertulia").glob("*.swift")):
        subject = ""
        for found in pattern.finditer(file.read_text("utf-8")):
            if found[1]:
                subject = found[1]
            else:
                if found[2] == "makeAsyncIterator":  # what makes a sequence of a class
                    continue
                name = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", found[2])
                methods.setdefault(subject, set()).add(name)
    return methods


def apart(language: str, key: str) -> bool:
    """Whether this is public in a language and no verb of scenarios, for the reason that the list gives."""
    if key not in FORMAT["apart"].get(language, {}):
        return False
    EXCUSED.add((language, key))
    return True


def problems() -> Iterator[str]:
    """Each thing that is not as it should be."""
    EXCUSED.clear()
    found: set[str] = set()
    files = sorted(FOLDER.glob("*.json"))
    for file in files:
        found |= played(json.loads(file.read_text("utf-8"))["steps"])
    yield from (f"{key}: no scenario plays it" for key in VERBS if key not in found)
    yield from (f"{key}: no such verb" for key in sorted(found - set(VERBS)))

    in_rust, in_python = rust(ROOT / "core/src/engine"), python()
    facade, in_swift = rust(ROOT / "core/src/facade"), swift()
    for kind, names in FORMAT["handles"].items():
        verbs = {key.partition(".")[2]: verb for key, verb in VERBS.items() if key.startswith(f"{kind}.")}
        if "rust" in names:
            public = in_rust.get(names["rust"], set())
            yield from missing("rust", kind, set(verbs), public)
        for name in sorted({names["python"], "Async" + names["python"]} & set(in_python)):
            methods = in_python[name]
            yield from missing("python", kind, set(verbs), set(methods), name)
            for verb, words in methods.items():
                if verb in verbs and not apart("python", f"{kind}.{verb}") and "word" not in verbs[verb]:
                    yield from arguments(f"{name}.{verb}", f"{kind}.{verb}", words)
        offered = facade.get(names.get("facade", ""), set())
        offered = {"close" if verb == "shutdown" else verb for verb in offered}
        yield from lacked("facade", "Kotlin", kind, set(verbs), offered)
        yield from lacked("swift", "Swift", kind, set(verbs), in_swift.get(names["rust"], set()))
    for language in FORMAT["missing"]:
        lacking = set(FORMAT["missing"][language]["verbs"])
        title = language.title()
        yield from (f"{key}: named as lacking in {title}, and no verb" for key in sorted(lacking - set(VERBS)))
        for name in FORMAT["missing"][language]["scenarios"]:
            file = FOLDER / f"{name}.json"
            if not file.exists() or lacking & set(keys(json.loads(file.read_text("utf-8"))["steps"])):
                yield f"{name}: not there, or left out in {title} for its verbs; take it out of the list of scenarios"
    excused = {(language, key) for language, listed in FORMAT["apart"].items() for key in listed}
    yield from (f"{key}: stands apart in {language} without need" for language, key in sorted(excused - EXCUSED))


def lacked(where: str, language: str, kind: str, verbs: set[str], offered: set[str]) -> Iterator[str]:
    """What a language lacks, or has, unlike it is said in the list of what it lacks."""
    lacking = FORMAT["missing"][language.lower()]["verbs"]
    place = "the facade" if where == "facade" else language
    for verb in sorted(verbs):
        key = f"{kind}.{verb}"
        there = verb in offered or apart(where, key)
        if there and key in lacking:
            yield f"{key}: {place} has it; take it out of the list of what {language} lacks"
        if not there and key not in lacking:
            yield f"{key}: {place} lacks it"
    for verb in sorted(offered - verbs):
        if not apart(where, f"{kind}.{verb}"):
            yield f"{kind}.{verb}: public in {place}, and no verb of scenarios"


def missing(language: str, kind: str, verbs: set[str], public: set[str], name: str = "") -> Iterator[str]:
    """What is public and no verb, and the other way round."""
    where = f"{language} ({name})" if name else language
    for verb in sorted(public - verbs):
        if not apart(language, f"{kind}.{verb}"):
            yield f"{kind}.{verb}: public in {where}, and no verb of scenarios"
    for verb in sorted(verbs - public):
        if not apart(language, f"{kind}.{verb}"):
            yield f"{kind}.{verb}: {where} lacks it"


def arguments(method: str, key: str, words: set[str]) -> Iterator[str]:
    """Words of a verb that are no arguments, and arguments that are no words."""
    verb = VERBS[key]
    ours = {*verb.get("needs", ()), *verb.get("may", ())} - WAYS
    for record in ("options", "change"):
        if record in verb:
            ours |= {"expires_in" if word == "expires_in_ms" else word for word in FORMAT[record][verb[record]]}
    theirs = {word for word in words if word not in RECORDS or word in ours}
    if "options" in words:  # the knobs of a call, which a type of their own names
        ours -= set(FORMAT["options"]["call"])
    for word in sorted(ours ^ theirs - set(verb.get("apart", ()))):  # moments, which no scenario may depend on
        yield f"{key}: `{word}` is {'no argument' if word in ours else 'no word of scenarios, but an argument'} of {method}"


def main() -> int:
    """Say what is wrong."""
    wrong = list(problems())
    for line in wrong:
        sys.stdout.write(f"{line}\n")
    scenarios = len(list(FOLDER.glob("*.json")))
    if scenarios < 40:
        wrong.append("fewer than 40 scenarios")
    lacking = [f"{language.title()} lacks {len(lists['verbs'])}" for language, lists in FORMAT["missing"].items()]
    sys.stdout.write(f"{scenarios} scenarios play {len(VERBS)} verbs, of which {', '.join(lacking)}\n")
    sys.stdout.write(f"{len(VERBS)} passed, {len(wrong)} failed\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
