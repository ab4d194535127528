"""What the counts of cravings say, against plain reckoning."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.modules.cravings import rules

hours = st.dictionaries(st.integers(0, 23), st.integers(1, 5))


@pytest.mark.parametrize(
    ("by_hour", "peaks"),
    [
        ({}, []),
        ({23: 1}, [23]),
        ({20: 3, 10: 5}, [10, 20]),
        ({20: 3, 10: 5, 14: 4, 9: 2}, [10, 14, 20]),  # the busiest, in the order of the day
        ({20: 1, 10: 1, 14: 1, 9: 1}, [9, 10, 14]),  # as busy, so the earlier one
        ({8: 0, 9: 1}, [9]),
    ],
)
def test_the_three_busiest_hours_in_the_order_of_the_day(
    by_hour: dict[int, int], peaks: list[int]
) -> None:
    assert rules.peak_hours(by_hour) == peaks


@given(hours)
def test_no_hour_is_busier_than_a_peak(by_hour: dict[int, int]) -> None:
    peaks = rules.peak_hours(by_hour)
    others = set(by_hour) - set(peaks)
    assert peaks == sorted(set(peaks))
    assert len(peaks) == min(3, len(by_hour))
    assert all((by_hour[peak], -peak) > (by_hour[hour], -hour) for peak in peaks for hour in others)


@given(st.lists(st.integers(1, 5), max_size=50))
def test_the_average_has_one_decimal_and_halves_go_up(intensities: list[int]) -> None:
    average = rules.average(sum(intensities), len(intensities))
    if not intensities:
        assert average is None
        return
    exact = Decimal(sum(intensities)) / len(intensities)
    assert average == float(exact.quantize(Decimal("0.1"), ROUND_HALF_UP))


def test_a_span_has_one_to_366_days() -> None:
    first = date(2024, 2, 29)
    allowed = [days for days in range(-2, 400) if rules.is_span(first, first + timedelta(days))]
    assert allowed == list(range(366))


def test_the_days_of_a_span_come_newest_first() -> None:
    days = rules.days_of(date(2024, 2, 28), date(2024, 3, 1))
    assert days == [date(2024, 3, 1), date(2024, 2, 29), date(2024, 2, 28)]
