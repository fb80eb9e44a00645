"""Errors: a class per kind, catchable as what they are, picklable, without secrets."""

from __future__ import annotations

import pickle

import pytest
import tertulia as t
from samples import error
from tertulia._native import _probe

KINDS: list[tuple[str, str]] = _probe.error_classes()


def test_there_are_seventeen_kinds() -> None:
    assert len(KINDS) == 17 == len(set(name for _, name in KINDS))


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_every_kind_has_a_class_of_its_own(kind: str, name: str) -> None:
    assert name == kind.title().replace("_", "") + "Error"
    cls = getattr(t, name)
    with pytest.raises(cls) as caught:
        _probe.raise_error(kind, True)
    raised = caught.value
    assert type(raised) is cls and isinstance(raised, t.TertuliaError)
    assert raised.kind == kind and raised.reason == "reason" and raised.operation == "probe"
    assert str(raised) == f"{kind} (reason) in probe: detail"
    assert raised.saved and raised.turn_id and raised.user_message.endswith("Your message was saved.")
    again = pickle.loads(pickle.dumps(raised))
    assert type(again) is cls and again.info == raised.info and str(again) == str(raised)


def test_python_has_words_of_its_own_for_two_of_them() -> None:
    with pytest.raises(TimeoutError):
        _probe.raise_error("timed_out", False)
    with pytest.raises(ValueError):
        _probe.raise_error("invalid", False)


def test_an_error_says_when_to_come_back() -> None:
    with pytest.raises(t.RateLimitedError) as caught:
        _probe.blocking("fail", 2_500)
    raised = caught.value
    assert (raised.retry, raised.retry_after, raised.retry_after_ms) == ("after", 2.5, 2_500)
    assert raised.http_status == 429 and raised.http_headers == {"Retry-After": "3"}
    assert not raised.saved and raised.turn_id is None and raised.partial == ()


def test_an_error_has_every_attribute_of_its_record() -> None:
    raised = t.TruncatedError(error)
    for name in (*error.to_dict(), "retry_after", "http_status"):
        assert getattr(raised, name) == getattr(error, name)
    assert raised.partial[0].text == "Hola"
    assert repr(raised) == "TruncatedError('cut', 'the connection closed before the end')"
    assert "Hola" not in f"{raised} {raised!r}"
