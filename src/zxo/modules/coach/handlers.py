"""What runs by itself for the coach."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from zxo.context import Context
from zxo.modules.coach import prompt, rules
from zxo.modules.coach.upkeep import settle_given_up


async def give_up(ctx: Context) -> None:
    """Settle answers that were never finished."""
    await settle_given_up(ctx)


@asynccontextmanager
async def prepared(ctx: Context) -> AsyncIterator[None]:
    """The first count of tokens loads its tables: half a second that no request should wait, and
    64 MB for whom there is something to count only.

    Ends when the process is told to stop: long answers are broken off in time to be settled.
    """
    if ctx.models.configured:
        await asyncio.to_thread(prompt.count_tokens, "")
    yield
    ctx.models.stop_within(rules.STOP_SECONDS)
