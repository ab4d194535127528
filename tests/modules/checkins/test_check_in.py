"""POST /check-in: what it answers, stores and announces."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.factories import START, FrozenClock, Visitor, data, refusal
from zxo.context import Context

PLACE = {"latitude": 39.9042, "longitude": 116.40749, "locationName": "北京市朝阳区三里屯"}


async def consent(ctx: Context, user: Visitor, *, withdrawn: bool = False) -> None:
    await ctx.db.execute(
        "INSERT INTO consents (user_id, purpose, version, granted_at, withdrawn_at)"
        " VALUES ($1, 'location', '1', $2, $3)",
        user.user["id"],
        START,
        START if withdrawn else None,
    )


async def stored_place(ctx: Context) -> tuple[Any, ...]:
    row = await ctx.db.fetchrow("SELECT latitude, longitude, location_name FROM check_in_records")
    assert row is not None
    return tuple(row)


async def events(ctx: Context) -> list[Any]:
    rows = await ctx.db.fetch("SELECT payload FROM outbox WHERE event = 'CheckedIn' ORDER BY id")
    return [msgspec.json.decode(row[0]) for row in rows]


async def test_the_first_check_in_answers_as_specified(alice: Visitor) -> None:
    assert data(await alice.post("/check-in")) == {
        "checkInDate": "2025-12-01",
        "totalDays": 1,
        "consecutiveDays": 1,
        "currentRank": {
            "rank": "倔强青铜",
            "stars": 1,
            "daysToNextRank": 7,
            "nextRank": "秩序白银",
        },
        "isRankUp": False,
        "makeupCards": 3,
    }


async def test_second_check_in_on_the_same_day_is_refused(
    alice: Visitor, clock: FrozenClock, ctx: Context
) -> None:
    data(await alice.post("/check-in"))
    clock.set("2025-12-01T23:59:59.999999+08:00")
    again = await alice.post("/check-in")
    assert refusal(again, 409) == "already_checked_in"
    assert again.json()["message"] == "今天已经打卡过了"
    assert await ctx.db.fetchval("SELECT count(*) FROM check_in_records") == 1
    assert data(await alice.get("/users/me"))["totalDays"] == 1


async def test_one_event_tells_of_the_check_in_and_a_refusal_tells_nothing(
    alice: Visitor, ctx: Context
) -> None:
    data(await alice.post("/check-in"))
    refusal(await alice.post("/check-in"), 409)
    version = await ctx.db.fetchval("SELECT version FROM users")
    assert await events(ctx) == [
        {
            "user_id": alice.user["id"],
            "version": version,
            "check_in_date": "2025-12-01",
            "is_makeup": False,
            "total_days": 1,
            "consecutive_days": 1,
            "is_rank_up": False,
        }
    ]


async def test_record_and_event_and_progress_are_one_transaction(
    alice: Visitor, ctx: Context
) -> None:
    data(await alice.post("/check-in"))
    written = await ctx.db.fetch(
        "SELECT xmin::text FROM users UNION SELECT xmin::text FROM check_in_records"
        " UNION SELECT xmin::text FROM outbox WHERE event = 'CheckedIn'"
    )
    assert len(written) == 1


async def test_the_record_keeps_the_rank_after_the_day_was_counted(
    alice: Visitor, ctx: Context, clock: FrozenClock
) -> None:
    for _ in range(8):
        last = data(await alice.post("/check-in"))
        clock.advance(days=1)
        alice = await alice.log_in("alice")
    assert last["isRankUp"] is True
    rows = await ctx.db.fetch(
        "SELECT check_in_date, rank_at_check_in, stars_at_check_in FROM check_in_records ORDER BY 1"
    )
    assert [tuple(row) for row in rows[-2:]] == [
        (date(2025, 12, 7), "倔强青铜", 7),
        (date(2025, 12, 8), "秩序白银", 1),
    ]


async def test_the_moment_of_reaching_the_days_is_kept(alice: Visitor, ctx: Context) -> None:
    data(await alice.post("/check-in"))
    row = await ctx.db.fetchrow(
        "SELECT total_days_reached_at, made_on, r.created_at"
        " FROM users u JOIN check_in_records r ON r.user_id = u.id"
    )
    assert row is not None
    assert tuple(row) == (START, date(2025, 12, 1), START)


@pytest.mark.parametrize("content", [b"", b"{}", b"null"])
async def test_nothing_has_to_be_said(alice: Visitor, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await alice.request("POST", "/check-in", content=content, headers=headers)
    assert data(answer)["totalDays"] == 1


async def test_with_consent_the_place_is_stored_to_three_decimals(
    alice: Visitor, ctx: Context
) -> None:
    await consent(ctx, alice)
    data(await alice.post("/check-in", **PLACE))
    assert await stored_place(ctx) == (Decimal("39.904"), Decimal("116.407"), PLACE["locationName"])


@pytest.mark.parametrize("withdrawn", [True, None])
async def test_without_consent_the_day_counts_and_the_place_is_dropped(
    alice: Visitor, ctx: Context, withdrawn: bool | None
) -> None:
    if withdrawn:
        await consent(ctx, alice, withdrawn=True)
    assert data(await alice.post("/check-in", **PLACE))["totalDays"] == 1
    assert await stored_place(ctx) == (None, None, None)


async def test_another_persons_consent_or_one_for_another_purpose_does_not_count(
    alice: Visitor, bob: Visitor, ctx: Context
) -> None:
    await consent(ctx, bob)
    await ctx.db.execute(
        "INSERT INTO consents (user_id, purpose, version, granted_at)"
        " VALUES ($1, 'health', '1', $2)",
        alice.user["id"],
        START,
    )
    data(await alice.post("/check-in", **PLACE))
    assert await stored_place(ctx) == (None, None, None)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ({"locationName": "家"}, (None, None, "家")),
        (
            {"latitude": -90, "longitude": 180, "locationName": None},
            (Decimal("-90.000"), Decimal("180.000"), None),
        ),
        ({"latitude": 0, "longitude": -180.0}, (Decimal("0.000"), Decimal("-180.000"), None)),
        ({"latitude": None, "longitude": None}, (None, None, None)),
        ({"locationName": "𠮷" * 200}, (None, None, "𠮷" * 200)),
    ],
)
async def test_a_name_or_coordinates_alone_are_a_place(
    alice: Visitor, ctx: Context, said: dict[str, Any], stored: tuple[Any, ...]
) -> None:
    await consent(ctx, alice)
    data(await alice.post("/check-in", **said))
    assert await stored_place(ctx) == stored


@pytest.mark.parametrize(
    "body",
    [
        '{"latitude": 39.9}',
        '{"longitude": 116.4}',
        '{"latitude": 39.9, "longitude": null}',
        '{"latitude": 90.0001, "longitude": 0}',
        '{"latitude": -90.0001, "longitude": 0}',
        '{"latitude": 0, "longitude": 180.0001}',
        '{"latitude": 0, "longitude": -180.0001}',
        '{"latitude": NaN, "longitude": 0}',
        '{"latitude": 0, "longitude": Infinity}',
        '{"latitude": 1e400, "longitude": 0}',
        '{"latitude": 1' + "0" * 400 + ', "longitude": 0}',
        '{"latitude": "39.9", "longitude": "116.4"}',
        '{"latitude": true, "longitude": false}',
        '{"latitude": [39.9], "longitude": {}}',
        '{"locationName": 5}',
        '{"locationName": "' + "家" * 201 + '"}',
        '{"locationName": "a\\u0000b"}',
        '{"date": "2025-11-30"}',
        '{"location_name": "家"}',
        "[]",
        '"2025-12-01"',
        "{",
    ],
)
async def test_a_malformed_place_is_refused_and_nothing_is_counted(
    alice: Visitor, ctx: Context, body: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await alice.request("POST", "/check-in", content=body.encode(), headers=headers)
    assert refusal(answer, 400) == "invalid_request"
    assert await ctx.db.fetchval("SELECT count(*) FROM check_in_records") == 0


async def test_the_same_idempotency_key_gets_the_first_answer_again(alice: Visitor) -> None:
    headers = {"Idempotency-Key": "tap-1"}
    first = await alice.request("POST", "/check-in", headers=headers)
    again = await alice.request("POST", "/check-in", headers=headers)
    assert data(first) == data(again)
    assert again.headers["idempotent-replayed"] == "true"


async def test_everybody_has_days_of_their_own(alice: Visitor, bob: Visitor) -> None:
    data(await alice.post("/check-in"))
    assert data(await bob.get("/check-in/today"))["hasCheckedIn"] is False
    assert data(await bob.post("/check-in"))["totalDays"] == 1
