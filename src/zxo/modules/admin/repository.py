"""SQL of what operators look up. Searches go to what may lag, and each has an index."""

from zxo.kit.db import Connection
from zxo.modules.admin.models import COLUMNS, Person

BY_ID = f"SELECT {COLUMNS} FROM users WHERE id = $1"
BY_OPENID = f"SELECT {COLUMNS} FROM users WHERE openid = $1"
BY_PHONE = f"SELECT {COLUMNS} FROM users WHERE phone_index = $1"
# By the beginning: `%` at the end only, and what is special in the text itself is escaped.
BY_NICKNAME = f"""
SELECT {COLUMNS} FROM users
WHERE lower(nickname) LIKE lower($1) || '%' AND ($2::bigint IS NULL OR id > $2)
ORDER BY id LIMIT $3
"""
SESSIONS = "SELECT count(*) FROM sessions WHERE user_id = $1"


async def by_id(connection: Connection, user_id: int) -> Person | None:
    row = await connection.fetchrow(BY_ID, user_id)
    return Person(*row) if row else None


async def by_openid(connection: Connection, openid: str) -> Person | None:
    row = await connection.fetchrow(BY_OPENID, openid)
    return Person(*row) if row else None


async def by_phone(connection: Connection, index: bytes) -> Person | None:
    row = await connection.fetchrow(BY_PHONE, index)
    return Person(*row) if row else None


async def by_nickname(
    connection: Connection, beginning: str, after: int | None, limit: int
) -> list[Person]:
    """Those whose nickname begins so, whatever the case, by id; `after`: an id."""
    escaped = beginning.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return [Person(*row) for row in await connection.fetch(BY_NICKNAME, escaped, after, limit)]


async def sessions(connection: Connection, user_id: int) -> int:
    """How many log-ins of the person are alive."""
    return int(await connection.fetchval(SESSIONS, user_id))
