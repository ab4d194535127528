"""Scheduled work of operators."""

from zxo.context import Context
from zxo.modules.operators import sessions


async def delete_old_sessions(ctx: Context) -> None:
    """Forget sessions that are over."""
    await sessions.delete_old_sessions(ctx)
