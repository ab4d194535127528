"""GET /cravings/stats: every day, and every hour of the day."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal


async def test_every_day_is_there_newest_first_and_every_hour(
    alice: Visitor, bob: Visitor, clock: FrozenClock
) -> None:
    data(await bob.post("/cravings", intensity=5))
    for local, intensity in (
        ("2025-12-01T00:00:00", 1),
        ("2025-12-01T23:59:59", None),
        ("2025-12-03T10:00:00", 2),
        ("2025-12-03T10:59:59", 5),
    ):
        clock.set(f"{local}+08:00")
        data(await alice.post("/cravings", intensity=intensity))

    stats = data(await alice.get("/cravings/stats", days=4))

    assert stats["dailyStats"] == [
        {"date": "2025-12-03", "count": 2, "avgIntensity": 3.5},
        {"date": "2025-12-02", "count": 0, "avgIntensity": None},
        {"date": "2025-12-01", "count": 2, "avgIntensity": 1.0},
        {"date": "2025-11-30", "count": 0, "avgIntensity": None},
    ]
    counts = {str(hour): 0 for hour in range(24)} | {"0": 1, "10": 2, "23": 1}
    assert stats["hourlyDistribution"] == counts
    assert list(stats["hourlyDistribution"]) == [str(hour) for hour in range(24)]


@pytest.mark.parametrize("days", [1, 7, 366])
async def test_as_many_days_as_asked_end_today(alice: Visitor, days: int) -> None:
    stats = data(await alice.get("/cravings/stats", days=days))
    today = date(2025, 12, 1)
    expected = [(today - timedelta(days=ago)).isoformat() for ago in range(days)]
    assert [day["date"] for day in stats["dailyStats"]] == expected


async def test_seven_days_where_nothing_is_asked(alice: Visitor) -> None:
    assert len(data(await alice.get("/cravings/stats"))["dailyStats"]) == 7


@pytest.mark.parametrize("days", [0, -1, 367, 10**30, "week", 1.5, ""])
async def test_other_numbers_of_days_are_refused(alice: Visitor, days: Any) -> None:
    assert refusal(await alice.get("/cravings/stats", days=days), 400) == "invalid_request"


async def test_what_lies_before_the_first_day_does_not_count(
    alice: Visitor, clock: FrozenClock
) -> None:
    data(await alice.post("/cravings"))
    clock.advance(days=1)
    stats = data(await alice.get("/cravings/stats", days=1))
    assert stats["dailyStats"] == [{"date": "2025-12-02", "count": 0, "avgIntensity": None}]
    assert sum(stats["hourlyDistribution"].values()) == 0


@pytest.mark.parametrize(
    ("day", "instants", "hours"),
    [
        # The day of 23 hours: 01:59 and, a minute later, 03:00.
        ("2025-03-09", ["2025-03-09T06:59:00Z", "2025-03-09T07:00:00Z"], {"1": 1, "3": 1}),
        # The day of 25 hours: 01:30 twice.
        ("2025-11-02", ["2025-11-02T05:30:00Z", "2025-11-02T06:30:00Z"], {"1": 2}),
    ],
)
async def test_hours_in_new_york_on_the_days_the_clocks_change(
    visitor: Visitor, clock: FrozenClock, day: str, instants: list[str], hours: dict[str, int]
) -> None:
    clock.set(instants[0])
    alice = await visitor.log_in("alice")
    data(await alice.put("/users/me/settings", timezone="America/New_York"))
    for instant in instants:
        clock.set(instant)
        data(await alice.post("/cravings"))
    stats = data(await alice.get("/cravings/stats", days=1))
    assert stats["dailyStats"] == [{"date": day, "count": 2, "avgIntensity": None}]
    assert {hour: count for hour, count in stats["hourlyDistribution"].items() if count} == hours
