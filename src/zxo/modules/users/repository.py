"""SQL of users and user_settings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zxo.kit.db import Connection
from zxo.modules.users.models import COLUMNS, Settings, User

SELECT_USER = f"SELECT {COLUMNS} FROM users WHERE id = $1"

# NO KEY: rows that refer to the user may be written meanwhile.
SELECT_USER_FOR_UPDATE = f"SELECT {COLUMNS} FROM users WHERE id = $1 FOR NO KEY UPDATE"

# Locked, so that the account cannot be erased before the session that refers to it is stored.
SELECT_BY_OPENID = f"SELECT {COLUMNS} FROM users WHERE openid = $1 FOR SHARE"

SELECT_BY_PHONE = f"SELECT {COLUMNS} FROM users WHERE phone_index = $1 FOR SHARE"

# The number is sealed for the row that it will stand in.
NEXT_ID = "SELECT nextval(pg_get_serial_sequence('users', 'id'))"

INSERT_BY_PHONE = f"""
WITH added AS (
    INSERT INTO users (id, phone_ciphertext, phone_index, nickname, created_at, updated_at)
    VALUES ($1, $2, $3, coalesce($4, '戒烟勇士'), $5, $5)
    ON CONFLICT (phone_index) WHERE phone_index IS NOT NULL DO NOTHING
    RETURNING {COLUMNS}
), settings AS (
    INSERT INTO user_settings (user_id, created_at, updated_at) SELECT id, $5, $5 FROM added
)
SELECT {COLUMNS} FROM added
"""

INSERT_USER = f"""
WITH added AS (
    INSERT INTO users (openid, nickname, avatar, created_at, updated_at)
    VALUES ($1, coalesce($2, '戒烟勇士'), $3, $4, $4)
    ON CONFLICT (openid) DO NOTHING
    RETURNING {COLUMNS}
), settings AS (
    INSERT INTO user_settings (user_id, created_at, updated_at) SELECT id, $4, $4 FROM added
)
SELECT {COLUMNS} FROM added
"""

SELECT_SETTINGS = """
SELECT smoking_years, daily_amount, price_per_pack, cigarettes_per_pack, enable_check_in_reminder,
       check_in_reminder_time, enable_milestone_notification, show_in_ranking, allow_friend_view,
       quit_at, timezone
FROM user_settings JOIN users ON users.id = user_id
WHERE user_id = $1 AND deleted_at IS NULL
"""


async def get(connection: Connection, user_id: int) -> User | None:
    row = await connection.fetchrow(SELECT_USER, user_id)
    return User(*row) if row else None


async def get_for_update(connection: Connection, user_id: int) -> User | None:
    """Locks the row until the transaction ends."""
    row = await connection.fetchrow(SELECT_USER_FOR_UPDATE, user_id)
    return User(*row) if row else None


async def get_by_openid(connection: Connection, openid: str) -> User | None:
    """Keeps the row as it is until the transaction ends."""
    row = await connection.fetchrow(SELECT_BY_OPENID, openid)
    return User(*row) if row else None


async def add(
    connection: Connection, openid: str, nickname: str | None, avatar: str | None, now: datetime
) -> User | None:
    """A new user with default settings; None where somebody with this openid exists."""
    row = await connection.fetchrow(INSERT_USER, openid, nickname, avatar, now)
    return User(*row) if row else None


async def get_by_phone(connection: Connection, phone_index: bytes) -> User | None:
    """Keeps the row as it is until the transaction ends."""
    row = await connection.fetchrow(SELECT_BY_PHONE, phone_index)
    return User(*row) if row else None


async def next_id(connection: Connection) -> int:
    """An id that no other user gets."""
    number: int = await connection.fetchval(NEXT_ID)
    return number


async def add_by_phone(
    connection: Connection,
    user_id: int,
    phone: tuple[str, bytes],
    nickname: str | None,
    now: datetime,
) -> User | None:
    """A new user; `phone` is ciphertext and index. None where somebody has this number."""
    row = await connection.fetchrow(INSERT_BY_PHONE, user_id, *phone, nickname, now)
    return User(*row) if row else None


async def get_settings(connection: Connection, user_id: int) -> Settings | None:
    row = await connection.fetchrow(SELECT_SETTINGS, user_id)
    return Settings(*row) if row else None


async def update(
    connection: Connection, user_id: int, changes: Mapping[str, Any], now: datetime
) -> User | None:
    """Set the named columns of users, and count the version up even where none is named."""
    assignments = [f"{column} = ${index}" for index, column in enumerate(changes, start=3)]
    sets = ", ".join(["version = version + 1", "updated_at = $2", *assignments])
    sql = f"UPDATE users SET {sets} WHERE id = $1 RETURNING {COLUMNS}"
    row = await connection.fetchrow(sql, user_id, now, *changes.values())
    return User(*row) if row else None


async def update_settings(
    connection: Connection, user_id: int, changes: Mapping[str, Any], now: datetime
) -> None:
    """Set the named columns of user_settings."""
    assignments = [f"{column} = ${index}" for index, column in enumerate(changes, start=3)]
    sets = ", ".join(["updated_at = $2", *assignments])
    sql = f"UPDATE user_settings SET {sets} WHERE user_id = $1"
    await connection.execute(sql, user_id, now, *changes.values())
