"""Scheduled work of auth."""

from zxo.context import Context
from zxo.modules.auth import repository


async def delete_expired_sessions(ctx: Context) -> None:
    """Forget sessions, and ended ones, whose last token can no longer be used or exchanged."""
    async with ctx.db.connection() as connection:
        await repository.delete_expired(connection, ctx.clock.now())
