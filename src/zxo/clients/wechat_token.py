"""The access token of the mini program: one for all callers of a process, fetched when needed."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from zxo.kit.tasks import end

RENEW_BEFORE = 300.0  # seconds before it expires; WeChat gives out the next one from then on
SHORTEST_USE = 10.0
# WeChat replaces a token at most 20 times a day, and not twice within 30 s.
FORCE_EVERY = 600.0

Fetch = Callable[[bool], Awaitable[tuple[str, int]]]


class AccessToken:
    """`fetch(force)` gives a token and for how many seconds it is good.

    With `force` WeChat makes a new one and the old one is good for nothing, also in other
    processes. Without, all of them are given the same.
    """

    def __init__(self, fetch: Fetch, now: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._now = now
        self._value = ""
        self._renew_at = 0.0
        self._may_force_at = 0.0
        self._fetching: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._fetching is not None:
            await end([self._fetching])

    async def get(self, refused: str = "") -> str:
        """A token; if possible another than `refused`, which WeChat has just turned down.

        Callers that come while it is being fetched wait for the same answer. Raises what fetch
        raises.
        """
        if not self._is_good(refused):
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._renew(refused))
                self._fetching.add_done_callback(self._done)
            # A caller that gives up must not take the others' answer away.
            await asyncio.shield(self._fetching)
        return self._value

    def _is_good(self, refused: str) -> bool:
        return bool(self._value) and self._value != refused and self._now() < self._renew_at

    async def _renew(self, refused: str) -> None:
        """Forced only if nothing else helps: processes that force would rob each other for ever."""
        value, good_for = await self._fetch(False)
        if value == refused and self._now() >= self._may_force_at:
            self._may_force_at = self._now() + FORCE_EVERY
            value, good_for = await self._fetch(True)
        self._value = value
        self._renew_at = self._now() + max(good_for - RENEW_BEFORE, SHORTEST_USE)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # looked at, should nobody wait for it any more
