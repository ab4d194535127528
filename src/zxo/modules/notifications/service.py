"""Telling people something. The table is the truth; the bus only says where to look."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.db import Connection
from zxo.modules import users
from zxo.modules.notifications import repository, rules
from zxo.modules.notifications.events import Notified
from zxo.modules.notifications.models import NewNotice, Notice
from zxo.modules.notifications.repository import Stored

TOPIC = "notices"  # on the bus: (TOPIC, user id, latest notice id)
PRUNE_STEP = 20_000


async def add(ctx: Context, notices: Collection[NewNotice]) -> None:
    """Store what is new, and wake the sockets of the people it is for."""
    if not notices:
        return
    async with ctx.db.transaction() as connection:
        await repository.take_turn(connection)
        stored = await repository.add(connection, notices, ctx.clock.now())
        await _publish(connection, stored)
    _wake(ctx, stored)


async def replace(ctx: Context, notices: Collection[NewNotice]) -> None:
    """Store each in place of older news under its key, and wake the sockets."""
    last = {(notice.user_id, notice.once_key): notice for notice in notices}
    if not last:
        return
    async with ctx.db.transaction() as connection:
        await repository.take_turn(connection)
        stored = await repository.replace(connection, last.values(), ctx.clock.now())
    _wake(ctx, stored)


async def _publish(connection: Connection, stored: Collection[Stored]) -> None:
    """Let what came into an inbox be delivered outside the app, too."""
    ids = [notice.id for notice in stored if notice.type not in rules.LIVE_ONLY]
    if ids:
        await outbox.publish(connection, Notified(ids))


def _wake(ctx: Context, stored: Collection[Stored]) -> None:
    """To be called after the commit. The bus keeps the highest id of each user."""
    for notice in stored:
        ctx.bus.announce(TOPIC, str(notice.user_id), notice.id)


async def news(ctx: Context, after: Mapping[int, int], limit: int) -> list[Notice]:
    """What each user (key) was told after an id (value), oldest first, at most `limit` each."""
    async with ctx.db.connection() as connection:
        return await repository.news(connection, after, limit)


async def latest_id(ctx: Context, user_id: int) -> int:
    """The id of the last thing the user was told; 0 where there is none."""
    async with ctx.db.connection() as connection:
        return await repository.latest_id(connection, user_id)


async def inbox(
    ctx: Context, user_id: int, before: int | None, limit: int
) -> tuple[list[Notice], int]:
    """A page of the user's inbox, newest first, and how many in all are unread. Raises UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        page = await repository.inbox(connection, user_id, rules.LIVE_ONLY, before, limit)
        return page, await repository.unread(connection, user_id, rules.LIVE_ONLY)


async def mark_read(ctx: Context, user_id: int, ids: Collection[int] | None) -> int:
    """Mark those of `ids` that are the user's (None: all) as read; how many are still unread.

    Raises UserGone.
    """
    await users.get(ctx, user_id)
    async with ctx.db.transaction() as connection:
        await repository.mark_read(connection, user_id, ids, ctx.clock.now())
        return await repository.unread(connection, user_id, rules.LIVE_ONLY)


async def still_unread(ctx: Context, ids: Collection[int], since: datetime) -> list[Notice]:
    """Those of the notices that nobody has read, and that are no older than `since`."""
    async with ctx.db.connection() as connection:
        return await repository.still_unread(connection, ids, since)


async def settle_reminders(ctx: Context, days: Collection[tuple[int, date]]) -> None:
    """Mark the reminders of `days` (user id, date) as read: they have been answered."""
    keys = [(user_id, rules.reminder_key(day)) for user_id, day in days]
    async with ctx.db.connection() as connection:
        await repository.mark_read_by_key(connection, keys, ctx.clock.now())


async def want_milestones(ctx: Context, ids: Collection[int]) -> set[int]:
    """Those of `ids` who want to be told of milestones and tiers."""
    if not ids:
        return set()
    async with ctx.db.connection() as connection:
        return await repository.want_milestones(connection, ids)


async def prune(ctx: Context) -> None:
    """Delete what has expired."""
    while True:
        async with ctx.db.connection() as connection:
            deleted = await repository.prune(connection, ctx.clock.now(), PRUNE_STEP)
        if deleted < PRUNE_STEP:
            return
