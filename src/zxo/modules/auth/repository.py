"""SQL of sessions."""

from datetime import datetime
from uuid import UUID

from zxo.kit.db import Connection
from zxo.modules.auth.models import COLUMNS, Session

INSERT_SESSION = """
INSERT INTO sessions (id, user_id, refresh_jti, device, created_at, refreshed_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $5, $6)
"""

EXCHANGE = """
UPDATE sessions SET refresh_jti = $4, refreshed_at = $5, expires_at = $6
WHERE id = $1 AND user_id = $2 AND refresh_jti = $3
RETURNING id
"""

EXISTS = "SELECT EXISTS (SELECT FROM sessions WHERE id = $1 AND user_id = $2)"

# Newest first; $2 and $3 are the last row of the page before.
LIST = f"""
SELECT {COLUMNS} FROM sessions
WHERE user_id = $1 AND expires_at > $2
  AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
ORDER BY created_at DESC, id DESC
LIMIT $5
"""

# An ended session is remembered until no token of it could be valid any more.
END = """
WITH gone AS (DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING id, expires_at)
INSERT INTO ended_sessions (session_id, expires_at) SELECT id, expires_at FROM gone
RETURNING session_id
"""

END_ALL = """
WITH gone AS (DELETE FROM sessions WHERE user_id = $1 RETURNING id, expires_at)
INSERT INTO ended_sessions (session_id, expires_at) SELECT id, expires_at FROM gone
RETURNING session_id::text
"""

DELETE_EXPIRED = "DELETE FROM sessions WHERE expires_at <= $1"

DELETE_EXPIRED_ENDED = "DELETE FROM ended_sessions WHERE expires_at <= $1"


async def add(connection: Connection, session: Session, refresh_jti: UUID) -> None:
    """Store a new session; `refresh_jti` names the one token that may be exchanged."""
    await connection.execute(
        INSERT_SESSION,
        session.id,
        session.user_id,
        refresh_jti,
        session.device,
        session.created_at,
        session.expires_at,
    )


async def exchange(
    connection: Connection,
    session: tuple[UUID, int],
    jtis: tuple[UUID, UUID],
    now: datetime,
    expires_at: datetime,
) -> bool:
    """Make the second token the exchangeable one in place of the first; False where it is not."""
    row = await connection.fetchrow(EXCHANGE, *session, *jtis, now, expires_at)
    return row is not None


async def exists(connection: Connection, session_id: UUID, user_id: int) -> bool:
    return bool(await connection.fetchval(EXISTS, session_id, user_id))


async def list_page(
    connection: Connection,
    user_id: int,
    now: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Session]:
    after_time, after_id = after or (None, None)
    rows = await connection.fetch(LIST, user_id, now, after_time, after_id, limit)
    return [Session(*row) for row in rows]


async def end(connection: Connection, session_id: UUID, user_id: int) -> bool:
    """False where the user has no such session."""
    return await connection.fetchval(END, session_id, user_id) is not None


async def end_all(connection: Connection, user_id: int) -> list[str]:
    """The ids of the sessions that the user had."""
    return [row[0] for row in await connection.fetch(END_ALL, user_id)]


async def delete_expired(connection: Connection, now: datetime) -> None:
    await connection.execute(DELETE_EXPIRED, now)
    await connection.execute(DELETE_EXPIRED_ENDED, now)
