"""Scheduled work that belongs to no business noun."""

from zxo.context import Context
from zxo.kit import idempotency, jobs, partitions
from zxo.kit.jobs import SCHEDULE_ZONE
from zxo.kit.zones import date_in


async def keep_partitions(ctx: Context) -> None:
    """Have a partition for this month and the three after it, and empty the DEFAULT ones."""
    await partitions.keep_months(ctx.db, date_in(ctx.clock.now(), SCHEDULE_ZONE))


async def forget_idempotent_answers(ctx: Context) -> None:
    """Drop answers that are no longer replayed."""
    await idempotency.clean(ctx.db)


async def prune_job_log(ctx: Context) -> None:
    """Drop the queue's log of jobs that ended more than a week ago; parked jobs stay."""
    await jobs.prune_log(ctx.db)
