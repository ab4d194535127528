"""Rows kept in the process's memory, never staler than the bus can prove.

A value is served from memory only while the bus is trusted (`kit/live.py`), so another process's
write is seen within a second even if Valkey is killed; otherwise PostgreSQL is asked. A version
check on every fill keeps a slow reader from putting a stale row back.
docs/adr/0004 says why there is no second level in Valkey.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

from zxo.kit.live import Bus

V = TypeVar("V")
Load = Callable[[int], Awaitable[V | None]]

TTL_SECONDS = 60.0
JITTER = 0.2  # so that entries filled together do not expire together
TOMBSTONE_SECONDS = 10.0  # longer than any statement may run
SIZE = 20_000


class _Entry(NamedTuple, Generic[V]):
    value: V | None  # None: known to be outdated below `version`
    version: int
    expires: float


class _Abandoned(Exception):
    """Whoever loaded the row went away: the next one in line asks again."""


class Cache(Generic[V]):
    """Values by integer key, each with a version that grows with every change of the row."""

    def __init__(
        self,
        topic: str,
        bus: Bus,
        load: Callable[[int], Awaitable[V | None]],
        version_of: Callable[[V], int],
    ) -> None:
        self._topic = topic
        self._bus = bus
        self._load = load
        self._version_of = version_of
        self._entries: dict[int, _Entry[V]] = {}
        self._loading: dict[int, asyncio.Future[V | None]] = {}
        bus.listen(topic, self._heard, self.clear)

    async def get(self, key: int, load: Load[V] | None = None) -> V | None:
        """The value, or None where the row does not exist. Raises what `load` raises.

        `load` takes the place of the cache's own: a caller who holds a connection uses that.
        """
        entry = self._entries.get(key)
        if entry and entry.value is not None and self._usable(entry):
            return entry.value
        return await self.reload(key, load)

    async def reload(self, key: int, load: Load[V] | None = None) -> V | None:
        """The value as PostgreSQL has it now; callers at the same moment share one query."""
        while (underway := self._loading.get(key)) is not None:
            with suppress(_Abandoned):
                # Shielded: one caller who goes away takes nothing from the others.
                return await asyncio.shield(underway)
        return await self._fill(key, load or self._load)

    def put(self, key: int, value: V) -> None:
        """Keep what this process has just committed, and tell the others."""
        self._store(key, value)
        self._loading.pop(key, None)
        self._bus.announce(self._topic, str(key), self._version_of(value))

    def outdate(self, key: int, version: int) -> None:
        """Forget every value older than `version`, here and in the other processes."""
        self._heard(str(key), version)
        self._bus.announce(self._topic, str(key), version)

    def clear(self) -> None:
        """Forget everything, and whatever is being loaded at this moment."""
        self._entries.clear()
        self._loading.clear()

    async def _fill(self, key: int, load: Load[V]) -> V | None:
        underway = self._loading[key] = asyncio.get_running_loop().create_future()
        try:
            value = await load(key)
        except BaseException as error:
            self._finish(key, underway)
            underway.set_exception(error if isinstance(error, Exception) else _Abandoned())
            underway.exception()  # seen: nobody has to wait for it
            raise
        # Still listed means that nothing was heard about the row while it was being read.
        if self._finish(key, underway) and value is not None:
            self._store(key, value)
        underway.set_result(value)
        return value

    def _finish(self, key: int, underway: asyncio.Future[V | None]) -> bool:
        """Whether `underway` was still the listed load of the row; it no longer is."""
        if self._loading.get(key) is not underway:
            return False
        del self._loading[key]
        return True

    def _store(self, key: int, value: V) -> None:
        version = self._version_of(value)
        known = self._entries.get(key)
        if known and known.version > version and time.monotonic() < known.expires:
            return
        lifetime = TTL_SECONDS * (1 + JITTER * random.random())  # noqa: S311 - no secret
        self._remember(key, _Entry(value, version, time.monotonic() + lifetime))

    def _heard(self, key: str, version: int) -> None:
        number = int(key)
        self._loading.pop(number, None)
        known = self._entries.get(number)
        if known is None or known.version < version:
            expires = time.monotonic() + TOMBSTONE_SECONDS
            self._remember(number, _Entry(None, version, expires))

    def _remember(self, key: int, entry: _Entry[V]) -> None:
        self._entries.pop(key, None)
        self._entries[key] = entry
        if len(self._entries) > SIZE:
            del self._entries[next(iter(self._entries))]

    def _usable(self, entry: _Entry[V]) -> bool:
        return time.monotonic() < entry.expires and self._bus.trusted()


class Caches:
    """The caches of one process, by topic."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._by_topic: dict[str, Cache[Any]] = {}

    def named(
        self,
        topic: str,
        load: Callable[[int], Awaitable[V | None]],
        version_of: Callable[[V], int],
    ) -> Cache[V]:
        """The cache of `topic`, made when first asked for."""
        cache = self._by_topic.get(topic)
        if cache is None:
            cache = self._by_topic[topic] = Cache(topic, self._bus, load, version_of)
        return cache
