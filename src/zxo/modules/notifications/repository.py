"""SQL of notifications."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from zxo.kit.db import Connection
from zxo.modules.notifications import rules
from zxo.modules.notifications.models import COLUMNS, NewNotice, Notice
from zxo.modules.notifications.rules import Window

# Any number, the same in every process: whoever writes notices waits for its turn, so that ids are
# in the order of the commits, and "everything after id N" misses nothing that commits later.
TURN = 2_026_112_501

# People who were erased or have left since are passed over; the lock keeps whom it finds from being
# erased before the commit, which would fail the notices of everybody else too.
_NEW = """
INSERT INTO notifications (user_id, type, once_key, data, created_at, expires_at)
SELECT users.id, new.type, new.once_key, new.data::jsonb, new.created_at, new.expires_at
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    WITH ORDINALITY AS new (user_id, type, once_key, data, created_at, expires_at, place)
JOIN users ON users.id = new.user_id AND users.deleted_at IS NULL
ORDER BY new.place -- and so are the ids
FOR KEY SHARE OF users
"""
INSERT = f"{_NEW} ON CONFLICT (user_id, once_key) DO NOTHING RETURNING id, user_id, type"
# With a new id: whoever resumes after the old one is told what is true now. Of two jobs,
# the one that ends last may have the older news.
REPLACE = f"""
{_NEW} ON CONFLICT (user_id, once_key) DO UPDATE
SET id = nextval(pg_get_serial_sequence('notifications', 'id')), data = excluded.data,
    created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE notifications.created_at <= excluded.created_at
RETURNING id, user_id, type
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

# Newest first; $2: types that are not shown, $3: the last row of the page before.
INBOX = f"""
SELECT {COLUMNS} FROM notifications
WHERE user_id = $1 AND type <> ALL ($2::text[]) AND ($3::bigint IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""

UNREAD = """
SELECT count(*) FROM notifications
WHERE user_id = $1 AND type <> ALL ($2::text[]) AND read_at IS NULL
"""

STILL_UNREAD = f"""
SELECT {COLUMNS} FROM notifications
WHERE id = ANY ($1::bigint[]) AND read_at IS NULL AND created_at > $2 ORDER BY id
"""

READ = """
UPDATE notifications SET read_at = $2
WHERE user_id = $1 AND read_at IS NULL AND ($3::bigint[] IS NULL OR id = ANY ($3))
"""

# Whatever is locked is being read already: to wait for it could end in a deadlock.
READ_BY_KEY = """
UPDATE notifications SET read_at = $3 WHERE id = ANY (ARRAY(
    SELECT id FROM notifications
    JOIN unnest($1::bigint[], $2::text[]) AS named (user_id, once_key) USING (user_id, once_key)
    WHERE read_at IS NULL FOR NO KEY UPDATE OF notifications SKIP LOCKED
))
"""

WANT_MILESTONES = """
SELECT user_id FROM user_settings
WHERE user_id = ANY ($1::bigint[]) AND enable_milestone_notification
"""

# Each zone is one step through the index, however many people live there.
ZONES = """
WITH RECURSIVE zones AS (
    (SELECT timezone FROM users WHERE timezone <> 'Asia/Shanghai' ORDER BY timezone LIMIT 1)
    UNION ALL
    SELECT (
        SELECT users.timezone FROM users
        WHERE users.timezone <> 'Asia/Shanghai' AND users.timezone > zones.timezone
        ORDER BY users.timezone LIMIT 1
    ) FROM zones WHERE zones.timezone IS NOT NULL
)
SELECT timezone FROM zones WHERE timezone IS NOT NULL UNION ALL SELECT 'Asia/Shanghai'
"""

DUE = """
SELECT user_id FROM user_settings JOIN users ON users.id = user_id
WHERE enable_check_in_reminder AND check_in_reminder_time BETWEEN $1 AND $2
  AND timezone = $3 AND deleted_at IS NULL
  AND (last_check_in_date IS NULL OR last_check_in_date < $4) AND user_id > $5
ORDER BY user_id LIMIT $6
"""

WATERMARK = "SELECT reached_at FROM watermarks WHERE name = $1"

RAISE_WATERMARK = """
INSERT INTO watermarks (name, reached_at) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET reached_at = greatest(watermarks.reached_at, excluded.reached_at)
"""

PRUNE = """
DELETE FROM notifications WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM notifications WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
))
"""


class Stored(NamedTuple):
    """What a new notice has become."""

    id: int
    user_id: int
    type: str


def _notice(row: asyncpg.Record) -> Notice:
    number, user_id, kind, data, created_at, read_at = row
    return Notice(number, user_id, kind, msgspec.Raw(data.encode()), created_at, read_at)


async def take_turn(connection: Connection) -> None:
    """Wait until no other transaction writes notices; holds the turn until ours ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", TURN)


