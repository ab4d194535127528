"""How far the worker is behind at the end of a round of check-ins, and how fast it catches up."""

import asyncio
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import asyncpg

from bench.load import Load

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.01

ROWS = "SELECT count(*) FROM outbox"
JOBS = "SELECT count(*) FROM pgqueuer WHERE status IN ('queued', 'picked')"


@dataclass(frozen=True)
class Drain:
    """One round: rows a second that came and that went while it lasted, and what was left."""

    arrived_per_second: float
    drained_per_second: float
    waiting: int
    seconds_until_empty: float | None  # None: not within a minute
    seconds_until_idle: float | None  # until the jobs have run too

    @property
    def keeps_up(self) -> float:
        """The share of what arrived that was also drained meanwhile."""
        return self.drained_per_second / self.arrived_per_second if self.arrived_per_second else 1.0


def watch(url: str, load: Load) -> Drain:
    """To be called right after the round that `load` describes."""
    return asyncio.run(_watch(url, load))


async def _watch(url: str, load: Load) -> Drain:
    connection = await asyncpg.connect(url)
    try:
        began = time.perf_counter()
        waiting = await connection.fetchval(ROWS)
        empty = await _until_none(connection, ROWS, began) if waiting else 0.0
        idle = await _until_none(connection, JOBS, began)
    finally:
        await connection.close()
    written = load.answers - load.errors.total()
    arrived, drained = (rows / (load.seconds or 1.0) for rows in (written, written - waiting))
    return Drain(arrived, drained, waiting, empty, idle)


async def _until_none(connection: asyncpg.Connection, sql: str, began: float) -> float | None:
    while (passed := time.perf_counter() - began) < PATIENCE_SECONDS:
        if not await connection.fetchval(sql):
            return passed
        await asyncio.sleep(POLL_SECONDS)
    return None


def as_json(drains: list[Drain]) -> dict[str, Any]:
    return {
        "keeps_up": round(median(drain.keeps_up for drain in drains), 3),
        "rounds": [asdict(drain) for drain in drains],
    }
