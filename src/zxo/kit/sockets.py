"""The WebSockets of one process: who may open one, whose they are, and when they end.

What they are told is in `feed.py`, how one of them speaks in `wire.py`.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from redis.exceptions import RedisError
from starlette.types import Receive, Send
from structlog import get_logger

from zxo.kit import metrics
from zxo.kit.clock import Clock
from zxo.kit.errors import AppError, Unauthorized
from zxo.kit.failures import as_app_error
from zxo.kit.feed import Feed, News
from zxo.kit.tasks import end
from zxo.kit.wire import (
    Auth,
    AuthTimeout,
    GoingAway,
    Gone,
    InvalidMessage,
    Outgoing,
    Ping,
    Replaced,
    Resume,
    ServerFull,
    Silent,
    Socket,
    TooSlow,
)

log = get_logger(__name__)

AUTH_SECONDS = 5.0
HOLD_SECONDS = 0.5  # live events wait so long for a `resume`, so that the old come before the new
HEARTBEAT_SECONDS = 25
SILENCE_SECONDS = 2 * HEARTBEAT_SECONDS + 5
SEND_SECONDS = 10.0
STOP_SECONDS = 2.5  # a little more than a socket takes to close
MOST_SOCKETS = 5  # of one owner

JUDGE_SECONDS = 0.25
BEAT_SECONDS = 1.0
SEAT_SECONDS = 0.25

_AWAY = (RedisError, OSError, TimeoutError)


class Holder(Protocol):
    """Somebody who has proved who they are."""

    @property
    def owner(self) -> int: ...


Seat = tuple[int, str]  # an owner, and the id of a socket


@dataclass(frozen=True)
class Source:
    """What the hub asks of others."""

    admit: Callable[[str], Awaitable[Holder]]  # whose token this is; raises an AppError
    judge: Callable[[], Callable[[Any], AppError | None]]  # why a holder has to go; made each look
    latest: Callable[[int], Awaitable[int]]  # the id of an owner's last event, or 0
    news: News
    trusted: Callable[[], bool]  # whether the wake-ups of other processes arrive
    # These are open, those no longer; which sockets, anybody's, have to yield. May fail.
    present: Callable[[Collection[Seat], Collection[Seat]], Awaitable[Collection[str]]]


class Hub:
    """`serve` speaks with one client until it ends; `run` does what is due beside."""

    def __init__(self, source: Source, clock: Clock, most: int) -> None:
        self.feed = Feed(source.news)
        self._source = source
        self._clock = clock
        self._most = most
        self._sockets: dict[str, Socket] = {}
        self._numbers = itertools.count()
        self._waiting = 0  # not authenticated yet
        self._closing = False
        self._left: list[Seat] = []

    def evict(self, name: str) -> None:
        """Close this socket, if it is ours: its owner has opened too many since."""
        if socket := self._sockets.get(name):
            socket.end(Replaced())

    async def run(self) -> None:
        """Deliver, ping, and end what has to end, until cancelled."""
        parts = (
            self.feed.run(),
            self._every(JUDGE_SECONDS, self._judge),
            self._every(BEAT_SECONDS, self._beat),
            self._every(SEAT_SECONDS, self._keep_seats),
        )
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end(tasks)

    async def close(self) -> None:
        """Ask every client to go elsewhere; returns when they have gone, or after some 2.5 s."""
        self._closing = True
        for socket in list(self._sockets.values()):
            socket.end(GoingAway())
        if readers := [socket.reader for socket in self._sockets.values()]:
            await asyncio.wait(readers, timeout=STOP_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._keep_seats()

    async def serve(self, receive: Receive, send: Send) -> None:
        """Speak with a client until either side ends it (ASGI, scope `websocket`)."""
        socket = Socket(self._name(), receive, send, self.feed.idle)
        self._sockets[socket.id] = socket
        self._waiting += 1
        metrics.sockets.labels("open").inc()
        try:
            await socket.accept()
            await self._converse(socket)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and socket.ending is None:
                raise  # it was not us
            await self._finish(socket, socket.ending or error)
        finally:
            self._forget(socket)

    def _name(self) -> str:
        """Sorts by age, across processes as well as their clocks agree."""
        return f"{self._clock.timestamp_ms():014d}-{next(self._numbers):09d}-{uuid4().hex[:16]}"

    async def _converse(self, socket: Socket) -> None:
        self._make_room()
        await self._authenticate(socket)
        asyncio.get_running_loop().call_later(HOLD_SECONDS, self.feed.release, socket)
        while True:
            message = await socket.read()
            if isinstance(message, Resume):
                await self._resume(socket, message.after)
            elif isinstance(message, Ping):
                socket.say(self._control("pong"))
            elif isinstance(message, Auth):
                raise InvalidMessage("this socket is authenticated already")

    def _make_room(self) -> None:
        if self._closing:
            raise GoingAway
        if len(self._sockets) > self._most or self._waiting > max(self._most // 4, 1):
            raise ServerFull

    async def _authenticate(self, socket: Socket) -> None:
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                first = await socket.read()
        except TimeoutError:
            raise AuthTimeout from None
        if not isinstance(first, Auth):
            raise Unauthorized("the first message must be of type auth")
        self._register(socket, await self._source.admit(first.token))
        # Read after it was taken in: what comes in between wakes it.
        socket.position = await self._source.latest(socket.owner)
        ready = {"lastId": socket.position, "heartbeatSeconds": HEARTBEAT_SECONDS}
        socket.say(self._control("ready", ready))

    def _register(self, socket: Socket, holder: Holder) -> None:
        socket.owner, socket.holder = holder.owner, holder
        socket.ping_at = time.monotonic() + HEARTBEAT_SECONDS
        self._waiting -= 1
        alive = [sibling for sibling in self.feed.add(socket) if sibling.ending is None]
        for oldest in alive[:-MOST_SOCKETS]:
            oldest.end(Replaced())

    async def _resume(self, socket: Socket, after: int) -> None:
        """Go on after the id `after`; one from the future would never be reached."""
        latest = await self._source.latest(socket.owner)
        socket.rewind(min(after, latest))
        socket.say(self._control("resumed", {"after": socket.position}))
        self.feed.release(socket)

    def _control(self, kind: str, data: Any = None) -> str:
        return Outgoing(None, kind, data or {}, self._clock.now()).text()

    async def _finish(self, socket: Socket, error: BaseException) -> None:
        if isinstance(error, Gone):
            metrics.sockets_closed.labels("client").inc()
            return
        assert isinstance(error, Exception), "a cancellation has an ending"
        told = as_app_error(error)
        if told.status == AppError.status:
            log.error("socket_failed", socket=socket.id, exc_info=error)
        log.debug("socket_closed", socket=socket.id, reason=told.code, user_id=socket.owner)
        metrics.sockets_closed.labels(told.code).inc()
        await socket.close(told, self._clock.now())

    def _forget(self, socket: Socket) -> None:
        del self._sockets[socket.id]
        metrics.sockets.labels("open").dec()
        if not socket.owner:
            self._waiting -= 1
            return
        self.feed.remove(socket)
        self._left.append((socket.owner, socket.id))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:  # one look that fails must not be the last
                log.exception("look_at_sockets_failed")

    async def _judge(self) -> None:
        """End those whose session has ended, or whose token has expired."""
        judge = self._source.judge()
        for socket in self.feed.sockets():
            if error := judge(socket.holder):
                socket.end(error)

    async def _beat(self) -> None:
        """End those that do not read or do not speak; ping; look for news nobody told us of."""
        now, ping = time.monotonic(), self._control("ping")
        for socket in list(self._sockets.values()):
            if now - socket.sending_since > SEND_SECONDS:
                socket.end(TooSlow())
            elif now - socket.heard_at > SILENCE_SECONDS:
                socket.end(Silent())
            elif now >= socket.ping_at and not socket.busy:
                socket.ping_at = now + HEARTBEAT_SECONDS
                socket.say(ping)
        if self._source.trusted():
            self.feed.sweep()
        else:
            self.feed.wake_all()

    async def _keep_seats(self) -> None:
        """Tell the other processes which sockets are open; those that must yield are closed."""
        now, left, self._left = time.monotonic(), self._left, []
        due = [socket for socket in self.feed.sockets() if now >= socket.seat_at]
        try:
            seats = [(socket.owner, socket.id) for socket in due]
            yielding = await self._source.present(seats, left)
        except _AWAY as error:  # until it is back, each process counts for itself
            log.debug("seats_not_kept", reason=type(error).__name__)
            return
        for socket in due:
            socket.seat_at = now + HEARTBEAT_SECONDS
        for name in yielding:
            self.evict(name)
