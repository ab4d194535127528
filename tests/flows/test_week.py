"""A week: seven stars, one card, and a break with its repair."""

from datetime import date, timedelta

import pytest

from tests.factories import FrozenClock, Visitor, data
from tests.flows.life import Life


@pytest.fixture
def alice(visitor: Visitor, clock: FrozenClock) -> Life:
    return Life(visitor, clock, "alice")


async def test_a_week_without_a_gap_earns_a_card_and_the_day_after_it_a_rank(alice: Life) -> None:
    for day in range(1, 8):
        counted = await alice.checks_in()
        await alice.looks()
        assert (counted["currentRank"]["rank"], counted["currentRank"]["stars"]) == (
            "倔强青铜",
            day,
        )
        assert counted["makeupCards"] == (4 if day == 7 else 3)
        assert counted["isRankUp"] is False
        alice.clock.advance(days=1)

    eighth = await alice.checks_in()
    assert eighth["currentRank"] == {
        "rank": "秩序白银",
        "stars": 1,
        "daysToNextRank": 23,
        "nextRank": "荣耀黄金",
    }
    assert (eighth["isRankUp"], eighth["consecutiveDays"], eighth["makeupCards"]) == (True, 8, 4)


async def test_midnight_in_shanghai_parts_two_days(alice: Life) -> None:
    alice.clock.set("2025-12-01T15:59:59Z")
    assert (await alice.checks_in())["checkInDate"] == "2025-12-01"
    assert await alice.checks_in() == "already_checked_in"
    alice.clock.set("2025-12-01T16:00:00Z")
    await alice.looks()
    second = await alice.checks_in()
    assert (second["checkInDate"], second["consecutiveDays"]) == ("2025-12-02", 2)


async def test_the_hours_before_eight_belong_to_the_day_in_china(alice: Life) -> None:
    """The dates of UTC would put them on the day before."""
    alice.clock.set("2025-12-02T00:30:00+08:00")
    assert (await alice.checks_in())["checkInDate"] == "2025-12-02"
    alice.clock.set("2025-12-02T08:30:00+08:00")
    assert await alice.checks_in() == "already_checked_in"


async def test_a_break_is_repaired_by_two_makeups_a_day(alice: Life) -> None:
    for _ in range(6):
        await alice.checks_in()
        alice.clock.advance(days=1)
    alice.clock.advance(days=3)  # 7, 8 and 9 December are missed
    assert (await alice.looks())["consecutiveDays"] == 0
    assert (await alice.checks_in())["consecutiveDays"] == 1

    assert (await alice.makes_up(date(2025, 12, 9)))["consecutiveDays"] == 2
    assert (await alice.makes_up(date(2025, 12, 8)))["consecutiveDays"] == 3
    assert await alice.makes_up(date(2025, 12, 7)) == "too_many_makeups_today"
    alice.clock.set("2025-12-10T23:59:59+08:00")
    assert await alice.makes_up(date(2025, 12, 7)) == "too_many_makeups_today"

    alice.clock.set("2025-12-11T00:00:00+08:00")
    repaired = await alice.makes_up(date(2025, 12, 7))
    assert (repaired["consecutiveDays"], repaired["makeupCards"]) == (10, 0)
    await alice.looks()
    assert await alice.makes_up(date(2025, 11, 30)) == "no_makeup_card"
    # The run goes on from the repaired one: eleven today, a card on its fourteenth day.
    for run in range(11, 15):
        counted = await alice.checks_in()
        assert counted["consecutiveDays"] == run
        assert counted["makeupCards"] == (1 if run == 14 else 0)
        alice.clock.advance(days=1)


async def test_the_month_page_shows_a_made_up_day_as_such(alice: Life) -> None:
    await alice.checks_in()
    await alice.makes_up(alice.today - timedelta(days=1))
    await alice.makes_up(alice.today - timedelta(days=31))
    person = await alice.person()
    for year, month in ((2025, 10), (2025, 11), (2025, 12)):
        page = data(await person.get("/check-in/records", year=year, month=month))
        assert page["records"] == alice.model.records(year, month)
