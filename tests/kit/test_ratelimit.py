"""The arithmetic of limits, in Valkey and in a process, against a plain model."""

import asyncio
import math
import time
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.kit.valkey import OwnValkey, client
from zxo.context import Context
from zxo.kit import metrics, ratelimit
from zxo.kit.ratelimit import Limiter, LocalLimit, RateLimited
from zxo.kit.values import Quota

DAY = 86_400


class Time:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.ns = 10**15

    def monotonic_ns(self) -> int:
        return self.ns

    monotonic = staticmethod(time.monotonic)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Time:
    standing = Time()
    monkeypatch.setattr(ratelimit, "time", standing)
    return standing


class Bucket:
    """What GCRA is equal to: a bucket that fills evenly, and starts full. In exact fractions."""

    def __init__(self, quota: Quota) -> None:
        self._cost = quota.seconds * 10**6 // quota.limit
        self._most = self._level = quota.limit * self._cost

    def wait(self, microseconds: int) -> None:
        self._level = min(self._most, self._level + microseconds)

    def spend(self) -> int:
        """How long one has to wait, in microseconds."""
        if self._level < self._cost:
            return self._cost - self._level
        self._level -= self._cost
        return 0


@given(
    st.integers(1, 50),
    st.integers(1, DAY),
    st.lists(st.integers(0, 5 * 10**6) | st.just(0), max_size=80),
)
def test_a_limit_is_a_bucket_that_fills_evenly(most: int, seconds: int, pauses: list[int]) -> None:
    quota = Quota(most, seconds)
    with pytest.MonkeyPatch.context() as patch:
        standing = Time()
        patch.setattr(ratelimit, "time", standing)
        limit, bucket = LocalLimit("x", quota), Bucket(quota)
        for pause in pauses:
            standing.ns += pause * 1000
            bucket.wait(pause)
            assert limit.spend("somebody").wait == bucket.spend()


@given(st.integers(1, 10_000_000), st.integers(1, 100 * DAY))
def test_at_one_instant_exactly_as_many_pass_as_may(most: int, seconds: int) -> None:
    """Of many: those just before and after the last, for sums that rounding would spoil."""
    cost = max(1, seconds * 10**6 // most)
    with pytest.MonkeyPatch.context() as patch:
        standing = Time()
        patch.setattr(ratelimit, "time", standing)
        limit = LocalLimit("x", Quota(most, seconds))
        limit._whole_at["x"] = standing.ns // 1000 + cost * (most - 1)
        last, beyond = limit.spend("x"), limit.spend("x")
    assert last.passed
    assert last.remaining == 0
    assert beyond.wait == cost


async def test_who_waits_as_long_as_is_said_passes_and_a_second_earlier_not(still: Time) -> None:
    limit = LocalLimit("x", Quota(3, 100))
    while (spent := limit.spend("x")).passed:
        pass
    assert spent.retry_after == 34  # 33.3 s
    still.ns += 33 * 10**9
    with pytest.raises(RateLimited) as refusal:
        limit.require("x")
    assert refusal.value.headers["Retry-After"] == "1"
    still.ns += 10**9
    limit.require("x")


async def test_what_is_given_back_may_be_spent_again_in_a_process(still: Time) -> None:
    limit = LocalLimit("x", Quota(2, DAY))
    for _ in range(5):
        limit.require("x")
        limit.give_back("x")
    limit.give_back("nobody")
    assert [limit.spend("x").passed for _ in range(3)] == [True, True, False]


async def test_what_is_given_back_may_be_spent_again_in_valkey(ctx: Context) -> None:
    limiter, quota, name = Limiter(ctx.valkey, 1), Quota(2, DAY), uuid4().hex
    for _ in range(5):
        spent = await limiter.spend(name, quota, "x", keep=True)
        assert spent is not None
        assert spent.passed
        assert spent.remaining == 1
        await limiter.give_back(spent, "x")
    assert not [key async for key in ctx.valkey.scan_iter(f"limit:{name}:*")]
    answers = [await limiter.spend(name, quota, "x", keep=True) for _ in range(3)]
    assert [one.passed for one in answers if one] == [True, True, False]


async def test_nothing_stays_longer_than_it_matters(ctx: Context) -> None:
    limiter, name = Limiter(ctx.valkey, 1), uuid4().hex
    await limiter.spend(name, Quota(10, 60), "x", keep=True)
    assert 5_000 < await ctx.valkey.pttl(f"limit:{name}:x") <= 6_000
    for _ in range(20):
        await limiter.spend(name, Quota(10, 60), "x", keep=True)
    assert 59_000 < await ctx.valkey.pttl(f"limit:{name}:x") <= 60_000


async def test_a_limit_that_is_configured_anew_holds_for_those_who_used_up_the_old_one(
    ctx: Context,
) -> None:
    limiter, name = Limiter(ctx.valkey, 1), uuid4().hex
    for _ in range(20):
        await limiter.spend(name, Quota(20, DAY), "x", keep=True)
    spent = await limiter.spend(name, Quota(10, 60), "x", keep=True)
    assert spent is not None
    assert not spent.passed
    assert spent.state == f'"{name}";r=0;t=6'
    assert spent.retry_after == 6


async def test_valkey_may_forget_its_scripts(ctx: Context) -> None:
    limiter, name = Limiter(ctx.valkey, 1), uuid4().hex
    for left in (1, 0):
        spent = await limiter.spend(name, Quota(2, DAY), "x", keep=False)
        assert spent is not None
        assert spent.shared
        assert spent.remaining == left
        await ctx.valkey.script_flush()


async def test_a_flood_of_subjects_takes_no_more_memory_than_is_set_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ratelimit, "MOST_SUBJECTS", 100)
    limit = LocalLimit("x", Quota(1, DAY))
    limit.require("busy")
    for number in range(1_000):
        limit.require(str(number))
        assert not limit.allows(str(number))
    assert len(limit._whole_at) == 100


