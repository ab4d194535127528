"""Server-sent events out of bytes that were cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.kit.sse import Event, EventReader, TooLong

STREAM = (
    "\ufeffdata: 深呼吸\r\r: 保持连接\r\n\r\ndata:a\r\ndata:  b\n\n"
    "event: error\ndata\r\n\r\nid: 7\n\n"
)
EVENTS = [Event("message", "深呼吸"), Event("message", "a\n b"), Event("error", "")]


def read(*chunks: bytes, longest: int = 1000) -> list[Event]:
    reader = EventReader(longest)
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.end()


def test_each_end_of_line_and_each_kind_of_field_is_known() -> None:
    assert read(STREAM.encode()) == EVENTS


@given(st.lists(st.integers(0, len(STREAM.encode()))))
def test_where_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    stream = STREAM.encode()
    edges = [0, *sorted(cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(edges))) == EVENTS


def test_byte_by_byte_makes_no_difference() -> None:
    assert read(*(bytes([byte]) for byte in STREAM.encode())) == EVENTS


def test_an_event_is_there_as_soon_as_its_blank_line_is() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\n") == []
    assert reader.feed(b"\r") == [Event("message", "a")]
    assert reader.feed(b"\ndata: b\n\n") == [Event("message", "b")]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n"])
def test_the_last_event_needs_no_blank_line(ending: bytes) -> None:
    assert read(b"data: a\n\ndata: [DONE]" + ending)[-1] == Event("message", "[DONE]")


def test_what_is_no_event_stream_gives_no_events() -> None:
    assert read(b"<html>\n<p>\xff\xfe\n\n</html>") == []


def test_bytes_that_are_not_utf_8_are_shown_as_such() -> None:
    assert read(b"data: \xffa\n\n") == [Event("message", "\N{REPLACEMENT CHARACTER}a")]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"x" * 101],
        [b"x" * 60, b"x" * 60],
        [b"x" * 60, b"x" * 60 + b"\n"],
        [b"data: " + b"x" * 60 + b"\n"] * 2,
        [b"data\n"] * 101,
    ],
)
def test_a_line_or_an_event_without_end_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(TooLong):
        read(*chunks, longest=100)


def test_many_events_are_no_long_event() -> None:
    assert len(read(*[b"data: " + b"x" * 60 + b"\n\n"] * 100, longest=100)) == 100
