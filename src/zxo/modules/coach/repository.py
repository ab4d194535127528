"""SQL of conversations, ai_conversations and ai_usage."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from zxo.kit.db import Connection
from zxo.modules.coach.models import (
    CONVERSATION,
    EXCHANGE,
    Allowance,
    Conversation,
    Exchange,
    Held,
    Lease,
    ListPosition,
    Usage,
)

HELD = "id, user_id, lease, leased_at, reserved_on, reserved_tokens"
LOCK = f"""
SELECT {HELD} FROM conversations WHERE id = $1 AND user_id = $2 AND NOT is_deleted FOR UPDATE
"""

# Counts a message and reserves its tokens, where the day has both left. The row is locked by the
# first who asks; the others see what it has left.
COUNTED = """
counted AS (
    INSERT INTO ai_usage AS used (user_id, usage_date, requests, tokens) VALUES ($1, $2, 1, $3)
    ON CONFLICT (user_id, usage_date) DO UPDATE
    SET requests = used.requests + 1, tokens = used.tokens + $3
    WHERE used.requests < $4 AND ($3 = 0 OR used.tokens < $5)
    RETURNING requests
)
"""

BEGIN = f"""
WITH {COUNTED}
INSERT INTO conversations (id, user_id, title, started_at, last_message_at,
                           lease, leased_at, reserved_on, reserved_tokens)
SELECT $6, $1, $7, $8, $8, $9, $8, $2, $3 FROM counted
RETURNING true
"""

TAKE = f"""
WITH {COUNTED}
UPDATE conversations SET lease = $8, leased_at = $7, reserved_on = $2, reserved_tokens = $3
FROM counted WHERE id = $6
RETURNING true
"""

# The same, whatever the day has left.
UNCOUNTED = "counted AS (SELECT $2::date, $3::int, $4::int, $5::int)"

STARTED = """
appended AS (
    INSERT INTO conversations (id, user_id, title, messages, started_at, last_message_at)
    SELECT $6, $1, $7, 1, $8, $8 FROM counted
    RETURNING messages
)
"""

APPENDED = """
appended AS (
    UPDATE conversations SET messages = messages + 1, last_message_at = $8
    FROM counted WHERE id = $6 AND user_id = $1 AND NOT is_deleted AND $7::text IS NOT NULL
    RETURNING messages
)
"""


def _answered(counted: str, appended: str) -> str:
    return f"""
        WITH {counted}, {appended}
        INSERT INTO ai_conversations (user_id, conversation_id, message_index, user_message,
                                      ai_response, response_time_ms, created_at, source)
        SELECT $1, $6, messages, $9, $10, $11, $8, 'builtin' FROM appended
        RETURNING message_index
    """


ANSWERED_FIRST = _answered(COUNTED, STARTED)
ANSWERED_NEXT = _answered(COUNTED, APPENDED)
UNCOUNTED_FIRST = _answered(UNCOUNTED, STARTED)
UNCOUNTED_NEXT = _answered(UNCOUNTED, APPENDED)

USAGE = "SELECT requests, tokens FROM ai_usage WHERE user_id = $1 AND usage_date = $2"

USAGE_SINCE = """
SELECT coalesce(sum(requests), 0)::int, coalesce(sum(tokens), 0)::int
FROM ai_usage WHERE user_id = $1 AND usage_date >= $2
"""

# $3 may be less than nothing: what was reserved and not used.
CHARGE = """
UPDATE ai_usage SET tokens = greatest(0, tokens + $3) WHERE user_id = $1 AND usage_date = $2
"""

# Only by whoever holds the lease. Where nobody does any more it was given up, and what it reserved
# is given back already.
SETTLE = """
WITH released AS (
    UPDATE conversations
    SET lease = NULL, leased_at = NULL, reserved_on = NULL, reserved_tokens = 0,
        messages = messages + CASE WHEN $7 AND NOT is_deleted THEN 1 ELSE 0 END,
        last_message_at = CASE WHEN $7 THEN $8 ELSE last_message_at END
    WHERE id = $1 AND lease = $2
    RETURNING messages, $7 AND NOT is_deleted AS is_kept
), kept AS (
    INSERT INTO ai_conversations (user_id, conversation_id, message_index, user_message,
                                  ai_response, tokens_used, response_time_ms, created_at, source,
                                  is_complete)
    SELECT $3, $1, messages, $9, $10, $6, $11, $12, $13, $14 FROM released
    WHERE is_kept
), charged AS (
    UPDATE ai_usage SET tokens = greatest(0, tokens + $6 - CASE
        WHEN EXISTS (SELECT FROM released) THEN $5
        ELSE 0 END)
    WHERE user_id = $3 AND usage_date = $4
)
SELECT messages FROM released WHERE is_kept
"""

FREE = """
UPDATE conversations
SET lease = NULL, leased_at = NULL, reserved_on = NULL, reserved_tokens = 0
WHERE id = $1
"""

DROP_EMPTY = "DELETE FROM conversations WHERE id = $1 AND messages = 0 AND lease IS NULL"

# Newest first. $3: only what was said before this one; null: from the end.
EXCHANGES = f"""
SELECT {EXCHANGE} FROM ai_conversations
WHERE conversation_id = $1 AND user_id = $2 AND ($3::int IS NULL OR message_index < $3)
ORDER BY message_index DESC LIMIT $4
"""

OWNED = "SELECT true FROM conversations WHERE id = $1 AND user_id = $2 AND messages > 0"

# Newest first; $2 and $3 are the last row of the page before.
LIST = f"""
SELECT {CONVERSATION} FROM conversations
WHERE user_id = $1 AND messages > 0
  AND ($2::timestamptz IS NULL OR (last_message_at, id) < ($2, $3::uuid))
