"""The way to the providers: proxies, certificates, and whether they answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence

from ... import InvalidError, Tertulia, TertuliaError, UnauthorizedError
from ..terminal import count
from . import Finding
from .program import host

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_OF_OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")

PATIENCE = {
    "network": {"connect_timeout_ms": 5_000, "first_byte_timeout_ms": 15_000, "total_timeout_ms": 20_000},
}
"""Settings for who is only asked whether it is there."""


def settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What the environment says of proxies and certificates."""
    for name in _PROXIES:
        for spelled in (name, name.lower()):
            if value := environment.get(spelled):
                yield Finding("network", "note", f"{spelled}: calls go by the proxy at {host(value)}")
    for spelled in ("NO_PROXY", "no_proxy"):
        if value := environment.get(spelled):
            yield Finding("network", "note", f"{spelled}: none for {value}")
    for name in _AUTHORITIES:
        value = environment.get(name)
        if value and not os.access(value, os.R_OK):
            remedy = "name certificates in PEM, or unset it to trust those of the system"
            yield Finding("network", "wrong", f"{name} names {value}, which cannot be read", remedy)
        elif value:
            yield Finding("network", "ok", f"{name}: the certificates of {value} are trusted")
    if not any(environment.get(name) for name in _AUTHORITIES):
        for name in _OF_OTHERS:
            if environment.get(name):
                yield Finding("network", "note", f"{name} is for other programs", "set SSL_CERT_FILE for this one")


def answer(engine: Tertulia, name: str) -> Finding:
    """Whether a provider answers, and takes the key: it is asked which models it has, which costs nothing."""
    began = time.monotonic()
    try:
        models: Sequence[object] = engine.provider(name).models()
    except UnauthorizedError as error:
        return Finding(name, "wrong", f"it answers, and does not take the key: {error.detail}", "set another key")
    except TertuliaError as error:
        return _failed(name, error)
    took = round((time.monotonic() - began) * 1000)
    return Finding(name, "ok", f"it answers in {took} ms and offers {count(len(models), 'model')}")


def _failed(name: str, error: TertuliaError) -> Finding:
    if isinstance(error, InvalidError) and error.reason == "unsupported":
        return Finding(
            name, "note", "it lists no models, so that it cannot be asked without paying", "try it with `chat`"
        )
    if error.status in (404, 405):
        return Finding(name, "note", "it answers, and lists no models", "try it with `chat`")
    where = "its status page, the proxy and the name server" if error.status is None else "its status page"
    return Finding(name, "wrong", f"{error.kind} ({error.reason}): {error.detail}", f"try again; look at {where}")
