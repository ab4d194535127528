"""What sockets are told: events in order, none lost, none twice, and nothing kept for anybody.

Events are rows of a table whose ids grow in the order of the commits. A wake-up only says that an
owner may have news: what stands after the position of each socket is then read, for everybody woken
in the same few milliseconds at once. However often a socket is woken, it goes on where it was, and
nothing is kept for it but what is on its way to it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from structlog import get_logger

from zxo.kit import metrics
from zxo.kit.db import is_away
from zxo.kit.wire import Outgoing, Socket

log = get_logger(__name__)

GATHER_SECONDS = 0.02
RETRY_SECONDS = 0.5
SWEEP_SECONDS = 30.0  # everybody is read again: a wake-up may be lost where it should be sent
OWNERS, ROWS = 250, 100  # of one query; the rows are those of one owner


class Item(NamedTuple):
    """One event. `data` is anything that becomes JSON."""

    owner: int
    id: int
    type: str
    data: Any
    at: datetime

    def text(self) -> str:
        return Outgoing(self.id, self.type, self.data, self.at).text()


# The events of each owner (key) after an id (value), oldest first, at most so many each.
News = Callable[[Mapping[int, int], int], Awaitable[Sequence[Item]]]


class Feed:
    """The sockets of this process by owner, and what they have been told."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._by_owner: dict[int, list[Socket]] = {}
        self._woken: set[int] = set()
        self._stirred = asyncio.Event()
        self._swept_at = time.monotonic()

    def sockets(self) -> list[Socket]:
        """All of them."""
        return [socket for siblings in self._by_owner.values() for socket in siblings]

    def add(self, socket: Socket) -> list[Socket]:
        """Take it in; nothing is sent before it is released. All of its owner's, oldest first."""
        siblings = self._by_owner.setdefault(socket.owner, [])
        siblings.append(socket)
        return siblings

    def remove(self, socket: Socket) -> None:
        """Forget it."""
        socket.live = False
        siblings = self._by_owner[socket.owner]
        siblings.remove(socket)
        if not siblings:
            del self._by_owner[socket.owner]

    def release(self, socket: Socket) -> None:
        """From now on it is told what stands after its position."""
        socket.live = True
        self.wake(socket.owner)

    def wake(self, owner: int, latest: int | None = None) -> None:
        """There may be news for `owner`, up to the id `latest`."""
        siblings = self._by_owner.get(owner, ())
        if any(latest is None or socket.position < latest for socket in siblings):
            self._woken.add(owner)
            self._stirred.set()

    def wake_all(self) -> None:
        """There may be news for anybody: some wake-ups were missed."""
        self._swept_at = time.monotonic()
        self._woken.update(self._by_owner)
        self._stirred.set()

    def sweep(self) -> None:
        """Wake everybody where that was not done for half a minute."""
        if time.monotonic() - self._swept_at > SWEEP_SECONDS:
            self.wake_all()

    def idle(self, socket: Socket) -> None:
        """It has been sent everything; there may have been news meanwhile."""
        if socket.missed:
            socket.missed = False
            self.wake(socket.owner)

    async def run(self) -> None:
        """Tell whoever is woken, until cancelled."""
        while True:
            await self._stirred.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._stirred.clear()
            owners, self._woken = self._woken, set()
            try:
                for some in _batches(sorted(owners)):
                    await self._tell(some)
            except Exception as error:  # the database is away, or worse: they are told later
                if not is_away(error):
                    log.exception("delivery_failed")
                self._woken |= owners
                self._stirred.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _tell(self, owners: Collection[int]) -> None:
        asked = {
            owner: min(socket.position for socket in free)
            for owner in owners
            if (free := self._free(owner))
        }
        if not asked:
            return
        by_owner: dict[int, list[Item]] = {}
        for item in await self._news(asked, ROWS):
            by_owner.setdefault(item.owner, []).append(item)
        for owner, items in by_owner.items():
            texts = [item.text() for item in items]  # once for all sockets of the owner
            for socket in self._by_owner.get(owner, ()):
                self._offer(socket, asked[owner], items, texts)

    def _free(self, owner: int) -> list[Socket]:
        """Those that can take more. The others are woken when they can."""
        live = [socket for socket in self._by_owner.get(owner, ()) if socket.live]
        for socket in live:
            socket.missed = socket.missed or socket.busy
        return [socket for socket in live if not socket.busy]

    def _offer(
        self, socket: Socket, after: int, items: Sequence[Item], texts: Sequence[str]
    ) -> None:
        """Send what follows its position, out of `items`, which are all there is from `after`."""
        if not socket.live:
            return
        if socket.busy or socket.position < after:  # it has begun, or gone back, since we asked
            socket.missed = True
            if not socket.busy:
                self.idle(socket)
            return
        new = [number for number, item in enumerate(items) if item.id > socket.position]
        socket.missed = socket.missed or len(items) == ROWS  # there may be more
        if not new:
            self.idle(socket)
            return
        socket.position = items[-1].id
        socket.say(*(texts[number] for number in new))
        for number in new:
            metrics.socket_events.labels(items[number].type).inc()


def _batches(owners: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(owners), OWNERS):
        yield owners[start : start + OWNERS]
