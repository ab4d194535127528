"""notifications.remind: once a day, at the person's own time, and only if it is still needed."""

import asyncio
from datetime import date, datetime, timedelta

import pytest

from tests.factories import FrozenClock, data
from tests.modules.notifications.conftest import (
    MINUTE,
    Drain,
    Living,
    at,
    every_minute,
    inbox,
    reminded,
    sets,
    tick,
    unread,
)
from zxo.context import Context
from zxo.modules.notifications import handlers, repository
from zxo.modules.notifications.rules import Window


async def test_a_reminder_says_what_to_do(living: Living, ctx: Context, clock: FrozenClock) -> None:
    when = at("Asia/Shanghai", "2025-12-01T20:30")
    alice = await living("Asia/Shanghai", "20:30", when - MINUTE)
    await tick(ctx, clock, when)
    [notice] = await inbox(alice)
    assert (notice["type"], notice["data"]) == (
        "check_in_reminder",
        {
            "kind": "check_in_reminder",
            "date": "2025-12-01",
            "title": "今天还没打卡",
            "body": "点一下就好，今天照样算数。",
        },
    )


async def test_a_check_in_of_yesterday_or_a_makeup_is_none_of_today(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - timedelta(days=1))
    data(await alice.post("/check-in"))
    clock.set(when - MINUTE)
    data(await alice.post("/check-in/makeup", checkInDate="2025-11-29"))
    await tick(ctx, clock, when)
    assert await reminded(alice) == ["2025-12-01"]


async def test_who_does_not_want_it_or_has_left_is_not_reminded(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - MINUTE)
    await sets(alice, enableCheckInReminder=False)
    bob = await living("Asia/Shanghai", "09:00", when - MINUTE, "bob")
    await ctx.db.execute("UPDATE users SET deleted_at = $2 WHERE id = $1", bob.user["id"], when)
    await tick(ctx, clock, when)
    assert await ctx.db.fetchval("SELECT count(*) FROM notifications") == 0


async def test_checking_in_reads_the_reminder_of_that_day_alone(
    living: Living, ctx: Context, clock: FrozenClock, drain: Drain
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - MINUTE)
    bob = await living("Asia/Shanghai", "09:00", when - MINUTE, "bob")
    await tick(ctx, clock, when, when + timedelta(days=1))
    data(await alice.post("/check-in"))
    await drain()
    read = {notice["data"].get("date"): notice["readAt"] for notice in await inbox(alice)}
    assert read == {"2025-12-01": None, "2025-12-02": "2025-12-02T01:00:00Z", None: None}
    assert await unread(bob) == 2


async def test_a_time_that_was_changed_counts_as_it_is_now_and_once_a_day(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "10:00", when - timedelta(hours=1))
    await sets(alice, checkInReminderTime="08:30")
    await every_minute(ctx, clock, when - 31 * MINUTE, when - 29 * MINUTE)
    assert await reminded(alice) == ["2025-12-01"]
    await sets(alice, checkInReminderTime="09:00")
    await every_minute(ctx, clock, when - MINUTE, when + MINUTE)
    assert await reminded(alice) == ["2025-12-01"]
    await tick(ctx, clock, when + timedelta(days=1))
    assert await reminded(alice) == ["2025-12-01", "2025-12-02"]


