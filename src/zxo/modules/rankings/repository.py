"""SQL of the boards: how people stand, boards read without Valkey, and daily snapshots."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any

import asyncpg

from zxo.kit.db import Connection
from zxo.modules.rankings.models import Mine, Past, Person, Place, Standing
from zxo.modules.rankings.rules import (
    LAST_SECOND,
    ONE_DAY,
    TYPES,
    Board,
    BoardType,
    Region,
    region_of,
)

LONG_SECONDS = 600.0  # what a rebuild or a snapshot may take, a statement
_STREAMED = 2_000  # rows fetched at a time

_LEVELS = Region._fields
_REACHED = "floor(extract(epoch FROM total_days_reached_at))::bigint"
_SHOWN = "(deleted_at IS NULL AND banned_at IS NULL AND total_days > 0 AND show_in_ranking)"
_SCORE = f"total_days * {ONE_DAY} + {LAST_SECOND} - {_REACHED}"
_ORDER = f"total_days DESC, {_REACHED}, id DESC"
_PEOPLE = "users JOIN user_settings ON user_id = id"

STANDINGS = f"""
SELECT id, version, total_days, coalesce({_REACHED}, 0), {", ".join(_LEVELS)}, {_SHOWN},
       member_type, member_expiry_at
FROM {_PEOPLE}
"""

VERSIONS = "SELECT id, version FROM users WHERE id = ANY($1::bigint[])"

PERSONS = f"""
SELECT id, nickname, avatar FROM {_PEOPLE} WHERE id = ANY($1::bigint[]) AND {_SHOWN}
"""

# Where somebody lives who is on some board.
PROVINCES = f"SELECT DISTINCT province FROM {_PEOPLE} WHERE {_SHOWN} AND province IS NOT NULL"

# How people stood at $1: of those who have counted since, without what they counted.
AT_THE_END = f"""
SELECT id, {", ".join(_LEVELS)}, total_days - coalesce(since.days, 0) AS total_days,
       CASE WHEN since.days > 0 THEN since.before ELSE total_days_reached_at
       END AS total_days_reached_at
FROM {_PEOPLE} LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE record.created_at >= $1) AS days,
           max(record.created_at) FILTER (WHERE record.created_at < $1) AS before
    FROM check_in_records AS record WHERE record.user_id = users.id
) AS since ON users.total_days_reached_at >= $1
WHERE {_SHOWN}
"""

CLEAR_SNAPSHOT = "DELETE FROM rankings WHERE snapshot_date = $1 AND ranking_type = $2"

# In steps: a day has a row a person and board.
FORGET_SNAPSHOTS = """
DELETE FROM rankings WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM rankings WHERE snapshot_date < $1 LIMIT $2
))
"""

FORGET_HIDDEN = """
DELETE FROM rankings USING user_settings
WHERE rankings.user_id = ANY($1::bigint[])
  AND user_settings.user_id = rankings.user_id AND NOT show_in_ranking
"""

FORGET_HIDDEN_ON = """
DELETE FROM rankings USING user_settings
WHERE snapshot_date = $1 AND user_settings.user_id = rankings.user_id AND NOT show_in_ranking
"""

HISTORY = """
SELECT snapshot_date, region_code, rank_position, total_days FROM rankings
WHERE user_id = $1 AND ranking_type = $2 AND snapshot_date > $3
ORDER BY snapshot_date DESC
"""

IS_HIDDEN = "SELECT NOT show_in_ranking FROM user_settings WHERE user_id = $1"


def _on_board(board: Board, first: int) -> tuple[str, list[str]]:
    """The condition for being on the board, with parameters from $`first`, and their values."""
    conditions = [_SHOWN]
    values: list[str] = []
    region = region_of(board)[: TYPES.index(board.type)]
    for column, part in zip(_LEVELS, region, strict=False):
        if part is None:
            conditions.append(f"{column} IS NULL")
        else:
            conditions.append(f"{column} = ${first + len(values)}")
            values.append(part)
    return " AND ".join(conditions), values


def _standing(row: asyncpg.Record) -> Standing:
    number, version, days, reached, *region, shown, member_type, expiry = row
    return Standing(number, version, days, reached, Region(*region), shown, member_type, expiry)


async def standings(connection: Connection, ids: Collection[int]) -> list[Standing]:
    """How these people stand now; whoever was erased is left out."""
    rows = await connection.fetch(f"{STANDINGS} WHERE id = ANY($1::bigint[])", list(ids))
    return [_standing(row) for row in rows]


async def versions(connection: Connection, ids: Collection[int]) -> dict[int, int]:
    return {row[0]: row[1] for row in await connection.fetch(VERSIONS, list(ids))}


@asynccontextmanager
async def patient(connection: Connection) -> AsyncIterator[None]:
    """A transaction whose statements may take ten minutes each."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL statement_timeout = '{LONG_SECONDS}s'")
        yield


