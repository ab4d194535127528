"""Synthetic users and their history, for demonstrations and load tests: by COPY, always the same.

Ids run from 1. Nobody has checked in today, so that every one of them can. Other processes make
the people up (people.py); this one passes the bytes on to PostgreSQL, over a connection for each.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rich.console import Console
from rich.progress import Progress

from zxo import migrations
from zxo.kit.clock import Clock
from zxo.kit.db import Database
from zxo.kit.partitions import keep_months
from zxo.kit.tasks import end
from zxo.kit.zones import date_in
from zxo.people import CHUNK, COLUMNS, CRAVINGS_EACH, HOME, MONTHS_BACK, Chunk, read
from zxo.settings import Settings

MOST_PROCESSES = 8
PIPE_BYTES = 1 << 20

# Stands at the table while people are written, and outlives us: who was cut off is told apart.
MARK = "zxo seed has begun"
BEGIN, DONE = f"COMMENT ON TABLE users IS '{MARK}'", "COMMENT ON TABLE users IS NULL"
LOOK = f"""
SELECT count(*) AS users, obj_description('users'::regclass) IS NOT DISTINCT FROM '{MARK}' AS begun
FROM users
"""

# First of all: whoever logs in after a seeding that was cut off gets an id of their own.
IDS = "SELECT setval(pg_get_serial_sequence('users', 'id'), $1)"
CRAVING_IDS = "SELECT setval('craving_records_id_seq', $1)"

# For one transaction. The rows refer to each other by construction: to look up each reference (12
# a person) is two fifths of the server's work. No constraint is dropped: nothing to be put back.
QUICKLY = "SET LOCAL synchronous_commit = off"  # DONE waits for the disk, and so for all before it
TRUSTING = "SET LOCAL session_replication_role = replica"
MAY_TRUST = "SELECT has_parameter_privilege('session_replication_role', 'SET')"


class SeedError(Exception):
    """Seeding is refused or was cut off; the text is one line for the person."""


class Order(NamedTuple):
    """What is to be made, as of when, by how many processes."""

    users: int
    now: datetime
    tokens: bool
    processes: int


def run(
    settings: Settings,
    users: int,
    tokens: Path | None,
    screen: Console,
    processes: int | None = None,
) -> None:
    """Seed `users` users. Raises SeedError in production, where users exist, and when cut off.

    How many `processes` make them up (by default one a core) changes nothing in them.
    """
    if settings.production:
        raise SeedError("seed makes up people; it does not run in production.")
    migrations.upgrade(settings.database.dsn())
    share = min(processes or os.cpu_count() or 1, MOST_PROCESSES, -(-users // CHUNK))
    order = Order(users, Clock(settings.clock).now(), tokens is not None, share)
    with Progress(console=screen) as progress:
        try:
            asyncio.run(_seed(settings, order, tokens, progress))
        except KeyboardInterrupt:
            raise SeedError("Stopped before the end: `zxo seed` tells what is there.") from None


async def _seed(settings: Settings, order: Order, tokens: Path | None, progress: Progress) -> None:
    async with _database(settings, order.processes) as database:
        await _refuse_people(database)
        await keep_months(database, date_in(order.now, HOME), months_back=MONTHS_BACK)
        with _private_file(tokens) as lines:
            await database.execute(BEGIN)
            await database.execute(IDS, order.users)
            await database.execute(CRAVING_IDS, order.users * CRAVINGS_EACH)
            task = progress.add_task(f"{order.users:,} users", total=order.users)
            await _fill(database, order, lines, lambda done: progress.advance(task, done))
            await database.execute(DONE)
        task = progress.add_task("VACUUM, ANALYZE", total=len(COLUMNS))
        await _tidy(database, lambda: progress.advance(task))


@asynccontextmanager
async def _database(settings: Settings, connections: int) -> AsyncIterator[Database]:
    database = await Database.connect(
        settings.database.dsn(),
        max_size=connections,
        statement_timeout=3600,
        application_name="zxo-seed",
    )
    try:
        yield database
    finally:
        await database.close()


async def _refuse_people(database: Database) -> None:
    found = await database.fetchrow(LOOK)
    assert found is not None
    if found["begun"]:
        raise SeedError(
            f"A seeding was cut off after {found['users']:,} users, or is still at work;"
            " `zxo migrate --down base` empties the database."
        )
    if found["users"]:
        raise SeedError(
            f"The database already has {found['users']:,} users; seed needs an empty one."
        )


@contextmanager
def _private_file(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        path = Path(os.devnull)
    else:
        path.touch(mode=0o600)
        path.chmod(0o600)  # it may have been there before
    with path.open("wb") as file:
        yield file


class Turns:
    """Lets each chunk pass in the order of the numbers; so none is far ahead of the others."""

    def __init__(self) -> None:
        self._next = 0
        self._moved = asyncio.Condition()

    @asynccontextmanager
    async def of(self, number: int) -> AsyncIterator[None]:
        async with self._moved:
            await self._moved.wait_for(lambda: self._next == number)
            yield
            self._next += 1
            self._moved.notify_all()


async def _fill(
    database: Database, order: Order, lines: BinaryIO, advance: Callable[[int], None]
) -> None:
    trusting, turns = await database.fetchval(MAY_TRUST), Turns()

    async def lane(index: int, maker: Process) -> None:
        for number in range(index, -(-order.users // CHUNK), order.processes):
            chunk = await _next_chunk(maker)
            await _copy(database, chunk, trusting=trusting)
            async with turns.of(number):
                lines.write(chunk.tokens)
                advance(chunk.people)

    async with _makers(order) as makers:
        lanes = [asyncio.create_task(lane(*numbered)) for numbered in enumerate(makers)]
        try:
            await asyncio.gather(*lanes)
        finally:
            await end(lanes)


@asynccontextmanager
async def _makers(order: Order) -> AsyncIterator[list[Process]]:
    """Processes of people.py: in sessions of their own, so that Ctrl-C reaches this one alone."""
    makers: list[Process] = []
    try:
        for index in range(order.processes):
            what = (
                index,
                order.processes,
                order.users,
                "tokens" if order.tokens else "",
                order.now,
            )
            command = (sys.executable, "-m", "zxo.people", *map(str, what))
            makers.append(
                await asyncio.create_subprocess_exec(
                    *command, stdin=DEVNULL, stdout=PIPE, limit=PIPE_BYTES, start_new_session=True
                )
            )
        yield makers
    finally:
        for maker in makers:
            with suppress(ProcessLookupError):
                maker.kill()
            await maker.communicate()  # the rest of its pipe too, else nobody closes that


async def _next_chunk(maker: Process) -> Chunk:
    assert maker.stdout is not None
    try:
        return await read(maker.stdout)
    except asyncio.IncompleteReadError:
        status = await maker.wait()
        raise SeedError(f"A process that made up people ended (exit status {status}).") from None


async def _copy(database: Database, chunk: Chunk, *, trusting: bool) -> None:
    """Write the rows of all tables in one transaction."""
    async with database.transaction() as connection:
        await connection.execute(QUICKLY)
        if trusting:
            await connection.execute(TRUSTING)
        for table, columns in COLUMNS.items():
            rows = BytesIO(chunk.tables[table])
            await connection.copy_to_table(table, source=rows, columns=columns.split())


async def _tidy(database: Database, advance: Callable[[], None]) -> None:
    async def one(table: str) -> None:
        await database.execute(f"VACUUM (ANALYZE) {table}")
        advance()

    await asyncio.gather(*map(one, COLUMNS))
