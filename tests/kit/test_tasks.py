"""Tasks that are told to end do end."""

import asyncio

import anyio
import pytest
import redis.asyncio as redis

from zxo.embedded import Endpoints
from zxo.kit.live import Bus
from zxo.kit.tasks import end, see_through


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    swallowed = []

    async def stubborn() -> None:
        while len(swallowed) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(True)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end([task])
    assert task.done()


async def test_a_bus_ends_at_whatever_step_it_is_told_to(services: Endpoints) -> None:
    for steps in range(8, 24):
        async with redis.Redis.from_url(services.redis_url) as valkey:
            bus = Bus(valkey)
            running = asyncio.create_task(bus.run())
            bus.announce("topic", "1", 1)
            for _ in range(steps):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                running.cancel()  # once, as whoever runs it does
                await asyncio.wait([running])


async def test_who_is_ended_while_ending_others_leaves_none_of_them_behind() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                swallowed += 1

    inner = asyncio.create_task(stubborn())

    async def owner() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await end([inner])

    outer = asyncio.create_task(owner())
    await asyncio.sleep(0)
    await end([outer])
    assert outer.cancelled()
    assert inner.done()
    assert swallowed == 3


async def test_work_that_is_seen_through_ends_though_whoever_waits_is_cancelled_twice() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.05)
        ended.set()

    waiting = asyncio.create_task(see_through(work()))
    for _ in range(2):
        await asyncio.sleep(0.01)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


async def test_what_work_returns_and_raises_gets_to_whoever_sees_it_through() -> None:
    async def work(fails: bool) -> str:
        if fails:
            raise ValueError("it failed")
        return "done"

    assert await see_through(work(False)) == "done"
    with pytest.raises(ValueError, match="it failed"):
        await see_through(work(True))


async def test_a_cancelled_scope_does_not_keep_the_process_busy_until_the_work_is_done() -> None:
    ended, cancelled = asyncio.Event(), []

    async def work() -> None:
        await asyncio.sleep(0.1)
        ended.set()

    async def wait() -> None:
        try:
            await see_through(work())
        finally:
            task = asyncio.current_task()
            assert task is not None
            cancelled.append(task.cancelling())

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await asyncio.sleep(0.01)
        group.cancel_scope.cancel()
    assert ended.is_set()
    assert cancelled[0] <= 2  # not once in each round of the loop
