"""GET /check-in/today, /check-in/records and /users/me/stats."""

from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data, refusal


async def test_today_before_and_after_the_check_in_and_after_midnight(
    alice: Visitor, clock: FrozenClock
) -> None:
    async def today() -> Any:
        return data(await alice.get("/check-in/today"))

    not_yet = {"hasCheckedIn": False, "checkInDate": "2025-12-01", "isMakeup": False}
    assert await today() == not_yet
    data(await alice.post("/check-in"))
    assert await today() == {**not_yet, "hasCheckedIn": True}
    clock.set("2025-12-01T15:59:59.999Z")
    assert await today() == {**not_yet, "hasCheckedIn": True}
    clock.set("2025-12-01T16:00:00Z")
    assert await today() == {**not_yet, "checkInDate": "2025-12-02"}


async def test_a_made_up_yesterday_says_nothing_about_today(alice: Visitor) -> None:
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-30"))
    assert data(await alice.get("/check-in/today"))["hasCheckedIn"] is False


async def test_a_made_up_day_that_is_today_again_further_west_shows_as_made_up(
    alice: Visitor, clock: FrozenClock
) -> None:
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-30"))
    data(await alice.put("/users/me/settings", timezone="America/New_York"))
    made_up = {"hasCheckedIn": True, "checkInDate": "2025-11-30", "isMakeup": True}
    assert data(await alice.get("/check-in/today")) == made_up


async def test_a_makeup_of_an_older_day_does_not_mark_todays_check_in_as_made_up(
    alice: Visitor,
) -> None:
    data(await alice.post("/check-in"))
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-28"))
    today = data(await alice.get("/check-in/today"))
    assert today == {"hasCheckedIn": True, "checkInDate": "2025-12-01", "isMakeup": False}


async def test_the_records_of_a_month_come_newest_first(alice: Visitor, bob: Visitor) -> None:
    data(await bob.post("/check-in"))
    data(await alice.post("/check-in"))
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-28"))
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-30"))

    december = data(await alice.get("/check-in/records", year=2025, month=12))
    november = data(await alice.get("/check-in/records", year=2025, month=11))

    assert december == {
        "year": 2025,
        "month": 12,
        "records": [{"date": "2025-12-01", "isMakeup": False, "rank": "倔强青铜", "stars": 1}],
    }
    assert november["records"] == [
        {"date": "2025-11-30", "isMakeup": True, "rank": "倔强青铜", "stars": 3},
        {"date": "2025-11-28", "isMakeup": True, "rank": "倔强青铜", "stars": 2},
    ]


async def test_a_month_without_records_is_empty_and_so_is_somebody_elses(
    alice: Visitor, bob: Visitor
) -> None:
    data(await bob.post("/check-in"))
    for year, month in ((2025, 12), (2024, 12), (2000, 1), (2999, 12)):
        found = data(await alice.get("/check-in/records", year=year, month=month))
        assert found == {"year": year, "month": month, "records": []}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"year": 2025},
        {"month": 12},
        {"year": 2025, "month": 0},
        {"year": 2025, "month": 13},
        {"year": 1999, "month": 1},
        {"year": 3000, "month": 1},
        {"year": -1, "month": 1},
        {"year": "10" * 30, "month": 1},
        {"year": "MMXXV", "month": 1},
        {"year": "2025.5", "month": 1},
        {"year": "", "month": ""},
    ],
)
async def test_a_month_that_is_none_is_refused(alice: Visitor, query: dict[str, Any]) -> None:
    assert refusal(await alice.get("/check-in/records", **query), 400) == "invalid_request"


async def test_the_statistics_of_a_newcomer(alice: Visitor) -> None:
    assert data(await alice.get("/users/me/stats")) == {
        "totalDays": 0,
        "consecutiveDays": 0,
        "cigarettesAvoided": 0,
        "moneySaved": 0,
        "equivalentItem": {"name": "可乐", "count": 0, "unit": "瓶"},
        "extraLife": {"days": 0, "hours": 0, "totalMinutes": 0},
        "currentRank": {
            "rank": "倔强青铜",
            "stars": 0,
            "daysToNextRank": 8,
            "nextRank": "秩序白银",
        },
        "last7DaysCheckIn": [False] * 7,
    }


async def test_the_statistics_of_the_specifications_sample(
    visitor: Visitor, clock: FrozenClock
) -> None:
    """15 days at 20 cigarettes and 20 元 a pack; the code of §5.3 and §5.4 decides."""
    missed = {"2025-11-26", "2025-11-29"}
    for day in range(15, 31):
        today = f"2025-11-{day}"
        clock.set(f"{today}T09:00:00+08:00")
        alice = await visitor.log_in("alice")
        if today not in missed:
            data(await alice.post("/check-in"))
    clock.set("2025-12-01T09:00:00+08:00")
    data(await alice.post("/check-in"))
    stats = await alice.get("/users/me/stats")
    assert data(stats) == {
        "totalDays": 15,
        "consecutiveDays": 2,
        "cigarettesAvoided": 300,
        "moneySaved": 300.0,
        "equivalentItem": {"name": "健身月卡", "count": 1, "unit": "张"},
        "extraLife": {"days": 2, "hours": 7, "totalMinutes": 3300},
        "currentRank": {
            "rank": "秩序白银",
            "stars": 8,
            "daysToNextRank": 16,
            "nextRank": "荣耀黄金",
        },
        "last7DaysCheckIn": [True, False, True, True, False, True, True],
    }
    assert '"moneySaved":300.00' in stats.text


async def test_the_run_is_over_when_yesterday_was_missed_also_when_merely_read(
    alice: Visitor, clock: FrozenClock
) -> None:
    data(await alice.post("/check-in"))

    async def run() -> set[int]:
        pages = [await alice.get("/users/me"), await alice.get("/users/me/stats")]
        return {data(page)["consecutiveDays"] for page in pages}

    clock.set("2025-12-02T23:59:59+08:00")
    assert await run() == {1}
    clock.set("2025-12-03T00:00:00+08:00")
    assert await run() == {0}


async def test_the_last_seven_days_run_from_six_days_ago_to_today(
    alice: Visitor, clock: FrozenClock
) -> None:
    data(await alice.post("/check-in"))
    for ahead in range(7):
        clock.set(f"2025-12-0{1 + ahead}T09:00:00+08:00")
        week = data(await alice.get("/users/me/stats"))["last7DaysCheckIn"]
        assert week == [day == 6 - ahead for day in range(7)]
    clock.advance(days=1)
    alice = await alice.log_in("alice")
    assert data(await alice.get("/users/me/stats"))["last7DaysCheckIn"] == [False] * 7


async def test_money_follows_what_somebody_smoked(alice: Visitor) -> None:
    data(await alice.post("/check-in"))
    smoked = {"dailyAmount": 1, "pricePerPack": 0.2, "cigarettesPerPack": 8}
    data(await alice.put("/users/me/settings", **smoked))
    stats = await alice.get("/users/me/stats")
    assert data(stats)["cigarettesAvoided"] == 1
    assert '"moneySaved":0.02' in stats.text  # 0.025, half-even
