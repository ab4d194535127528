"""A set of ids that follows its table."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from zxo import context
from zxo.context import Context
from zxo.kit import polled
from zxo.kit.db import Connection, Database
from zxo.kit.errors import Unavailable
from zxo.kit.polled import PolledSet
from zxo.modules.auth.handlers import delete_expired_sessions

PATIENCE = 20.0

END = """
INSERT INTO ended_sessions (session_id, expires_at, recorded_at)
VALUES ($1, $2, clock_timestamp() - make_interval(secs => $3))
"""


class Flaky:
    """A database that can be away, slow, and counts what it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[float | None] = []

    async def fetch(self, sql: str, since: float | None) -> list[asyncpg.Record]:
        self.asked.append(since)
        if self.away:
            raise ConnectionRefusedError
        rows = await self._database.fetch(sql, since)
        await self.gate.wait()
        return rows


@pytest.fixture
def flaky(ctx: Context) -> Flaky:
    return Flaky(ctx.db)


@pytest.fixture
def ended(flaky: Flaky) -> PolledSet:
    return PolledSet(flaky, context.ENDED_SESSIONS)  # type: ignore[arg-type]


@asynccontextmanager
async def following(ids: PolledSet) -> AsyncIterator[None]:
    running = asyncio.create_task(ids.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest_asyncio.fixture
async def followed(ended: PolledSet) -> AsyncIterator[PolledSet]:
    async with following(ended):
        await ended.fresh()
        yield ended


async def record(
    ctx: Context, *, seconds_ago: float = 0, connection: Connection | None = None
) -> str:
    """An ended session, as another process writes it."""
    session: UUID = uuid4()
    where: Any = connection or ctx.db
    await where.execute(END, session, ctx.clock.now(), seconds_ago)
    return str(session)


async def becomes_known(ids: PolledSet, session: str) -> float:
    began = time.monotonic()
    while session not in ids:
        assert time.monotonic() - began < PATIENCE
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_a_row_of_another_process_is_known_within_a_second(
    ctx: Context, followed: PolledSet
) -> None:
    session = await record(ctx)
    assert await becomes_known(followed, session) < 1.0


async def test_what_was_recorded_long_before_the_start_is_known_at_once(
    ctx: Context, ended: PolledSet
) -> None:
    session = await record(ctx, seconds_ago=30 * 86400)
    async with following(ended):
        await ended.fresh()
        assert session in ended


async def test_a_row_that_is_committed_after_a_later_poll_is_not_missed(
    ctx: Context, ended: PolledSet
) -> None:
    await ended.poll()
    async with ctx.db.transaction() as connection:
        session = await record(ctx, connection=connection)
        for _ in range(3):
            await ended.poll()
        assert session not in ended
    await ended.poll()
    assert session in ended


async def test_polls_look_back_further_than_the_one_before(flaky: Flaky, ended: PolledSet) -> None:
    await ended.poll()
    await asyncio.sleep(0.05)
    await ended.poll()
    first, second = flaky.asked
    assert first is None
    assert second is not None
    assert polled.OVERLAP_SECONDS + 0.05 <= second < polled.OVERLAP_SECONDS + PATIENCE


async def test_after_failures_the_poll_looks_back_to_the_last_one_that_succeeded(
    flaky: Flaky, ended: PolledSet
) -> None:
    await ended.poll()
    flaky.away = True
    for pause in (0.2, 0.0):
        with pytest.raises(ConnectionRefusedError):
            await ended.poll()
        await asyncio.sleep(pause)
    flaky.away = False
    await ended.poll()
    since = flaky.asked[-1]
    assert since is not None
    assert since >= polled.OVERLAP_SECONDS + 0.2


async def test_without_an_answer_nobody_is_told_that_an_id_is_absent(
    flaky: Flaky, ended: PolledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "WAIT_SECONDS", 0.3)
    flaky.away = True
    async with following(ended):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await ended.fresh()
        assert time.monotonic() - began >= 0.3


async def test_an_old_answer_does_not_do(
    flaky: Flaky, followed: PolledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "WAIT_SECONDS", 0.1)
    flaky.away = True
    await followed.fresh()  # it is young enough for a moment
    await asyncio.sleep(polled.MAX_AGE_SECONDS + 0.05)
    with pytest.raises(Unavailable):
        await followed.fresh()


async def test_a_database_that_hangs_is_as_good_as_none(
    flaky: Flaky, followed: PolledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(polled, "MAX_AGE_SECONDS", 0.2)
    flaky.gate.clear()
    await asyncio.sleep(0.6)
    with pytest.raises(Unavailable):
        await followed.fresh()
    flaky.gate.set()
    monkeypatch.setattr(polled, "WAIT_SECONDS", PATIENCE)
    await followed.fresh()


async def test_it_recovers_by_itself_and_knows_what_was_recorded_meanwhile(
    ctx: Context, flaky: Flaky, ended: PolledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "MAX_AGE_SECONDS", 0.3)
    monkeypatch.setattr(polled, "WAIT_SECONDS", PATIENCE)
    async with following(ended):
        await ended.fresh()
        flaky.away = True
        await asyncio.sleep(0.4)
        session = await record(ctx)
        waiting = asyncio.create_task(ended.fresh())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        flaky.away = False
        await waiting
        assert session in ended


async def test_a_bug_is_logged_and_does_not_end_the_polling(
    ctx: Context, ended: PolledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = ended._sql
    monkeypatch.setattr(ended, "_sql", "SELECT nonsense")
    async with following(ended):
        await asyncio.sleep(0.05)
        ended._sql = sql
        await asyncio.wait_for(ended.fresh(), PATIENCE)


async def test_what_this_process_adds_is_known_at_once(ended: PolledSet) -> None:
    ended.add("x")
    assert "x" in ended


async def test_what_expired_is_dropped_by_the_hourly_reload(
    ctx: Context, ended: PolledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await record(ctx)
    await ended.poll()
    await delete_expired_sessions(ctx)
    await ended.poll()
    assert session in ended  # harmless: its tokens have expired
    monkeypatch.setattr(polled, "RELOAD_SECONDS", 0.0)
    await ended.poll()
    assert session not in ended


async def test_a_reload_keeps_what_was_added_while_it_was_on_its_way(
    flaky: Flaky, ended: PolledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its snapshot may be older than the row that this process has just committed."""
    await ended.poll()
    monkeypatch.setattr(polled, "RELOAD_SECONDS", 0.0)
    flaky.gate.clear()
    reload = asyncio.create_task(ended.poll())
    await asyncio.sleep(0.05)
    ended.add("just ended")
    flaky.gate.set()
    await reload
    assert "just ended" in ended
