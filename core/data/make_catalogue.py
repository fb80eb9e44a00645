"""Write catalogue.json: providers.toml (by hand) merged with the prices of the PyPI package genai-prices.

    python3 -m venv venv && venv/bin/pip install genai-prices      # Python 3.11 or newer, for tomllib
    venv/bin/python core/data/make_catalogue.py

Prices are US dollars for a million tokens there and whole nano-USD for a million tokens here. Where genai-prices
knows several prices, the one written down is: of a list by date, the newest that is in force on the date of
providers.toml; of a list by time of day, the dearest; of tiers by length of the prompt, the first; and never a
discount for batch or flexible processing.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from decimal import ROUND_CEILING, Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NANO = 1_000_000_000
CAPABILITIES = ("tools", "output_schema", "reasoning", "images", "audio", "files")
PRICE_FIELDS = {
    "input_nano_usd": "input_mtok",
    "output_nano_usd": "output_mtok",
    "cache_read_nano_usd": "cache_read_mtok",
    "cache_creation_nano_usd": "cache_write_mtok",
}


def nano_usd(price: Any) -> int:
    """Turn dollars, or the first of several tiers, into whole nano-USD, rounded up."""
    dollars = getattr(price, "base", price)
    return int((Decimal(dollars) * NANO).to_integral_value(ROUND_CEILING))


def price_of(model: Any, date: str) -> dict[str, Any] | None:
    """Return the price in force on this day, or nothing when there is none by token."""
    prices = model.prices
    if isinstance(prices, list):
        base, dearer = None, []
        for conditional in prices:
            start = getattr(conditional.constraint, "start_date", None)
            if conditional.constraint is None or (start is not None and start.isoformat() <= date):
                base = conditional.prices
            elif hasattr(conditional.constraint, "start_time"):
                dearer.append(conditional.prices)
        if base is None:
            return None
        prices = max([base, *dearer], key=lambda p: nano_usd(p.output_mtok or 0))
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    found = {ours: getattr(prices, theirs) for ours, theirs in PRICE_FIELDS.items()}
    return {"date": date, **{name: nano_usd(value) for name, value in found.items() if value is not None}}


def make_model(family: dict[str, Any], priced: Any, free: bool, date: str) -> dict[str, Any]:
    """Describe one model of a family."""
    unknown = set(family) - {"names", "context_window", "max_output_tokens", "can", "cannot"}
    words = set(family.get("can", [])) | set(family.get("cannot", []))
    if unknown or words - set(CAPABILITIES):
        raise ValueError(f"{family['names']}: what is {sorted(unknown | (words - set(CAPABILITIES)))}?")
    model: dict[str, Any] = {"capabilities": {"streaming": True}}
    model["capabilities"] |= {word: True for word in family.get("can", [])}
    model["capabilities"] |= {word: False for word in family.get("cannot", [])}
    window = family.get("context_window") or (priced.context_window if priced else None)
    if window:
        model["context_window"] = window
    if "max_output_tokens" in family:
        model["max_output_tokens"] = family["max_output_tokens"]
    if free:
        model["price"] = {"date": date, "input_nano_usd": 0, "output_nano_usd": 0}
    elif priced and (price := price_of(priced, date)):
        model["price"] = price
    return model


def make_provider(name: str, source: dict[str, Any], price_sources: dict[str, Any], date: str) -> dict[str, Any]:
    """Describe one provider and its models."""
    free = source.pop("free", False)
    prefix = source.pop("price_prefix", "")
    lower_case = source.pop("lower_case", False)
    families = source.pop("models", [])
    price_id = source.pop("prices", None)
    by_name = {}
    if price_id:
        for model in price_sources[price_id].models:
            by_name[prefix + (model.id.lower() if lower_case else model.id)] = model
    models: dict[str, Any] = {}
    for family in families:
        for model_name in family["names"]:
            if model_name in models:
                raise ValueError(f"{name}/{model_name} is named twice")
            priced = by_name.get(model_name)
            if price_id and priced is None:
                raise ValueError(f"{name}/{model_name} is unknown to genai-prices")
            models[model_name] = make_model(family, priced, free, date)
    if free:
        models["*"] = {"price": {"date": date, "input_nano_usd": 0, "output_nano_usd": 0}}
    return {**source, "models": models}


def main() -> int:
    """Write catalogue.json beside this file."""
    source = import_module("tomllib").loads((HERE / "providers.toml").read_text())
    price_sources = {p.id: p for p in import_module("genai_prices.data").providers}
    catalogue = {
        "version": 1,
        "date": source["date"],
        "prices_from": f"genai-prices {importlib.metadata.version('genai-prices')} (MIT)",
        "aliases": source["aliases"],
        "providers": {
            name: make_provider(name, provider, price_sources, source["date"])
            for name, provider in source["providers"].items()
        },
    }
    # One model a line: short enough to read, and a changed price is a changed line.
    text = json.dumps(catalogue, sort_keys=True, indent=1, ensure_ascii=False)
    models = {id(m): m for p in catalogue["providers"].values() for m in p["models"].values()}
    for model in models.values():
        long = json.dumps(model, sort_keys=True, indent=1, ensure_ascii=False).replace("\n", "\n    ")
        text = text.replace(long, json.dumps(model, sort_keys=True, ensure_ascii=False))
    (HERE / "catalogue.json").write_text(text + "\n")
    sys.stdout.write(f"{len(catalogue['providers'])} providers, {len(models)} models\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
