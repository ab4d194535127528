"""The nightly look at memberships: those that are over become free, those that end are announced.

Days are those of Shanghai. What is done at any hour of a day is the same, and doing it again, or at
several workers at once, changes nothing: a row that is free is not found, and a notice has its key.
"""

from collections.abc import Collection
from datetime import datetime, time, timedelta
from typing import Literal

from structlog import get_logger

from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.jobs import SCHEDULE_ZONE
from zxo.kit.zones import date_in, zone
from zxo.modules import users
from zxo.modules.membership import repository, rules
from zxo.modules.membership.events import MembershipChanged, MembershipEnds
from zxo.modules.membership.models import Ending
from zxo.modules.users import User

log = get_logger(__name__)

CHUNK = 500

Stage = Literal["soon", "today"]


async def end_memberships(ctx: Context) -> None:
    """Write free where the membership was over when today began.

    It has not counted since its last second; the tier in force never waited for this.
    """
    ended = 0
    while found := await _end_some(ctx):
        ended += found
    if ended:
        log.info("memberships_ended", count=ended)


async def _end_some(ctx: Context) -> int:
    async with ctx.db.transaction() as connection:
        rows = await repository.end(connection, _midnight(ctx, 0), CHUNK, ctx.clock.now())
        await outbox.publish(connection, *(_ended(tier, user) for tier, user in rows))
    for _, user in rows:
        users.keep(ctx, user)
    return len(rows)


def _ended(tier: str, user: User) -> MembershipChanged:
    expiry = user.member_expiry_at
    assert expiry is not None, "only what has an end can have ended"
    return MembershipChanged(
        user_id=user.id,
        version=user.version,
        cause="expiry",
        before=tier,
        after=user.member_type,
        expiry=expiry,
        ends_on=rules.last_day(expiry, user.timezone),
    )


async def announce_ends(ctx: Context) -> None:
    """Announce what ends today, and what ends in three days."""
    await _announce(ctx, "today", 0)
    await _announce(ctx, "soon", rules.SOON_DAYS)


async def _announce(ctx: Context, stage: Stage, days: int) -> None:
    now, first, last = ctx.clock.now(), _midnight(ctx, days), _midnight(ctx, days + 1)
    after = (first, 0)
    while True:
        async with ctx.db.transaction() as connection:
            found = await repository.ending(connection, max(first, now), last, after, CHUNK)
            await outbox.publish(connection, *(_ends(stage, row, now) for row in found))
        if len(found) < CHUNK:
            return
        after = (found[-1].expiry, found[-1].user_id)


def _ends(stage: Stage, row: Ending, now: datetime) -> MembershipEnds:
    ends_on = rules.last_day(row.expiry, row.timezone)
    left = (ends_on - date_in(now, row.timezone)).days
    return MembershipEnds(row.user_id, row.tier, stage, row.expiry, ends_on, left)


def _midnight(ctx: Context, days: int) -> datetime:
    """When the day in `days` days begins."""
    day = date_in(ctx.clock.now(), SCHEDULE_ZONE) + timedelta(days=days)
    return datetime.combine(day, time(), zone(SCHEDULE_ZONE))


async def still_ending(
    ctx: Context, told: Collection[tuple[int, datetime]]
) -> set[tuple[int, datetime]]:
    """Those of `told` (user id, expiry) whose membership has not been changed since."""
    async with ctx.db.connection() as connection:
        return await repository.still_ending(connection, told)
