"""A month and a year, played day by day with the clock."""

import random
from datetime import date, timedelta

from tests.factories import FrozenClock, Visitor, data
from tests.flows.life import Life

RANK_UPS = {
    8: "秩序白银",
    31: "荣耀黄金",
    61: "尊贵铂金",
    91: "永恒钻石",
    181: "至尊星耀",
    271: "最强王者",
    366: "无双王者",
}


async def test_a_month_with_gaps_and_makeups(visitor: Visitor, clock: FrozenClock) -> None:
    alice = Life(visitor, clock, "alice")
    chance = random.Random(20251201)
    for _ in range(31):
        if chance.random() < 0.8:
            await alice.checks_in()
        if chance.random() < 0.3:
            await alice.makes_up(alice.today - timedelta(days=chance.randint(0, 5)))
        await alice.looks()
        clock.advance(hours=chance.choice((21, 24, 27)))
    assert len(alice.model.checked_in) > 20
    assert any(record["isMakeup"] for record in alice.model.checked_in.values())


async def test_a_leap_year_without_a_gap(visitor: Visitor, clock: FrozenClock) -> None:
    clock.set("2024-01-01T22:00:00+08:00")
    alice = Life(visitor, clock, "alice")
    for day in range(1, 367):
        counted = await alice.checks_in()
        assert counted["totalDays"] == counted["consecutiveDays"] == day
        assert counted["makeupCards"] == 3 + day // 7
        assert counted["isRankUp"] == (day in RANK_UPS)
        if day in RANK_UPS:
            assert counted["currentRank"]["rank"] == RANK_UPS[day]
            await alice.looks()
        clock.advance(days=1)
    assert alice.today == date(2025, 1, 1)
    person = await alice.person()
    february = data(await person.get("/check-in/records", year=2024, month=2))["records"]
    assert len(february) == 29
    assert february[0] == {"date": "2024-02-29", "isMakeup": False, "rank": "荣耀黄金", "stars": 30}


async def test_a_leap_day_that_was_missed_parts_the_run_and_a_makeup_joins_it(
    visitor: Visitor, clock: FrozenClock
) -> None:
    clock.set("2024-02-27T09:00:00+08:00")
    alice = Life(visitor, clock, "alice")
    for day in ("02-27", "02-28", "03-01", "03-02"):
        clock.set(f"2024-{day}T09:00:00+08:00")
        await alice.checks_in()
    assert (await alice.looks())["consecutiveDays"] == 2
    assert (await alice.makes_up(date(2024, 2, 29)))["consecutiveDays"] == 5
    await alice.looks()


async def test_from_february_to_march_is_one_day_in_a_common_year(
    visitor: Visitor, clock: FrozenClock
) -> None:
    clock.set("2025-02-28T23:00:00+08:00")
    alice = Life(visitor, clock, "alice")
    await alice.checks_in()
    clock.set("2025-03-01T00:10:00+08:00")
    assert (await alice.checks_in())["consecutiveDays"] == 2


async def test_the_turn_of_the_year_does_not_break_the_run(
    visitor: Visitor, clock: FrozenClock
) -> None:
    clock.set("2025-12-31T23:59:59+08:00")
    alice = Life(visitor, clock, "alice")
    await alice.checks_in()
    clock.set("2026-01-01T00:00:00+08:00")
    assert (await alice.checks_in())["consecutiveDays"] == 2
    assert (await alice.looks())["last7DaysCheckIn"] == [False] * 5 + [True, True]