async def add(
    connection: Connection, notices: Collection[NewNotice], now: datetime
) -> list[Stored]:
    """Store what is new. To be called while holding the turn."""
    return await _write(connection, INSERT, notices, now)


async def replace(
    connection: Connection, notices: Collection[NewNotice], now: datetime
) -> list[Stored]:
    """Store each in place of what stood under its `once_key`, unless that is newer.

    No two of `notices` may have the same user and key. To be called while holding the turn.
    """
    return await _write(connection, REPLACE, notices, now)


async def _write(
    connection: Connection, sql: str, notices: Collection[NewNotice], now: datetime
) -> list[Stored]:
    rows = await connection.fetch(
        sql,
        [notice.user_id for notice in notices],
        [notice.type for notice in notices],
        [notice.once_key for notice in notices],
        [msgspec.json.encode(notice.data).decode() for notice in notices],
        [notice.as_of or now for notice in notices],
        [now + rules.kept(notice.type) for notice in notices],
    )
    return [Stored(*row) for row in rows]


async def news(connection: Connection, after: Mapping[int, int], limit: int) -> list[Notice]:
    """What each user (key) was told after an id (value), oldest first, at most `limit` each."""
    rows = await connection.fetch(NEWS, list(after), list(after.values()), limit)
    return [_notice(row) for row in rows]


async def latest_id(connection: Connection, user_id: int) -> int:
    """0 where the user was never told anything."""
    return int(await connection.fetchval(LATEST_ID, user_id))


async def inbox(
    connection: Connection, user_id: int, hidden: Collection[str], before: int | None, limit: int
) -> list[Notice]:
    """Newest first, without the types `hidden`; `before`: an id."""
    rows = await connection.fetch(INBOX, user_id, list(hidden), before, limit)
    return [_notice(row) for row in rows]


async def unread(connection: Connection, user_id: int, hidden: Collection[str]) -> int:
    return int(await connection.fetchval(UNREAD, user_id, list(hidden)))


async def still_unread(
    connection: Connection, ids: Collection[int], since: datetime
) -> list[Notice]:
    """Those of `ids` that are not read, and no older than `since`."""
    return [_notice(row) for row in await connection.fetch(STILL_UNREAD, list(ids), since)]


async def mark_read(
    connection: Connection, user_id: int, ids: Collection[int] | None, now: datetime
) -> None:
    """Those of `ids` that are the user's; all of them for None."""
    await connection.execute(READ, user_id, now, None if ids is None else list(ids))


async def mark_read_by_key(
    connection: Connection, keys: Collection[tuple[int, str]], now: datetime
) -> None:
    """`keys`: (user id, once_key) of each."""
    ids, names = [number for number, _ in keys], [name for _, name in keys]
    await connection.execute(READ_BY_KEY, ids, names, now)


async def want_milestones(connection: Connection, ids: Collection[int]) -> set[int]:
    return {row[0] for row in await connection.fetch(WANT_MILESTONES, list(ids))}


async def zones(connection: Connection) -> list[str]:
    """Every time zone that somebody lives in."""
    return [row[0] for row in await connection.fetch(ZONES)]


async def due(
    connection: Connection, zone: str, window: Window, after: int, limit: int
) -> list[int]:
    """Who in the zone is to be reminded in the window, by id; those after the id `after`.

    Most people keep 09:00 and live in one zone. A plan made for any minute and zone would walk
    through everybody each time, so each is planned for what is asked.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = 'force_custom_plan'")
        rows = await connection.fetch(
            DUE, window.first, window.last, zone, window.day, after, limit
        )
    return [row[0] for row in rows]


async def watermark(connection: Connection, name: str) -> datetime | None:
    reached: datetime | None = await connection.fetchval(WATERMARK, name)
    return reached


async def raise_watermark(connection: Connection, name: str, reached_at: datetime) -> None:
    """Never lowers it."""
    await connection.execute(RAISE_WATERMARK, name, reached_at)


async def prune(connection: Connection, now: datetime, most: int) -> int:
    """Delete up to `most` notices that have expired, the longest expired first; how many it was."""
    done = await connection.execute(PRUNE, now, most)
    return int(done.rpartition(" ")[2])
