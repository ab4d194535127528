"""What providers say, with the small differences between them."""

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.chat_completions import (
    DONE,
    START,
    STOP,
    counted,
    delta,
    event,
    piece,
    thought,
    whole,
)
from zxo.clients.chat_answers import AnswerReader, Chunk, ProviderFailed, Usage

STREAM = b"".join(
    [
        *(b": keep-alive\n\n", START, thought("嗯"), piece("深呼吸👍"), b"\r\n: hi\r\n"),
        *(piece("，喝水"), STOP, counted((3, 4)), DONE),
    ]
)


def read(*parts: bytes, end: bool = True) -> list[Chunk]:
    reader = AnswerReader()
    chunks = [chunk for part in parts for chunk in reader.feed(part)]
    return chunks + (list(reader.end()) if end and not reader.done else [])


def told(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


@given(st.lists(st.integers(0, len(STREAM))))
def test_where_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    parts = [STREAM[a:b] for a, b in pairwise(edges)]
    chunks = read(*parts)
    assert told(chunks) == "深呼吸👍，喝水"
    assert [chunk.thinking for chunk in chunks] == [False, True, False, False, False, False]
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert chunks[-1].usage == Usage(3, 4)


@given(st.binary(max_size=300))
def test_nothing_that_comes_makes_another_error_than_ours(data: bytes) -> None:
    for stream in (data, b"data: " + data + b"\n\n", b"{" + data, b'{"choices": ' + data):
        with suppress(ProviderFailed):
            told(read(stream))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "usage", "error", "code", "object"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_makes_another_error_than_ours(said: object) -> None:
    with suppress(ProviderFailed):
        told(read(f"data: {json.dumps(said)}\n\n".encode()))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (b'data:{"choices":[{"delta":{"content":"a"}}]}\n\n', "a"),
        (b'data: {"choices":[{"delta":{"content":null}}]}\n\n', ""),
        (b'data: {"choices":[{"delta":null}]}\n\n', ""),
        (b'data: {"choices":null}\n\n', ""),
        (b"data: {}\n\n", ""),
        (piece("a\0b"), "ab"),
        (b'event: message\nid: 1\ndata: {"choices":[{"delta":{"content":"a"}}]}\n\n', "a"),
        (delta(content="a", tool_calls=None, refusal=None), "a"),
    ],
)
def test_small_differences_are_allowed(part: bytes, text: str) -> None:
    assert told(read(part, DONE)) == text


@pytest.mark.parametrize(
    "usage",
    [None, {}, [], "many", {"prompt_tokens": 1}, {"prompt_tokens": -1, "completion_tokens": 2}],
)
def test_a_usage_that_nobody_can_count_with_is_none(usage: object) -> None:
    assert read(event(choices=[], usage=usage), DONE)[0].usage is None


def test_thoughts_have_more_than_one_name() -> None:
    assert read(delta(reasoning="嗯"), DONE) == [Chunk(thinking=True)]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (b'data: {"error":{"message":"x","code":"server_error"}}\n\n', "error: server_error"),
        (b'data: {"error":"overloaded"}\n\n', "error"),
        (b'data: {"object":"error","message":"x","code":40303}\n\n', "error"),
        (b'event: error\ndata: {"code":"Arrearage","message":"x"}\n\n', "error: Arrearage"),
        (b'{"error":{"type":"invalid_request_error","code":null}}', "error: invalid_request_error"),
        (b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n', "unreadable"),
        (b'data: {"choices":[{"delta":{"content":7}}]}\n\n', "unreadable"),
        (b"data: hello\n\n", "unreadable"),
        (b"hello", "unreadable"),
        (b"", "unreadable"),
        (b"{", "unreadable"),
        (START, "cut"),
    ],
)
def test_whatever_is_no_answer_is_told_apart(part: bytes, reason: str) -> None:
    with pytest.raises(ProviderFailed) as caught:
        read(part)
    assert str(caught.value).startswith(reason)


def test_what_came_before_an_error_is_handed_on() -> None:
    coming = AnswerReader().feed(piece("深") + b"data: {\n\n")
    assert next(coming).text == "深"
    with pytest.raises(ProviderFailed):
        next(coming)


@pytest.mark.parametrize(
    "stream",
    [
        [piece("a" * 30_000)] * 3,
        [b"data: " + b"a" * 300_000],
        [whole("a" * 300_000).steps[0]],
        [b": keep-alive\n\n" * 10_000] * 100,
    ],
)
def test_an_answer_has_bounds(stream: list[bytes]) -> None:
    with pytest.raises(ProviderFailed, match=r"too|without end"):
        read(*stream)


def test_the_longest_text_is_just_allowed() -> None:
    assert len(told(read(*[piece("a" * 8192)] * 8, DONE))) == 65_536
