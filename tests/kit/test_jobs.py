"""Jobs: retried, parked, never lost; and the schedule."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio
from pgqueuer.core.applications import PgQueuer

from tests.factories import Visitor, data
from zxo import housekeeping, registry
from zxo.context import Context
from zxo.kit import jobs
from zxo.kit.jobs import Run, Scheduled, build_queue, enqueue_each, enqueue_once, run_to_idle
from zxo.kit.outbox import relay
from zxo.settings import Settings

PATIENCE = 30.0


@pytest_asyncio.fixture
async def pool(ctx: Context, settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(settings.database.dsn(), min_size=0, max_size=5) as pool:
        yield pool


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(jobs, "FIRST_RETRY", timedelta(milliseconds=1))


async def enqueue(ctx: Context, *named: tuple[str, bytes]) -> None:
    async with ctx.db.transaction() as connection:
        await enqueue_each(connection, list(named))


async def states(ctx: Context) -> dict[str, str]:
    rows = await ctx.db.fetch("SELECT entrypoint, status::text FROM pgqueuer")
    return {row[0]: row[1] for row in rows}


class Recorder:
    """A job that keeps what it was given, and fails as often as it was told to."""

    def __init__(self, failures: int = 0) -> None:
        self.payloads: list[bytes] = []
        self._failures = failures

    async def __call__(self, payload: bytes) -> None:
        self.payloads.append(payload)
        if len(self.payloads) <= self._failures:
            raise LookupError("not this time")


async def test_a_job_gets_its_payload_and_is_gone_after_it(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    job = Recorder()
    await enqueue(ctx, ("a", b"one"), ("a", b"two"))
    await run_to_idle(pool, {"a": job})
    assert sorted(job.payloads) == [b"one", b"two"]
    assert await states(ctx) == {}


async def test_a_job_of_a_transaction_that_fails_was_never_there(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    job = Recorder()

    async def fail() -> None:
        async with ctx.db.transaction() as connection:
            await enqueue_each(connection, [("a", b"")])
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await run_to_idle(pool, {"a": job})
    assert job.payloads == []


@pytest.mark.usefixtures("soon")
async def test_a_job_that_fails_four_times_succeeds_at_the_fifth(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    job = Recorder(failures=4)
    await enqueue(ctx, ("a", b"x"))
    await run_to_idle(pool, {"a": job})
    assert job.payloads == [b"x"] * 5
    assert await states(ctx) == {}


@pytest.mark.usefixtures("soon")
async def test_a_job_that_fails_five_times_is_parked_with_its_payload_and_others_go_on(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    poisoned, good = Recorder(failures=1000), Recorder()
    await enqueue(ctx, ("poisoned", b"x"), ("good", b"1"), ("good", b"2"))
    await run_to_idle(pool, {"poisoned": poisoned, "good": good})
    assert len(poisoned.payloads) == 5
    assert sorted(good.payloads) == [b"1", b"2"]
    assert await states(ctx) == {"poisoned": "failed"}
    assert await ctx.db.fetchval("SELECT payload FROM pgqueuer") == b"x"

    await run_to_idle(pool, {"poisoned": poisoned})
    assert len(poisoned.payloads) == 5  # parked means: only by hand


@pytest.mark.usefixtures("soon")
async def test_a_parked_job_says_why_in_the_log(ctx: Context, pool: asyncpg.Pool) -> None:
    await enqueue(ctx, ("poisoned", b"x"))
    await run_to_idle(pool, {"poisoned": Recorder(failures=1000)})
    told = await ctx.db.fetchval("SELECT traceback FROM pgqueuer_log WHERE status = 'failed'")
    assert "LookupError" in json.loads(told)["exception_type"]


async def test_each_retry_waits_twice_as_long_as_the_one_before(
    ctx: Context, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FIRST_RETRY", timedelta(seconds=100))
    monkeypatch.setattr(jobs, "LONGEST_RETRY", timedelta(seconds=350))
    waits = []
    job = Recorder(failures=1000)
    await enqueue(ctx, ("a", b""))
    for _ in range(jobs.RUNS_BEFORE_PARKED - 1):
        await run_once(pool, {"a": job})
        waits.append(await ctx.db.fetchval("SELECT execute_after - updated FROM pgqueuer"))
        await ctx.db.execute("UPDATE pgqueuer SET execute_after = now()")
    assert [round(wait.total_seconds()) for wait in waits] == [100, 200, 350, 350]
    assert await states(ctx) == {"a": "queued"}


async def run_once(pool: asyncpg.Pool, runs: Mapping[str, Run]) -> None:
    """Run what is due, and do not wait for what is not."""
    queue = build_queue(pool, runs)
    stop = asyncio.Event()
    running = asyncio.create_task(jobs.run_until(queue, stop))
    async with asyncio.timeout(PATIENCE):
        while queue.qm.jobs_logged == 0:
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(running, PATIENCE)


@pytest.mark.usefixtures("soon")
async def test_a_reaction_that_fails_is_parked_and_the_other_reactions_go_on(
    ctx: Context, alice: Visitor, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the whole way: a check-in, the outbox, and the registry's own jobs."""
    data(await alice.post("/check-in"))
    data(await alice.put("/users/me/settings", dailyAmount=5))
    while await relay(ctx.db, registry.REACTIONS):
        pass
    runs = registry.jobs(ctx)
    name = "users.drop_cached:CheckedIn"
    monkeypatch.setitem(runs, name, Recorder(failures=1000))
    await run_to_idle(pool, runs)
    assert await states(ctx) == {name: "failed"}
    (kept,) = json.loads(await ctx.db.fetchval("SELECT payload FROM pgqueuer"))
    assert kept["user_id"] == alice.user["id"]


