"""The outbox: written with the change, relayed after the commit, once."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from zxo import registry
from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.outbox import Event, Reactions, publish, reaction_name, relay, relay_forever
from zxo.modules.auth import handlers as auth_handlers

PATIENCE = 30.0


class Happened(Event, frozen=True):
    number: int
    day: date = date(2025, 12, 1)


class AlsoHappened(Event, frozen=True):
    number: int


async def first(_: Context, __: list[Any]) -> None: ...


async def second(_: Context, __: list[Any]) -> None: ...


REACTIONS: Reactions = {Happened: (first, second), AlsoHappened: (first,)}
FIRST, SECOND = (reaction_name(reaction) for reaction in (first, second))


async def say(ctx: Context, *events: Event) -> None:
    async with ctx.db.transaction() as connection:
        await publish(connection, *events)


async def queued(ctx: Context) -> list[tuple[str, list[int]]]:
    """Job names and the numbers of their events, in the order of enqueuing."""
    rows = await ctx.db.fetch("SELECT entrypoint, payload FROM pgqueuer ORDER BY id")
    return [(row[0], [e["number"] for e in msgspec.json.decode(row[1])]) for row in rows]


async def waiting(ctx: Context) -> int:
    return int(await ctx.db.fetchval("SELECT count(*) FROM outbox"))


async def test_an_event_of_a_transaction_that_fails_is_not_there(ctx: Context) -> None:
    async def fail() -> None:
        async with ctx.db.transaction() as connection:
            await publish(connection, Happened(1))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await relay(ctx.db, REACTIONS) == 0
    assert await queued(ctx) == []


async def test_an_event_is_invisible_until_its_transaction_commits(ctx: Context) -> None:
    async with ctx.db.transaction() as connection:
        await publish(connection, Happened(1))
        assert await relay(ctx.db, REACTIONS) == 0
    assert await relay(ctx.db, REACTIONS) == 1


async def test_a_batch_becomes_one_job_a_reaction_in_the_order_of_the_events(ctx: Context) -> None:
    await say(ctx, *(Happened(n) for n in range(5)), AlsoHappened(5), Happened(6))
    assert await relay(ctx.db, REACTIONS) == 7
    assert sorted(await queued(ctx)) == sorted(
        [
            (f"{FIRST}:Happened", [0, 1, 2, 3, 4, 6]),
            (f"{SECOND}:Happened", [0, 1, 2, 3, 4, 6]),
            (f"{FIRST}:AlsoHappened", [5]),
        ]
    )
    assert await waiting(ctx) == 0


async def test_a_payload_reads_back_as_the_event_that_was_published(ctx: Context) -> None:
    await say(ctx, Happened(1, date(2024, 2, 29)))
    await relay(ctx.db, REACTIONS)
    payload = await ctx.db.fetchval("SELECT payload FROM pgqueuer LIMIT 1")
    assert msgspec.json.decode(payload, type=list[Happened]) == [Happened(1, date(2024, 2, 29))]


async def test_two_relays_at_once_move_every_row_exactly_once(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 7)
    for start in range(0, 200, 10):
        await say(ctx, *(AlsoHappened(n) for n in range(start, start + 10)))

    async def work() -> int:
        moved = 0
        while await waiting(ctx):
            moved += await relay(ctx.db, REACTIONS)
        return moved

    moved = await asyncio.gather(work(), work(), work())
    assert sum(moved) == 200
    jobs = await queued(ctx)
    assert sorted(n for _, numbers in jobs for n in numbers) == list(range(200))
    assert all(numbers == sorted(numbers) for _, numbers in jobs)
    assert max(len(numbers) for _, numbers in jobs) <= 7


async def test_a_relay_does_not_wait_for_rows_that_another_one_holds(ctx: Context) -> None:
    await say(ctx, AlsoHappened(1))
    async with ctx.db.transaction() as connection:
        await connection.fetch(outbox.TAKE, 1, ["AlsoHappened"])
        await say(ctx, AlsoHappened(2))
        assert await asyncio.wait_for(relay(ctx.db, REACTIONS), PATIENCE) == 1
    assert await queued(ctx) == [(f"{FIRST}:AlsoHappened", [2])]


async def test_rows_stay_when_their_jobs_cannot_be_enqueued(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise ConnectionResetError

    await say(ctx, Happened(1))
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "enqueue_each", fail)
        with pytest.raises(ConnectionResetError):
            await relay(ctx.db, REACTIONS)
    assert await waiting(ctx) == 1
    assert await relay(ctx.db, REACTIONS) == 1


async def test_an_event_that_nobody_reacts_to_is_taken_away(ctx: Context) -> None:
    await say(ctx, Happened(1))
    assert await relay(ctx.db, {Happened: ()}) == 1
    assert (await waiting(ctx), await queued(ctx)) == (0, [])


async def test_an_event_of_a_newer_version_waits_for_a_newer_worker(ctx: Context) -> None:
    await say(ctx, Happened(1), AlsoHappened(2))
    assert await relay(ctx.db, {AlsoHappened: ()}) == 1
    assert await relay(ctx.db, {AlsoHappened: ()}) == 0
    assert await waiting(ctx) == 1
    assert await relay(ctx.db, REACTIONS) == 1
    assert await waiting(ctx) == 0


@pytest.mark.parametrize("error", [ConnectionResetError("away"), LookupError("a bug")])
async def test_the_relay_outlives_an_error_and_stops_when_told(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failures = [error]
    original: Callable[..., Any] = outbox.enqueue_each

    async def fail_once(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        await original(*arguments)

    monkeypatch.setattr(outbox, "enqueue_each", fail_once)
    monkeypatch.setattr(outbox, "PAUSE_SECONDS", 0.01)
    await say(ctx, AlsoHappened(1))
    stop = asyncio.Event()
    running = asyncio.create_task(relay_forever(ctx.db, REACTIONS, stop))
    async with asyncio.timeout(PATIENCE):
        while await waiting(ctx):
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(running, PATIENCE)
    assert await queued(ctx) == [(f"{FIRST}:AlsoHappened", [1])]


def test_a_job_is_named_after_its_module_and_function() -> None:
    assert reaction_name(auth_handlers.delete_expired_sessions) == "auth.delete_expired_sessions"
    assert reaction_name(registry.housekeeping.prune_job_log) == "housekeeping.prune_job_log"


def test_every_reaction_and_scheduled_job_has_a_name_of_its_own() -> None:
    jobs = registry.jobs(None)  # type: ignore[arg-type]  # only asked for when a job runs
    reactions = sum(len(found) for found in registry.REACTIONS.values())
    assert len(jobs) == reactions + len(registry.SCHEDULE)
    assert {entry.name for entry in registry.schedule()} <= set(jobs)
