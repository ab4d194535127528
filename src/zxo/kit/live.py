"""Messages between processes over Valkey pub/sub, and how far they can be trusted.

Pub/sub loses what is sent while a process is not listening. So the bus proves that it listens: it
sends a ping down the same connection every 200 ms, and every message published before a ping was
sent has arrived when its pong does. `trusted()` says whether that proof is younger than 0.8 s.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from structlog import get_logger

from zxo.kit.tasks import end

log = get_logger(__name__)

PING_SECONDS = 0.2
TRUST_SECONDS = 0.8
GATHER_SECONDS = 0.02  # announcements of the same few milliseconds travel as one message
RETRY_SECONDS = 0.1
SILENCE_SECONDS = 2.0  # then the connection is given up: a hung server keeps it open
PENDING_LIMIT = 50_000
BATCH = 500

Listener = Callable[[str, int], None]

_AWAY = (RedisError, OSError, TimeoutError)


class _Message(msgspec.Struct, array_like=True):
    sender: str
    # (topic, key, version) of what changed
    changes: list[tuple[str, str, int]]


class Bus:
    """Tells every process what changed. Announcing never waits for Valkey and is retried."""

    def __init__(self, valkey: Redis, channel: str = "zxo:changes") -> None:
        self._valkey = valkey
        self._channel = channel
        self._sender = uuid4().hex
        self._listeners: dict[str, Listener] = {}
        self._own: set[str] = set()  # topics whose listener hears this process, too
        self._on_gap: list[Callable[[], None]] = []
        self._pending: dict[tuple[str, str], int] = {}
        self._wake = asyncio.Event()
        self._heard_at = float("-inf")

    def listen(
        self, topic: str, listener: Listener, on_gap: Callable[[], None], *, own: bool = False
    ) -> None:
        """Call `listener(key, version)` for others' changes, `on_gap()` when some were missed.

        With `own` also for those of this process, at once.
        """
        self._listeners[topic] = listener
        if own:
            self._own.add(topic)
        self._on_gap.append(on_gap)

    def trusted(self) -> bool:
        """Whether everything published up to 0.8 s ago has been heard."""
        return time.monotonic() - self._heard_at < TRUST_SECONDS

    def announce(self, topic: str, key: str, version: int) -> None:
        """Tell the other processes; returns at once. Call after the commit."""
        if topic in self._own:
            self._listeners[topic](key, version)
        if len(self._pending) < PENDING_LIMIT:
            # Two requests may announce in another order than they committed in.
            self._pending[topic, key] = max(version, self._pending.get((topic, key), version))
        self._wake.set()

    async def run(self) -> None:
        """Listen and speak until cancelled."""
        parts = (self._listen_forever(), self._speak_forever())
        tasks = {asyncio.create_task(part) for part in parts}
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await end(tasks)
        for task in ended:
            task.result()

    async def flush(self) -> bool:
        """Publish what is pending; False where Valkey is away and it stays pending.

        Then nothing is lost but time: without Valkey no process trusts its memory.
        """
        try:
            while self._pending:
                await self._publish(dict(list(self._pending.items())[:BATCH]))
        except _AWAY as error:
            log.debug("announcements_delayed", reason=type(error).__name__)
            return False
        return True

    async def _publish(self, batch: dict[tuple[str, str], int]) -> None:
        changes = [(topic, key, version) for (topic, key), version in batch.items()]
        message = msgspec.json.encode(_Message(self._sender, changes))
        await self._valkey.publish(self._channel, message)
        for change, version in batch.items():
            if self._pending.get(change) == version:
                del self._pending[change]

    async def _speak_forever(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wake.clear()
            if not await self.flush():
                self._wake.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen_forever(self) -> None:
        while True:
            try:
                async with self._valkey.pubsub() as subscription:
                    await self._listen(subscription)
            except _AWAY as error:
                if self.trusted():
                    log.warning("bus_lost", reason=type(error).__name__)
            except Exception:  # a message that is not ours to read: what it said is missed
                log.exception("bus_failed")
            self._heard_at = float("-inf")
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, subscription: PubSub) -> None:
        await subscription.subscribe(self._channel)
        next_ping, silent_since = 0.0, time.monotonic()
        while True:
            if time.monotonic() >= next_ping:
                await subscription.ping(message=str(time.monotonic()))
                next_ping = time.monotonic() + PING_SECONDS
            message = await subscription.get_message(timeout=PING_SECONDS)
            if message is not None:
                silent_since = time.monotonic()
                self._hear(message["type"], message["data"])
            elif time.monotonic() - silent_since > SILENCE_SECONDS:
                raise TimeoutError("Valkey does not answer")

    def _hear(self, kind: str, data: Any) -> None:
        if kind == "subscribe":
            # Now, not when it was asked for: what was changed in between, nobody told us.
            for missed in self._on_gap:
                missed()
            return
        if kind == "pong":
            self._heard_at = float(data)
            return
        message = msgspec.json.decode(data, type=_Message)
        if message.sender == self._sender:
            return
        for topic, key, version in message.changes:
            if listener := self._listeners.get(topic):
                listener(key, version)
