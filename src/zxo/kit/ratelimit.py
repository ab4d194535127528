"""How often something may happen: GCRA in Valkey, which all processes share, or in this process.

A quota of 10 in 60 s lets ten through at once, and then one more every 6 s. The clock is Valkey's,
or the monotonic one of the process; never that of the business. throttled-py does the arithmetic.
"""

import asyncio
import math
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import redis.asyncio as redis
from structlog import get_logger
from throttled.asyncio.rate_limiter import RateLimiterRegistry as ValkeyLimiters
from throttled.asyncio.store import RedisStore, RedisStoreBackend
from throttled.exceptions import BaseThrottledError
from throttled.rate_limiter import Quota as Rate
from throttled.rate_limiter import RateLimiterRegistry as LocalLimiters
from throttled.rate_limiter import per_duration
from throttled.store import MemoryStore

from zxo.kit import metrics
from zxo.kit.errors import TooManyRequests
from zxo.kit.valkey import AWAY
from zxo.kit.values import Quota

log = get_logger(__name__)

AWAY_SECONDS = 1.0  # between two looks whether it is back
AT_ONCE = 16  # questions to Valkey
MOST_SUBJECTS = 20_000  # of one limit in one process; the least recent are forgotten

_PREFIX = "limit"
_FAILURES = (*AWAY, BaseThrottledError, TimeoutError, OSError)


class Spent(NamedTuple):
    """What is left of a quota. Times are seconds; `retry_after` is 0 where it passed."""

    name: str
    quota: Quota
    passed: bool
    remaining: int
    reset_after: float
    retry_after: float

    @property
    def policy(self) -> str:
        """An item of the RateLimit-Policy header (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.quota.limit};w={self.quota.seconds}'

    @property
    def state(self) -> str:
        """An item of the RateLimit header."""
        seconds = self.wait if not self.passed else math.ceil(self.reset_after)
        return f'"{self.name}";r={self.remaining};t={seconds}'

    @property
    def wait(self) -> int:
        """Whole seconds until the next one passes."""
        return max(1, math.ceil(self.retry_after))


class RateLimited(TooManyRequests):
    """The caller must wait for the seconds that Retry-After says."""

    def __init__(self, spent: Spent) -> None:
        super().__init__(headers={"Retry-After": str(spent.wait)}, data={"limit": spent.name})


class LocalLimit:
    """A quota of this process alone."""

    def __init__(self, name: str, quota: Quota) -> None:
        self.name = name
        self._quota = quota
        store = MemoryStore(options={"MAX_SIZE": MOST_SUBJECTS})
        self._limiter: Any = LocalLimiters.get("gcra")(_rate(quota), store)

    def spend(self, subject: str) -> Spent:
        """One of what `subject` has left."""
        return _spent(self.name, self._quota, self._limiter.limit(subject))

    def give_back(self, subject: str) -> None:
        """Take back what was spent."""
        self._limiter.limit(subject, -1)

    def require(self, subject: str) -> None:
        """Spend one. Raises RateLimited."""
        spent = self.spend(subject)
        if not spent.passed:
            raise refused(spent)


class _OurConnections(RedisStoreBackend):
    """What the library's store needs of a backend, on connections that we have already."""

    def __init__(self, client: redis.Redis) -> None:
        self.server, self.options = None, {}
        self._client: Any = client

    def get_client(self) -> Any:
        return self._client


class _Store(RedisStore):
    def __init__(self, client: redis.Redis) -> None:
        self.server, self.options = None, {}
        self._backend = _OurConnections(client)


class Limiter:
    """Quotas in Valkey. While it is away, `share` processes divide each among themselves."""

    def __init__(self, valkey: redis.Redis, share: int) -> None:
        self._store = _Store(valkey)
        self._share = share
        self._shared: dict[tuple[str, Quota], Any] = {}
        self._local: dict[tuple[str, Quota], LocalLimit] = {}
        self._away_until = 0.0
        # In a burst a connection each would take longer than the client waits for an answer.
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def spend(self, name: str, quota: Quota, subject: str, *, keep: bool) -> Spent | None:
        """One of what `subject` has left under the limit `name`.

        Where Valkey is away: of this process's share, or, unless `keep`, None: it goes through.
        """
        async with self._turns:
            if time.monotonic() >= self._away_until:
                try:
                    return await self._there(name, quota, subject)
                except _FAILURES as error:
                    self._away_until = time.monotonic() + AWAY_SECONDS
                    log.debug("limits_are_local", reason=type(error).__name__)
        metrics.rate_limit_fallbacks.labels(name).inc()
        return self._here(name, quota).spend(subject) if keep else None

    async def give_back(self, name: str, quota: Quota, subject: str) -> None:
        """Take back what was spent. The very first one of a quota stays spent, for GCRA's sake."""
        if time.monotonic() < self._away_until:
            self._here(name, quota).give_back(subject)
            return
        async with self._turns:
            with suppress(*_FAILURES):
                await self._ask(name, quota, subject, -1)

    async def _there(self, name: str, quota: Quota, subject: str) -> Spent:
        if self._away_until > 0:  # one looks whether it is back; the others do not wait for that
            self._away_until = time.monotonic() + AWAY_SECONDS
        result = await self._ask(name, quota, subject, 1)
        self._away_until = 0.0
        return _spent(name, quota, result)

    async def _ask(self, name: str, quota: Quota, subject: str, cost: int) -> Any:
        limiter = self._shared.get((name, quota))
        if limiter is None:
            made = ValkeyLimiters.get("gcra")(
                _rate(quota), self._store, key_prefix=f"{_PREFIX}:{name}"
            )
            limiter = self._shared[name, quota] = made
        return await limiter.limit(subject, cost)

    def _here(self, name: str, quota: Quota) -> LocalLimit:
        share = quota._replace(limit=math.ceil(quota.limit / self._share))
        local = self._local.get((name, share))
        if local is None:
            local = self._local[name, share] = LocalLimit(name, share)
        return local


def refused(spent: Spent) -> RateLimited:
    """The error for a limit that is used up; counted."""
    metrics.rate_limited.labels(spent.name).inc()
    return RateLimited(spent)


def _rate(quota: Quota) -> Rate:
    return per_duration(timedelta(seconds=quota.seconds), quota.limit)


def _spent(name: str, quota: Quota, result: Any) -> Spent:
    state = result.state
    return Spent(
        name, quota, not result.limited, state.remaining, state.reset_after, state.retry_after
    )
