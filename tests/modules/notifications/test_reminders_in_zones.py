"""notifications.remind where people live: other zones, midnight, and clocks that are changed."""

from datetime import timedelta

import pytest

from tests.factories import FrozenClock, data
from tests.modules.notifications.conftest import (
    MINUTE,
    Living,
    at,
    every_minute,
    reminded,
    sets,
    tick,
)
from zxo.context import Context

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
