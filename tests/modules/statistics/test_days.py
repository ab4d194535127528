"""A day's figures against a plain model of the same days."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.factories import FrozenClock
from tests.modules.statistics.conftest import Written
from tests.modules.statistics.world import ONE, World, bounds, noon
from zxo.context import Context
from zxo.modules import statistics
from zxo.modules.statistics import handlers

EAST, WEST, BERLIN = "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"  # UTC+14, UTC-12
HOMES = {"an": "Asia/Shanghai", "bo": EAST, "cy": WEST, "di": BERLIN, "ed": "Asia/Shanghai"}
INSTANT = timedelta(microseconds=1)


async def live(world: World, chance: random.Random, first: date, days: int) -> None:
    """Each day's acts in the order of the clock; at 01:15 the nightly job."""
    left: set[str] = set()
    for number in range(days):
        start, _ = bounds(first + number * ONE)
        world.clock.set(start + timedelta(hours=1, minutes=15))
        await handlers.write_past_days(world.ctx)
        for hours in sorted(chance.sample(range(2, 24), 4)):
            world.clock.set(start + timedelta(hours=hours, minutes=chance.randrange(60)))
            for name in chance.sample(sorted(HOMES), 3):
                if name not in left:
                    await act(world, chance, name)
        if number == days // 2:
            await world.leave("ed")
            left.add("ed")


async def act(world: World, chance: random.Random, name: str) -> None:
    fresh = name in world.people and (
        world.clock.now() - world.people[name].log_ins[-1] < timedelta(days=6)
    )
    if not fresh:
        await world.log_in(name, HOMES[name])
    match chance.randrange(5):
        case 0 | 1:
            await world.check_in(name)
        case 2:
            await world.make_up(name, chance.randrange(1, 5))
        case 3:
            await world.crave(name)
        case 4:
            await world.log_in(name, HOMES[name])


@pytest.mark.parametrize("seed", range(3))
async def test_every_day_of_a_world_is_counted_right_by_night_and_in_hindsight(
    world: World, written: Written, seed: int
) -> None:
    """Over a leap day, too: makeups, cravings and check-ins in other zones, somebody who leaves."""
    first, days = date(2028, 2, 22), 12
    await world.log_in("ed")  # so that there is somebody who can leave
    world.clock.set(noon(first - 7 * ONE))
    for name in ("an", "ed"):
        await world.log_in(name, HOMES[name])
    await live(world, random.Random(seed), first, days)
    world.clock.set(noon(first + days * ONE))
    await handlers.write_past_days(world.ctx)
    nightly = {}
    for number in range(-7, days):
        day = first + number * ONE
        nightly[day] = await written(day)
        assert nightly[day] == world.figures(day), day

    await world.ctx.db.execute("DELETE FROM statistics")
    await statistics.write_days(world.ctx, first - 7 * ONE, first + (days - 1) * ONE)
    for day, by_night in nightly.items():
        assert await written(day) == by_night, day


async def test_a_day_begins_and_ends_at_midnight_in_shanghai(
    world: World, written: Written
) -> None:
    day = date(2028, 2, 29)
    start, end = bounds(day)
    for number, instant in enumerate((start - INSTANT, start, end - INSTANT, end)):
        world.clock.set(instant)
        await world.log_in(f"person-{number}")
        await world.check_in(f"person-{number}")
        await world.crave(f"person-{number}")
    world.clock.set(end + 2 * ONE)
    await statistics.write_days(world.ctx, day - ONE, day + ONE)
    for each in (day - ONE, day, day + ONE):
        assert await written(each) == world.figures(each)
    figures = await written(day)
    assert figures["check_ins"] == {"checkIns": 2, "makeups": 0, "users": 2}
    assert figures["new_users"] == {"registered": 2, "users": 3}
    assert figures["daily_active_users"]["users"] == 2
    assert figures["cravings"]["byHour"][0] == figures["cravings"]["byHour"][23] == 1
    assert figures["retention"]["day1"] == {"registered": 1, "active": 0, "percent": 0.0}


@pytest.mark.parametrize(("zone", "first"), [(EAST, False), (WEST, True)])
async def test_what_people_at_the_ends_of_the_world_do_counts_on_the_day_in_shanghai(
    world: World, written: Written, zone: str, first: bool
) -> None:
    """Their date is another: the day after at the last instant, the day before at the first."""
    day = date(2025, 12, 31)
    start, end = bounds(day)
    world.clock.set(start if first else end - INSTANT)
    await world.log_in("far", zone)
    await world.check_in("far")
    await world.make_up("far", 1)
    await world.crave("far")
    assert set(world.people["far"].days) == (
        {day - ONE, day - 2 * ONE} if first else {day, day + ONE}
    )
    world.clock.set(end + ONE)
    await statistics.write_day(world.ctx, day)
    figures = await written(day)
    assert figures == world.figures(day)
    assert figures["check_ins"] == {"checkIns": 1, "makeups": 1, "users": 1}
    assert figures["streaks"]["longest"] == 2


