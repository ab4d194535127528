"""SQL of notifications."""

from collections.abc import Collection, Mapping
from datetime import datetime

import asyncpg
import msgspec

from zxo.kit.db import Connection
from zxo.modules.notifications.models import COLUMNS, NewNotice, Notice

# Any number, the same in every process: whoever writes notices waits for its turn, so that ids are
# in the order of the commits, and "everything after id N" misses nothing that commits later.
TURN = 2_026_112_501

# People who were erased or have left since are passed over.
INSERT = """
INSERT INTO notifications (user_id, type, once_key, data, created_at)
SELECT users.id, new.type, new.once_key, new.data::jsonb, $5
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
    AS new (user_id, type, once_key, data)
JOIN users ON users.id = new.user_id AND users.deleted_at IS NULL
ON CONFLICT (user_id, once_key) DO NOTHING
RETURNING user_id, id
"""

# The notices of each user after the id that stands beside it, at most $3 a user.
NEWS = f"""
SELECT {", ".join(f"found.{column}" for column in COLUMNS.split(", "))}
FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, after)
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM notifications
    WHERE notifications.user_id = asked.user_id AND notifications.id > asked.after
    ORDER BY notifications.id LIMIT $3
) AS found
ORDER BY found.id
"""

LATEST_ID = "SELECT coalesce(max(id), 0) FROM notifications WHERE user_id = $1"


def _notice(row: asyncpg.Record) -> Notice:
    number, user_id, kind, data, created_at, read_at = row
    return Notice(number, user_id, kind, msgspec.Raw(data.encode()), created_at, read_at)


async def take_turn(connection: Connection) -> None:
    """Wait until no other transaction writes notices; holds the turn until ours ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", TURN)


async def add(
    connection: Connection, notices: Collection[NewNotice], now: datetime
) -> dict[int, int]:
    """Store what is new; the latest id by user. To be called while holding the turn."""
    rows = await connection.fetch(
        INSERT,
        [notice.user_id for notice in notices],
        [notice.type for notice in notices],
        [notice.once_key for notice in notices],
        [msgspec.json.encode(notice.data).decode() for notice in notices],
        now,
    )
    latest: dict[int, int] = {}
    for user_id, number in rows:
        latest[user_id] = max(number, latest.get(user_id, 0))
    return latest


async def news(connection: Connection, after: Mapping[int, int], limit: int) -> list[Notice]:
    """What each user (key) was told after an id (value), oldest first, at most `limit` each."""
    rows = await connection.fetch(NEWS, list(after), list(after.values()), limit)
    return [_notice(row) for row in rows]


async def latest_id(connection: Connection, user_id: int) -> int:
    """0 where the user was never told anything."""
    return int(await connection.fetchval(LATEST_ID, user_id))
