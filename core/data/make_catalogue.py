"""Write catalogue.json: providers.toml (by hand) merged with the prices of the PyPI package genai-prices.

    python3 -m venv venv && venv/bin/pip install genai-prices      # Python 3.11 or newer, for tomllib
    venv/bin/python core/data/make_catalogue.py                    # write it
    venv/bin/python core/data/make_catalogue.py --check            # say whether it is what would be written

Prices are US dollars for a million tokens there and whole nano-USD for a million tokens here. Of prices by date, those
that ended before the date of providers.toml are left out; those in force and those to come are written down, and so
are prices by time of day and by length of the prompt. Never a discount for batch or flexible processing.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NANO = 1_000_000_000
CAPABILITIES = ("tools", "output_schema", "reasoning", "images", "audio", "files")
# Ours, theirs, and for how many pieces theirs is.
PRICE_FIELDS = {
    "input_mtok": ("input_nano_usd", 1),
    "output_mtok": ("output_nano_usd", 1),
    "cache_read_mtok": ("cache_read_nano_usd", 1),
    "cache_write_mtok": ("cache_creation_nano_usd", 1),
    "cache_write_1h_mtok": ("cache_creation_1h_nano_usd", 1),
    "input_audio_mtok": ("input_audio_nano_usd", 1),
    "cache_audio_read_mtok": ("cache_read_audio_nano_usd", 1),
    "output_audio_mtok": ("output_audio_nano_usd", 1),
    "output_image_mtok": ("output_image_nano_usd", 1),
    "output_reasoning_mtok": ("output_reasoning_nano_usd", 1),
    "requests_kcount": ("request_nano_usd", 1000),
    "web_searches_kcount": ("web_search_nano_usd", 1000),
}
TIERED = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
# Nothing that a reply's usage counts: searches in files kept by the provider, tokens of citations.
NOT_COUNTED = {"storage_searches_kcount", "output_citation_mtok"}


def nano_usd(dollars: Decimal, pieces: int) -> int:
    """Turn dollars into whole nano-USD.

    Some prices are a twelfth of a dollar: then a million tokens are off by a third of a nano-USD, and nothing that fits
    into the window of a model is off by a whole one. What were off by more is refused.
    """
    exact = dollars * NANO / pieces
    whole = exact.to_integral_value(ROUND_HALF_EVEN)
    if abs(exact - whole) > Decimal("0.34"):
        raise ValueError(f"a price of {dollars} dollars is finer than a nano-USD")
    return int(whole)


def one_price(prices: Any) -> dict[str, Any] | None:
    """Describe the prices of one time, or nothing when there are none by token."""
    given = {name: price for name, price in vars(prices).items() if price is not None and name not in NOT_COUNTED}
    if not {"input_mtok", "output_mtok"} <= set(given):
        return None
    if unknown := set(given) - set(PRICE_FIELDS):
        raise ValueError(f"a price has no place here: {sorted(unknown)}; skip the model in providers.toml")
    price: dict[str, Any] = {}
    tiers: dict[int, dict[str, Any]] = {}
    for theirs, value in given.items():
        ours, pieces = PRICE_FIELDS[theirs]
        price[ours] = nano_usd(getattr(value, "base", value), pieces)
        for tier in getattr(value, "tiers", ()):
            if theirs not in TIERED:
                raise ValueError(f"{theirs} has tiers, which have no place here")
            tiers.setdefault(tier.start, {"above_input_tokens": tier.start})[ours] = nano_usd(tier.price, pieces)
    if tiers:
        price["tiers"] = [tiers[start] for start in sorted(tiers)]
    return price


def price_of(model: Any, date: str) -> dict[str, Any] | None:
    """Describe the price in force on this day, with what is to come and what depends on the hour."""
    prices = model.prices
    if not isinstance(prices, list):
        return one_price(prices)
    base: Any = prices[0].prices
    changes: list[Any] = []
    for conditional in prices:
        start = getattr(conditional.constraint, "start_date", None)
        if conditional.constraint is None or (start is not None and start.isoformat() <= date):
            base, changes = conditional.prices, []  # the last one in force holds: what stood before is over
        else:
            changes.append(conditional)
    price = one_price(base)
    for conditional in changes if price else ():
        change: dict[str, Any] = {"price": one_price(conditional.prices)}
        if change["price"] is None:
            raise ValueError(f"{model.id} will have a price that is none by token")
        if hasattr(conditional.constraint, "start_date"):
            change["from_date"] = conditional.constraint.start_date.isoformat()
        else:
            hours = conditional.constraint.start_time, conditional.constraint.end_time
            if any(hour.second or (hour.tzinfo is not None and hour.utcoffset()) for hour in hours):
                raise ValueError(f"{model.id} has hours that are no whole minutes of UTC")
            change["from_time"], change["to_time"] = (hour.strftime("%H:%M") for hour in hours)
        assert price is not None
        price.setdefault("changes", []).append(change)
    return price


def make_model(family: dict[str, Any], priced: Any, free: bool, date: str) -> dict[str, Any]:
    """Describe one model of a family."""
    unknown = set(family) - {"names", "context_window", "max_output_tokens", "can", "cannot"}
    words = set(family.get("can", [])) | set(family.get("cannot", []))
    if unknown or words - set(CAPABILITIES):
        raise ValueError(f"{family['names']}: what is {sorted(unknown | (words - set(CAPABILITIES)))}?")
    model: dict[str, Any] = {}
    if words:
        model["capabilities"] = {"streaming": True}
        model["capabilities"] |= {word: True for word in family.get("can", [])}
        model["capabilities"] |= {word: False for word in family.get("cannot", [])}
    window = family.get("context_window") or (priced.context_window if priced else None)
    if window:
        model["context_window"] = window
    if "max_output_tokens" in family:
        model["max_output_tokens"] = family["max_output_tokens"]
    if free:
        model["price"] = {"input_nano_usd": 0, "output_nano_usd": 0}
    elif priced and (price := price_of(priced, date)):
        model["price"] = price
    return model


def priced_models(source: dict[str, Any], price_sources: dict[str, Any], skip: list[str], date: str) -> dict[str, Any]:
    """Find the models that genai-prices knows of a provider, by the names that the provider gives them."""
    prices = source.pop("prices", [])
    lower_case = source.pop("lower_case", False)
    skipped = re.compile("|".join([*skip, *source.pop("skip", [])]), re.IGNORECASE)
    found = {}
    for place in [{"from": prices}] if isinstance(prices, str) else prices:
        price_source = price_sources[place["from"]]
        for model in price_source.models:
            name = model.id.lower() if lower_case else model.id
            listed = place.get("prefix", "") + name + place.get("suffix", "")
            # Not every name there is one that its own rules lead to; those rules are what a cost is compared with.
            leads_here = any(price_source.find_model(n) is model for n in (name, listed))
            if leads_here and not model.deprecated and not skipped.search(name) and price_of(model, date):
                found[listed] = model
    return found


def make_provider(
    name: str, source: dict[str, Any], price_sources: dict[str, Any], skip: list[str], date: str
) -> dict[str, Any]:
    """Describe one provider and its models."""
    free = source.pop("free", False)
    families = source.pop("models", [])
    one_source = price_sources[source["prices"]] if isinstance(source.get("prices"), str) else None
    priced = priced_models(source, price_sources, skip, date)
    models: dict[str, Any] = {}
    for family in families:
        for model_name in family["names"]:
            if model_name in models:
                raise ValueError(f"{name}/{model_name} is named twice")
            model = priced.get(model_name) or (one_source and one_source.find_model(model_name))
            if one_source and model is None:
                raise ValueError(f"{name}/{model_name} is unknown to genai-prices")
            models[model_name] = make_model(family, model, free, date)
    for model_name, model in priced.items():
        if model_name not in models:
            models[model_name] = make_model({"names": [model_name]}, model, free, date)
    if free:
        models["*"] = {"price": {"input_nano_usd": 0, "output_nano_usd": 0}}
    return {**source, "models": models}


def make_catalogue() -> dict[str, Any]:
    """Put everything together."""
    source = import_module("tomllib").loads((HERE / "providers.toml").read_text())
    price_sources = {p.id: p for p in import_module("genai_prices.data").providers}
    return {
        "version": 1,
        "date": source["date"],
        "prices_from": f"genai-prices {importlib.metadata.version('genai-prices')} (MIT)",
        "aliases": source["aliases"],
        "providers": {
            name: make_provider(name, provider, price_sources, source["skip"], source["date"])
            for name, provider in source["providers"].items()
        },
    }


def compact(value: Any) -> str:
    """Write JSON on one line."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def written(catalogue: dict[str, Any]) -> str:
    """Write the catalogue with one model a line: short enough to read, and a changed price is a changed line."""

    def opened(value: dict[str, Any], indent: str, inner: Any) -> str:
        lines = [f"{indent} {compact(name)}:{inner(name, value[name])}" for name in sorted(value)]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}" if lines else "{}"

    def of_provider(name: str, value: Any) -> str:
        return opened(value, "   ", lambda _, model: compact(model)) if name == "models" else compact(value)

    def of_catalogue(name: str, value: Any) -> str:
        if name != "providers":
            return compact(value)
        return opened(value, " ", lambda _, provider: opened(provider, "  ", of_provider))

    return opened(catalogue, "", of_catalogue) + "\n"


def main() -> int:
    """Write or check catalogue.json beside this file."""
    catalogue = make_catalogue()
    text = written(catalogue)
    place = HERE / "catalogue.json"
    if "--check" in sys.argv[1:]:
        same = place.read_text() == text
        sys.stdout.write(
            "catalogue.json is up to date\n" if same else "catalogue.json is out of date: run this script\n"
        )
        return 0 if same else 1
    place.write_text(text)
    models = sum(len(provider["models"]) for provider in catalogue["providers"].values())
    sys.stdout.write(f"{len(catalogue['providers'])} providers, {models} models, {len(text)} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