ORDER BY last_message_at DESC, id DESC LIMIT $4
"""

DELETE = "DELETE FROM conversations WHERE id = $1"
# The lease stays: it says what is still to be settled, or given back.
HIDE = "UPDATE conversations SET is_deleted = true, title = '', messages = 0 WHERE id = $1"
DELETE_EXCHANGES = "DELETE FROM ai_conversations WHERE conversation_id = $1 AND user_id = $2"

# An answer that is being settled at this moment is not given up.
GIVEN_UP = f"""
SELECT {HELD} FROM conversations WHERE lease IS NOT NULL AND leased_at < $1
ORDER BY leased_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""


async def lock(connection: Connection, conversation_id: UUID, user_id: int) -> Held | None:
    """The user's conversation, locked until the transaction ends."""
    row = await connection.fetchrow(LOCK, conversation_id, user_id)
    return Held(*row) if row else None


async def begin(
    connection: Connection, lease: Lease, allowance: Allowance, title: str, now: datetime
) -> bool:
    """A new conversation, in which the first answer is being given; False: none is left today.

    Whoever has a token left may ask once more: what is used beyond is at most one answer.
    """
    found = await connection.fetchval(
        BEGIN, *_counted(lease, allowance), lease.conversation_id, title, now, lease.id
    )
    return found is not None


async def take(connection: Connection, lease: Lease, allowance: Allowance, now: datetime) -> bool:
    """As `begin`, in a conversation that is there. Should be called while holding its lock."""
    found = await connection.fetchval(
        TAKE, *_counted(lease, allowance), lease.conversation_id, now, lease.id
    )
    return found is not None


def _counted(lease: Lease, allowance: Allowance) -> tuple[object, ...]:
    return lease.user_id, lease.day, lease.tokens, *allowance


async def add_answered(
    connection: Connection,
    lease: Lease,
    allowance: Allowance | None,
    exchange: Exchange,
    title: str,
    *,
    is_new: bool,
) -> int | None:
    """A question that needs no model, with its answer: its index.

    None where none is left today, or where the user has no such conversation. Without an
    `allowance` nothing is counted.
    """
    first, following = (
        (ANSWERED_FIRST, ANSWERED_NEXT) if allowance else (UNCOUNTED_FIRST, UNCOUNTED_NEXT)
    )
    counted = _counted(lease, allowance or Allowance(0, 0))
    said = exchange.question, exchange.answer, exchange.took_ms
    index: int | None = await connection.fetchval(
        first if is_new else following,
        *counted,
        lease.conversation_id,
        title,
        exchange.asked_at,
        *said,
    )
    return index


async def usage(connection: Connection, user_id: int, day: date) -> Usage:
    row = await connection.fetchrow(USAGE, user_id, day)
    return Usage(*row) if row else Usage(0, 0)


async def usage_since(connection: Connection, user_id: int, first: date) -> Usage:
    row = await connection.fetchrow(USAGE_SINCE, user_id, first)
    assert row is not None, "an aggregate always has a row"
    return Usage(*row)


async def charge(connection: Connection, user_id: int, day: date, tokens: int) -> None:
    """Add `tokens` to what was used on the day; less than nothing gives back."""
    await connection.execute(CHARGE, user_id, day, tokens)


async def settle(
    connection: Connection, lease: Lease, exchange: Exchange, tokens: int, now: datetime
) -> int | None:
    """End the lease and charge what was used; keep what was said, if anything was.

    The index of what was kept; None also where the conversation was deleted, or the lease given up.
    """
    index: int | None = await connection.fetchval(
        SETTLE,
        *(lease.conversation_id, lease.id, lease.user_id, lease.day, lease.tokens),
        *(tokens, bool(exchange.answer), now),
        *(exchange.question, exchange.answer, exchange.took_ms, exchange.asked_at),
        *(exchange.source, exchange.is_complete),
    )
    return index


async def free(connection: Connection, conversation_id: UUID) -> None:
    """Take the lease away. Should be called while holding the conversation's lock."""
    await connection.execute(FREE, conversation_id)


async def drop_empty(connection: Connection, conversation_id: UUID) -> None:
    """Delete a conversation in which nothing was said."""
    await connection.execute(DROP_EMPTY, conversation_id)


async def exchanges(
    connection: Connection, conversation_id: UUID, user_id: int, before: int | None, limit: int
) -> list[Exchange]:
    """The last ones of a conversation, or those before index `before`; newest first."""
    rows = await connection.fetch(EXCHANGES, conversation_id, user_id, before, limit)
    return [Exchange(*row) for row in rows]


async def owned(connection: Connection, conversation_id: UUID, user_id: int) -> bool:
    return await connection.fetchval(OWNED, conversation_id, user_id) is not None


async def page(
    connection: Connection, user_id: int, after: ListPosition | None, limit: int
) -> Sequence[Conversation]:
    last_seen = (after.last_message_at, after.id) if after else (None, None)
    rows = await connection.fetch(LIST, user_id, *last_seen, limit)
    return [Conversation(*row) for row in rows]


async def delete(connection: Connection, conversation_id: UUID, user_id: int) -> bool:
    """The conversation and all that was said; False where the user has none.

    While an answer is being given, the row of the conversation stays, and is nobody's any more.
    """
    held = await lock(connection, conversation_id, user_id)
    if held is None:
        return False
    await connection.execute(HIDE if held.lease else DELETE, conversation_id)
    await connection.execute(DELETE_EXCHANGES, conversation_id, user_id)
    return True


async def given_up(connection: Connection, before: datetime, limit: int) -> list[Held]:
    """Leases older than `before`, locked until the transaction ends."""
    return [Held(*row) for row in await connection.fetch(GIVEN_UP, before, limit)]
