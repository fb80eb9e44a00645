"""The engine that a program shares when nobody hands one around."""

from __future__ import annotations

from _thread import allocate_lock

from ._native import Tertulia

_lock = allocate_lock()
_engine: Tertulia | None = None


def shared() -> Tertulia:
    """The engine of this program, made with every default by whoever asks first. The first verb opens it.

    For scripts and small programs, which need not hand one around.
    """
    global _engine
    with _lock:
        if _engine is None:
            _engine = Tertulia()
        return _engine


def reset(instead: Tertulia | None = None) -> None:
    """Close the engine of this program and forget it: the next ``shared()`` makes another one, or gives ``instead``.

    For tests, and for programs that load their settings anew.
    """
    global _engine
    with _lock:
        before, _engine = _engine, instead
    if before is not None:
        before.close()
