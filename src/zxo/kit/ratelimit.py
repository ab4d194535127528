"""How often something may happen: GCRA in Valkey, which all processes share, or in this process.

A quota of 10 in 60 s lets ten through at once, and then one more every 6 s. All that is kept of a
subject is the instant at which its quota will be whole again. The clock is Valkey's, or the
monotonic one of the process; never that of the business. docs/adr/0015 has the figures.
"""

import asyncio
import math
import time
from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

import redis.asyncio as redis
from structlog import get_logger

from zxo.kit import metrics
from zxo.kit.errors import TooManyRequests
from zxo.kit.valkey import AWAY
from zxo.kit.values import Quota

log = get_logger(__name__)

AWAY_SECONDS = 1.0  # between two looks whether it is back
AT_ONCE = 16  # questions to Valkey
MOST_SUBJECTS = 20_000  # of one limit in one process; the least recent are forgotten

SECOND = 1_000_000  # all instants and spans here are whole microseconds: sums of them are exact

# KEYS[1]: when the quota is whole again. ARGV: what one costs, how many there are, and 1 to spend
# one or -1 to give it back. Answers how long to wait (0: it passed), and until it is whole.
SPEND = """
local clock = redis.call("TIME")
local now = clock[1] * 1000000 + clock[2]
local cost, most, sign = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = tonumber(redis.call("GET", KEYS[1]) or now)
-- Never further ahead than a whole quota: it may have been another, or another server's clock.
local whole_at = math.max(now, math.min(known, now + cost * most))
local wait = whole_at + cost * sign - now - cost * most
if wait > 0 then
    return {wait, whole_at - now}
end
whole_at = whole_at + cost * sign
if whole_at <= now then
    redis.call("DEL", KEYS[1])
    return {0, 0}
end
local lifetime = math.ceil((whole_at - now) / 1000)
redis.call("SET", KEYS[1], string.format("%.0f", whole_at), "PX", lifetime)
return {0, whole_at - now}
"""


class Spent(NamedTuple):
    """What is left of a quota. `wait` is 0 where it passed; `shared`: Valkey counted it."""

    name: str
    quota: Quota
    wait: int
    until_whole: int
    shared: bool = False

    @property
    def passed(self) -> bool:
        return self.wait == 0

    @property
    def remaining(self) -> int:
        cost = _cost(self.quota)
        return (cost * self.quota.limit - self.until_whole) // cost

    @property
    def retry_after(self) -> int:
        """Whole seconds until the next one passes, if nobody else spends it."""
        return max(1, math.ceil(self.wait / SECOND))

    @property
    def policy(self) -> str:
        """An item of the RateLimit-Policy header (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.quota.limit};w={self.quota.seconds}'

    @property
    def state(self) -> str:
        """An item of the RateLimit header: until it is whole, or until the next one passes."""
        seconds = math.ceil(self.until_whole / SECOND) if self.passed else self.retry_after
        return f'"{self.name}";r={self.remaining};t={seconds}'


class RateLimited(TooManyRequests):
    """The caller must wait for the seconds that Retry-After says."""

    def __init__(self, spent: Spent) -> None:
        self.spent = spent
        headers = {"Retry-After": str(spent.retry_after), **headers_of([spent])}
        super().__init__(headers=headers, data={"limit": spent.name})


class LocalLimit:
    """A quota of this process alone."""

    def __init__(self, name: str, quota: Quota) -> None:
        self.name = name
        self._quota = quota
        self._cost = _cost(quota)
        self._whole_at: OrderedDict[str, int] = OrderedDict()

    def spend(self, subject: str) -> Spent:
        """One of what `subject` has left."""
        now = time.monotonic_ns() // 1000
        wait = self._charge(subject, now)
        return Spent(self.name, self._quota, wait, self._whole_at[subject] - now)

    def give_back(self, subject: str) -> None:
        """Take back what was spent."""
        if subject in self._whole_at:
            self._whole_at[subject] -= self._cost

    def allows(self, subject: str) -> bool:
        """Spend one, if there is one; a refusal is counted."""
        if self._charge(subject, time.monotonic_ns() // 1000) == 0:
            return True
        metrics.rate_limited.labels(self.name).inc()
        return False

    def require(self, subject: str) -> None:
        """Spend one. Raises RateLimited."""
        now = time.monotonic_ns() // 1000
        if wait := self._charge(subject, now):
            until_whole = self._whole_at[subject] - now
            raise refused(Spent(self.name, self._quota, wait, until_whole))

    def _charge(self, subject: str, now: int) -> int:
        """How long to wait; 0 where it passed. Every request pays for this."""
        known = self._whole_at
        after = max(now, known.get(subject, 0)) + self._cost
        wait = after - now - self._cost * self._quota.limit
        if wait > 0:
            return wait
        known[subject] = after
        known.move_to_end(subject)
        if len(known) > MOST_SUBJECTS:
            known.popitem(last=False)
        return 0


class Limiter:
    """Quotas in Valkey. While it is away, `share` processes divide each among themselves."""

    def __init__(self, valkey: redis.Redis, share: int) -> None:
        self._script = valkey.register_script(SPEND)
        self._share = share
        self._local: dict[str, LocalLimit] = {}
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
                except AWAY as error:
                    self._away_until = time.monotonic() + AWAY_SECONDS
                    log.debug("limits_are_local", reason=type(error).__name__)
        metrics.rate_limit_fallbacks.labels(name).inc()
        return self._here(name, quota).spend(subject) if keep else None

    async def give_back(self, spent: Spent, subject: str) -> None:
        """Take back what was spent, where it was; it stays spent where that is away by now."""
        if not spent.shared:
            self._local[spent.name].give_back(subject)
            return
        async with self._turns:
            if time.monotonic() >= self._away_until:
                with suppress(*AWAY):
                    await self._ask(spent.name, spent.quota, subject, -1)

    async def _there(self, name: str, quota: Quota, subject: str) -> Spent:
        if self._away_until > 0:  # one looks whether it is back; the others do not wait for that
            self._away_until = time.monotonic() + AWAY_SECONDS
        wait, until_whole = await self._ask(name, quota, subject, 1)
        self._away_until = 0.0
        return Spent(name, quota, wait, until_whole, shared=True)

    async def _ask(self, name: str, quota: Quota, subject: str, sign: int) -> tuple[int, int]:
        arguments = [_cost(quota), quota.limit, sign]
        wait, until_whole = await self._script([f"limit:{name}:{subject}"], arguments)
        return wait, until_whole

    def _here(self, name: str, quota: Quota) -> LocalLimit:
        local = self._local.get(name)
        if local is None:
            share = quota._replace(limit=math.ceil(quota.limit / self._share))
            local = self._local[name] = LocalLimit(name, share)
        return local


def refused(spent: Spent) -> RateLimited:
    """The error for a limit that is used up; counted."""
    metrics.rate_limited.labels(spent.name).inc()
    return RateLimited(spent)


def headers_of(spent: list[Spent]) -> dict[str, str]:
    """What an answer says of the limits that it was counted under; nothing where there are none."""
    if not spent:
        return {}
    return {
        "RateLimit-Policy": ", ".join(one.policy for one in spent),
        "RateLimit": ", ".join(one.state for one in spent),
    }


def _cost(quota: Quota) -> int:
    """How long it takes until one more of a quota may be spent."""
    return max(1, quota.seconds * SECOND // quota.limit)
