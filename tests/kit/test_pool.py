"""Connections are few: who gets none in time is told so, and nobody hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from zxo import embedded
from zxo.kit import db
from zxo.settings import DatabaseSettings


@pytest_asyncio.fixture
async def narrow(services: embedded.Endpoints, clock: FrozenClock) -> AsyncIterator[FastAPI]:
    """An application that has two connections, and gives a statement one second."""
    database = DatabaseSettings(url=services.database_url, pool_size=2, statement_timeout="1s")
    async with running(make_settings(services, database=database), clock) as app:
        yield app


async def test_who_finds_every_connection_taken_gets_503_in_time_and_the_next_one_an_answer(
    narrow: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "POOL_SECONDS", 0.3)
    async with client_of(narrow) as client:
        alice = await Visitor(client).log_in("narrow")
        async with AsyncExitStack() as taken:
            for _ in range(2):
                await taken.enter_async_context(narrow.state.context.db.connection())
            async with asyncio.timeout(2):
                answer = await alice.get("/check-in/today")
                assert refusal(answer, 503) == "unavailable"
                assert answer.headers["retry-after"] == "2"
        async with asyncio.timeout(5):
            while (await alice.get("/users/me")).status_code == 503:  # its sessions are polled anew
                await asyncio.sleep(0.05)
        assert data(await alice.get("/check-in/today"))


async def test_a_statement_that_takes_too_long_is_cut_off(narrow: FastAPI) -> None:
    async with asyncio.timeout(3):
        with pytest.raises(Exception, match="statement timeout") as found:
            await narrow.state.context.db.fetchval("SELECT pg_sleep(30)")
    assert db.is_away(found.value)
