"""SQL of sms_codes."""

from datetime import datetime

from zxo.kit.db import Connection

# A new code takes the place of the one before, and its tries.
PUT = """
INSERT INTO sms_codes (id, digest, tries_left, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE
SET digest = excluded.digest, tries_left = excluded.tries_left, expires_at = excluded.expires_at
"""

# The row lock makes simultaneous guesses take turns: the sixth finds no try left.
TAKE_TRY = """
UPDATE sms_codes SET tries_left = tries_left - 1
WHERE id = $1 AND tries_left > 0 AND expires_at > $2
RETURNING digest
"""

USE_UP = "DELETE FROM sms_codes WHERE id = $1 AND digest = $2 RETURNING id"

DELETE_EXPIRED = "DELETE FROM sms_codes WHERE expires_at <= $1"


async def put(
    connection: Connection, row: bytes, digest: bytes, tries: int, expires_at: datetime
) -> None:
    """Store a code in place of the one before."""
    await connection.execute(PUT, row, digest, tries, expires_at)


async def take_try(connection: Connection, row: bytes, now: datetime) -> bytes | None:
    """Count one try, and the digest to compare with; None where there is nothing to try."""
    digest: bytes | None = await connection.fetchval(TAKE_TRY, row, now)
    return digest


async def use_up(connection: Connection, row: bytes, digest: bytes) -> bool:
    """Forget the code; False where somebody was faster, or it was replaced."""
    return await connection.fetchval(USE_UP, row, digest) is not None


async def delete_expired(connection: Connection, now: datetime) -> None:
    await connection.execute(DELETE_EXPIRED, now)
