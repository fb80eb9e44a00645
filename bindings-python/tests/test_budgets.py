"""Budgets, tiers, usage and forecasts from Python, waiting and awaited."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import tertulia as t
from tertulia.testing import Simulator

PRICE = {"input_nano_usd": 1_000_000_000, "output_nano_usd": 2_000_000_000}
ANSWER = "text=ok;usage=10/3"


def lab(sim: Simulator) -> dict[str, Any]:
    """A provider whose models cost a thousand nano-USD a token sent in, two thousand a token written."""
    sim.script("any", ANSWER)
    known = {"id": "any", "price": PRICE, "context_window": 100_000, "max_output_tokens": 1_000}
    return {**sim.provider(), "models": {"any": known}}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as sim:
        yield sim


@pytest.fixture
def engine(sim: Simulator) -> Iterator[t.Tertulia]:
    with t.Tertulia("memory:", providers=[lab(sim)], model="sim/any") as engine:
        yield engine


def settled(user: t.UserScope) -> t.BudgetStatus:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        (status,) = user.budgets()
        if status.reserved == 0:
            return status
    raise AssertionError("a reservation was never settled")


def test_a_budget_refuses_and_says_what_is_left(engine: t.Tertulia, sim: Simulator) -> None:
    budget = engine.set_budget(tokens=300, per="day", each="user", warn_at=[0.5, 0.8])
    assert (budget.scope, budget.window, budget.amount, budget.unit) == ("user", "day", 300, "tokens")
    assert engine.list_budgets() == (budget,)
    me = engine.user("ana")
    with pytest.raises(t.BudgetExceededError) as caught:
        me.ask("hi", max_tokens=500)
    error = caught.value
    assert error.reason == "budget" and error.budget is not None and error.http_status == 429
    assert (error.budget.remaining, error.budget.key, error.budget.budget) == (300, "ana", budget)
    resets = error.budget.resets_at
    assert resets is not None and resets > datetime.now(timezone.utc)
    assert error.retry_after is not None and 0 < error.retry_after <= 86_400
    assert pickle.loads(pickle.dumps(error)).budget == error.budget
    assert sim.requests == []
    engine.remove_budget(budget)
    assert me.ask("hi", max_tokens=500).text == "ok" and engine.list_budgets() == ()


def test_money_is_spent_to_the_nano_and_reported(engine: t.Tertulia) -> None:
    engine.set_budget(usd=5, per="month", each="user")
    me = engine.user("ana")
    chat = me.new_conversation()
    reply = chat.send("hi")
    assert reply.cost.nano_usd == 16_000
    assert settled(me).spent == 16_000
    (status,) = chat.budgets()
    assert status.remaining == 5_000_000_000 - 16_000
    report = me.usage(by="model")
    assert (report.total.nano_usd, report.total.requests, report.rows[0].key) == (16_000, 1, "sim/any")
    assert me.usage(by="conversation").rows[0].key == chat.id
    assert engine.usage(by="user").rows[0].key == "ana"
    later = datetime.now(timezone.utc) + timedelta(hours=2)
    assert me.usage(since=later).total.requests == 0
    forecast = me.forecast(window="month")
    assert forecast.spent_nano_usd == 16_000 <= forecast.low_nano_usd <= forecast.expected_nano_usd
    assert forecast.confidence == 0.9 and forecast.exceeds_at is None
    with pytest.raises(t.InvalidError):
        me.forecast("total")


def test_a_call_costs_no_more_than_it_may(engine: t.Tertulia, sim: Simulator) -> None:
    with pytest.raises(t.BudgetExceededError) as caught:
        engine.ask("hi", max_tokens=100, max_cost_usd=0.0000001)
    assert caught.value.reason == "max_cost" and sim.requests == []
    engine.ask("hi", max_cost_usd=0.0015)
    assert 256 <= sim.requests[-1].json()["max_tokens"] < 1_000
    with pytest.raises(t.InvalidError):
        engine.ask("hi", max_cost_nano_usd=1, max_cost_usd=1)


def test_a_tier_holds_for_its_users(engine: t.Tertulia, sim: Simulator) -> None:
    engine.set_tier("free", budgets=[{"requests": 1, "per": "day"}], models=["sim/any"])
    engine.assign_tier("ana", "free")
    me = engine.user("ana")
    assert me.tier() == "free" and engine.tiers()["free"].models == ("sim/any",)
    with pytest.raises(t.UnauthorizedError) as not_allowed:
        me.ask("hi", model="sim/other")
    assert not_allowed.value.reason == "not_allowed"
    me.ask("hi")
    with pytest.raises(t.BudgetExceededError) as caught:
        me.ask("hi")
    assert caught.value.reason == "tier_budget" and "`free`" in caught.value.detail
    engine.set_tier("free", budgets=[t.Budget("user", window="day", limit={"requests": 2})], requests_per_minute=60)
    me.ask("hi")
    engine.assign_tier("ana", None)
    me.ask("hi")
    assert me.tier() is None and len(sim.requests) == 3


def test_tiers_that_an_engine_is_made_with_hold_from_the_first_call_on(sim: Simulator) -> None:
    tiers = {"free": {"models": ["sim/small"], "priority": "background"}, "paid": t.Tier(models=["sim/*"])}
    own = {"ana": "free", "bo": "paid"}
    with t.Tertulia("memory:", providers=[sim.provider()], model="sim/any", tiers=tiers, tier_of=own) as engine:
        with pytest.raises(t.UnauthorizedError, match="not_allowed"):
            engine.user("ana").ask("hi")
        engine.user("bo").ask("hi")
        assert engine.user("ana").tier() == "free" and engine.tiers()["free"].priority == "background"
    for bad, error in [
        ({"tiers": {"free": {"rate": 1}}}, TypeError),
        ({"tiers": ["free"]}, t.InvalidError),
        ({"tiers": {"free": {"requests_per_minute": -1}}}, t.InvalidError),
    ]:
        with pytest.raises(error):
            t.Tertulia("memory:", **bad)  # type: ignore[arg-type]
    with pytest.raises(t.InvalidError, match="unknown_tier"):
        t.Tertulia("memory:", tier_of={"ana": "free"}).open()


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({}, TypeError),
        ({"usd": 1, "tokens": 1}, TypeError),
        ({"usd": 1, "each": "user", "user": "ana"}, TypeError),
        ({"usd": 1, "dollars": 1}, TypeError),
        ({"usd": -1}, t.InvalidError),
        ({"usd": float("nan")}, t.InvalidError),
        ({"tokens": 1, "per": "fortnight"}, t.InvalidError),
        ({"tokens": 1, "warn_at": [2]}, t.InvalidError),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(engine: t.Tertulia, keywords: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        engine.set_budget(**keywords)
    assert engine.list_budgets() == ()


def test_awaited_it_is_the_same() -> None:
    async def main() -> None:
        with Simulator() as sim:
            async with t.AsyncTertulia("memory:", providers=[lab(sim)], model="sim/any") as engine:
                budget = await engine.set_budget(requests=3, user="ana")
                me = engine.user("ana")
                calls = [me.ask("hi", max_tokens=10) for _ in range(20)]
                outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30)
                refused = [e for e in outcomes if isinstance(e, t.BudgetExceededError)]
                assert (len(refused), len(sim.requests)) == (17, 3)
                assert refused[0].budget is not None and refused[0].budget.budget.id == budget.id
                assert refused[0].retry_after is None
                (status,) = await me.budgets()
                assert status.remaining == 0
                assert (await me.usage()).total.requests <= 3
                await engine.set_tier("free", requests_per_minute=0)
                await engine.assign_tier("bob", "free")
                with pytest.raises(t.BudgetExceededError, match="tier_rate"):
                    await engine.user("bob").ask("hi")
                await engine.forecast("day")

    asyncio.run(main())
