"""The catalogue: its prices beside those of genai-prices, how it is made, another one at run time, live lists."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tertulia as t
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price
from tertulia.testing import Simulator

DATA = Path(__file__).parents[2] / "core" / "data"
NANO = Decimal(1_000_000_000)


def sources() -> dict[str, list[dict[str, str]]]:
    """Say where the prices of each provider come from, as make_catalogue.py is told."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    providers = tomllib.loads((DATA / "providers.toml").read_text())["providers"]
    found: dict[str, list[dict[str, str]]] = {}
    for name, provider in providers.items():
        prices = provider.get("prices", [])
        found[name] = [{"from": prices}] if isinstance(prices, str) else prices
    return found


def priced_models() -> list[tuple[t.Price, str, str]]:
    """List every priced model: our price, and the names of model and provider at genai-prices."""
    models = []
    with t.Tertulia("memory:") as engine:
        for provider, places in sources().items():
            for place in places:
                before, after = f"{provider}/{place.get('prefix', '')}", place.get("suffix", "")
                for model in engine.models(f"{before}*"):
                    if model.price is not None and model.id.endswith(after):
                        name = model.id.removeprefix(before).removesuffix(after)
                        models.append((model.price, name, place["from"]))
    return models


def moments() -> list[datetime]:
    """List moments from the day of the catalogue on: each hour of a day with its borders, and days to come."""
    day = datetime.fromisoformat(json.loads((DATA / "catalogue.json").read_text())["date"]).replace(tzinfo=UTC)
    hours = [day + timedelta(hours=hour) for hour in range(24)]
    borders = [hour - timedelta(milliseconds=1) for hour in hours[1:]]
    return [*hours, *borders, *(day + timedelta(days=days, hours=5) for days in (1, 9, 10, 40, 41, 100, 400))]


def counts(rng: random.Random, price: t.Price) -> Iterator[dict[str, int]]:
    """Yield usages: none, ordinary ones, and ones on both sides of every border of the price."""
    borders = [tier.above_input_tokens + step for tier in price.tiers for step in (-1, 0, 1, 100_000)]
    for total in (0, 1, rng.randrange(1, 20_000), rng.randrange(1, 1_400_000), *borders):
        read = rng.choice((0, total, rng.randint(0, total)))
        write = rng.choice((0, total - read, rng.randint(0, total - read)))
        hour = rng.choice((0, write, rng.randint(0, write)))
        output = rng.choice((0, 1, rng.randrange(100_000)))
        reasoning = rng.choice((0, rng.randint(0, output)))
        searches = rng.choice((0, 0, 3))
        yield {
            "input": total,
            "read": read,
            "write": write,
            "hour": hour,
            "output": output,
            "reasoning": reasoning,
            "searches": searches,
        }


def our_usage(count: dict[str, int]) -> t.Usage:
    """Write a usage in our words."""
    details = {"ephemeral_1h_input_tokens": count["hour"], "web_search_requests": count["searches"]}
    return t.Usage(
        count["input"],
        count["output"],
        cache_read_input_tokens=count["read"],
        cache_creation_input_tokens=count["write"],
        reasoning_output_tokens=count["reasoning"],
        requests=1,
        details=details | {name: count[name] for name in count if "." in name},
        source="reported",
    )


def their_usage(count: dict[str, int]) -> TheirUsage:
    """Write a usage in the words of genai-prices."""
    return TheirUsage(
        input_tokens=count["input"],
        output_tokens=count["output"],
        cache_read_tokens=count["read"],
        cache_write_tokens=count["write"],
        cache_write_1h_tokens=count["hour"],
        output_reasoning_tokens=count["reasoning"],
        web_searches=count["searches"],
        input_audio_tokens=count.get("promptTokensDetails.AUDIO", 0),
        cache_audio_read_tokens=count.get("cacheTokensDetails.AUDIO", 0),
        output_audio_tokens=count.get("candidatesTokensDetails.AUDIO", 0),
        output_image_tokens=count.get("candidatesTokensDetails.IMAGE", 0),
    )


@cache
def theirs_of(provider: str, name: str) -> tuple[Any, Any]:
    """Find provider and model by the rules of genai-prices, as its calc_price does, once each: there are hundreds."""
    prefixes = [
        place.get("prefix", "") for places in sources().values() for place in places if place["from"] == provider
    ]
    for candidate in (name, *(prefix + name for prefix in prefixes)):
        try:
            found = calc_price(TheirUsage(input_tokens=1, output_tokens=1), candidate, provider_id=provider)
        except LookupError:
            continue
        return found.provider, found.model
    raise LookupError(f"genai-prices does not know {name} of {provider}")


def assert_same(price: t.Price, name: str, provider: str, count: dict[str, int], at: datetime) -> None:
    """Compare one cost."""
    ours = price.cost(our_usage(count), at=at).nano_usd
    place, model = theirs_of(provider, name)
    theirs = model.calc_price(their_usage(count), place, genai_request_timestamp=at).total_price
    assert ours is not None
    assert abs(ours / NANO - theirs) <= Decimal("1e-9"), f"{provider} {name} at {at}: {count}"


