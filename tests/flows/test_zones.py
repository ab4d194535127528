"""People elsewhere, people whose clocks change, and people who travel."""

from datetime import date

import pytest

from tests.factories import FrozenClock, Visitor
from tests.flows.life import Life


@pytest.fixture
def alice(visitor: Visitor, clock: FrozenClock) -> Life:
    return Life(visitor, clock, "alice")


@pytest.mark.parametrize(
    "days",
    [
        ["2025-03-08", "2025-03-09", "2025-03-10"],  # the 9th has 23 hours
        ["2025-11-01", "2025-11-02", "2025-11-03"],  # the 2nd has 25
    ],
)
@pytest.mark.parametrize("time", ["00:00:00", "01:30:00", "03:00:00", "23:59:59.999999"])
async def test_in_new_york_every_day_counts_once_also_when_the_clocks_change(
    alice: Life, days: list[str], time: str
) -> None:
    alice.clock.set(f"{days[0]}T05:00:00Z")
    await alice.moves_to("America/New_York")
    for run, day in enumerate(days, start=1):
        alice.stands_at(f"{day}T{time}")
        counted = await alice.checks_in()
        assert (counted["checkInDate"], counted["consecutiveDays"]) == (day, run)
        await alice.looks()


async def test_midnight_in_new_york_moves_with_daylight_saving(alice: Life) -> None:
    alice.clock.set("2025-03-08T12:00:00Z")
    await alice.moves_to("America/New_York")
    for instant, day in (
        ("2025-03-09T04:59:59Z", "2025-03-08"),  # five hours behind
        ("2025-03-09T05:00:00Z", "2025-03-09"),
        ("2025-03-10T04:00:00Z", "2025-03-10"),  # four
    ):
        alice.clock.set(instant)
        assert (await alice.checks_in())["checkInDate"] == day
    alice.clock.set("2025-03-11T03:59:59Z")
    assert await alice.checks_in() == "already_checked_in"


async def test_the_hour_that_comes_twice_is_of_one_day(alice: Life) -> None:
    alice.clock.set("2025-11-02T05:30:00Z")  # 01:30, in summer time
    await alice.moves_to("America/New_York")
    await alice.checks_in()
    alice.clock.set("2025-11-02T06:30:00Z")  # 01:30 again
    assert await alice.checks_in() == "already_checked_in"


async def test_who_flies_east_over_midnight_checks_in_on_the_next_day(alice: Life) -> None:
    alice.clock.set("2025-12-01T23:00:00+08:00")
    await alice.checks_in()
    await alice.moves_to("Pacific/Auckland")  # 04:00 on the 2nd
    await alice.looks()
    assert (await alice.checks_in())["consecutiveDays"] == 2
    assert await alice.checks_in() == "already_checked_in"
    await alice.looks()
    # Back home it is still the 1st, which is counted; the 2nd is counted as well.
    await alice.moves_to("Asia/Shanghai")
    await alice.looks()
    assert await alice.checks_in() == "already_checked_in"
    alice.clock.set("2025-12-02T09:00:00+08:00")
    assert await alice.checks_in() == "already_checked_in"
    alice.clock.set("2025-12-03T09:00:00+08:00")
    assert (await alice.checks_in())["consecutiveDays"] == 3


async def test_who_flies_west_over_midnight_has_no_day_twice(alice: Life) -> None:
    for day in ("2025-12-01", "2025-12-02"):
        alice.clock.set(f"{day}T08:00:00+08:00")
        await alice.checks_in()
    await alice.moves_to("America/New_York")  # 19:00 on the 1st
    await alice.looks()
    assert await alice.checks_in() == "already_checked_in"
    alice.stands_at("2025-12-02T00:00")
    assert await alice.checks_in() == "already_checked_in"
    alice.stands_at("2025-12-03T00:00")
    assert (await alice.checks_in())["consecutiveDays"] == 3


async def test_who_flies_west_gets_the_missed_day_back_and_loses_none(alice: Life) -> None:
    alice.clock.set("2025-12-02T08:00:00+08:00")
    await alice.checks_in()
    await alice.moves_to("America/New_York")  # the 1st, not counted yet
    await alice.looks()
    counted = await alice.checks_in()
    assert (counted["checkInDate"], counted["totalDays"]) == ("2025-12-01", 2)
    assert counted["consecutiveDays"] == 2
    assert await alice.checks_in() == "already_checked_in"
    await alice.looks()


async def test_a_day_filled_further_west_that_makes_the_run_a_week_earns_a_card(
    alice: Life,
) -> None:
    for day in (1, 2, 3, 4, 5, 7):
        alice.clock.set(f"2025-12-0{day}T08:00:00+08:00")
        await alice.checks_in()
    await alice.moves_to("America/New_York")  # 19:00 on the 6th
    counted = await alice.checks_in()
    assert (counted["consecutiveDays"], counted["makeupCards"]) == (7, 4)


async def test_the_date_line_makes_two_days_of_difference_and_no_failure(alice: Life) -> None:
    alice.clock.set("2025-12-01T10:30:00Z")
    await alice.moves_to("Pacific/Kiritimati")  # 00:30 on the 2nd
    assert (await alice.checks_in())["checkInDate"] == "2025-12-02"
    await alice.moves_to("Pacific/Pago_Pago")  # 23:30 on 30 November
    await alice.looks()
    counted = await alice.checks_in()
    assert (counted["checkInDate"], counted["consecutiveDays"]) == ("2025-11-30", 1)
    assert await alice.makes_up(date(2025, 12, 1)) == "date_not_in_past"
    await alice.moves_to("Pacific/Kiritimati")
    assert (await alice.makes_up(date(2025, 12, 1)))["consecutiveDays"] == 3
    await alice.looks()


async def test_two_makeups_a_day_are_counted_by_the_date_where_the_person_is(
    alice: Life,
) -> None:
    alice.clock.set("2025-12-01T23:30:00+08:00")
    for day in (29, 28):
        await alice.makes_up(date(2025, 11, day))
    assert await alice.makes_up(date(2025, 11, 27)) == "too_many_makeups_today"
    await alice.moves_to("Pacific/Auckland")  # the 2nd
    assert (await alice.makes_up(date(2025, 11, 27)))["makeupCards"] == 0
