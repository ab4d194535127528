"""Answers remembered for a moment: what many ask for at once is worked out once.

For what may be a moment old and is the same for everybody who asks. Not for rows: `kit/cache.py`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 2_000


class Memo:
    """Answers by key, in this process; those asked for at the same moment share one task."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def get(self, key: Hashable, seconds: float, answer: Callable[[], Awaitable[T]]) -> T:
        """What `answer` said at most `seconds` before. Raises what it raises, to all who wait."""
        known = self._known.get(key)
        if known is None or known[0] < time.monotonic():
            task = asyncio.ensure_future(_call(answer))
            self._remember(key, time.monotonic() + seconds, task)
            task.add_done_callback(lambda done: self._forget_failure(key, done))
        else:
            task = known[1]
        # Shielded: one caller who goes away takes nothing from the others.
        result: T = await asyncio.shield(task)
        return result

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def _remember(self, key: Hashable, until: float, task: asyncio.Task[Any]) -> None:
        self._known.pop(key, None)
        self._known[key] = until, task
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def _forget_failure(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        known = self._known.get(key)
        failed = task.cancelled() or task.exception() is not None
        if failed and known is not None and known[1] is task:
            del self._known[key]


async def _call(answer: Callable[[], Awaitable[T]]) -> T:
    return await answer()
