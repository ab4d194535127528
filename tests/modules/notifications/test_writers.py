"""Ids are in the order of the commits: whoever asks for what came after an id misses nothing."""

import asyncio
import random
from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from tests.factories import Visitor
from zxo.context import Context
from zxo.kit.db import Connection
from zxo.modules import notifications
from zxo.modules.notifications import NewNotice, repository, service
from zxo.modules.notifications.repository import Stored

WRITERS, EACH = 30, 4


@pytest.fixture
def slow_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every writer lingers between its rows and its commit, each for another time."""
    for name in ("add", "replace"):
        write = getattr(repository, name)

        async def linger(
            connection: Connection,
            notices: Collection[NewNotice],
            now: datetime,
            write=write,
        ) -> list[Stored]:
            stored: list[Stored] = await write(connection, notices, now)
            await asyncio.sleep(random.random() * 0.01)
            return stored

        monkeypatch.setattr(repository, name, linger)


async def watch(connection: Connection, user_id: int, written: asyncio.Event) -> list[str]:
    """The keys of what comes in, by somebody who only asks for what is after the highest id."""
    seen, keys = 0, []
    while True:
        last_look = written.is_set()
        news = await repository.news(connection, {user_id: seen}, 1000)
        for notice in news:
            seen = notice.id
            keys.append(bytes(notice.data).decode())
        if last_look and not news:
            return keys
        await asyncio.sleep(0.001)


async def test_a_reader_who_asks_for_what_is_newer_misses_nothing_of_thirty_writers(
    alice: Visitor, ctx: Context, slow_commits: None
) -> None:
    number, written = alice.user["id"], asyncio.Event()

    async def write(writer: int) -> None:
        for index in range(EACH):
            key = f"{writer}:{index}"
            tell = service.replace if index % 2 else service.add
            await tell(ctx, [NewNotice(number, "rank_up", key, {"key": key})])

    async with ctx.db.connection() as connection:  # its own: it must not queue behind the writers
        watching = asyncio.create_task(watch(connection, number, written))
        await asyncio.gather(*map(write, range(WRITERS)))
        written.set()
        keys = await watching
    assert len(keys) == len(set(keys)) == WRITERS * EACH


async def test_thirty_who_tell_the_same_tell_it_once(alice: Visitor, ctx: Context) -> None:
    notice = NewNotice(alice.user["id"], "rank_up", "same", {})
    await asyncio.gather(*(notifications.add(ctx, [notice, notice]) for _ in range(30)))
    assert len(await notifications.news(ctx, {notice.user_id: 0}, 100)) == 1


async def test_thirty_who_replace_the_same_leave_one_row_with_the_highest_id(
    alice: Visitor, ctx: Context
) -> None:
    number = alice.user["id"]
    ids = []

    async def replace(index: int) -> None:
        await service.replace(ctx, [NewNotice(number, "ranking_changed", "r", {"n": index})])
        ids.append(await notifications.latest_id(ctx, number))

    await asyncio.gather(*map(replace, range(30)))
    [left] = await notifications.news(ctx, {number: 0}, 100)
    assert left.id == max(ids)


async def test_news_are_of_each_person_after_their_own_id(
    alice: Visitor, bob: Visitor, ctx: Context
) -> None:
    people = [alice.user["id"], bob.user["id"]]
    for key in "abc":
        await notifications.add(ctx, [NewNotice(number, "rank_up", key, {}) for number in people])
    last = {number: await notifications.latest_id(ctx, number) for number in people}
    assert await notifications.news(ctx, last, 10) == []
    told = await notifications.news(ctx, {people[0]: 0, people[1]: last[people[1]]}, 2)
    assert [notice.user_id for notice in told] == [people[0]] * 2
    assert await notifications.latest_id(ctx, 999_999) == 0


@pytest.mark.parametrize("join", ["enable_nestloop", "enable_hashjoin", "enable_mergejoin"])
async def test_ids_of_one_batch_are_in_its_order_whatever_the_plan(
    visitor: Visitor, ctx: Context, join: str
) -> None:
    people = [(await visitor.log_in(f"p{number}")).user["id"] for number in range(12)]
    notices = [
        NewNotice(user_id, "milestone", f"{turn}", {"turn": turn})
        for turn, user_id in enumerate(people[::-1] + people)
    ]
    async with ctx.db.transaction() as connection:
        await connection.execute(f"SET LOCAL {join} = off")
        await repository.take_turn(connection)
        await repository.add(connection, notices, datetime.now(UTC))
    told = await ctx.db.fetch("SELECT (data ->> 'turn')::int FROM notifications ORDER BY id")
    assert [row[0] for row in told] == list(range(24))
