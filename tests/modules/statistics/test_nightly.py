"""The rows: written once or again, by night and after nights without a worker."""

import asyncio
from datetime import date, datetime, timedelta

import asyncpg
import pytest

from tests.conftest import make_settings
from tests.modules.statistics.conftest import Written
from tests.modules.statistics.world import ONE, World, noon
from zxo import embedded, registry
from zxo.context import Context, open_context
from zxo.kit.jobs import enqueue_once, run_to_idle
from zxo.modules import statistics
from zxo.modules.statistics import DaysRefused, handlers
from zxo.settings import DatabaseSettings, Settings

DAY = date(2025, 12, 1)
JOB = "statistics.write_past_days"


async def rows(ctx: Context) -> list[tuple[str, date, str, datetime]]:
    found = await ctx.db.fetch("SELECT * FROM statistics ORDER BY stat_date, stat_type")
    return [tuple(row) for row in found]


async def days(ctx: Context) -> list[date]:
    found = await ctx.db.fetch("SELECT DISTINCT stat_date FROM statistics ORDER BY 1")
    return [row[0] for row in found]


async def test_a_day_that_is_written_again_stays_as_it_is(ctx: Context, world: World) -> None:
    await world.log_in("an")
    world.clock.advance(days=1)
    await statistics.write_day(ctx, DAY)
    before = await rows(ctx)
    assert [row[0] for row in before] == sorted(statistics.TYPES)
    assert {row[3] for row in before} == {world.clock.now()}
    world.clock.advance(days=1)
    await statistics.write_day(ctx, DAY)
    assert await rows(ctx) == before


async def test_a_figure_that_has_changed_is_replaced_and_says_when(
    ctx: Context, world: World, written: Written
) -> None:
    person = await world.log_in("an")
    await world.crave("an")
    world.clock.advance(days=1)
    await statistics.write_day(ctx, DAY)
    craving = await ctx.db.fetchval("SELECT id FROM craving_records")
    assert (await person.visitor.delete(f"/cravings/{craving}")).status_code == 200
    world.clock.advance(days=1)
    await statistics.write_day(ctx, DAY)
    assert (await written(DAY))["cravings"]["cravings"] == 0
    changed = {row[0] for row in await rows(ctx) if row[3] == world.clock.now()}
    assert changed == {"cravings", "daily_active_users"}


async def test_each_night_writes_yesterday_and_the_nights_that_were_missed(
    ctx: Context, world: World, written: Written
) -> None:
    world.clock.set(noon(DAY))
    await world.log_in("an")
    world.clock.set(noon(DAY + ONE))
    await handlers.write_past_days(ctx)
    week = [DAY - number * ONE for number in range(6, -1, -1)]
    assert await days(ctx) == week

    world.clock.set(noon(DAY + 9 * ONE))  # eight nights without a worker: the first two stay away
    await ctx.db.execute("DELETE FROM statistics WHERE stat_date < $1", DAY)
    await handlers.write_past_days(ctx)
    assert await days(ctx) == [DAY, *(DAY + number * ONE for number in range(2, 9))]
    assert (await written(DAY + 8 * ONE)) == world.figures(DAY + 8 * ONE)


async def test_a_night_counts_again_only_yesterday_and_days_that_lack_a_figure(
    ctx: Context, world: World, written: Written
) -> None:
    world.clock.set(noon(DAY))
    await handlers.write_past_days(ctx)
    spoilt = "UPDATE statistics SET stat_data = '{}'"
    await ctx.db.execute(spoilt)
    lacking, yesterday = DAY - 3 * ONE, DAY - ONE
    gone = "DELETE FROM statistics WHERE stat_date = $1 AND stat_type = 'tiers'"
    await ctx.db.execute(gone, lacking)
    await handlers.write_past_days(ctx)
    for number in range(1, 8):
        day = DAY - number * ONE
        whole = day in {lacking, yesterday}
        assert await written(day) == (
            world.figures(day) if whole else {kind: {} for kind in statistics.TYPES}
        )


async def test_the_night_begins_at_midnight_in_shanghai(ctx: Context, world: World) -> None:
    for instant, last in (("23:59:59.999999", DAY - ONE), ("00:00:00", DAY)):
        date_there = "2025-12-01" if last < DAY else "2025-12-02"
        world.clock.set(f"{date_there}T{instant}+08:00")
        assert statistics.yesterday(ctx) == last
        await handlers.write_past_days(ctx)
        assert (await days(ctx))[-1] == last


async def test_a_day_that_is_not_over_is_refused_and_nothing_is_written(
    ctx: Context, world: World
) -> None:
    for first, last in ((DAY, DAY), (DAY - ONE, DAY), (DAY - 400 * ONE, DAY - ONE)):
        with pytest.raises(DaysRefused):
            await statistics.write_days(ctx, first, last)
    with pytest.raises(DaysRefused):
        await statistics.write_day(ctx, DAY + ONE)
    assert await rows(ctx) == []


async def test_progress_is_told_day_by_day_oldest_first(ctx: Context, world: World) -> None:
    told: list[date] = []
    await statistics.write_days(ctx, DAY - 3 * ONE, DAY - ONE, told.append)
    assert told == [DAY - 3 * ONE, DAY - 2 * ONE, DAY - ONE]


async def test_rows_are_read_by_day_and_type(ctx: Context, world: World) -> None:
    await statistics.write_days(ctx, DAY - 4 * ONE, DAY - ONE)
    found = await statistics.between(ctx, DAY - 3 * ONE, DAY - 2 * ONE, ["tiers", "coach", "none"])
    assert [(row.stat_date, row.stat_type) for row in found] == [
        (DAY - 3 * ONE, "coach"),
        (DAY - 3 * ONE, "tiers"),
        (DAY - 2 * ONE, "coach"),
        (DAY - 2 * ONE, "tiers"),
    ]
    assert found[0].created_at == world.clock.now()
    assert await statistics.between(ctx, DAY, DAY) == []
    assert await statistics.between(ctx, DAY - ONE, DAY - ONE, []) == []


async def test_the_worker_runs_it_however_few_modules_it_was_given(
    ctx: Context, world: World, settings: Settings
) -> None:
    for modules in (registry.ROUTERS, ["regions"]):
        assert {JOB, "housekeeping.keep_partitions"} <= set(registry.jobs(ctx, modules))
    assert "auth.delete_expired_sessions" not in registry.jobs(ctx, ["regions"])
    assert [entry.cron for entry in registry.schedule() if entry.name == JOB] == ["15 1 * * *"]
    async with ctx.db.transaction() as connection:
        await enqueue_once(connection, JOB)
    async with asyncpg.create_pool(settings.database.dsn(), min_size=0, max_size=3) as pool:
        await run_to_idle(pool, registry.jobs(ctx, ["regions"]))
    assert (await days(ctx))[-1] == DAY - ONE


async def test_counting_may_take_longer_than_a_request_may(
    ctx: Context, world: World, services: embedded.Endpoints
) -> None:
    hasty = DatabaseSettings(
        url=services.database_url, statement_timeout=timedelta(milliseconds=100)
    )
    settings = make_settings(services, database=hasty)
    async with open_context(settings, role="test", clock=world.clock) as impatient:
        async with ctx.db.transaction() as somebody:
            await somebody.execute("LOCK TABLE users")
            counting = asyncio.create_task(statistics.write_day(impatient, DAY - ONE))
            await asyncio.sleep(1.3)  # the client of these settings gives up after 1.1 s
            assert not counting.done()
        await counting
    assert await days(ctx) == [DAY - ONE]
