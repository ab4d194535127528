"""SQL of operators, their sessions, and the audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from zxo.kit.db import Connection
from zxo.modules.operators.models import COLUMNS, Acting, Audited, Entry, Operator
from zxo.modules.operators.rules import TRIES

_OF = ", ".join(f"operators.{name}" for name in COLUMNS.split(", "))

INSERT = f"""
INSERT INTO operators (name, name_key, role, password_hash, created_at)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name_key) DO NOTHING RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM operators WHERE id = $1"
GET_FOR_UPDATE = f"{GET} FOR UPDATE"
GET_BY_NAME = f"SELECT {COLUMNS} FROM operators WHERE name_key = $1 AND disabled_at IS NULL"
LIST = f"SELECT {COLUMNS} FROM operators ORDER BY id"
# Whoever changes owners waits here for the other who does.
LOCK_OWNERS = """
SELECT id FROM operators WHERE role = 'owner' AND disabled_at IS NULL ORDER BY id FOR UPDATE
"""

# Counted before the password is looked at: many at once get no more tries than one after another.
TAKE_TRY = f"""
UPDATE operators SET
    tries = CASE WHEN locked_until IS NULL THEN tries + 1 ELSE 1 END,
    locked_until = CASE WHEN locked_until IS NULL AND tries + 1 >= {TRIES}
                        THEN $3::timestamptz END
WHERE id = $1 AND (locked_until IS NULL OR locked_until <= $2) RETURNING id
"""
FORGET_TRIES = "UPDATE operators SET tries = 0, locked_until = NULL WHERE id = $1"
USE_STEP = """
UPDATE operators SET last_totp_step = $2
WHERE id = $1 AND (last_totp_step IS NULL OR last_totp_step < $2) RETURNING id
"""

ADD_SESSION = """
INSERT INTO operator_sessions (token_hash, operator_id, enrolling, created_at, used_at)
VALUES ($1, $2, $3, $4, $4)
"""
USE_SESSION = f"""
UPDATE operator_sessions SET used_at = $2
FROM operators WHERE token_hash = $1 AND operators.id = operator_id AND disabled_at IS NULL
    AND used_at > $3 AND operator_sessions.created_at > $4
RETURNING enrolling, {_OF}
"""
END_SESSION = "DELETE FROM operator_sessions WHERE token_hash = $1"
END_SESSIONS = "DELETE FROM operator_sessions WHERE operator_id = $1 AND token_hash <> $2"
ENROLLED = "UPDATE operator_sessions SET enrolling = false WHERE token_hash = $1"
DELETE_OLD = "DELETE FROM operator_sessions WHERE used_at <= $1 OR created_at <= $2"

RECORD = """
INSERT INTO operator_audit
    (operator_id, operator_name, action, target, details, address, request_id, created_at)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8)
"""
AUDIT = """
SELECT id, operator_id, operator_name, action, target, details::text AS details, address,
       request_id, created_at
FROM operator_audit
WHERE ($1::bigint IS NULL OR id < $1) AND ($2::text IS NULL OR target = $2)
ORDER BY id DESC LIMIT $3
"""


async def add(
    connection: Connection, name: tuple[str, str], role: str, password_hash: str, now: datetime
) -> Operator | None:
    """`name`: as it is, and folded. None where there is one of that name."""
    row = await connection.fetchrow(INSERT, *name, role, password_hash, now)
    return Operator(*row) if row else None


async def get(connection: Connection, operator_id: int) -> Operator | None:
    row = await connection.fetchrow(GET, operator_id)
    return Operator(*row) if row else None


async def get_for_update(connection: Connection, operator_id: int) -> Operator | None:
    """Locks the row until the transaction ends."""
    row = await connection.fetchrow(GET_FOR_UPDATE, operator_id)
    return Operator(*row) if row else None


async def get_by_name(connection: Connection, name_key: str) -> Operator | None:
    """Not one that is disabled."""
    row = await connection.fetchrow(GET_BY_NAME, name_key)
    return Operator(*row) if row else None


async def list_all(connection: Connection) -> list[Operator]:
    return [Operator(*row) for row in await connection.fetch(LIST)]


async def lock_owners(connection: Connection) -> set[int]:
    """The ids of those who may manage operators, locked until the transaction ends."""
    return {row[0] for row in await connection.fetch(LOCK_OWNERS)}


async def take_try(
    connection: Connection, operator_id: int, now: datetime, locked_until: datetime
) -> bool:
    """Count a try; False where there is none left. The last one locks until `locked_until`."""
    return await connection.fetchval(TAKE_TRY, operator_id, now, locked_until) is not None


async def forget_tries(connection: Connection, operator_id: int) -> None:
    await connection.execute(FORGET_TRIES, operator_id)


async def use_step(connection: Connection, operator_id: int, step: int) -> bool:
    """False where a code of this time step, or of a later one, has served."""
    return await connection.fetchval(USE_STEP, operator_id, step) is not None


async def update(connection: Connection, operator_id: int, changes: Mapping[str, Any]) -> Operator:
    """Set the named columns of a row that exists."""
    sets = ", ".join(f"{column} = ${index}" for index, column in enumerate(changes, start=2))
    sql = f"UPDATE operators SET {sets} WHERE id = $1 RETURNING {COLUMNS}"
    row = await connection.fetchrow(sql, operator_id, *changes.values())
    assert row is not None, "the caller has seen it, and none is deleted"
    return Operator(*row)


async def add_session(
    connection: Connection, token_hash: bytes, operator_id: int, enrolling: bool, now: datetime
) -> None:
    await connection.execute(ADD_SESSION, token_hash, operator_id, enrolling, now)


async def use_session(
    connection: Connection, token_hash: bytes, now: datetime, used: datetime, began: datetime
) -> tuple[Operator, bool] | None:
    """Whose session it is, and whether it is good for enrolling only; None where it is over.

    `used`, `began`: it must have been used, and begun, after these.
    """
    row = await connection.fetchrow(USE_SESSION, token_hash, now, used, began)
    return (Operator(*row[1:]), row[0]) if row else None


async def end_session(connection: Connection, token_hash: bytes) -> None:
    await connection.execute(END_SESSION, token_hash)


async def end_sessions(connection: Connection, operator_id: int, but: bytes = b"") -> None:
    await connection.execute(END_SESSIONS, operator_id, but)


async def enrolled(connection: Connection, token_hash: bytes) -> None:
    await connection.execute(ENROLLED, token_hash)


async def delete_old_sessions(connection: Connection, used: datetime, began: datetime) -> None:
    await connection.execute(DELETE_OLD, used, began)


async def record(connection: Connection, acting: Acting, entry: Entry, now: datetime) -> None:
    """Add a line to the audit, in the transaction of what it is about."""
    await connection.execute(
        RECORD,
        acting.id,
        acting.name,
        entry.action,
        entry.target,
        msgspec.json.encode(entry.details).decode(),
        acting.address,
        acting.request_id,
        now,
    )


async def audit(
    connection: Connection, before: int | None, target: str | None, limit: int
) -> list[Audited]:
    """Newest first."""
    return [_audited(row) for row in await connection.fetch(AUDIT, before, target, limit)]


def _audited(row: asyncpg.Record) -> Audited:
    return Audited(**{**row, "details": msgspec.Raw(row["details"].encode())})
