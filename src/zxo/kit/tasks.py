"""Ending background tasks for certain, and work that must come to its end."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")

PATIENCE_SECONDS = 0.1


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` until all of them are over.

    Once is not enough: on Python 3.11 asyncio.wait_for, inside which the libraries wait, can
    swallow a cancellation that comes together with what it waited for. Whoever is cancelled while
    it waits here, and again and again by somebody else's `end`, leaves no task behind, either.
    """
    pending, cancelled = set(tasks), False
    while pending:
        for task in pending:
            task.cancel()
        try:
            _, pending = await asyncio.wait(pending, timeout=PATIENCE_SECONDS)
        except asyncio.CancelledError:
            cancelled = True
            pending = {task for task in pending if not task.done()}
    if cancelled:
        raise asyncio.CancelledError


async def see_through(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. It ends by itself, however often whoever waits for it is cancelled.

    A cancellation is raised afterwards, in place of what came out.
    """
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            # The shield is for scopes of anyio: they cancel again in each round of the loop.
            with anyio.CancelScope(shield=True):
                await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        task.exception()  # seen, whatever it was
        raise asyncio.CancelledError
    return task.result()
