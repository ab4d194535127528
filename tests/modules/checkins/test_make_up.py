"""POST /check-in/makeup: who may, in which order it is refused, and what it changes."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from zxo.context import Context


async def make_up(person: Visitor, day: str) -> Any:
    return await person.post("/check-in/makeup", checkInDate=day)


async def give_cards(ctx: Context, person: Visitor, cards: int) -> None:
    await ctx.db.execute(
        "UPDATE users SET makeup_cards = $2, version = version + 1 WHERE id = $1",
        person.user["id"],
        cards,
    )


async def make_up_two(person: Visitor) -> None:
    for day in ("2025-11-29", "2025-11-28"):
        data(await make_up(person, day))


async def test_a_makeup_answers_as_specified(alice: Visitor) -> None:
    data(await alice.post("/check-in"))
    assert data(await make_up(alice, "2025-11-30")) == {
        "checkInDate": "2025-11-30",
        "totalDays": 2,
        "consecutiveDays": 2,
        "currentRank": {
            "rank": "倔强青铜",
            "stars": 2,
            "daysToNextRank": 6,
            "nextRank": "秩序白银",
        },
        "isRankUp": False,
        "makeupCards": 2,
    }


async def test_a_makeup_is_announced_once_and_a_refused_one_never(
    alice: Visitor, ctx: Context
) -> None:
    data(await make_up(alice, "2025-11-30"))
    refusal(await make_up(alice, "2025-11-30"), 409)
    row = await ctx.db.fetch("SELECT payload FROM outbox WHERE event = 'CheckedIn'")
    assert [msgspec.json.decode(event[0]) for event in row] == [
        {
            "user_id": alice.user["id"],
            "version": await ctx.db.fetchval("SELECT version FROM users"),
            "check_in_date": "2025-11-30",
            "is_makeup": True,
            "total_days": 1,
            "consecutive_days": 1,
            "is_rank_up": False,
        }
    ]


async def test_no_card_is_refused_before_everything_else(alice: Visitor, ctx: Context) -> None:
    await make_up_two(alice)
    await give_cards(ctx, alice, 0)
    for day in ("2025-12-02", "2025-12-01", "2025-11-29", "2025-11-20", "2020-01-01"):
        assert refusal(await make_up(alice, day), 400) == "no_makeup_card"


@pytest.mark.parametrize("day", ["2025-12-01", "2025-12-02", "9999-12-31"])
async def test_today_and_the_future_are_refused_before_already_and_too_many(
    alice: Visitor, day: str
) -> None:
    data(await alice.post("/check-in"))
    await make_up_two(alice)
    assert refusal(await make_up(alice, day), 400) == "date_not_in_past"


async def test_a_counted_day_is_refused_before_too_many(alice: Visitor) -> None:
    await make_up_two(alice)
    assert refusal(await make_up(alice, "2025-11-28"), 409) == "date_already_checked_in"


async def test_a_third_makeup_on_one_day_is_refused_before_too_old(
    alice: Visitor, clock: FrozenClock
) -> None:
    await make_up_two(alice)
    assert refusal(await make_up(alice, "2025-11-27"), 400) == "too_many_makeups_today"
    assert refusal(await make_up(alice, "2020-01-01"), 400) == "too_many_makeups_today"
    clock.set("2025-12-02T00:00:00+08:00")
    assert data(await make_up(alice, "2025-11-27"))["makeupCards"] == 0


@pytest.mark.parametrize(
    ("now", "oldest"),
    [
        ("2025-12-01", "2024-11-30"),  # 366 days, none of them a leap day
        ("2024-12-01", "2023-12-01"),  # with 2024-02-29 among them
        ("2025-02-28", "2024-02-28"),
        ("2025-03-01", "2024-02-29"),
    ],
)
async def test_366_days_ago_can_be_made_up_and_367_cannot(
    visitor: Visitor, clock: FrozenClock, now: str, oldest: str
) -> None:
    clock.set(f"{now}T12:00:00+08:00")
    alice = await visitor.log_in("alice")
    assert date.fromisoformat(now) - date.fromisoformat(oldest) == timedelta(days=366)
    too_old = date.fromisoformat(oldest) - timedelta(days=1)
    assert refusal(await make_up(alice, too_old.isoformat()), 400) == "date_too_old"
    assert refusal(await make_up(alice, "0001-01-01"), 400) == "date_too_old"
    assert data(await make_up(alice, oldest))["checkInDate"] == oldest


async def test_a_refusal_takes_no_card_and_counts_no_day(alice: Visitor) -> None:
    data(await alice.post("/check-in"))
    for day in ("2025-12-01", "2025-12-02", "2020-01-01"):
        refusal(await make_up(alice, day), 400)
    profile = data(await alice.get("/users/me"))
    assert (profile["totalDays"], profile["makeupCards"]) == (1, 3)


async def test_a_makeup_between_two_runs_joins_them(alice: Visitor, clock: FrozenClock) -> None:
    for instant in ("2025-12-01", "2025-12-02", "2025-12-04", "2025-12-05"):
        clock.set(f"{instant}T09:00:00+08:00")
        counted = data(await alice.post("/check-in"))
    assert counted["consecutiveDays"] == 2
    made_up = data(await make_up(alice, "2025-12-03"))
    assert (made_up["totalDays"], made_up["consecutiveDays"]) == (5, 5)
    # The next check-in goes on from the joined run.
    clock.set("2025-12-06T09:00:00+08:00")
    assert data(await alice.post("/check-in"))["consecutiveDays"] == 6


async def test_a_makeup_of_an_isolated_day_leaves_the_run_alone(alice: Visitor) -> None:
    data(await alice.post("/check-in"))
    made_up = data(await make_up(alice, "2025-11-20"))
    assert (made_up["totalDays"], made_up["consecutiveDays"]) == (2, 1)


async def test_without_a_check_in_today_a_makeup_of_yesterday_is_the_run(alice: Visitor) -> None:
    older = data(await make_up(alice, "2025-11-29"))
    assert (older["totalDays"], older["consecutiveDays"]) == (1, 0)
    yesterday = data(await make_up(alice, "2025-11-30"))
    assert (yesterday["totalDays"], yesterday["consecutiveDays"]) == (2, 2)
    assert data(await alice.post("/check-in"))["consecutiveDays"] == 3


async def test_a_makeup_of_the_eighth_day_is_a_rank_up_and_the_record_keeps_it(
    alice: Visitor, clock: FrozenClock
) -> None:
    for day in range(1, 8):
        clock.set(f"2025-12-0{day}T09:00:00+08:00")
        data(await alice.post("/check-in"))
    made_up = data(await make_up(alice, "2025-11-10"))
    assert made_up["isRankUp"] is True
    assert made_up["currentRank"]["rank"] == "秩序白银"
    assert made_up["consecutiveDays"] == 7
    assert made_up["makeupCards"] == 3  # three, one for the week, less the one spent
    november = data(await alice.get("/check-in/records", year=2025, month=11))
    assert november["records"] == [
        {"date": "2025-11-10", "isMakeup": True, "rank": "秩序白银", "stars": 1}
    ]


async def test_a_makeup_that_makes_the_run_a_week_grants_no_card(
    alice: Visitor, clock: FrozenClock
) -> None:
    for day in (1, 2, 3, 5, 6, 7):
        clock.set(f"2025-12-0{day}T09:00:00+08:00")
        data(await alice.post("/check-in"))
    made_up = data(await make_up(alice, "2025-12-04"))
    assert (made_up["consecutiveDays"], made_up["makeupCards"]) == (7, 2)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"checkInDate": None},
        {"checkInDate": ""},
        {"checkInDate": "2025-11-31"},
        {"checkInDate": "2025-02-29"},
        {"checkInDate": "2025-11-3"},
        {"checkInDate": "20251130"},
        {"checkInDate": "2025-11-30T00:00:00Z"},
        {"checkInDate": "２０２５-11-30"},
        {"checkInDate": "0000-01-01"},
        {"checkInDate": 1764460800},
        {"checkInDate": "1764460800"},
        {"checkInDate": True},
        {"checkInDate": ["2025-11-30"]},
        {"checkInDate": "2025-11-30", "isMakeup": False},
    ],
)
async def test_anything_but_one_date_is_refused(alice: Visitor, body: dict[str, Any]) -> None:
    assert refusal(await alice.post("/check-in/makeup", **body), 400) == "invalid_request"
    assert data(await alice.get("/users/me"))["makeupCards"] == 3


async def test_a_body_is_required(alice: Visitor) -> None:
    assert refusal(await alice.request("POST", "/check-in/makeup"), 400) == "invalid_request"
