"""Which keys are there, by the variables that hold them. Their values are looked at, and never shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from ... import ProviderInfo
from . import Finding

_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_GOOGLE = "GOOGLE_APPLICATION_CREDENTIALS"


def source(provider: ProviderInfo, environment: Mapping[str, str]) -> str | None:
    """The variables that a provider's key comes from; nothing when none is set."""
    variable = provider.key_variable
    if not variable:
        return None
    if environment.get(variable):
        return variable
    if variable.startswith("AWS_") and all(environment.get(name) for name in _AWS):
        return " and ".join(_AWS)
    return None


def keys(providers: Iterable[ProviderInfo], model: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """The keys that are there, whether they can be keys, and whether the model has one that is asked unless told."""
    known = {provider.name: provider for provider in providers}
    found: dict[str, list[str]] = {}
    for provider in known.values():
        if variable := source(provider, environment):
            found.setdefault(variable, []).append(provider.name)
    for variable, names in sorted(found.items()):
        yield _looked_at(variable, ", ".join(names), environment)
    if not found:
        remedy = "set for instance ANTHROPIC_API_KEY or OPENAI_API_KEY; `models --providers` lists all of them"
        yield Finding(
            "keys", "note", "no key of any provider is set: `chat` asks a model on this machine, or echoes", remedy
        )
    asked = known.get(model.partition("/")[0]) if model else None
    if asked and asked.key_variable and not source(asked, environment):
        yield Finding(
            "keys", "wrong", f"{model} is to be asked, and {asked.title} has no key", f"set {asked.key_variable}"
        )


def _looked_at(variable: str, names: str, environment: Mapping[str, str]) -> Finding:
    value = environment.get(variable.partition(" ")[0], "")
    again = f"set {variable} again, as one word without quotes"
    if not value.strip():
        return Finding("keys", "wrong", f"{variable} is set and empty ({names})", again)
    if variable == _GOOGLE and not value.startswith(("{", "ya29.")):
        if os.access(value, os.R_OK):
            return Finding("keys", "ok", f"{variable} names a file ({names})")
        remedy = "name the key file of a service account, or run `gcloud auth application-default login`"
        return Finding("keys", "wrong", f"the file that {variable} names cannot be read ({names})", remedy)
    if variable != _GOOGLE and any(not "!" <= letter <= "~" for letter in value):
        return Finding(
            "keys", "wrong", f"{variable} holds a blank, a line end or a letter that no key has ({names})", again
        )
    if value[0] in "\"'" or value[-1] in "\"'":
        return Finding("keys", "wrong", f"{variable} has quotes about it ({names})", again)
    are = "are" if " and " in variable else "is"
    return Finding("keys", "ok", f"{variable} {are} set ({names})")
