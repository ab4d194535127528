"""Ending background tasks for certain."""

import asyncio
from collections.abc import Collection
from typing import Any

PATIENCE_SECONDS = 0.1


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` until all of them are over.

    Once is not enough: on Python 3.11 asyncio.wait_for, inside which the libraries wait, can
    swallow a cancellation that comes together with what it waited for.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=PATIENCE_SECONDS)
