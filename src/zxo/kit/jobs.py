"""Jobs and cron on PostgreSQL (PgQueuer): retried with back-off, parked after five failures.

A job that cannot reach Valkey has not failed: it waits until Valkey is back.

A job is known by its name and takes a payload of bytes. Scheduled work is enqueued as a job of the
same name, so that it is retried and parked like any other, and runs once however many workers wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import msgspec
from croniter import croniter
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.applications import PgQueuer
from pgqueuer.core.executors import (
    AbstractEntrypointExecutor,
    DatabaseRetryEntrypointExecutor,
    EntrypointExecutorParameters,
    ScheduleExecutor,
)
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job, Schedule
from pgqueuer.domain.types import QueueExecutionMode
from structlog import get_logger

from zxo.kit.clock import Clock
from zxo.kit.db import Connection, Database, forget_rows
from zxo.kit.valkey import AWAY
from zxo.kit.zones import zone

log = get_logger(__name__)

Run = Callable[[bytes], Awaitable[None]]

RUNS_BEFORE_PARKED = 5
FIRST_RETRY = timedelta(seconds=1)  # each further one waits twice as long, up to the longest
LONGEST_RETRY = timedelta(minutes=5)
LONGEST_WAIT = timedelta(seconds=10)  # for Valkey, growing from a second
HEARTBEAT = timedelta(seconds=5)  # a job whose worker was killed is picked up again after this
SCHEDULE_ZONE = "Asia/Shanghai"


@dataclass(frozen=True)
class Scheduled:
    """Run the job called `name` at `cron` (five fields, Shanghai time)."""

    cron: str
    name: str


class _InShanghai(ScheduleExecutor):
    def get_next(self) -> datetime:
        start = Clock().now().astimezone(zone(SCHEDULE_ZONE))
        following: datetime = croniter(self.parameters.expression, start).get_next(datetime)
        return following


def _retrying(parameters: EntrypointExecutorParameters) -> AbstractEntrypointExecutor:
    # The library counts attempts from 0 and gives up once the count reaches max_attempts.
    return DatabaseRetryEntrypointExecutor(
        parameters,
        max_attempts=RUNS_BEFORE_PARKED - 1,
        initial_delay=FIRST_RETRY,
        max_delay=LONGEST_RETRY,
    )


async def enqueue_each(connection: Connection, jobs: Sequence[tuple[str, bytes]]) -> None:
    """Enqueue (name, payload) pairs in the transaction that `connection` is in."""
    if not jobs:
        return
    names, payloads = [name for name, _ in jobs], [payload for _, payload in jobs]
    queries = Queries(AsyncpgDriver(connection))  # type: ignore[arg-type]  # a pooled one does as well
    await queries.enqueue(names, list[bytes | None](payloads), [0] * len(jobs))


async def enqueue_once(connection: Connection, name: str) -> None:
    """Enqueue a job without a payload unless one of that name is already waiting or running."""
    queries = Queries(AsyncpgDriver(connection))  # type: ignore[arg-type]  # a pooled one does as well
    await queries.enqueue(name, None, dedupe_key=name, on_conflict="skip")


WAITING = """
SELECT EXISTS (SELECT FROM outbox)
    OR EXISTS (SELECT FROM pgqueuer WHERE starts_with(entrypoint, $1) AND status <> 'failed')
"""


async def are_waiting(connection: Connection, prefix: str) -> bool:
    """Whether events, or jobs whose names begin so, wait to be handled; parked ones do not."""
    return bool(await connection.fetchval(WAITING, prefix))


class Parked(msgspec.Struct, frozen=True):
    """A job that failed too often, in the order of the query's columns."""

    id: int
    name: str
    created_at: datetime
    failed_at: datetime
    error: str | None  # the kind of the last failure; its text may hold what somebody wrote


