"""How much of a conversation a model is shown, from Python."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import tertulia as t


def talk(chat: t.Conversation) -> None:
    chat.append([{"role": role, "content": f"{role[0]}{n}"} for n in range(10) for role in ("user", "assistant")])


def test_what_would_be_shown_is_told_without_asking() -> None:
    with t.Tertulia("memory:", model="echo/any") as tertulia:
        chat = tertulia.user("ana").new_conversation()
        assert chat.context() == t.ContextReport(limit_tokens=chat.context().limit_tokens, is_whole=True, tokens=3)
        talk(chat)
        whole = chat.context()
        assert (whole.messages, whole.turns, whole.is_whole) == (20, 10, True)
        assert 0 < whole.tokens < whole.limit_tokens
        cut = chat.context(context={"turns": 2})
        assert (cut.messages, cut.turns, cut.is_whole) == (4, 2, False)
        match cut:
            case t.ContextReport(messages, tokens):
                assert messages == 4 and tokens < whole.tokens
        assert chat.context(context={"tokens": 40}).tokens <= 40
        assert chat.context(system="be brief " * 50).tokens > whole.tokens
        assert chat.summary().message_count == 20


def test_settings_hold_every_call_to_a_window_and_a_call_says_otherwise() -> None:
    with t.Tertulia("memory:", model="echo/any", settings={"context": {"max_turns": 3}}) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        talk(chat)
        assert chat.context().turns == 3
        assert chat.context(context={"turns": 5}).turns == 5
        assert chat.send("and now?", context={"turns": 1}).text
    with pytest.raises(t.InvalidError, match=r"settings\.context\.max_turns must be at least 1"):
        t.Tertulia("memory:", settings={"context": {"max_turns": 0}})


@pytest.mark.parametrize("bad", [{"turns": 0}, {"tokens": -1}, {"turn": 1}, {"turns": "all"}, {"summary": "yes"}, 5])
def test_a_window_that_is_none_is_refused_and_nothing_is_saved(bad: Any) -> None:
    with t.Tertulia("memory:", model="echo/any") as tertulia:
        chat = tertulia.user("ana").new_conversation()
        for verb in (lambda: chat.send("hi", context=bad), lambda: chat.context(context=bad)):
            with pytest.raises((t.InvalidError, TypeError)):
                verb()
        with pytest.raises(t.NotFoundError):
            chat.summary()


SUMMED_UP: dict[str, Any] = {"max_turns": 1, "summary": {"enabled": True, "after_turns": 1, "model": "echo/any"}}


def test_what_is_left_out_is_summed_up_in_the_background() -> None:
    with t.Tertulia("memory:", model="echo/any", settings={"context": SUMMED_UP}) as tertulia:
        chat = tertulia.user("ana").new_conversation()
        for words in ("one", "two"):
            chat.send(words)
        while any(task.name == "summary" for task in tertulia.health().tasks):
            pass
        summary = chat.context().summary
        assert summary is not None
        assert (summary.model, summary.upto) == ("echo/any", chat.history().items[1].id)
        assert 0 < summary.tokens < chat.context().tokens
        assert chat.context(context={"summary": False}).summary is None
        assert chat.summary().message_count == 4
    with pytest.raises(t.InvalidError, match=r"settings\.context\.summary\.max_tokens must be a number"):
        t.Tertulia("memory:", settings={"context": {"summary": {"max_tokens": 1}}})


def test_the_async_conversation_tells_the_same() -> None:
    async def main() -> None:
        async with t.AsyncTertulia("memory:", model="echo/any") as tertulia:
            chat = tertulia.user("ana").new_conversation()
            await chat.append([{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}])
            report = await chat.context()
            assert (report.messages, report.turns, report.is_whole) == (2, 1, True)
            assert report.to_dict()["messages"] == 2
        async with t.AsyncTertulia("memory:", model="echo/any", settings={"context": SUMMED_UP}) as tertulia:
            chat = tertulia.user("ana").new_conversation()
            for words in ("one", "two"):
                await chat.send(words)
            for _ in range(100_000):
                if not any(task.name == "summary" for task in tertulia.health().tasks):
                    break
                await asyncio.sleep(0)
            summary = (await chat.context()).summary
            assert summary is not None and summary.model == "echo/any"
            assert (await chat.context(context={"summary": False})).summary is None

    asyncio.run(main())
