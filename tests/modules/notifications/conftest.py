"""A second application, for what reaches sockets of another process."""

from collections.abc import AsyncIterator

import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import running
from tests.factories import FrozenClock
from zxo.context import Context
from zxo.settings import Settings


@pytest_asyncio.fixture
async def second_app(
    ctx: Context, settings: Settings, clock: FrozenClock
) -> AsyncIterator[FastAPI]:
    """On the same servers, with memory and sockets of its own."""
    async with running(settings, clock) as started:
        yield started
