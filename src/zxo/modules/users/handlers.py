"""Reactions of users."""

from typing import Protocol

from zxo.context import Context
from zxo.modules.users.service import cache


class Versioned(Protocol):
    user_id: int
    version: int


async def drop_cached(ctx: Context, events: list[Versioned]) -> None:
    """Tell every process which rows are outdated, should the one that wrote have died first."""
    users = cache(ctx)
    for event in events:
        users.outdate(event.user_id, event.version)
    await ctx.bus.flush()
