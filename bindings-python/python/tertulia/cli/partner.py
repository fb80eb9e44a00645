"""Whom to talk to when nobody says: what the environment offers, from the best to the one that is always there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .. import ModelInfo, ProviderInfo, Tertulia, TertuliaError
from .verb import ALWAYS

MODELS = (
    "anthropic/claude-sonnet-4-5",
    "openai/gpt-5-mini",
    "google/gemini-2.5-flash",
    "openrouter/openai/gpt-5-mini",
    "mistral/mistral-small-latest",
    "groq/llama-3.3-70b-versatile",
    "deepseek/deepseek-chat",
    "xai/grok-4.3",
)
"""In the order they are tried: a model of each provider whose key may be there."""

LOCAL = ("ollama", "llamacpp")
"""Servers on this machine that need no key."""

_REACH_SECONDS = 0.2


@dataclass(frozen=True)
class Partner:
    """Whom to talk to."""

    model: str
    introduction: str


def find(engine: Tertulia, environment: Mapping[str, str] = os.environ) -> Partner:
    """A model whose key the environment holds, else one that runs here, else the bundled simulator."""
    providers = {provider.name: provider for provider in engine.providers()}
    for model in MODELS:
        variable = providers[name].key_variable if (name := model.partition("/")[0]) in providers else None
        if variable and environment.get(variable, "").strip():
            return Partner(model, f"Talking to {model} ({variable} is set).")
    for model in _running_here(engine, providers):
        return Partner(model, f"Talking to {model} on this machine.")
    return Partner(
        ALWAYS,
        "Talking to the bundled simulator, which only echoes: no key of a provider is set, and no model runs here.\n"
        "Set for instance ANTHROPIC_API_KEY or OPENAI_API_KEY to talk to a model.",
    )


def _running_here(engine: Tertulia, providers: Mapping[str, ProviderInfo]) -> Iterator[str]:
    """The first model that each server on this machine offers."""
    for name in LOCAL:
        if name in providers and _listens(providers[name].base_url):
            try:
                models: tuple[ModelInfo, ...] = engine.provider(name).models()
            except TertuliaError:  # somebody else listens there
                continue
            yield from (model.id for model in models[:1])


def _listens(url: str) -> bool:
    try:
        place = urlsplit(url)
        socket.create_connection((place.hostname or "", place.port or 80), _REACH_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
