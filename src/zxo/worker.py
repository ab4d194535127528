"""The worker process: relays the outbox, runs jobs, keeps the schedule."""

import asyncio
import signal
from collections.abc import Collection

import asyncpg
from pgqueuer.core.applications import PgQueuer
from structlog import get_logger

from zxo import registry, settings
from zxo.context import Context, open_context
from zxo.housekeeping import keep_partitions
from zxo.kit import lifeline, logging, metrics
from zxo.kit.db import is_away, open_pool
from zxo.kit.jobs import build_queue, run_until
from zxo.kit.outbox import relay_forever
from zxo.settings import Settings

log = get_logger("zxo.worker")  # also where it is __main__

GRACE_SECONDS = 25  # the supervisor, like Kubernetes, kills after 30
RESTART_SECONDS = 1.0


def serve(configured: Settings) -> None:
    """Work until SIGTERM or SIGINT; jobs that have begun are finished first (25 s)."""
    logging.configure(configured.log_level, role="worker")
    asyncio.run(_serve(configured))


async def _serve(configured: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with metrics.served(configured.host, configured.worker_port):
        async with open_context(configured, role="worker") as ctx:
            log.info("worker_started")
            await work(ctx, stop)
    log.info("worker_stopped")


async def work(ctx: Context, stop: asyncio.Event) -> None:
    """Relay and run jobs until `stop`. Outlives a database that goes away."""
    relaying = asyncio.create_task(relay_forever(ctx.db, registry.REACTIONS, stop))
    running = asyncio.create_task(_run_jobs(ctx, stop, ctx.settings.modules or registry.ROUTERS))
    await stop.wait()
    _, late = await asyncio.wait({relaying, running}, timeout=GRACE_SECONDS)
    for task in late:
        log.warning("job_cut_off")
        task.cancel()
    await asyncio.gather(relaying, running, return_exceptions=True)


async def _run_jobs(ctx: Context, stop: asyncio.Event, modules: Collection[str]) -> None:
    while not stop.is_set():
        # A pool of its own: the queue keeps one connection listening, and a lost server ends it.
        pool = await open_pool(
            ctx.settings.database.dsn(),
            max_size=6,
            statement_timeout=600,
            application_name="zxo-worker-queue",
        )
        try:
            await keep_partitions(ctx)
            queue = build_queue(pool, registry.jobs(ctx, modules), registry.schedule())
            await _run_while_connected(queue, pool, stop)
        except Exception as error:
            if is_away(error):
                log.warning("database_away", reason=type(error).__name__)
            else:
                log.exception("job_queue_failed")
            await asyncio.sleep(RESTART_SECONDS)
        finally:
            pool.terminate()


async def _run_while_connected(queue: PgQueuer, pool: asyncpg.Pool, stop: asyncio.Event) -> None:
    """PgQueuer does not notice the loss of the connection that it listens on.

    It would then look for work every 30 s only. A server takes all connections with it, so one that
    does nothing else tells when to start anew.
    """
    async with pool.acquire() as watched:
        watched.add_termination_listener(lambda _: queue.shutdown.set())
        await run_until(queue, stop)


def main() -> None:
    """The worker as `zxo up` starts it: with settings that were checked, and only as long as it."""
    lifeline.follow_parent()
    serve(settings.load())


if __name__ == "__main__":
    main()
