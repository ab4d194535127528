"""A few at a time."""

import asyncio

import pytest

from zxo.kit.errors import Unavailable
from zxo.kit.turnstile import Turnstile


async def test_no_more_than_so_many_are_inside() -> None:
    turnstile, inside, most = Turnstile(3), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with turnstile:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert (inside, most) == (0, 3)


async def test_whoever_waits_too_long_is_sent_away_and_the_place_is_free_afterwards() -> None:
    turnstile = Turnstile(1, patience=0.01)
    async with turnstile:
        with pytest.raises(Unavailable):
            await turnstile.__aenter__()
    async with turnstile:
        pass


async def test_a_failure_inside_gives_the_place_back() -> None:
    turnstile = Turnstile(1, patience=0.01)
    for _ in range(3):
        with pytest.raises(LookupError):
            async with turnstile:
                raise LookupError
