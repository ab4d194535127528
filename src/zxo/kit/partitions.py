"""Monthly partitions: made ahead of time, and rows that fell into the DEFAULT moved to their month.

Every table partitioned by RANGE over one date or timestamp column, with a DEFAULT partition called
`<table>_default`, is looked after; the catalogue says which they are.
"""

import asyncio
from dataclasses import dataclass
from datetime import date

import asyncpg

from zxo.kit.db import Connection, Database

MONTHS_AHEAD = 3
MOVE_SECONDS = 600.0  # moving a month's rows out of DEFAULT may take longer than a request may

# Attaching a partition locks the tables that it refers to, and DEFAULT even against readers; use
# cases hold those too. We take them in the order of nearly all use cases. For the rest: while we
# hold one and wait for the next, we give way before PostgreSQL looks for deadlocks (after 1 s),
# lest it end somebody's request. The first wait is longer, so that it sends autovacuum away.
FIRST_WAIT, NEXT_WAIT = "2s", "200ms"
TRIES = 20
PAUSE_SECONDS = 0.1

PARTITIONED = """
SELECT c.relname AS name, a.attname AS key, ARRAY(
    SELECT DISTINCT f.confrelid::regclass::text FROM pg_constraint f
    WHERE f.conrelid = c.oid AND f.contype = 'f' ORDER BY 1
) AS refers_to
FROM pg_partitioned_table p
JOIN pg_class c ON c.oid = p.partrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
WHERE p.partstrat = 'r' AND p.partnatts = 1 AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname
"""

EXISTING = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1)
"""


@dataclass(frozen=True)
class Table:
    """A table partitioned by month of the column `key`."""

    name: str
    key: str
    refers_to: list[str]

    def partition(self, month: date) -> str:
        return f"{self.name}_{month:%Y_%m}"


async def keep_months(database: Database, today: date, *, months_back: int = 0) -> list[str]:
    """Make this month, the three after it, and every month that DEFAULT holds rows of.

    `months_back` also makes that many months before this one.

    Returns the names of the partitions made. Safe to run at any time and twice at once.
    """
    made: list[str] = []
    async with database.connection() as connection:
        tables = [Table(**row) for row in await connection.fetch(PARTITIONED)]
        for table in tables:
            wanted = {_add_months(today, ahead) for ahead in range(-months_back, MONTHS_AHEAD + 1)}
            wanted |= await _stray_months(connection, table)
            made += [
                table.partition(month)
                for month in sorted(wanted)
                if await _make(connection, table, month)
            ]
    return made


async def _stray_months(connection: Connection, table: Table) -> set[date]:
    rows = await connection.fetch(
        f"SELECT DISTINCT date_trunc('month', {table.key})::date FROM {table.name}_default"
    )
    return {row[0] for row in rows}


async def _make(connection: Connection, table: Table, month: date) -> bool:
    for _ in range(TRIES):
        existing = {row[0] for row in await connection.fetch(EXISTING, table.name)}
        if table.partition(month) in existing:
            return False
        try:
            async with connection.transaction():
                await _attach(connection, table, month)
        except asyncpg.DuplicateTableError:
            return False  # another process was faster
        except asyncpg.LockNotAvailableError as error:
            busy = error
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return True
    raise busy


async def _attach(connection: Connection, table: Table, month: date) -> None:
    """Move the month's rows out of DEFAULT into a new partition, in one transaction."""
    name, start, end = table.partition(month), month, _add_months(month, 1)
    inside = f"{table.key} >= '{start}' AND {table.key} < '{end}'"
    await connection.execute(f"SET LOCAL statement_timeout = '{MOVE_SECONDS}s'")
    # Writers of the table wait here, so that none adds to DEFAULT a row of the month being moved.
    await _lock(connection, *table.refers_to, table.name)
    await connection.execute(
        f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    )
    await connection.execute(
        f"WITH moved AS (DELETE FROM {table.name}_default WHERE {inside} RETURNING *)"
        f" INSERT INTO {name} SELECT * FROM moved",
        timeout=MOVE_SECONDS,
    )
    await connection.execute(
        f"ALTER TABLE {table.name} ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('{start}') TO ('{end}')",
        timeout=MOVE_SECONDS,
    )


async def _lock(connection: Connection, *tables: str) -> None:
    """Keep writers out of the tables, in this order. Raises LockNotAvailableError."""
    await connection.execute(f"SET LOCAL lock_timeout = '{FIRST_WAIT}'")
    for table in tables:
        await connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(f"SET LOCAL lock_timeout = '{NEXT_WAIT}'")


def _add_months(day: date, months: int) -> date:
    """The first day of the month `months` after that of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)
