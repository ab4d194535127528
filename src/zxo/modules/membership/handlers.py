"""Scheduled work of memberships."""

from zxo.context import Context
from zxo.modules.membership import upkeep


async def check_expiry(ctx: Context) -> None:
    """End what is over, and announce what ends."""
    await upkeep.end_memberships(ctx)
    await upkeep.announce_ends(ctx)
