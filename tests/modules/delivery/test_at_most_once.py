"""Many at once, and jobs that run again: a message is sent once or not at all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest_asyncio

from tests.conftest import running
from tests.factories import FrozenClock, Visitor
from tests.modules.delivery.conftest import Outward
from zxo.context import Context
from zxo.modules.delivery import handlers, repository
from zxo.modules.notifications import Notified

Rows = Callable[[str], Awaitable[list[dict[str, Any]]]]


@pytest_asyncio.fixture
async def two_workers(outward: Outward, clock: FrozenClock) -> AsyncIterator[list[Context]]:
    """Two processes with memory of their own."""
    async with running(outward.settings, clock) as second:
        yield [outward.ctx, second.state.context]


async def test_the_announcement_of_a_notice_delivers_it(outward: Outward, alice: Visitor) -> None:
    await outward.agree(alice)
    await outward.open_browser(alice)
    number = await outward.notify(alice)
    await outward.announce(alice, number, number)
    await outward.announce(alice, number)

    assert len(outward.wechat.messages) == len(outward.push.pushed) == 1


async def test_fifty_notices_and_three_credits_are_three_messages(
    outward: Outward, alice: Visitor, two_workers: list[Context], kept: Rows
) -> None:
    await outward.agree(alice, times=3)
    outward.wechat.agree("oAlice", "T-reminder", 99)  # WeChat would let more through
    numbers = [await outward.notify(alice) for _ in range(50)]
    events = [Notified([number]) for number in numbers]
    shares = events[::4], events[1::4], events[2::4], events[3::4]
    await asyncio.gather(
        *(handlers.deliver(two_workers[i % 2], share) for i, share in enumerate(shares))
    )

    assert len(outward.wechat.messages) == len(outward.wechat.sends) == 3
    assert await outward.credits(alice) == 0
    assert len(await kept("notification_deliveries")) == 3


async def test_a_job_that_runs_six_times_at_once_sends_once(
    outward: Outward, alice: Visitor, two_workers: list[Context]
) -> None:
    await outward.agree(alice, times=10)
    await outward.open_browser(alice)
    event = Notified([await outward.notify(alice)])
    outward.wechat.delay = outward.push.delay = 0.05
    await asyncio.gather(*(handlers.deliver(ctx, [event]) for ctx in two_workers * 3))

    assert len(outward.wechat.sends) == len(outward.push.tries) == 1
    assert await outward.credits(alice) == 9


async def test_a_job_that_is_killed_while_it_sends_sends_nothing_again(
    outward: Outward, alice: Visitor
) -> None:
    await outward.agree(alice, times=2)
    number = await outward.notify(alice)
    outward.wechat.delay = 0.3
    job = asyncio.create_task(outward.deliver(alice, number))
    while not await outward.ctx.db.fetchval("SELECT count(*) FROM notification_deliveries"):
        await asyncio.sleep(0.01)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    outward.wechat.delay = 0.0
    await outward.deliver(alice, number)

    assert len(outward.wechat.messages) <= 1
    assert await outward.credits(alice) == 1


async def test_consents_and_sends_at_the_same_moment_add_up(
    outward: Outward, alice: Visitor
) -> None:
    await outward.agree(alice, times=5)
    numbers = [await outward.notify(alice) for _ in range(12)]
    await asyncio.gather(
        *(outward.deliver(alice, number) for number in numbers),
        *(outward.agree(alice) for _ in range(7)),
    )
    sent = len(outward.wechat.messages)
    assert 5 <= sent <= 12
    assert await outward.credits(alice) == 12 - sent


async def test_refusals_at_the_same_moment_give_every_credit_back(
    outward: Outward, alice: Visitor
) -> None:
    await outward.agree(alice, times=10)
    numbers = [await outward.notify(alice) for _ in range(10)]
    outward.wechat.send_failures = [45009] * 10
    await outward.deliver(alice, *numbers)
    assert len(outward.wechat.sends) == 10
    assert await outward.credits(alice) == 10


async def test_accounts_that_are_erased_while_they_are_told_end_in_peace(
    outward: Outward, two_workers: list[Context], kept: Rows
) -> None:
    people = [await outward.log_in(f"Person{number}") for number in range(12)]
    events = []
    for person in people:
        await outward.agree(person, times=3)
        await outward.open_browser(person)
        numbers = [await outward.notify(person) for _ in range(3)]
        events += [Notified([number]) for number in numbers]
    erased = [
        outward.ctx.db.execute("DELETE FROM users WHERE id = $1", person.user["id"])
        for person in people
    ]
    await asyncio.gather(*(handlers.deliver(ctx, events) for ctx in two_workers), *erased)

    for table in ("wechat_credits", "push_subscriptions", "notification_deliveries"):
        assert await kept(table) == []


async def test_no_transaction_is_open_while_others_are_asked(
    outward: Outward, alice: Visitor
) -> None:
    await outward.agree(alice)
    await outward.open_browser(alice)
    number = await outward.notify(alice)
    outward.wechat.delay = outward.push.delay = 0.3
    job = asyncio.create_task(outward.deliver(alice, number))
    seen = set()
    while not job.done():
        states = await outward.ctx.db.fetch(
            "SELECT state FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND state LIKE 'idle in transaction%'"
        )
        seen.add(len(states))
        await asyncio.sleep(0.02)
    await job
    assert seen == {0}
    assert len(outward.push.pushed) == 1


async def test_twenty_at_most_are_on_their_way(outward: Outward, alice: Visitor) -> None:
    await outward.open_browser(alice)
    numbers = [await outward.notify(alice) for _ in range(45)]
    outward.push.delay = 0.1
    job = asyncio.create_task(outward.deliver(alice, *numbers))
    most = 0
    while not job.done():
        claimed = await outward.ctx.db.fetchval("SELECT count(*) FROM notification_deliveries")
        most = max(most, claimed - len(outward.push.pushed))
        await asyncio.sleep(0.005)
    await job
    assert len(outward.push.pushed) == 45
    assert 2 <= most <= 20


async def test_who_can_be_reached_has_a_credit_or_a_browser(
    outward: Outward, alice: Visitor, bob: Visitor
) -> None:
    carol, dave = await outward.log_in("Carol"), await outward.log_in("Dave")
    await outward.agree(alice)
    await outward.open_browser(bob)
    await outward.agree(carol)
    await outward.tell(carol)  # the one credit is gone
    ids = [person.user["id"] for person in (alice, bob, carol, dave)]

    async with outward.ctx.db.connection() as connection:
        assert await repository.reachable(connection, ids) == set(ids[:2])
        assert await repository.reachable(connection, ids[1:]) == {ids[1]}
        assert await repository.reachable(connection, []) == set()
