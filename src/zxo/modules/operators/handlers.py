"""Scheduled work of operators."""

from zxo.context import Context
from zxo.modules.operators import service


async def delete_old_sessions(ctx: Context) -> None:
    """Forget sessions that are over."""
    await service.delete_old_sessions(ctx)
