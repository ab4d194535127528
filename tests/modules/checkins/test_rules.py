"""The rules of a check-in against a plain model, and the figures of the specification."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modules.checkins.plain_model import PlainModel, rank_of
from zxo.modules.checkins import rules
from zxo.modules.checkins.rules import Progress

FIRST = date(2024, 1, 1)
offsets = st.integers(0, 60)


def shown(days: int) -> dict[str, object]:
    rank = rules.rank_of(days)
    return {
        "rank": rank.rank,
        "stars": rank.stars,
        "daysToNextRank": rank.days_to_next_rank,
        "nextRank": rank.next_rank,
    }


@pytest.mark.parametrize(
    ("days", "rank", "stars", "to_next", "following"),
    [
        (0, "倔强青铜", 0, 8, "秩序白银"),
        (1, "倔强青铜", 1, 7, "秩序白银"),
        (7, "倔强青铜", 7, 1, "秩序白银"),
        (8, "秩序白银", 1, 23, "荣耀黄金"),
        (15, "秩序白银", 8, 16, "荣耀黄金"),
        (16, "秩序白银", 9, 15, "荣耀黄金"),
        (30, "秩序白银", 23, 1, "荣耀黄金"),
        (31, "荣耀黄金", 1, 30, "尊贵铂金"),
        (60, "荣耀黄金", 30, 1, "尊贵铂金"),
        (61, "尊贵铂金", 1, 30, "永恒钻石"),
        (90, "尊贵铂金", 30, 1, "永恒钻石"),
        (91, "永恒钻石", 1, 90, "至尊星耀"),
        (180, "永恒钻石", 90, 1, "至尊星耀"),
        (181, "至尊星耀", 1, 90, "最强王者"),
        (270, "至尊星耀", 90, 1, "最强王者"),
        (271, "最强王者", 1, 95, "无双王者"),
        (365, "最强王者", 95, 1, "无双王者"),
        (366, "无双王者", 1, 182, "传奇王者"),
        (547, "无双王者", 182, 1, "传奇王者"),
        (548, "传奇王者", 1, None, None),
        (99_999, "传奇王者", 99_452, None, None),
        (100_000, "传奇王者", 99_453, None, None),
    ],
)
def test_ranks_stars_and_the_way_to_the_next_one(
    days: int, rank: str, stars: int, to_next: int | None, following: str | None
) -> None:
    assert rules.rank_of(days) == (rank, stars, to_next, following)


@given(st.integers(0, 1_000_000))
def test_every_number_of_days_has_the_rank_of_the_specification(days: int) -> None:
    assert shown(days) == rank_of(days)


@given(st.lists(st.integers(1, 4), max_size=60))
def test_check_ins_on_any_days_add_up_as_in_the_model(gaps: list[int]) -> None:
    model, progress, cards, today = PlainModel(), Progress(0, 0, None), 3, FIRST
    for gap in gaps:
        today += timedelta(days=gap)
        expected = model.check_in(today)
        assert isinstance(expected, dict)
        step = rules.advance(progress, today)
        progress, cards = step.progress, cards + step.cards
        assert progress == (expected["totalDays"], expected["consecutiveDays"], today)
        assert (step.is_rank_up, cards) == (expected["isRankUp"], expected["makeupCards"])
        assert step.rank == tuple(expected["currentRank"].values())


@given(st.sets(offsets, max_size=60), offsets)
def test_a_makeup_joins_the_runs_on_both_sides_of_it(counted: set[int], made_up: int) -> None:
    dates = {FIRST + timedelta(days=offset) for offset in counted - {made_up}}
    day = FIRST + timedelta(days=made_up)
    run = rules.run_ending_at(max(dates), dates) if dates else 0
    before = Progress(len(dates), run, max(dates, default=None))

    step = rules.count_late(before, day, dates, makeup=True)

    model = PlainModel(checked_in={known: {} for known in dates})
    expected = model.make_up(day, FIRST + timedelta(days=100))
    assert isinstance(expected, dict)
    last = max(model.checked_in)
    assert step.progress == (len(dates) + 1, model.run(last), last)
    assert step.cards == -1
    assert step.is_rank_up == expected["isRankUp"]


@given(st.integers(1, 400))
def test_only_every_seventh_day_of_a_run_earns_a_card(run: int) -> None:
    step = rules.advance(Progress(run - 1, run - 1, FIRST), FIRST + timedelta(days=1))
    assert step.cards == (1 if run % 7 == 0 else 0)


def test_a_makeup_that_makes_the_run_a_week_earns_no_card() -> None:
    week = {FIRST + timedelta(days=offset) for offset in range(7)}
    missed = FIRST + timedelta(days=3)
    step = rules.count_late(
        Progress(6, 3, FIRST + timedelta(days=6)), missed, week - {missed}, makeup=True
    )
    assert (step.progress.consecutive_days, step.cards) == (7, -1)


def test_a_check_in_before_the_last_date_that_makes_the_run_a_week_earns_a_card() -> None:
    """Somebody who has travelled west of their last date."""
    week = {FIRST + timedelta(days=offset) for offset in range(7)}
    today = FIRST + timedelta(days=5)
    step = rules.count_late(
        Progress(6, 1, FIRST + timedelta(days=6)), today, week - {today}, makeup=False
    )
    assert (step.progress.consecutive_days, step.cards) == (7, 1)


def test_the_first_day_is_no_rank_up_and_the_eighth_is() -> None:
    ups = [
        total + 1
        for total in range(600)
        if rules.advance(Progress(total, 1, FIRST), FIRST + timedelta(days=1)).is_rank_up
    ]
    assert ups == [8, 31, 61, 91, 181, 271, 366, 548]


@pytest.mark.parametrize(
    ("avoided", "per_pack", "price", "saved"),
    [
        (0, 20, "20.00", "0.00"),
        (300, 20, "20.00", "300.00"),
        (1, 8, "0.20", "0.02"),  # 0.025 goes to the even cent
        (3, 8, "0.20", "0.08"),  # 0.075 too
        (1, 3, "1.00", "0.33"),
        (2, 3, "1.00", "0.67"),
        (20_000_000, 1, "9999.00", "199980000000.00"),
    ],
)
def test_money_is_rounded_half_even_to_the_cent(
    avoided: int, per_pack: int, price: str, saved: str
) -> None:
    assert str(rules.money_saved(avoided, per_pack, Decimal(price))) == saved


@given(
    st.integers(0, 10**7),
    st.integers(1, 100),
    st.decimals("0.01", "9999.00", places=2),
)
def test_money_is_exact_to_half_a_cent(avoided: int, per_pack: int, price: Decimal) -> None:
    exact = Fraction(price) * avoided / per_pack
    # Python rounds a fraction half-even, too.
    assert Fraction(rules.money_saved(avoided, per_pack, price)) == round(exact, 2)


@pytest.mark.parametrize(
    ("money", "name", "count", "unit"),
    [
        ("0.00", "可乐", 0, "瓶"),
        ("2.99", "可乐", 0, "瓶"),
        ("3.00", "可乐", 1, "瓶"),
        ("49.99", "可乐", 16, "瓶"),
        ("50.00", "电影票", 1, "张"),
        ("119.99", "电影票", 2, "张"),
        ("120.00", "啤酒", 1, "箱"),
        ("299.99", "啤酒", 2, "箱"),
        ("300.00", "健身月卡", 1, "张"),
        ("799.99", "健身月卡", 2, "张"),
        ("800.00", "汽车保养", 1, "次"),
        ("1999.99", "汽车保养", 2, "次"),
        ("2000.00", "Switch 游戏机", 1, "台"),
        ("2499.99", "Switch 游戏机", 1, "台"),
        ("2500.00", "健身年卡", 1, "张"),
        ("14999.99", "健身年卡", 5, "张"),
        ("15000.00", "周边游", 1, "次"),
        ("45000.00", "周边游", 3, "次"),
    ],
)
def test_what_the_money_buys(money: str, name: str, count: int, unit: str) -> None:
    item, number = rules.equivalent_item(Decimal(money))
    assert (item.name, number, item.unit) == (name, count, unit)


def test_eleven_minutes_of_life_for_every_cigarette() -> None:
    assert rules.cigarettes_avoided(15, 20) == 300
    assert rules.extra_life_minutes(300) == 3300