async def test_three_workers_at_once_remind_once(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    people = [
        await living("Asia/Shanghai", "09:00", when - MINUTE, f"person-{index}")
        for index in range(5)
    ]
    clock.set(when)
    await asyncio.gather(*(handlers.remind(ctx) for _ in range(3)))
    assert [await reminded(person) for person in people] == [["2025-12-01"]] * 5


async def test_a_worker_that_died_before_it_had_noted_it_reminds_once(
    living: Living, ctx: Context, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - MINUTE)
    await tick(ctx, clock, when - MINUTE)

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(repository, "raise_watermark", die)
        with pytest.raises(asyncio.CancelledError):
            await tick(ctx, clock, when)
    assert await reminded(alice) == ["2025-12-01"]
    await tick(ctx, clock, when + timedelta(seconds=30), when + MINUTE)
    assert await reminded(alice) == ["2025-12-01"]


async def test_a_worker_that_died_before_it_had_told_anybody_makes_up_for_it(
    living: Living, ctx: Context, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - MINUTE)
    await tick(ctx, clock, when - MINUTE)

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(repository, "add", die)
        with pytest.raises(asyncio.CancelledError):
            await tick(ctx, clock, when)
    assert await reminded(alice) == []
    await tick(ctx, clock, when + 2 * MINUTE)
    assert await reminded(alice) == ["2025-12-01"]


async def test_ten_minutes_without_a_worker_are_caught_up(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - timedelta(hours=1))
    await tick(ctx, clock, when - 3 * MINUTE, when + 7 * MINUTE)
    assert await reminded(alice) == ["2025-12-01"]


async def test_of_five_hours_without_a_worker_the_last_two_are_caught_up(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    now = at("Asia/Shanghai", "2025-12-01T10:00")
    late = await living("Asia/Shanghai", "08:00", now - timedelta(hours=6))
    recent = await living("Asia/Shanghai", "08:01", now - timedelta(hours=6), "bob")
    await tick(ctx, clock, now - timedelta(hours=5), now)
    assert await reminded(late) == []
    assert await reminded(recent) == ["2025-12-01"]


async def test_the_very_first_look_reaches_back_one_minute(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when)
    bob = await living("Asia/Shanghai", "08:59", when, "bob")
    await tick(ctx, clock, when + timedelta(seconds=20))
    assert await reminded(alice) == ["2025-12-01"]
    assert await reminded(bob) == []


async def test_a_clock_that_was_put_back_reminds_nobody_again(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - MINUTE)
    await tick(ctx, clock, when, when - 5 * MINUTE, when, when + MINUTE)
    assert await reminded(alice) == ["2025-12-01"]


async def test_a_zone_that_this_worker_does_not_know_keeps_nobody_else_waiting(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-01T09:00")
    alice = await living("Asia/Shanghai", "09:00", when - MINUTE)
    bob = await living("Asia/Tokyo", "10:00", when - MINUTE, "bob")
    for name, zone_name in (("carol", "Atlantic/Atlantis"), ("dave", "../etc")):
        stranded = await living("Asia/Tokyo", "10:00", when - MINUTE, name)
        await ctx.db.execute(
            "UPDATE users SET timezone = $2 WHERE id = $1", stranded.user["id"], zone_name
        )
    await tick(ctx, clock, when)
    assert await reminded(alice) == await reminded(bob) == ["2025-12-01"]


ADD_PEOPLE = """
INSERT INTO users (id, timezone, created_at, updated_at)
SELECT number, $2, $3, $3 FROM generate_series(1, $1) AS number
"""
ADD_SETTINGS = """
INSERT INTO user_settings (user_id, check_in_reminder_time, created_at, updated_at)
SELECT id, time '00:00' + id % $1 * interval '1 minute', created_at, created_at FROM users
"""


async def populate(ctx: Context, people: int, zone_name: str, now: datetime, minutes: int) -> None:
    """So many people, whose times are spread over the first minutes of the day."""
    await ctx.db.execute(ADD_PEOPLE, people, zone_name, now)
    await ctx.db.execute("ANALYZE users")  # else the key is checked as in the small table it was
    await ctx.db.execute(ADD_SETTINGS, minutes)
    await ctx.db.execute("ANALYZE users, user_settings")


async def test_three_thousand_people_of_one_minute_are_all_reminded(
    ctx: Context, clock: FrozenClock
) -> None:
    when = at("Asia/Shanghai", "2025-12-02T00:00")
    await populate(ctx, 3_000, "Asia/Shanghai", when, 1)
    await tick(ctx, clock, when)
    told = "SELECT count(*), count(DISTINCT user_id) FROM notifications"
    assert tuple(await ctx.db.fetchrow(told) or ()) == (3_000, 3_000)


async def test_whoever_is_due_is_found_by_an_index_with_a_plan_of_its_own(
    ctx: Context, clock: FrozenClock
) -> None:
    await populate(ctx, 20_000, "Asia/Shanghai", clock.now(), 1440)
    minute = datetime.fromisoformat("2025-12-01T09:00").time()
    window = Window(date(2025, 12, 1), minute, minute)
    async with ctx.db.connection() as connection:
        plan = "\n".join(
            row[0]
            for row in await connection.fetch(
                f"EXPLAIN {repository.DUE}", minute, minute, "Asia/Shanghai", window.day, 0, 1000
            )
        )
        for _ in range(8):  # after five, PostgreSQL may take a plan for any values
            due = await repository.due(connection, "Asia/Shanghai", window, 0, 1000)
        plans = await connection.fetchrow(
            "SELECT generic_plans, custom_plans >= 8 FROM pg_prepared_statements"
            " WHERE statement = $1",
            repository.DUE,
        )
    assert len(due) == 14
    assert "idx_settings_reminder" in plan
    assert "Seq Scan" not in plan
    assert tuple(plans or ()) == (0, True)