async def test_what_is_refused_is_counted() -> None:
    name = uuid4().hex
    limit = LocalLimit(name, Quota(1, DAY))
    assert [limit.allows("x"), limit.allows("x")] == [True, False]
    assert f'rate_limited_total{{limit="{name}"}} 1.0' in metrics.render().decode()


async def test_a_share_is_given_back_to_the_share(ctx: Context) -> None:
    limiter = Limiter(ctx.valkey, 4)
    limiter._away_until = math.inf
    for _ in range(5):
        spent = await limiter.spend("x", Quota(4, DAY), "x", keep=True)
        assert spent is not None
        assert spent.passed
        assert spent.quota == Quota(1, DAY)
        await limiter.give_back(spent, "x")


@pytest.mark.slow
async def test_a_valkey_that_hangs_costs_one_request_a_second_and_no_more(tmp_path: Path) -> None:
    valkey = OwnValkey(tmp_path)
    own: Redis = client(valkey.url)
    limiter, quota = Limiter(own, 1), Quota(3, DAY)
    try:
        with valkey.hung():
            await limiter.spend("x", quota, "x", keep=False)  # it finds out
            waited = await asyncio.gather(*(_seconds(limiter, quota) for _ in range(200)))
            assert max(waited) < 0.2
            await asyncio.sleep(ratelimit.AWAY_SECONDS)
            waited = await asyncio.gather(*(_seconds(limiter, quota) for _ in range(200)))
            assert sum(seconds > 0.2 for seconds in waited) == 1
        await asyncio.sleep(ratelimit.AWAY_SECONDS)
        spent = await limiter.spend("x", quota, "y", keep=False)
        assert spent is not None
        assert spent.shared
    finally:
        await own.aclose()
        valkey.close()


async def _seconds(limiter: Limiter, quota: Quota) -> float:
    began = time.monotonic()
    assert await limiter.spend("x", quota, "x", keep=False) is None
    return time.monotonic() - began
