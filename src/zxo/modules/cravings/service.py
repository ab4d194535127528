"""Use cases of cravings. Dates and hours are those where the person lives."""

from datetime import date, datetime, timedelta

from asyncpg import ForeignKeyViolationError

from zxo.clients.content_check import Scene
from zxo.context import Context
from zxo.kit.db import Connection
from zxo.kit.zones import zone
from zxo.modules import users
from zxo.modules.cravings import repository, rules
from zxo.modules.cravings.errors import InvalidSpan, NoSuchCraving
from zxo.modules.cravings.models import Craving, DayCount, Pattern, Position, Span
from zxo.modules.users import User

DEFAULT_DAYS = 7


async def record(
    ctx: Context,
    user_id: int,
    intensity: int | None,
    trigger_type: str | None,
    trigger_note: str | None,
) -> Craving:
    """Log a craving now. Raises UserGone, ContentRejected."""
    user = await users.get(ctx, user_id)
    if trigger_note:
        await ctx.content.check("triggerNote", trigger_note, Scene.LOG, user.openid)
    now = ctx.clock.now()
    local = now.astimezone(zone(user.timezone))
    what = (intensity, trigger_type, trigger_note)
    try:
        async with ctx.db.connection() as connection:
            return await repository.add(connection, user_id, (now, local.date(), local.hour), what)
    except ForeignKeyViolationError:  # the account was erased since it was read
        raise users.UserGone from None


async def page(
    ctx: Context,
    user_id: int,
    span: tuple[date, date],
    after: Position | None,
    limit: int,
) -> tuple[list[Craving], Span]:
    """A page of the span, newest first, and the totals of the whole span."""
    async with ctx.db.connection() as connection:
        found = await repository.page(connection, user_id, span, after, limit)
        totals = await repository.span(connection, user_id, *span)
    return found, totals


async def asked_span(
    ctx: Context, user_id: int, first: date | None, last: date | None
) -> tuple[date, date]:
    """The span that a request means: the last seven days where it says nothing.

    Raises InvalidSpan, UserGone.
    """
    user = await users.get(ctx, user_id)
    last = last or user.today(ctx.clock.now())
    if first is None:
        first = date.fromordinal(max(1, last.toordinal() - DEFAULT_DAYS + 1))
    if not rules.is_span(first, last):
        raise InvalidSpan
    return first, last


async def stats(ctx: Context, user_id: int, days: int) -> tuple[list[DayCount], Span]:
    """Every one of the last `days` dates, newest first, and their totals. Raises UserGone."""
    user = await users.get(ctx, user_id)
    last = user.today(ctx.clock.now())
    first = last - timedelta(days=days - 1)
    async with ctx.db.connection() as connection:
        counted = await repository.by_day(connection, user_id, first, last)
        totals = await repository.span(connection, user_id, first, last)
    known = {day.date: day for day in counted}
    return [known.get(day, DayCount(day, 0, None)) for day in rules.days_of(first, last)], totals


async def pattern(connection: Connection, user: User, now: datetime, days: int) -> Pattern:
    """When and why the cravings of the last `days` dates came."""
    last = user.today(now)
    return await repository.pattern(connection, user.id, last - timedelta(days=days - 1), last)


async def delete(ctx: Context, user_id: int, craving_id: int) -> None:
    """Raises NoSuchCraving, UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        if not await repository.delete(connection, user_id, craving_id):
            raise NoSuchCraving
