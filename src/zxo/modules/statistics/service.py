"""Counting days that are over. Counted on what may lag, written to the primary."""

from collections.abc import Callable, Collection
from datetime import date, timedelta

from structlog import get_logger

from zxo.context import Context
from zxo.kit.zones import date_in
from zxo.modules.statistics import repository, rules
from zxo.modules.statistics.errors import DaysRefused
from zxo.modules.statistics.models import Row

log = get_logger(__name__)


def yesterday(ctx: Context) -> date:
    """The last day that is over in Shanghai."""
    return _today(ctx) - timedelta(days=1)


def _today(ctx: Context) -> date:
    return date_in(ctx.clock.now(), rules.ZONE)


def check_days(ctx: Context, first: date, last: date) -> None:
    """Raises DaysRefused unless the days from `first` to `last` can be written."""
    if why := rules.fault(first, last, _today(ctx)):
        raise DaysRefused(why)


async def write_day(ctx: Context, day: date) -> None:
    """Write every row of a day, in place of those that are there. Raises DaysRefused."""
    await write_days(ctx, day, day)


async def write_days(
    ctx: Context, first: date, last: date, written: Callable[[date], None] | None = None
) -> None:
    """Write the days from `first` to `last`, oldest first; `written` is told each.

    A day is a transaction: what was written before a failure stays. Raises DaysRefused.
    """
    check_days(ctx, first, last)
    for day in rules.days_of(first, last):
        await _write(ctx, day)
        if written:
            written(day)


async def catch_up(ctx: Context) -> None:
    """Write yesterday, and those of the six days before it that lack a row."""
    today = _today(ctx)
    async with ctx.db.connection() as connection:
        complete = await repository.complete_days(connection, today)
    for day in rules.to_catch_up(today, complete):
        await _write(ctx, day)
        log.info("statistics_written", day=day.isoformat())


async def _write(ctx: Context, day: date) -> None:
    async with ctx.db.read() as connection:
        counts = await repository.counts(connection, rules.day_of(day))
    async with ctx.db.transaction() as connection:
        await repository.write(connection, day, rules.figures(counts), ctx.clock.now())


async def between(
    ctx: Context, first: date, last: date, types: Collection[str] | None = None
) -> list[Row]:
    """The rows of the days from `first` to `last` by day and type; of `types` only, if given."""
    async with ctx.db.read() as connection:
        return await repository.between(connection, first, last, types)
