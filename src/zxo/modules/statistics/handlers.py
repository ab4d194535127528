"""Scheduled work of statistics."""

from zxo.context import Context
from zxo.modules.statistics import service


async def write_past_days(ctx: Context) -> None:
    """Write yesterday, and any of the six days before it that no worker was up for."""
    await service.catch_up(ctx)
