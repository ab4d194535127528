"""The pure part: which days may be written, and what the counts are shaped into."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modules.statistics import world
from zxo.modules.statistics import rules

TODAY = date(2028, 3, 1)
DAY = timedelta(days=1)

dates = st.dates(date(2000, 1, 1), date(2100, 1, 1))
people = st.dictionaries(st.integers(0, 800), st.integers(1, 10**6))


instants = st.integers(0, 3_000_000_000_000_000).map(
    lambda number: datetime(2000, 1, 3, tzinfo=UTC) + timedelta(microseconds=number)
)


@given(instants)
def test_every_instant_is_in_the_one_day_that_shanghai_calls_it(instant: datetime) -> None:
    today = instant.astimezone(ZoneInfo("Asia/Shanghai")).date()
    for day in (today - DAY, today, today + DAY):
        start, end = rules.day_of(day)[1:]
        assert (start <= instant < end) is (day == today)
        assert end == rules.day_of(day + DAY).start


@given(dates, st.integers(0, 400))
def test_the_days_of_a_span_are_all_of_them_in_order(first: date, more: int) -> None:
    found = list(rules.days_of(first, first + more * DAY))
    assert found == [first + number * DAY for number in range(more + 1)]


@given(st.integers(-400, 400), st.integers(-400, 400))
def test_a_span_is_refused_exactly_if_it_is_empty_too_long_or_not_over(
    first: int, last: int
) -> None:
    fine = first <= last <= -1 and last - first + 1 <= 366
    assert (rules.fault(TODAY + first * DAY, TODAY + last * DAY, TODAY) is None) is fine


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2028-02-29", "2028-02-28", "2028-02-29, is after the last, 2028-02-28"),
        ("2028-03-01", "2028-03-01", "the last day that can be written is 2028-02-29"),
        ("2028-02-01", "9999-12-31", "9999-12-31 is not over in Shanghai"),
        ("1999-12-31", "2000-01-01", "before 2000-01-01"),
        ("0001-01-01", "0001-01-01", "before 2000-01-01"),
        ("2027-02-28", "2028-02-29", "367 days are too many at once; 366 may be"),
    ],
)
def test_a_refusal_says_why_in_one_line(first: str, last: str, text: str) -> None:
    why = rules.fault(date.fromisoformat(first), date.fromisoformat(last), TODAY)
    assert why is not None
    assert text in why
    assert "\n" not in why


def test_a_leap_year_fits_into_one_span() -> None:
    assert rules.fault(date(2028, 1, 1), date(2028, 12, 31), date(2029, 1, 1)) is None


@given(st.sets(st.integers(-10, 2)))
def test_yesterday_is_always_caught_up_with_and_a_week_where_it_lacks(complete: set[int]) -> None:
    found = rules.to_catch_up(TODAY, {TODAY + number * DAY for number in complete})
    wanted = [n for n in range(-7, 0) if n == -1 or n not in complete]
    assert found == [TODAY + number * DAY for number in wanted]


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_percentage_is_rounded_half_up_to_two_decimals(part: int, more: int) -> None:
    whole = part + more
    percent = rules.percent(part, whole)
    if whole == 0:
        assert percent is None
        return
    exact = Decimal(100 * part) / whole
    assert percent == float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))
    assert 0 <= percent <= 100


@given(people)
def test_everybody_is_in_one_bucket_of_streaks_and_in_one_tier(counted: dict[int, int]) -> None:
    rows = [(days, None, number) for days, number in counted.items()]
    rows += [(None, days, number) for days, number in counted.items()]
    everybody = sum(counted.values())
    streaks, tiers = rules.streaks(rows), rules.tiers(rows)
    assert streaks["users"] == tiers["users"] == everybody
    assert sum(bucket["users"] for bucket in streaks["buckets"]) == everybody
    assert sum(tier["users"] for tier in tiers["tiers"]) == everybody
    assert streaks["longest"] == max(counted, default=0)
    assert tiers["withoutDays"] == counted.get(0, 0)


@given(st.lists(st.integers(0, 800), max_size=60))
def test_streaks_and_tiers_are_those_of_the_plain_model(days: list[int]) -> None:
    counted = [(number, days.count(number)) for number in set(days)]
    runs = [(None, number, count) for number, count in counted]
    totals = [(number, None, count) for number, count in counted]
    assert rules.streaks(runs) == world.streaks(days)
    assert rules.tiers(totals) == world.tiers(days)


@given(st.dictionaries(st.integers(0, 23), st.integers(1, 99)))
def test_every_hour_has_a_number(by_hour: dict[int, int]) -> None:
    rows = [(hour, count, 1) for hour, count in by_hour.items()]
    rows.append((None, sum(by_hour.values()), 7))
    found = rules.cravings(rows)
    assert found["byHour"] == [by_hour.get(hour, 0) for hour in range(24)]
    assert (found["cravings"], found["users"]) == (sum(by_hour.values()), 7)
