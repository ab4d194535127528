"""A cache to test, and the queue's pool."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from tests.kit.processes import Process, Table, a_process
from zxo import embedded
from zxo.context import Context
from zxo.settings import Settings


@pytest.fixture
def table() -> Table:
    return Table()


@pytest_asyncio.fixture
async def here(services: embedded.Endpoints, table: Table) -> AsyncIterator[Process]:
    async with a_process(table, services.redis_url, f"test:{uuid4().hex}") as process:
        yield process


@pytest_asyncio.fixture
async def pool(ctx: Context, settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """What the queue works with, over an empty database."""
    async with asyncpg.create_pool(settings.database.dsn(), min_size=0, max_size=5) as pool:
        yield pool
