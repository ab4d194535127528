"""Jobs: retried, parked, and never lost."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta

import asyncpg
import pytest
from redis.exceptions import ConnectionError as LostConnection

from tests.factories import Visitor, data
from tests.kit.recorder import Recorder, states
from zxo import registry
from zxo.context import Context
from zxo.kit import jobs
from zxo.kit.jobs import Run, build_queue, enqueue_each, enqueue_once, run_to_idle
from zxo.kit.outbox import relay

PATIENCE = 30.0


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(jobs, "FIRST_RETRY", timedelta(milliseconds=1))


async def enqueue(ctx: Context, *named: tuple[str, bytes]) -> None:
    async with ctx.db.transaction() as connection:
        await enqueue_each(connection, list(named))


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


async def test_a_job_that_cannot_reach_valkey_waits_and_is_never_parked(
    ctx: Context, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LONGEST_WAIT", timedelta(milliseconds=1))
    tries = 0

    async def needs_valkey(_: bytes) -> None:
        nonlocal tries
        tries += 1
        if tries < 3 * jobs.RUNS_BEFORE_PARKED:
            raise LostConnection

    await enqueue(ctx, ("a", b"x"))
    await run_to_idle(pool, {"a": needs_valkey})
    assert tries == 3 * jobs.RUNS_BEFORE_PARKED
    assert await states(ctx) == {}


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
