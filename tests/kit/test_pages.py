"""A cursor comes back as what it was, and nothing else is one."""

import base64
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import Visitor, refusal
from zxo.kit.pages import InvalidCursor, decode_cursor, encode_cursor

ByDay, ByInstant = tuple[date, int], tuple[datetime, UUID]
SOME_ID = "12345678-1234-1234-1234-123456789012"


def forged(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


@given(st.tuples(st.dates(), st.integers(-(2**63) + 1, 2**63 - 1)))
def test_a_day_and_a_number_come_back(position: tuple[date, int]) -> None:
    assert decode_cursor(encode_cursor(position), ByDay) == position


def test_an_instant_and_an_id_come_back() -> None:
    position = (datetime(2025, 12, 1, 1, 2, 3, 456_789, tzinfo=UTC), uuid4())
    assert decode_cursor(encode_cursor(position), ByInstant) == position


@given(st.text(max_size=50))
def test_a_cursor_is_safe_in_a_url(text: str) -> None:
    letters = encode_cursor((text.encode(errors="replace").decode(), 1))
    assert letters.replace("-", "a").replace("_", "a").isalnum()
    assert letters.isascii()


def test_no_cursor_means_the_first_page() -> None:
    assert decode_cursor(None, ByDay) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "=",
        "é",
        "\x00",
        "!!!!",
        "a" * 200,
        f"{forged(['2025-12-01', 1])}!",
        f" {forged(['2025-12-01', 1])}",
        forged([]),
        forged(None),
        forged("2025-12-01"),
        forged({"date": "2025-12-01"}),
        forged(["2025-12-01"]),
        forged(["2025-12-01", "1"]),
        forged(["2025-12-01", 1, 1]),
        forged(["2025-13-01", 1]),
        forged(["2025-12-01", 1.5]),
        forged(["2025-12-01", 10**20]),
        forged(["2025-12-01", -(2**63) - 1]),
    ],
)
def test_garbage_is_no_cursor(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor, ByDay)


@pytest.mark.parametrize(
    "instant",
    [
        "2025-12-01T00:00:00",  # PostgreSQL's client compares it with an instant, and fails
        "0001-01-01T00:00:00+14:00",  # before the first year in UTC
        "9999-12-31T23:59:59-14:00",
        "yesterday",
    ],
)
def test_an_instant_that_no_query_can_ask_for_is_no_cursor(instant: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(forged([instant, SOME_ID]), ByInstant)


def test_text_that_postgresql_cannot_hold_is_no_cursor() -> None:
    assert decode_cursor(forged(["a"]), tuple[str]) == ("a",)
    with pytest.raises(InvalidCursor):
        decode_cursor(forged(["a\x00"]), tuple[str])


@pytest.mark.parametrize("path", ["/cravings", "/users/me/sessions"])
@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": ""},
        {"cursor": "a" * 201},
        {"cursor": forged(["2025-12-01", 10**20])},
        {"cursor": forged(["2025-12-01T00:00:00", SOME_ID])},
        {"limit": 0},
        {"limit": 101},
        {"limit": "ten"},
        {"limit": -1},
    ],
)
async def test_every_list_refuses_what_is_no_page(
    alice: Visitor, path: str, query: dict[str, Any]
) -> None:
    assert refusal(await alice.get(path, **query), 400) in {"invalid_cursor", "invalid_request"}
