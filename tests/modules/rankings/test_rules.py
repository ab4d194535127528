"""The rules of the boards, without any server."""

import random
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.modules.rankings import rules
from zxo.modules.rankings.rules import (
    NATIONAL,
    TYPES,
    Board,
    Region,
    board_of,
    boards_of,
    days_of,
    member,
    percentile,
    region_of,
    score,
    window,
)

PAIRS = 2_000_000
FIRST_SECOND, LAST_SECOND = 1_500_000_000, 4_102_444_800  # 2017 to 2100
MOST_DAYS = 100_000

parts = st.one_of(st.none(), st.text("省市区街道/}{a ", min_size=1, max_size=6))


@pytest.mark.slow
def test_two_million_pairs_of_scores_are_in_the_order_of_days_and_then_of_time() -> None:
    """As Valkey compares them: as floats."""
    chance = random.Random(7)
    days = chance.choices(range(MOST_DAYS + 1), k=PAIRS + 1)
    times = chance.choices(range(FIRST_SECOND, LAST_SECOND), k=PAIRS + 1)
    for index in range(0, PAIRS, 3):  # a third of the same days, half of those a second apart
        days[index + 1] = days[index]
        if index % 2:
            times[index + 1] = times[index] + chance.choice((-1, 0, 1))
    floats = [float(score(day, at)) for day, at in zip(days, times, strict=True)]
    keys = [(day, -at) for day, at in zip(days, times, strict=True)]
    for (one, other), (key, other_key) in zip(pairwise(floats), pairwise(keys), strict=True):
        assert (one > other) == (key > other_key)
        assert (one == other) == (key == other_key)


@given(st.integers(0, 900_000), st.integers(0, 10**10 - 1))
def test_a_score_is_exact_as_a_float_and_tells_the_days(days: int, reached: int) -> None:
    assert int(float(score(days, reached))) == score(days, reached)
    assert days_of(float(score(days, reached))) == days


@given(st.integers(1, 10**10 - 1), st.integers(1, 10**10 - 1))
def test_members_are_ordered_as_the_ids_are(one: int, other: int) -> None:
    assert (member(one) < member(other)) == (one < other)
    assert int(member(one)) == one


@given(parts, parts, parts, parts)
def test_a_board_tells_its_region(
    province: str | None, city: str | None, district: str | None, street: str | None
) -> None:
    clean = [part.replace("/", "") or None if part else None for part in (province, city, district)]
    region = Region(*clean, street)  # a street is free text
    for board in boards_of(region):
        level = TYPES.index(board.type)
        assert region_of(board)[:level] == region[:level]
        assert board_of(board.type, region_of(board)) == board


def test_equal_names_in_different_places_are_different_boards() -> None:
    beijing = Region("北京市", "北京市", "朝阳区", "建设街道")
    changchun = Region("吉林省", "长春市", "朝阳区", "建设街道")
    assert not set(boards_of(beijing)[1:]) & set(boards_of(changchun)[1:])
    without_district = Region("湖北省", "仙桃市", None, "沙嘴街道")
    assert board_of("district", without_district) is None
    assert board_of("street", without_district) == Board("street", "湖北省/仙桃市//沙嘴街道")
    assert boards_of(Region()) == (NATIONAL,)


@pytest.mark.parametrize(
    ("rank", "total", "share"), [(156, 10_000, 98.44), (5, 500, 99.0), (1, 1, 0.0), (1, 3, 66.67)]
)
def test_percentiles_are_those_of_the_specification(rank: int, total: int, share: float) -> None:
    assert percentile(rank, total) == share


@given(st.integers(1, 200), st.integers(0, 200), st.integers(1, 100))
def test_a_window_holds_the_rank_and_is_as_large_as_it_can_be(
    rank: int, below: int, size: int
) -> None:
    total = rank + below
    ranks = window(rank, total, size)
    assert rank in ranks
    assert ranks[0] >= 1
    assert ranks[-1] <= total
    assert len(ranks) == min(size, total)


def test_the_middle_of_a_window_is_the_rank_where_there_is_room() -> None:
    assert window(50, 100, 11) == range(45, 56)
    assert window(2, 100, 11) == range(1, 12)
    assert window(99, 100, 11) == range(90, 101)


def test_ninety_days_of_snapshots_are_kept() -> None:
    today = date(2025, 12, 1)
    assert (today - rules.oldest_kept(today)).days == 90
