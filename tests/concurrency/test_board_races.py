"""Boards while everybody writes at once, and while they are made anew."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio.client import Pipeline as ClientPipeline
from redis.exceptions import ResponseError

from tests.factories import FrozenClock, Visitor, data
from zxo import registry
from zxo.context import Context
from zxo.kit import metrics, outbox
from zxo.kit.outbox import relay
from zxo.modules.rankings import boards, rebuild, repository, upkeep
from zxo.modules.rankings.rebuild import Part
from zxo.modules.rankings.rules import NATIONAL, Board, Region, boards_of
from zxo.modules.users import ProfileChanged

Drain = Callable[[], Awaitable[None]]

PEOPLE = 400
HOMES = (
    ("广东省", "深圳市", "南山区", "粤海街道"),
    ("广东省", "深圳市", "福田区", "莲花街道"),
    ("湖北省", "仙桃市", None, "沙嘴街道"),
)
EVERY_BOARD = sorted({board for home in HOMES for board in boards_of(Region(*home))})

ADD_PEOPLE = """
WITH added AS (
    INSERT INTO users (total_days, total_days_reached_at, province, city, district, street,
                       created_at, updated_at)
    SELECT 1 + n % 7, $1::timestamptz - n * interval '1 second', $3, $4, $5, $6, $1, $1
    FROM generate_series(1, $2::int) n RETURNING id
) INSERT INTO user_settings (user_id, created_at, updated_at) SELECT id, $1, $1 FROM added
RETURNING user_id
"""
ONE_MORE_DAY = """
UPDATE users SET total_days = total_days + 1, total_days_reached_at = $2, version = version + 1
WHERE id = $1 RETURNING version
"""
MOVE = """
UPDATE users SET province = $2, city = $3, district = $4, street = $5, version = version + 1
WHERE id = $1 RETURNING version
"""


@pytest.fixture(autouse=True)
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches a part, as with millions of people."""
    monkeypatch.setattr(rebuild, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(repository, "_STREAMED", 30)


async def populate(ctx: Context, clock: FrozenClock) -> list[int]:
    ids: list[int] = []
    for home in HOMES:
        rows = await ctx.db.fetch(ADD_PEOPLE, clock.now(), PEOPLE // len(HOMES), *home)
        ids += [row[0] for row in rows]
    await ctx.presence.seen(ids[::2])
    return ids


async def in_postgresql(ctx: Context, board: Board) -> list[tuple[int, int]]:
    async with ctx.db.connection() as connection:
        return list(await repository.page(connection, board, 1, PEOPLE + 1))


async def in_valkey(ctx: Context, board: Board) -> list[tuple[int, int]]:
    page = await boards.page(ctx.valkey, board, 1, PEOPLE + 1)
    assert page is not None, f"{board} is not complete"
    assert page.total == len(page.places)
    return list(page.places)


async def agree(ctx: Context) -> None:
    for board in EVERY_BOARD:
        assert await in_valkey(ctx, board) == await in_postgresql(ctx, board), board


class Life:
    """People count days and move, while `until` has not come."""

    def __init__(self, ctx: Context, clock: FrozenClock, ids: list[int]) -> None:
        self.ctx, self.clock, self.ids = ctx, clock, ids
        self.over = asyncio.Event()
        self.changes = 0

    async def go_on(self, seed: int) -> None:
        """Each change and its reaction as a worker would run it, in a job of its own."""
        chance = random.Random(seed)
        while not self.over.is_set():
            number = chance.choice(self.ids)
            await (self.moves(number, chance) if chance.random() < 0.3 else self.counts(number))
            self.changes += 1
            await asyncio.sleep(0)

    async def counts(self, number: int) -> None:
        await self.ctx.db.fetchval(ONE_MORE_DAY, number, self.clock.now())
        await upkeep.refresh(self.ctx, {number: ()})

    async def moves(self, number: int, chance: random.Random) -> None:
        home = chance.choice(HOMES)
        async with self.ctx.db.transaction() as connection:
            row = await connection.fetchrow(
                "SELECT province, city, district, street FROM users WHERE id = $1 FOR UPDATE",
                number,
            )
            await connection.fetchval(MOVE, number, *home)
        await upkeep.refresh(self.ctx, {number: boards_of(Region(*row))})


async def test_rebuilds_lose_no_change_that_happens_meanwhile(
    ctx: Context, clock: FrozenClock
) -> None:
    life = Life(ctx, clock, await populate(ctx, clock))
    await rebuild.rebuild(ctx)
    living = [asyncio.create_task(life.go_on(seed)) for seed in range(6)]
    for _ in range(6):
        await rebuild.rebuild(ctx)
    life.over.set()
    await asyncio.gather(*living)
    assert life.changes > 50
    await agree(ctx)
    assert await rebuild.rebuild(ctx) == 0
    await agree(ctx)


async def test_two_rebuilds_at_once_do_not_mix(ctx: Context, clock: FrozenClock) -> None:
    life = Life(ctx, clock, await populate(ctx, clock))
    living = asyncio.create_task(life.go_on(1))
    await asyncio.gather(*(rebuild.rebuild(ctx) for _ in range(4)))
    life.over.set()
    await living
    await agree(ctx)
    assert not await ctx.valkey.keys("zxo:board:*:next:*")


@pytest.mark.slow
async def test_readers_see_a_full_board_every_time(ctx: Context, clock: FrozenClock) -> None:
    """10,000 reads while boards are rebuilt again and again."""
    await populate(ctx, clock)
    await rebuild.rebuild(ctx)
    over, reads, total = asyncio.Event(), 0, len(HOMES) * (PEOPLE // len(HOMES))

    async def read() -> None:
        nonlocal reads
        while reads < 10_000:
            page = await boards.page(ctx.valkey, NATIONAL, 1, 100)
            assert page is not None
            assert (len(page.places), page.total) == (100, total)
            reads += 1
        over.set()

    async def rebuild_again_and_again() -> int:
        times = 0
        while not over.is_set():
            await rebuild.rebuild(ctx)
            times += 1
        return times

    *_, times = await asyncio.gather(*(read() for _ in range(8)), rebuild_again_and_again())
    assert times > 3


async def test_a_rebuild_repairs_drift_and_counts_it(ctx: Context, clock: FrozenClock) -> None:
    ids = await populate(ctx, clock)
    await rebuild.rebuild(ctx)
    street = boards_of(Region(*HOMES[0]))[-1]
    await ctx.valkey.zadd(boards.key(NATIONAL), {f"{ids[0]:010d}": 5})
    await ctx.valkey.zrem(boards.key(NATIONAL), f"{ids[1]:010d}")
    await ctx.valkey.zadd(boards.key(street), {f"{10**9:010d}": 10**12})
    before = metrics.board_drift.labels("rebuild")._value.get()
    assert await rebuild.rebuild(ctx) == 3
    assert metrics.board_drift.labels("rebuild")._value.get() == before + 3
    assert await rebuild.rebuild(ctx) == 0
    await agree(ctx)


@pytest.mark.parametrize("step", ["begin", "fill", "are_whole", "place", "replace"])
@pytest.mark.parametrize("when", [1, 3])
async def test_what_is_lost_during_a_rebuild_is_not_taken_for_complete(
    ctx: Context, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, step: str, when: int
) -> None:
    """Valkey is emptied before some step: readers see full boards, or are sent to PostgreSQL."""
    ids = await populate(ctx, clock)
    original, calls = getattr(boards, step), 0

    async def lose_everything(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == when:
            await ctx.valkey.flushall()
        return await original(*arguments)

    monkeypatch.setattr(boards, step, lose_everything)
    await upkeep.refresh(ctx, {ids[0]: ()})  # somebody to be put right
    with suppress(rebuild.BoardsLost, ResponseError):
        await rebuild.rebuild(ctx)
    monkeypatch.undo()
    for board in EVERY_BOARD:
        page = await boards.page(ctx.valkey, board, 1, PEOPLE + 1)
        assert page is None or list(page.places) == await in_postgresql(ctx, board), board
    await rebuild.look_after(ctx)
    await rebuild.rebuild(ctx)
    await agree(ctx)


async def test_what_is_put_back_grows_with_the_people_and_not_with_the_boards(
    ctx: Context, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A province of 600 streets, and everybody about."""
    ids = await populate(ctx, clock)
    await ctx.db.execute(
        "UPDATE users SET province = '广东省', city = '深圳市', district = '南山区'"
    )
    await ctx.db.execute("UPDATE users SET street = 'street ' || id")
    await ctx.presence.seen(ids)
    commands = 0
    original = ClientPipeline.execute

    async def count(pipe: ClientPipeline, *arguments: Any) -> Any:
        nonlocal commands
        commands += len(pipe.command_stack)
        return await original(pipe, *arguments)

    await rebuild.rebuild(ctx)
    await upkeep.refresh(ctx, dict.fromkeys(ids, ()))
    monkeypatch.setattr(ClientPipeline, "execute", count)
    await rebuild.build(ctx, Part(Board("province", "广东省"), inside=True))
    assert commands < 20 * PEOPLE


async def test_whoever_is_on_the_way_is_no_drift(ctx: Context, clock: FrozenClock) -> None:
    ids = await populate(ctx, clock)
    await rebuild.rebuild(ctx)
    await ctx.db.fetchval(ONE_MORE_DAY, ids[0], clock.now())
    rebuilding = asyncio.create_task(rebuild.rebuild(ctx))
    await upkeep.refresh(ctx, {ids[0]: ()})
    assert await rebuilding == 0


async def test_a_slow_writer_does_not_put_an_old_state_back(
    ctx: Context, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker has read, another reads and writes what is newer, then the first one writes."""
    (number, *_) = await populate(ctx, clock)
    await rebuild.rebuild(ctx)
    slow, go_on = asyncio.Event(), asyncio.Event()
    original = boards.place_watched

    async def place_slowly(*arguments: object) -> object:
        if not slow.is_set():
            slow.set()
            await go_on.wait()
        return await original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(boards, "place_watched", place_slowly)
    await ctx.db.fetchval(ONE_MORE_DAY, number, clock.now())
    first = asyncio.create_task(upkeep.refresh(ctx, {number: ()}))
    await slow.wait()
    await ctx.db.fetchval(MOVE, number, *HOMES[2])
    await upkeep.refresh(ctx, {number: boards_of(Region(*HOMES[0]))})
    go_on.set()
    await first
    await agree(ctx)


async def test_somebody_erased_is_taken_off(ctx: Context, clock: FrozenClock, drain: Drain) -> None:
    (number, *_) = await populate(ctx, clock)
    await rebuild.rebuild(ctx)
    async with ctx.db.transaction() as connection:
        await connection.execute("DELETE FROM users WHERE id = $1", number)
        await outbox.publish(connection, ProfileChanged(number, 9, HOMES[0]))
    await drain()
    await agree(ctx)


async def test_many_check_ins_travel_as_one_batch(
    visitor: Visitor, ctx: Context, drain: Drain
) -> None:
    people = [await visitor.log_in(f"p{number}") for number in range(20)]
    answers = await asyncio.gather(*(person.post("/check-in") for person in people))
    assert all(data(answer) for answer in answers)
    await relay(ctx.db, registry.REACTIONS)
    jobs = await ctx.db.fetchval(
        "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'rankings.refresh:CheckedIn'"
    )
    assert jobs == 1
    await drain()
    assert await ctx.valkey.zcard(boards.key(NATIONAL)) == 20
