"""Scheduled work of phones."""

from zxo.context import Context
from zxo.modules.phones import repository


async def delete_expired_codes(ctx: Context) -> None:
    """Forget codes whose five minutes are over."""
    async with ctx.db.connection() as connection:
        await repository.delete_expired(connection, ctx.clock.now())
