"""What is looked for in the pages besides what their tools warn of."""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import border
import swift

import docs


class PythonWordByWord(unittest.TestCase):
    """Every public name stands on one page, and is explained where it is declared."""

    def test_names_are_read_from_pages_and_from_the_package(self) -> None:
        page = "# A\n\n::: tertulia\n    options:\n      members: [\n        A, B,\n        c\n      ]\n\n::: b\n members: [D]\n"
        self.assertEqual(docs.members(page), ["A", "B", "c", "D"])
        self.assertEqual(docs.exported('x = 1\n__all__ = ["A", "c"]\n'), ["A", "c"])
        with self.assertRaisesRegex(docs.WrongError, "__all__"):
            docs.exported("x = 1\n")

    def test_a_name_on_no_page_on_two_or_on_one_without_being_there_is_named(self) -> None:
        self.assertEqual(docs.unlisted(["A", "B"], ["B", "A"]), [])
        found = docs.unlisted(["A", "B"], ["B", "C", "B"])
        self.assertEqual([fault.split()[0] for fault in found], ["A", "C", "B"])

    def test_what_has_no_docstring_is_named_with_its_class(self) -> None:
        source = (
            'class A:\n    "A."\n    def f(self) -> None: ...\n    def g(self) -> None:\n        "G."\n'
            "    def _h(self) -> None: ...\nasync def k() -> None: ...\nclass _B:\n    def f(self) -> None: ...\n"
        )
        self.assertEqual(docs.unexplained_in_python(source), ["A.f has no docstring", "k has no docstring"])

    def test_of_several_forms_of_a_function_one_explains_it(self) -> None:
        source = '@overload\ndef f(a: int) -> int:\n    "F."\n@overload\ndef f(a: str) -> str: ...\n'
        self.assertEqual(docs.unexplained_in_python(source), [])

    def test_the_pages_are_those_of_the_package(self) -> None:
        names = docs.exported((docs.PYTHON / "__init__.py").read_text("utf-8"))
        listed = [name for page in docs.PAGES.glob("*.md") for name in docs.members(page.read_text("utf-8"))]
        self.assertEqual(docs.unlisted(names, listed), [])


class Kotlin(unittest.TestCase):
    """Dokka names what has no comment; what generators add is no fault."""

    def test_what_is_ours_is_a_fault_and_so_is_every_other_warning(self) -> None:
        output = (
            "[INFO] Undocumented: dev.tertulia/Never/ (JVM)\n"
            "[WARNING] Undocumented: dev.tertulia/Settings/json/#/ (JVM)\n"
            "[WARNING] Couldn't resolve link: Nothing\n"
        )
        wanted = ["Undocumented: dev.tertulia/Settings/json/#/ (JVM)", "Couldn't resolve link: Nothing"]
        self.assertEqual(docs.faults_of_dokka(output), wanted)

    def test_what_generators_add_is_none(self) -> None:
        names = (
            "uniffiForeignFutureHandleCount/#/", "Disposable.Companion/destroy/#vararg(kotlin.Any?)/", "Batch/close/#/",
            "BatchInterface.Companion/", "Role/valueOf/#kotlin.String/", "TertuliaException.Invalid/message/#/",
            "TertuliaException.ErrorHandler/lift/#dev.tertulia.RustBuffer.ByValue/", "CallOptions/toString/#/",
        )  # fmt: skip
        output = "".join(f"[WARNING] Undocumented: dev.tertulia/{name} (JVM)\n" for name in names)
        self.assertEqual(docs.faults_of_dokka(output), [])

    def test_a_build_that_fails_or_writes_nothing_is_a_failure(self) -> None:
        for code, said, wanted in ((1, "no such class", "no such class"), (0, "well", "wrote no page")):
            done = subprocess.CompletedProcess([], code, said)
            with (
                tempfile.TemporaryDirectory() as folder,
                mock.patch.object(docs, "FOLDER", Path(folder)),
                mock.patch.object(subprocess, "run", return_value=done),
                self.assertRaisesRegex(docs.WrongError, wanted),
            ):
                docs.kotlin()


class Swift(unittest.TestCase):
    """Every public symbol has a comment, save second names and the initializers of records."""

    @staticmethod
    def symbol(name: str, kind: str, precise: str, *, explained: bool = False) -> dict[str, object]:
        said: dict[str, object] = {"pathComponents": name.split("."), "kind": {"identifier": kind}}
        said |= {"identifier": {"precise": precise}}
        return said | {"docComment": {"lines": []}} if explained else said

    def test_a_symbol_without_a_comment_is_named(self) -> None:
        graph = {
            "symbols": [
                self.symbol("Conversation", "swift.class", "s:8Tertulia12ConversationC", explained=True),
                self.symbol("Conversation.send", "swift.method", "s:8Tertulia12ConversationC4sendyyYaKF"),
                self.symbol("Provider.init(_:)", "swift.init", "s:8Tertulia8ProviderVyACSScfc"),
                self.symbol("Message.role", "swift.property", "s:11TertuliaFFI7MessageV4roleAA4RoleOvp"),
                self.symbol("Message.init(role:)", "swift.init", "s:11TertuliaFFI7MessageV4roleAcA4RoleO_tcfc"),
                self.symbol("Cost.description", "swift.property", "s:11TertuliaFFI4CostV11descriptionSSvp"),
                self.symbol("Tertulia.Message", "swift.typealias", "s:8TertuliaAAC7Messagea"),
            ]
        }
        found = [fault.split()[0] for fault in docs.unexplained_in_swift(graph)]
        self.assertEqual(found, ["Conversation.send", "Provider.init(_:)", "Message.role"])

    def test_a_tool_that_ends_badly_ends_it(self) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(docs, "FOLDER", Path(folder)),
            mock.patch.object(swift, "run", return_value=3),
            self.assertRaisesRegex(docs.WrongError, "swift ended with 3"),
        ):
            docs.swift_pages()


class TheSite(unittest.TestCase):
    def test_every_decision_stands_in_its_table_of_contents(self) -> None:
        contents = (border.ROOT / "mkdocs.yml").read_text("utf-8")
        for page in (border.ROOT / "docs/decisions").glob("*.md"):
            title = page.read_text("utf-8").splitlines()[0].removeprefix("# ")
            self.assertIn(f'"{title}": decisions/{page.name}', contents)


if __name__ == "__main__":
    unittest.main()
