"""What a caller may say, and how it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tertulia as t
from samples import SAMPLES, call, message, result
from tertulia._native import _probe
from tertulia.testing import Simulator

PARTS = [value for value in SAMPLES if type(value).__name__.endswith("Part")]


def test_a_str_a_part_and_a_list_of_both_are_content() -> None:
    assert _probe.said("hi") == (t.TextPart("hi"),)
    assert _probe.said(t.TextPart("hi")) == (t.TextPart("hi"),)
    assert _probe.said(["hi", t.image(url="https://x.example/a.png")]) == (
        t.TextPart("hi"),
        t.ImagePart(t.Media(t.UrlSource("https://x.example/a.png"))),
    )
    assert _probe.said([call, result]) == (t.ToolCallPart(call), t.ToolResultPart(result))


@pytest.mark.parametrize("part", PARTS, ids=[type(part).__name__ for part in PARTS])
def test_a_part_may_be_its_plain_form(part: Any) -> None:
    plain = part.to_dict()
    assert _probe.said([plain]) == (part,)


def test_plain_media_may_carry_bytes_or_their_base64() -> None:
    plain = {"type": "image", "media": {"source": {"type": "data", "data": b"\x00\xff"}, "mime_type": "image/png"}}
    as_json = t.image(data=b"\x00\xff", mime_type="image/png").to_dict()
    assert as_json["media"]["source"]["data"] == "AP8="
    (one,) = _probe.said(plain)
    assert one.media.source.data == b"\x00\xff"
    (two,) = _probe.said(as_json)
    assert two.media.source.data == b"\x00\xff"


def test_a_picture_takes_exactly_one_source(tmp_path: Path) -> None:
    assert t.image(path=tmp_path / "a.png").media.source == t.PathSource(str(tmp_path / "a.png"))
    assert t.audio(data=bytearray(b"abc"), mime_type="audio/wav").media.size_bytes == 3
    assert t.file(url="https://x.example/a.pdf", name="a.pdf").media.name == "a.pdf"
    with pytest.raises(TypeError, match="exactly one of path, data and url"):
        t.image()
    with pytest.raises(TypeError, match="exactly one of path, data and url"):
        t.image(path="a", url="b")
    with pytest.raises(TypeError, match="needs mime_type"):
        t.image(data=b"abc")
    with pytest.raises(TypeError, match="data must be bytes, not str"):
        t.image(data="abc", mime_type="image/png")


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (None, TypeError, "content must be a str, a part, a ToolResult or a dict, not NoneType"),
        (b"hi", TypeError, "content must be"),
        (["hi", 3], TypeError, "content[1] must be"),
        (["hi", "a\udfff"], t.InvalidError, "content[1] holds half of a surrogate pair"),
        ([{"type": "txt", "text": "hi"}], t.InvalidError, "did you mean 'text'?"),
        ([{"type": "text", "txt": "hi"}], t.InvalidError, "content[0] does not know 'txt'; did you mean 'text'?"),
        ([{"type": "text"}], t.InvalidError, "content[0] needs 'text'"),
        ([{"text": "hi"}], t.InvalidError, "content[0] needs 'type'"),
        ([t.Media(t.PathSource("a"))], TypeError, "image(…), audio(…) or file(…)"),
        ([message], TypeError, "content[0] must be"),
    ],
)
def test_what_is_no_content_is_refused_with_its_place(content: Any, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind) as caught:
        _probe.said(content)
    assert told in str(caught.value)


def test_a_picture_that_is_too_large_for_the_provider_is_refused_before_it_is_saved() -> None:
    with Simulator() as simulator:
        lab: t.ProviderSpec = {
            "name": "lab",
            "base_url": f"{simulator.url}/v1",
            "media": {"image_base64_bytes": 400},
        }
        with t.Tertulia("memory:", model="lab/sim:text=ok", providers=[lab]) as tertulia:
            chat = tertulia.user("ana").new_conversation()
            with pytest.raises(t.InvalidError, match="at most 400 bytes each as base64, these are 404") as caught:
                chat.send(["look", t.image(data=bytes(301), mime_type="image/png")])
            assert caught.value.reason == "too_large"
            assert len(chat.history()) == 0
            chat.send(["look", t.image(data=bytes(300), mime_type="image/png")])
            assert len(simulator.requests) == 1
