"""Answers remembered for a moment: what many ask for at once is worked out once.

For what may be a moment old and is the same for everybody who asks. Not for rows: `kit/cache.py`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 2_000


class Memo:
    """Answers by key, in this process; those asked for at the same moment share one task."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Known] = {}

    async def get(self, key: Hashable, seconds: float, answer: Callable[[], Awaitable[T]]) -> T:
        """What `answer` said at most `seconds` before. Raises what it raises, to all who wait."""
        known = self._known.get(key)
        if known is None or (known.task.done() and known.until < time.monotonic()):
            known = self._ask(key, seconds, answer)
        # Shielded: one caller who goes away takes nothing from the others.
        result: T = await asyncio.shield(known.task)
        return result

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def _ask(self, key: Hashable, seconds: float, answer: Callable[[], Awaitable[T]]) -> "_Known":
        known = _Known(asyncio.ensure_future(_call(answer)))
        known.task.add_done_callback(lambda _: self._answered(key, known, seconds))
        self._known.pop(key, None)
        self._known[key] = known
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return known

    def _answered(self, key: Hashable, known: "_Known", seconds: float) -> None:
        known.until = time.monotonic() + seconds
        failed = known.task.cancelled() or known.task.exception() is not None
        if failed and self._known.get(key) is known:
            del self._known[key]


@dataclass(eq=False)
class _Known:
    task: asyncio.Task[Any]
    until: float = 0.0  # set when the answer is there


async def _call(answer: Callable[[], Awaitable[T]]) -> T:
    return await answer()
