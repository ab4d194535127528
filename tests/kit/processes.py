"""What a process has of the cache, over a table that stands for PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.kit.valkey import client
from zxo.kit.cache import Cache
from zxo.kit.live import Bus

PATIENCE = 20.0  # for what has no limit of its own


class Row(NamedTuple):
    version: int
    text: str


class Table:
    """Stands for PostgreSQL: rows by id, how often it was asked, and a gate to hold readers at."""

    def __init__(self) -> None:
        self.rows = {1: Row(1, "first")}
        self.asked = 0
        self.gates: list[asyncio.Event] = []

    def write(self, text: str, key: int = 1) -> Row:
        self.rows[key] = Row(self.rows[key].version + 1, text)
        return self.rows[key]

    async def load(self, key: int) -> Row | None:
        """What was true when the reader came, given out when the gate of that moment opens."""
        self.asked += 1
        row, gates = self.rows.get(key), list(self.gates)
        for gate in gates:
            await gate.wait()
        await asyncio.sleep(0)
        return row

    def hold(self) -> asyncio.Event:
        """From now on readers wait for this gate; open it with set()."""
        gate = asyncio.Event()
        self.gates = [gate]
        return gate


class Process:
    """What one process has: a bus, and a cache of the table."""

    def __init__(self, table: Table, bus: Bus) -> None:
        self.table = table
        self.bus = bus
        self.cache: Cache[Row] = Cache("rows", bus, table.load, lambda row: row.version)

    async def text(self) -> str:
        row = await self.cache.get(1)
        assert row is not None
        return row.text

    async def in_memory(self) -> bool:
        """Whether the row is served without asking."""
        before = self.table.asked
        await self.cache.get(1)
        return self.table.asked == before


async def until(true: Callable[[], bool | Awaitable[bool]], within: float = PATIENCE) -> float:
    """Wait until it is true; how long that took."""
    began = time.monotonic()
    while True:
        answer = true()
        if answer if isinstance(answer, bool) else await answer:
            return time.monotonic() - began
        assert time.monotonic() - began < within, "did not come true"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def a_process(table: Table, url: str, channel: str) -> AsyncIterator[Process]:
    valkey = client(url)
    process = Process(table, Bus(valkey, channel))
    running = asyncio.create_task(process.bus.run())
    try:
        await until(process.bus.trusted)
        yield process
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await valkey.aclose()