def test_every_price_of_the_catalogue_costs_what_genai_prices_says_to_a_billionth_of_a_dollar() -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")  # shown when it fails
    rng, times, compared, places = random.Random(seed), moments(), 0, set()
    for price, name, provider in priced_models():
        for count in counts(rng, price):
            assert_same(price, name, provider, count, rng.choice(times))
            compared += 1
        places.add(provider)
    assert compared >= 200
    assert len(places) >= 15


def test_a_price_that_changes_costs_the_same_at_every_hour_and_on_every_day_to_come() -> None:
    count = {"input": 1_000_000, "read": 10, "write": 0, "hour": 0, "output": 999, "reasoning": 0, "searches": 0}
    changing = [(price, name, provider) for price, name, provider in priced_models() if price.changes]
    assert {"deepseek", "google"} <= {provider for _, _, provider in changing}
    for price, name, provider in changing:
        for at in moments():
            assert_same(price, name, provider, count, at)


def test_a_price_with_tiers_costs_the_same_on_both_sides_of_each_border() -> None:
    tiered = [(price, name, provider) for price, name, provider in priced_models() if price.tiers]
    assert len(tiered) >= 20
    for price, name, provider in tiered:
        for tier in price.tiers:
            for step in (-1, 0, 1):
                total = tier.above_input_tokens + step
                count = {"input": total, "read": total // 2, "write": 7, "hour": 3, "output": 11, "reasoning": 0}
                assert_same(price, name, provider, count | {"searches": 0}, moments()[0])


def test_sounds_and_pictures_cost_the_same() -> None:
    compared = 0
    plain = {"input": 9_000, "read": 2_000, "write": 0, "hour": 0, "output": 5_000, "reasoning": 0, "searches": 0}
    for price, name, provider in priced_models():
        count = dict(plain)
        if price.input_audio_nano_usd is not None:
            count["promptTokensDetails.AUDIO"] = 3_000
        if price.cache_read_audio_nano_usd is not None:
            count["cacheTokensDetails.AUDIO"] = 1_000
        if price.output_audio_nano_usd is not None:
            count["candidatesTokensDetails.AUDIO"] = 400
        if price.output_image_nano_usd is not None:
            count["candidatesTokensDetails.IMAGE"] = 600
        if count != plain:
            assert_same(price, name, provider, count, moments()[0])
            compared += 1
    assert compared >= 8


@pytest.mark.skipif(sys.version_info < (3, 11), reason="make_catalogue.py reads TOML")
def test_the_catalogue_is_what_its_script_makes_of_providers_toml_and_genai_prices() -> None:
    script = [sys.executable, str(DATA / "make_catalogue.py"), "--check"]
    made = subprocess.run(script, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def entry(sim: Simulator) -> dict[str, Any]:
    """Describe a catalogue of one provider."""
    model = {"price": {"input_nano_usd": 1_000_000_000, "output_nano_usd": 2_000_000_000}}
    return {"version": 1, "providers": {"newcomer": {"base_url": f"{sim.url}/v1", "models": {"echo": model}}}}


def test_a_catalogue_is_loaded_at_run_time(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    with Simulator() as sim, t.Tertulia("memory:") as engine:
        path.write_text(json.dumps(entry(sim)))
        assert not engine.models("newcomer/*")
        engine.load_catalogue(path)
        assert [model.id for model in engine.models("newcomer/*")] == ["newcomer/echo"]
        assert "newcomer" in [provider.name for provider in engine.providers()]
        reply = engine.ask("Hi", model="newcomer/echo")
        assert reply.cost.nano_usd == reply.usage.input_tokens * 1_000 + reply.usage.output_tokens * 2_000
        path.write_text("{")
        with pytest.raises(t.InvalidError) as refused:
            engine.load_catalogue(str(path))
        assert refused.value.reason == "bad_catalogue"
        assert engine.models("newcomer/*")


def test_a_catalogue_is_loaded_and_a_provider_asked_for_its_models_without_blocking(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"

    async def main() -> None:
        with Simulator() as sim:
            path.write_text(json.dumps(entry(sim)))
            async with t.AsyncTertulia("memory:") as engine:
                await engine.load_catalogue(path)
                models = await engine.provider("newcomer").models(key="sk-live")
                assert [model.id for model in models] == ["newcomer/echo", "newcomer/sim"]
                assert models[0].price == t.Price(1_000_000_000, 2_000_000_000)
                assert models[1].price is None

    asyncio.run(main(), debug=True)


def test_a_provider_is_asked_for_its_models() -> None:
    with Simulator() as sim, t.Tertulia("memory:", providers=[sim.provider()]) as engine:
        models = engine.provider("sim").models()
        assert [model.id for model in models] == ["sim/echo", "sim/sim"]
        with pytest.raises(t.InvalidError):
            engine.provider("nobody").models()
