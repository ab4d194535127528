"""Days to count, and the rows that were written of them."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from tests.factories import FrozenClock, Visitor
from tests.modules.statistics.world import World
from zxo.context import Context
from zxo.modules import statistics

Written = Callable[[date], Awaitable[dict[str, Any]]]


@pytest.fixture
def world(ctx: Context, visitor: Visitor, clock: FrozenClock) -> World:
    return World(ctx, visitor, clock)


@pytest.fixture
def written(ctx: Context) -> Written:
    """The figures that stand in the table for a day, by stat_type."""

    async def read(day: date) -> dict[str, Any]:
        rows = await statistics.between(ctx, day, day)
        return {row.stat_type: msgspec.json.decode(row.stat_data) for row in rows}

    return read