PARKED = """
SELECT job.id, entrypoint, created, updated,
       (SELECT traceback ->> 'exception_type' FROM pgqueuer_log
        WHERE job_id = job.id AND traceback IS NOT NULL ORDER BY id DESC LIMIT 1)
FROM pgqueuer AS job
WHERE status = 'failed' AND ($1::bigint IS NULL OR job.id < $1)
ORDER BY job.id DESC LIMIT $2
"""
RETRY = """
UPDATE pgqueuer SET status = 'queued', attempts = 0, execute_after = now(), updated = now(),
       queue_manager_id = NULL
WHERE status = 'failed' AND id = $1 RETURNING entrypoint
"""
DROP = "DELETE FROM pgqueuer WHERE status = 'failed' AND id = $1 RETURNING entrypoint"


async def parked(connection: Connection, before: int | None, limit: int) -> list[Parked]:
    """Newest first; `before`: an id."""
    return [Parked(*row) for row in await connection.fetch(PARKED, before, limit)]


async def retry(connection: Connection, job_id: int) -> str | None:
    """Let a parked job run again; its name, or None where there is none of this id.

    Raises UniqueViolationError where `enqueue_once` has put another of that name in line by now.
    """
    name: str | None = await connection.fetchval(RETRY, job_id)
    return name


async def drop(connection: Connection, job_id: int) -> str | None:
    """Delete a parked job; its name, or None where there is none of this id."""
    name: str | None = await connection.fetchval(DROP, job_id)
    return name


def build_queue(
    pool: asyncpg.Pool, jobs: Mapping[str, Run], schedule: Sequence[Scheduled] = ()
) -> PgQueuer:
    """A queue that runs `jobs` and enqueues what `schedule` says when it is due."""
    queue = PgQueuer.from_asyncpg_pool(pool)
    for name, run in jobs.items():
        _register(queue, name, run)
    for entry in schedule:
        _register_schedule(queue, pool, entry)
    return queue


def _register(queue: PgQueuer, name: str, run: Run) -> None:
    async def execute(job: Job) -> None:
        try:
            await run(job.payload or b"")
        except asyncio.CancelledError:
            # The worker may wait no longer. The library would take the job for called off.
            raise RetryRequested(timedelta(0), "cut off") from None
        except AWAY as error:
            log.debug("job_waits_for_valkey", job=name, reason=type(error).__name__)
            wait = min(timedelta(seconds=2 ** min(job.attempts, 10)), LONGEST_WAIT)
            raise RetryRequested(wait, "Valkey is away") from None
        except Exception as error:  # the library keeps its traceback in a table
            forget_rows(error)
            raise

    queue.entrypoint(name, on_failure="hold", executor_factory=_retrying)(execute)


def _register_schedule(queue: PgQueuer, pool: asyncpg.Pool, entry: Scheduled) -> None:
    async def enqueue(_: Schedule) -> None:
        async with pool.acquire() as connection:
            await enqueue_once(connection, entry.name)

    queue.schedule(entry.name, entry.cron, executor_factory=_InShanghai)(enqueue)


PRUNE_LOG = "DELETE FROM pgqueuer_log WHERE aggregated AND created < now() - interval '7 days'"


async def prune_log(database: Database) -> None:
    """Forget what ran more than a week ago."""
    await database.execute(PRUNE_LOG)


async def run_to_idle(pool: asyncpg.Pool, jobs: Mapping[str, Run]) -> None:
    """Run what is due now and return (tests, and commands that must not leave work behind)."""
    queue = build_queue(pool, jobs)
    await queue.qm.run(mode=QueueExecutionMode.drain, heartbeat_timeout=HEARTBEAT)


async def run_until(queue: PgQueuer, stop: asyncio.Event) -> None:
    """Run jobs and schedule until `stop`; running jobs are finished first.

    Raises whatever ended the queue (a lost database): the caller starts a new one.
    """
    running = asyncio.create_task(queue.run(batch_size=20, heartbeat_timeout=HEARTBEAT))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    queue.shutdown.set()
    await running