async def test_running_jobs_are_finished_before_the_queue_stops(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def long(_: bytes) -> None:
        began.set()
        await may_end.wait()
        ended.set()

    await enqueue(ctx, ("long", b""))
    stop = asyncio.Event()
    running = asyncio.create_task(jobs.run_until(build_queue(pool, {"long": long}), stop))
    await asyncio.wait_for(began.wait(), PATIENCE)
    stop.set()
    await asyncio.sleep(0.1)
    assert not running.done()
    may_end.set()
    await asyncio.wait_for(running, PATIENCE)
    assert ended.is_set()
    assert await states(ctx) == {}


async def test_a_job_that_is_cut_off_waits_for_the_next_worker(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    began, job = asyncio.Event(), Recorder()

    async def endless(_: bytes) -> None:
        began.set()
        await asyncio.Event().wait()

    await enqueue(ctx, ("a", b"x"))
    stop = asyncio.Event()
    running = asyncio.create_task(jobs.run_until(build_queue(pool, {"a": endless}), stop))
    await asyncio.wait_for(began.wait(), PATIENCE)
    stop.set()
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.wait({running}, timeout=PATIENCE)
    assert await states(ctx) == {"a": "queued"}
    await run_to_idle(pool, {"a": job})
    assert job.payloads == [b"x"]


async def test_a_job_whose_worker_was_killed_is_run_by_another_one(
    ctx: Context, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT", timedelta(seconds=1))
    job = Recorder()
    await enqueue(ctx, ("a", b"x"))
    await ctx.db.execute(  # as a killed worker leaves it
        "UPDATE pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),"
        " heartbeat = now() - interval '2 seconds'"
    )
    await run_once(pool, {"a": job})
    assert job.payloads == [b"x"]


async def test_a_job_is_enqueued_once_while_it_waits_or_runs(
    ctx: Context, pool: asyncpg.Pool
) -> None:
    job = Recorder()
    for _ in range(3):
        async with ctx.db.transaction() as connection:
            await enqueue_once(connection, "a")
    await run_to_idle(pool, {"a": job})
    assert job.payloads == [b""]
    async with ctx.db.transaction() as connection:
        await enqueue_once(connection, "a")
    await run_to_idle(pool, {"a": job})
    assert job.payloads == [b""] * 2


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
