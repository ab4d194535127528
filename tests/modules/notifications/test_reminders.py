"""notifications.remind: once a day, at the person's own minute, and only if it is still needed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.factories import FrozenClock, Visitor, data
from tests.modules.notifications.conftest import Drain, inbox, unread
from zxo.context import Context
from zxo.kit.zones import zone
from zxo.modules.notifications import handlers, repository
from zxo.modules.notifications.rules import Window

Living = Callable[..., Awaitable[Visitor]]
MINUTE = timedelta(minutes=1)


def at(zone_name: str, local: str, *, fold: int = 0) -> datetime:
    """The instant at which clocks in the zone show `local`; fold 1: for the second time."""
    shown = datetime.fromisoformat(local).replace(tzinfo=zone(zone_name), fold=fold)
    return shown.astimezone(UTC)  # where a minute later is a minute later


@pytest.fixture
def living(visitor: Visitor, clock: FrozenClock) -> Living:
    """Somebody new who lives in a zone and wants to be reminded at a time, from `since` on."""

    async def settle(zone_name: str, time: str, since: datetime, name: str = "alice") -> Visitor:
        clock.set(since)
        person = await visitor.log_in(name)
        await sets(person, timezone=zone_name, checkInReminderTime=time)
        return person

    return settle


async def sets(person: Visitor, **settings: Any) -> None:
    data(await person.put("/users/me/settings", **settings))


async def tick(ctx: Context, clock: FrozenClock, *instants: datetime) -> None:
    """Let the job run at each of the instants."""
    for instant in instants:
        clock.set(instant)
        await handlers.remind(ctx)


async def every_minute(ctx: Context, clock: FrozenClock, first: datetime, last: datetime) -> None:
    while first <= last:
        await tick(ctx, clock, first)
        first += MINUTE


async def reminded(person: Visitor) -> list[str]:
    """The dates that the person was reminded of, oldest first."""
    told = await inbox(person)
    return [notice["data"]["date"] for notice in told if notice["type"] == "check_in_reminder"][
        ::-1
    ]


ZONES = [
    "Asia/Shanghai",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Asia/Kathmandu",
]


@pytest.mark.parametrize("zone_name", ZONES)
async def test_everybody_is_reminded_at_their_own_minute_and_not_earlier(
    living: Living, ctx: Context, clock: FrozenClock, zone_name: str
) -> None:
    when = at(zone_name, "2025-12-01T09:00")
    alice = await living(zone_name, "09:00", when - timedelta(hours=1))
    await tick(ctx, clock, when - MINUTE, when - timedelta(seconds=1))
    assert await reminded(alice) == []
    await tick(ctx, clock, when)
    assert await reminded(alice) == ["2025-12-01"]
    await every_minute(ctx, clock, when, when + 3 * MINUTE)
    assert await reminded(alice) == ["2025-12-01"]


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


@pytest.mark.parametrize("zone_name", ZONES)
async def test_who_has_checked_in_on_the_day_where_they_live_is_left_in_peace(
    living: Living, ctx: Context, clock: FrozenClock, zone_name: str
) -> None:
    when = at(zone_name, "2025-12-01T09:00")
    alice = await living(zone_name, "09:00", when - timedelta(hours=9))  # at midnight
    data(await alice.post("/check-in"))
    await tick(ctx, clock, when)
    assert await reminded(alice) == []
    await tick(ctx, clock, when + timedelta(days=1))
    assert await reminded(alice) == ["2025-12-02"]


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


async def test_who_moves_is_reminded_where_they_live_now(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    in_shanghai = at("Asia/Shanghai", "2025-12-02T09:00")
    alice = await living("Asia/Shanghai", "09:00", in_shanghai - MINUTE)
    await sets(alice, timezone="Europe/Berlin")
    await tick(ctx, clock, in_shanghai)
    assert await reminded(alice) == []
    in_berlin = at("Europe/Berlin", "2025-12-02T09:00")
    await tick(ctx, clock, in_berlin - MINUTE, in_berlin)
    assert await reminded(alice) == ["2025-12-02"]
    await sets(alice, timezone="America/New_York")  # where the day is still young
    in_new_york = at("America/New_York", "2025-12-02T09:00")
    await tick(ctx, clock, in_new_york - MINUTE, in_new_york)
    assert await reminded(alice) == ["2025-12-02"]


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


async def test_midnight_belongs_to_the_new_day(
    living: Living, ctx: Context, clock: FrozenClock
) -> None:
    midnight = at("Asia/Shanghai", "2025-12-02T00:00")
    alice = await living("Asia/Shanghai", "00:00", midnight - 2 * MINUTE)
    bob = await living("Asia/Shanghai", "23:59", midnight - 2 * MINUTE, "bob")
    data(await alice.post("/check-in"))  # of the 1st
    await tick(ctx, clock, midnight - timedelta(seconds=90))
    assert [await reminded(person) for person in (alice, bob)] == [[], []]
    await tick(ctx, clock, midnight + timedelta(seconds=30))
    assert [await reminded(person) for person in (alice, bob)] == [["2025-12-02"], ["2025-12-01"]]


SKIPPED = [  # zone, the time that never comes on the date, the instant at which it has passed
    ("Europe/Berlin", "02:30", "2026-03-29", "2026-03-29T03:00"),
    ("America/New_York", "02:30", "2026-03-08", "2026-03-08T03:00"),
    ("Australia/Lord_Howe", "02:15", "2026-10-04", "2026-10-04T02:30"),
    ("Africa/Cairo", "00:30", "2026-04-24", "2026-04-24T01:00"),
]


@pytest.mark.parametrize(("zone_name", "time", "day", "passed"), SKIPPED)
async def test_in_an_hour_that_is_skipped_one_is_reminded_when_it_has_passed(
    living: Living,
    ctx: Context,
    clock: FrozenClock,
    zone_name: str,
    time: str,
    day: str,
    passed: str,
) -> None:
    when = at(zone_name, passed)
    alice = await living(zone_name, time, when - 5 * MINUTE)
    await every_minute(ctx, clock, when - 5 * MINUTE, when - MINUTE)
    assert await reminded(alice) == []
    await every_minute(ctx, clock, when, when + 3 * MINUTE)
    assert await reminded(alice) == [day]


TWICE = [
    ("Europe/Berlin", "02:30", "2025-10-26"),
    ("America/New_York", "01:30", "2025-11-02"),
    ("Australia/Lord_Howe", "01:45", "2026-04-05"),
    ("Africa/Cairo", "23:30", "2026-10-29"),
]


@pytest.mark.parametrize(("zone_name", "time", "day"), TWICE)
@pytest.mark.parametrize("minutes", [1, 7, 90])
async def test_in_an_hour_that_comes_twice_one_is_reminded_once(
    living: Living,
    ctx: Context,
    clock: FrozenClock,
    zone_name: str,
    time: str,
    day: str,
    minutes: int,
) -> None:
    first, second = (at(zone_name, f"{day}T{time}", fold=fold) for fold in (0, 1))
    assert first < second
    alice = await living(zone_name, time, first - 3 * MINUTE)
    await tick(ctx, clock, first - 2 * MINUTE, first - MINUTE)
    assert await reminded(alice) == []
    instant = first
    while instant <= second + timedelta(hours=2):
        await tick(ctx, clock, instant)
        assert await reminded(alice) == [day]
        instant += minutes * MINUTE


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
