"""Telling people something. The table is the truth; the bus only says where to look."""

from collections.abc import Collection, Mapping

from zxo.context import Context
from zxo.modules.notifications import repository
from zxo.modules.notifications.models import NewNotice, Notice

TOPIC = "notices"  # on the bus: (TOPIC, user id, latest notice id)


async def add(ctx: Context, notices: Collection[NewNotice]) -> None:
    """Store what is new, and wake the sockets of the people it is for."""
    if not notices:
        return
    async with ctx.db.transaction() as connection:
        await repository.take_turn(connection)
        latest = await repository.add(connection, notices, ctx.clock.now())
    for user_id, number in latest.items():
        ctx.bus.announce(TOPIC, str(user_id), number)


async def news(ctx: Context, after: Mapping[int, int], limit: int) -> list[Notice]:
    """What each user (key) was told after an id (value), oldest first, at most `limit` each."""
    async with ctx.db.connection() as connection:
        return await repository.news(connection, after, limit)


async def latest_id(ctx: Context, user_id: int) -> int:
    """The id of the last thing the user was told; 0 where there is none."""
    async with ctx.db.connection() as connection:
        return await repository.latest_id(connection, user_id)