async def test_a_makeup_counts_from_the_day_it_was_made(world: World, written: Written) -> None:
    day = date(2025, 12, 10)
    for number in (0, 2):
        world.clock.set(noon(day + number * ONE))
        await world.log_in("an")
        await world.check_in("an")
    world.clock.set(noon(day + 3 * ONE))
    await world.make_up("an", 2)
    world.clock.set(noon(day + 4 * ONE))
    await statistics.write_days(world.ctx, day, day + 3 * ONE)
    longest = [(await written(day + n * ONE))["streaks"]["longest"] for n in range(4)]
    assert longest == [1, 1, 1, 3]  # on the last day the run of yesterday still counts
    made = [(await written(day + n * ONE))["check_ins"]["makeups"] for n in range(4)]
    assert made == [0, 0, 0, 1]


async def test_whoever_came_back_is_counted_one_seven_and_thirty_days_later(
    world: World, written: Written
) -> None:
    day = date(2025, 12, 1)
    for name in ("an", "bo", "cy"):
        await world.log_in(name)
    for age, names in ((1, ("an", "bo")), (7, ("an",)), (30, ("cy", "bo", "an"))):
        world.clock.set(noon(day + age * ONE))
        for name in names:
            await world.log_in(name)
    world.clock.set(noon(day + 40 * ONE))
    await statistics.write_days(world.ctx, day, day + 31 * ONE)
    for age, active, percent in ((1, 2, 66.67), (7, 1, 33.33), (30, 3, 100.0)):
        figures = (await written(day + age * ONE))["retention"]
        assert figures[f"day{age}"] == {"registered": 3, "active": active, "percent": percent}
        others = [figures[f"day{other}"] for other in {1, 7, 30} - {age}]
        assert others == [{"registered": 0, "active": 0, "percent": None}] * 2


async def test_who_exchanges_a_token_is_active(world: World, written: Written) -> None:
    person = await world.log_in("an")
    world.clock.advance(days=1)
    assert (await person.visitor.post("/auth/refresh")).status_code == 200
    world.clock.advance(days=1)
    await statistics.write_days(world.ctx, date(2025, 12, 1), date(2025, 12, 2))
    for day in (1, 2):
        assert (await written(date(2025, 12, day)))["daily_active_users"]["logIn"] == 1


async def test_who_registers_and_logs_out_was_active_all_the_same(
    world: World, written: Written
) -> None:
    person = await world.log_in("an")
    assert (await person.visitor.post("/auth/logout")).status_code == 200
    world.clock.advance(days=1)
    await statistics.write_day(world.ctx, date(2025, 12, 1))
    assert (await written(date(2025, 12, 1)))["daily_active_users"]["logIn"] == 1


async def test_who_has_left_was_there_on_the_days_before(world: World, written: Written) -> None:
    await world.log_in("an")
    await world.check_in("an")
    world.clock.advance(days=1)
    await world.crave("an")
    await world.leave("an")
    world.clock.advance(days=2)
    await statistics.write_days(world.ctx, date(2025, 12, 1), date(2025, 12, 3))
    there, felt, active = [], [], []
    for day in (1, 2, 3):
        figures = await written(date(2025, 12, day))
        there.append([figures[kind]["users"] for kind in ("new_users", "streaks", "tiers")])
        felt.append(figures["cravings"]["cravings"])
        active.append(figures["daily_active_users"]["users"])
    assert there == [[1, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert felt == [0, 1, 0]
    assert active == [1, 1, 0]


async def test_nobody_at_all_is_a_row_of_noughts_for_every_figure(
    ctx: Context, clock: FrozenClock, world: World, written: Written
) -> None:
    await statistics.write_day(ctx, date(2025, 11, 30))
    figures = await written(date(2025, 11, 30))
    assert set(figures) == set(statistics.TYPES)
    assert figures == world.figures(date(2025, 11, 30))
    assert figures["retention"]["day7"] == {"registered": 0, "active": 0, "percent": None}


def test_the_model_knows_the_border_itself() -> None:
    start, end = bounds(date(2025, 12, 1))
    assert start.astimezone(UTC) == datetime(2025, 11, 30, 16, tzinfo=UTC)
    assert end - start == ONE
    assert start.astimezone(ZoneInfo(WEST)).date() == date(2025, 11, 30)
    assert (end - INSTANT).astimezone(ZoneInfo(EAST)).date() == date(2025, 12, 2)