async def stream(
    connection: Connection, board: Board, *, inside: bool
) -> AsyncIterator[list[asyncpg.Record]]:
    """Everybody on the board, some thousands at a time, those of one place together.

    Rows of id, score, and with `inside` the parts of the region below the board's own. In a
    transaction.
    """
    condition, values = _on_board(board, 1)
    below = _LEVELS[TYPES.index(board.type) :] if inside else ()
    order = f"ORDER BY {', '.join(below)}" if below else ""
    cursor = await connection.cursor(
        f"SELECT {', '.join(('id', _SCORE, *below))} FROM {_PEOPLE} WHERE {condition} {order}",
        *values,
    )
    while rows := await cursor.fetch(_STREAMED, timeout=LONG_SECONDS):
        yield rows


async def provinces(connection: Connection) -> list[str]:
    """Those with anybody on a board."""
    return [row[0] for row in await connection.fetch(PROVINCES, timeout=LONG_SECONDS)]


async def persons(connection: Connection, ids: Collection[int]) -> dict[int, Person]:
    """Who these people are, without those who are no longer to be shown."""
    return {row[0]: Person(*row) for row in await connection.fetch(PERSONS, list(ids))}


async def page(connection: Connection, board: Board, first: int, size: int) -> list[Place]:
    """`size` places from rank `first` on, without Valkey."""
    condition, values = _on_board(board, 3)
    rows = await connection.fetch(
        f"SELECT id, total_days FROM {_PEOPLE} WHERE {condition}"
        f" ORDER BY {_ORDER} OFFSET $1 LIMIT $2",
        first - 1,
        size,
        *values,
    )
    return [Place(*row) for row in rows]


async def mine(connection: Connection, board: Board, standing: Standing) -> Mine:
    """Where somebody who is on the board stands on it, without Valkey."""
    condition, values = _on_board(board, 4)
    row = await connection.fetchrow(
        f"SELECT count(*),"
        f" count(*) FILTER (WHERE (total_days, -{_REACHED}, id) > ($1, -$2::bigint, $3))"
        f" FROM {_PEOPLE} WHERE {condition}",
        standing.days,
        standing.reached,
        standing.user_id,
        *values,
    )
    assert row is not None, "an aggregate returns one row"
    # A replica may not have the user yet.
    return Mine(row[1] + 1, max(row[0], row[1] + 1), standing.days)


async def is_hidden(connection: Connection, user_id: int) -> bool:
    return bool(await connection.fetchval(IS_HIDDEN, user_id))


async def take_snapshot(
    connection: Connection, kind: BoardType, day: date, end: datetime, now: datetime
) -> None:
    """Write how everybody stood on the boards of this type at `end`, the end of `day`, in place of
    what was written before. In a transaction."""
    levels = _LEVELS[: TYPES.index(kind)]
    code = " || '/' || ".join(f"coalesce({level}, '')" for level in levels) or "''"
    unset = f"AND {levels[-1]} IS NOT NULL" if levels else ""
    await connection.execute(CLEAR_SNAPSHOT, day, kind, timeout=LONG_SECONDS)
    await connection.execute(
        f"""
        INSERT INTO rankings (user_id, ranking_type, region_code, rank_position, total_days,
                              snapshot_date, created_at)
        SELECT id, $2, {code}, rank() OVER (PARTITION BY {code} ORDER BY {_ORDER}), total_days,
               $3, $4
        FROM ({AT_THE_END}) AS standing WHERE total_days > 0 {unset}
        """,
        end,
        kind,
        day,
        now,
        timeout=LONG_SECONDS,
    )


async def forget_snapshots(connection: Connection, before: date, most: int) -> int:
    """Delete up to `most` rows of days before `before`; how many it was."""
    done = await connection.execute(FORGET_SNAPSHOTS, before, most, timeout=LONG_SECONDS)
    return int(done.rpartition(" ")[2])


async def forget_hidden(connection: Connection, ids: Collection[int]) -> None:
    """Delete the snapshots of those of `ids` who do not want to be on boards."""
    await connection.execute(FORGET_HIDDEN, list(ids))


async def forget_hidden_on(connection: Connection, day: date) -> None:
    """Delete from the day's snapshot whoever does not want to be on boards."""
    await connection.execute(FORGET_HIDDEN_ON, day, timeout=LONG_SECONDS)


async def history(connection: Connection, user_id: int, kind: BoardType, after: date) -> list[Past]:
    """Where the user stood on the days after `after`, newest first."""
    rows: list[Any] = await connection.fetch(HISTORY, user_id, kind, after)
    return [Past(*row) for row in rows]
