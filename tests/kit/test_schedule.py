"""What runs when: once, and in Shanghai time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from pgqueuer.core.applications import PgQueuer

from tests.kit.recorder import Recorder, states
from zxo import housekeeping, registry
from zxo.context import Context
from zxo.kit import jobs
from zxo.kit.jobs import Scheduled, build_queue

PATIENCE = 30.0


async def run_workers(pool: asyncpg.Pool, *queues: PgQueuer, until: Any) -> None:
    stop = asyncio.Event()
    running = [asyncio.create_task(jobs.run_until(queue, stop)) for queue in queues]
    async with asyncio.timeout(PATIENCE):
        while not await until():
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), PATIENCE)


async def test_what_is_due_is_enqueued_once_however_many_workers_wait(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    """The jobs are left to a third worker, so that what was enqueued can be counted."""
    entries = [Scheduled("0 0 1 1 *", f"yearly-{n}") for n in range(5)]
    await ctx.db.execute(
        "INSERT INTO pgqueuer_schedules (expression, entrypoint, next_run)"
        " SELECT '0 0 1 1 *', 'yearly-' || n, now() - interval '1 second'"
        " FROM generate_series(0, 4) n"
    )

    async def all_ran() -> bool:
        ran = "SELECT count(*) FROM pgqueuer_schedules WHERE last_run IS NOT NULL"
        return int(await ctx.db.fetchval(ran)) == 5

    await run_workers(pool, *(build_queue(pool, {}, entries) for _ in range(2)), until=all_ran)
    assert await states(ctx) == {entry.name: "queued" for entry in entries}
    assert await ctx.db.fetchval("SELECT count(*) FROM pgqueuer") == 5
    assert await ctx.db.fetchval("SELECT min(next_run) > now() FROM pgqueuer_schedules")


async def test_a_scheduled_job_runs_and_is_planned_for_the_next_time(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    job = Recorder()
    await ctx.db.execute(
        "INSERT INTO pgqueuer_schedules (expression, entrypoint, next_run)"
        " VALUES ('10 0 * * *', 'daily', now() - interval '1 hour')"
    )

    async def ran() -> bool:
        return bool(job.payloads)

    queue = build_queue(pool, {"daily": job}, [Scheduled("10 0 * * *", "daily")])
    await run_workers(pool, queue, until=ran)
    assert job.payloads == [b""]  # once, however often it was missed
    following = await ctx.db.fetchval("SELECT next_run FROM pgqueuer_schedules")
    assert datetime.now(UTC) < following < datetime.now(UTC) + timedelta(days=1, minutes=1)
    local = following.astimezone(ZoneInfo("Asia/Shanghai")) + timedelta(seconds=5)
    assert (local.hour, local.minute) == (0, 10)


async def test_a_new_schedule_is_planned_in_shanghai_time(ctx: Context, pool: asyncpg.Pool) -> None:
    async def planned() -> bool:
        return bool(await ctx.db.fetchval("SELECT count(*) FROM pgqueuer_schedules"))

    queue = build_queue(pool, {}, registry.schedule())
    await run_workers(pool, queue, until=planned)
    rows = await ctx.db.fetch("SELECT entrypoint, expression, next_run FROM pgqueuer_schedules")
    found = {row[0]: row for row in rows}
    assert set(found) == {entry.name for entry in registry.schedule()}
    daily = found["housekeeping.keep_partitions"]
    # The library counts from now() in whole seconds, and may be a moment early.
    local = daily["next_run"].astimezone(ZoneInfo("Asia/Shanghai")) + timedelta(seconds=5)
    assert (local.hour, local.minute) == (0, 10)


async def test_the_log_of_a_week_ago_is_forgotten_and_parked_jobs_stay(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    await ctx.db.execute(
        "INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint, aggregated)"
        " VALUES (now() - interval '8 days', 1, 'successful', 0, 'old', true),"
        " (now() - interval '8 days', 2, 'successful', 0, 'not yet counted', false),"
        " (now() - interval '6 days', 3, 'successful', 0, 'young', true)"
    )
    await ctx.db.execute(
        "INSERT INTO pgqueuer (created, priority, status, entrypoint)"
        " VALUES (now() - interval '30 days', 0, 'failed', 'parked')"
    )
    await housekeeping.prune_job_log(ctx)
    left = await ctx.db.fetch("SELECT entrypoint FROM pgqueuer_log ORDER BY job_id")
    assert [row[0] for row in left] == ["not yet counted", "young"]
    assert await states(ctx) == {"parked": "failed"}
