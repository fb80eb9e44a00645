"""The adapters together: what they import, what they refuse, and what one says to the other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
import tertulia as t
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from tertulia.adapters import agents_session, langchain_history


def run(source: str) -> str:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_a_framework_is_imported_when_its_adapter_is_asked_for() -> None:
    loaded = "print(*(name in sys.modules for name in ('agents', 'langchain_core')))"
    assert run(f"import sys, tertulia.adapters; {loaded}") == "False False"
    asked = "import sys, tertulia as t; from tertulia.adapters import agents_session, langchain_history; "
    asked += "chat = t.{}('memory:').user('ana').new_conversation(); "
    assert run(asked.format("AsyncTertulia") + f"agents_session(chat); {loaded}") == "True False"
    assert run(asked.format("Tertulia") + f"langchain_history(chat); {loaded}") == "False True"


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("agents", "agents_session", "agents"), ("langchain_core", "langchain_history", "langchain")],
)
def test_without_its_framework_an_adapter_says_which_extra_to_install(module: str, name: str, extra: str) -> None:
    source = f"""
import sys
sys.modules[{module!r}] = None
from tertulia.adapters import {name}
try:
    {name}(None)
except ImportError as error:
    print(error)
"""
    assert f'pip install "tertulia[{extra}]"' in run(source)


def test_an_import_that_fails_within_a_framework_is_told_as_it_is() -> None:
    source = """
import sys
sys.modules["openai"] = None
from tertulia.adapters import agents_session
try:
    agents_session(None)
except ImportError as error:
    print(error)
"""
    told = run(source)
    assert "openai" in told and "tertulia[" not in told


def test_a_conversation_that_cannot_serve_is_refused_with_what_to_do() -> None:
    chat = t.Tertulia("memory:").user("ana").new_conversation()
    blocking: Any = chat
    with pytest.raises(t.InvalidError, match="conversation of an AsyncTertulia, not a Conversation") as refused:
        agents_session(blocking)
    assert refused.value.reason == "unsupported"
    nothing: Any = "chat"
    with pytest.raises(t.InvalidError, match="not a str"):
        langchain_history(nothing)
    history = langchain_history(t.AsyncTertulia("memory:").user("ana").new_conversation())
    for verb in (lambda: history.messages, lambda: history.add_messages([]), history.clear):
        with pytest.raises(t.InvalidError, match="await aget_messages") as refused:
            verb()
        assert refused.value.reason == "unsupported"


def test_each_framework_reads_what_the_other_one_said() -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as tertulia:
            chat = tertulia.user("ana").new_conversation()
            session, history = agents_session(chat), langchain_history(chat)
            called: Any = {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "c1",
                "name": "weather",
                "arguments": '{"city": "Lima"}',
            }
            answered: Any = {"type": "function_call_output", "call_id": "c1", "output": "24"}
            await session.add_items([{"role": "user", "content": "And in Lima?"}, called, answered])
            await history.aadd_messages([AIMessage("Warm.", id="m1"), HumanMessage("Thank you", name="ana")])
            call: Any = {"name": "weather", "args": {"city": "Lima"}, "id": "c1", "type": "tool_call"}
            assert await history.aget_messages() == [
                HumanMessage("And in Lima?"),
                AIMessage("", tool_calls=[call]),
                ToolMessage("24", tool_call_id="c1"),
                AIMessage("Warm.", id="m1"),
                HumanMessage("Thank you", name="ana"),
            ]
            assert await session.get_items() == [
                {"role": "user", "content": "And in Lima?"},
                called,
                answered,
                {"role": "assistant", "content": "Warm."},
                {"role": "user", "content": "Thank you"},
            ]

    asyncio.run(main())
