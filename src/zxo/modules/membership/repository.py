"""SQL of redeem codes, their batches and usages, and of the membership in users."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from zxo.kit.db import Connection
from zxo.modules.membership.models import (
    Batch,
    BatchPosition,
    Change,
    Code,
    CodeFilter,
    Ending,
    ListedCode,
    Usage,
    Worth,
)
from zxo.modules.membership.rules import Membership, Plan
from zxo.modules.users import COLUMNS, User

FIND = """
SELECT id, code_type, code_hint, duration_days, makeup_card_count, max_uses, current_uses,
       valid_from, valid_until, is_active,
       EXISTS (SELECT FROM redeem_code_usages WHERE user_id = $2 AND redeem_code_id = code.id)
FROM redeem_codes AS code WHERE code_hmac = $1
"""

# Whoever comes second waits for the row, and then finds it as the first one left it. The unique
# index says whether this person had it before.
SPEND = """
WITH spent AS (
    UPDATE redeem_codes SET current_uses = current_uses + 1
    WHERE id = $2 AND is_active AND (max_uses = -1 OR current_uses < max_uses)
    RETURNING id
), recorded AS (
    INSERT INTO redeem_code_usages (user_id, redeem_code_id, code_hint, code_type,
        member_type_before, member_type_after, expiry_before, expiry_after, created_at)
    SELECT $1, id, $3, $4, $5, $6, $7, $8, $9 FROM spent
    ON CONFLICT (user_id, redeem_code_id) DO NOTHING
    RETURNING id
)
SELECT EXISTS (SELECT FROM spent), EXISTS (SELECT FROM recorded)
"""

RECORD = """
INSERT INTO redeem_code_usages (user_id, redeem_code_id, code_hint, code_type,
    member_type_before, member_type_after, expiry_before, expiry_after, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

SET_MEMBERSHIP = f"""
UPDATE users SET member_type = $2, member_expiry_at = $3, vip_activated_at = $4,
    ai_activated_at = $5, version = version + 1, updated_at = $6
WHERE id = $1 RETURNING {COLUMNS}
"""

# Added, not set: a check-in that is under way counts on the version, and looks again.
ADD_CARDS = f"""
UPDATE users SET makeup_cards = makeup_cards + $2, version = version + 1, updated_at = $3
WHERE id = $1 RETURNING {COLUMNS}
"""

HISTORY = """
SELECT id, code_hint, code_type, created_at FROM redeem_code_usages
WHERE user_id = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""

ADD_BATCH = """
INSERT INTO redeem_batches (id, code_type, duration_days, makeup_card_count, max_uses, valid_from,
    valid_until, codes, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

ADD_CODES = """
INSERT INTO redeem_codes (code_hmac, code_hint, batch_id, code_type, duration_days,
    makeup_card_count, max_uses, valid_from, valid_until, created_by, created_at)
SELECT new.hmac, new.hint, batch.id, code_type, duration_days,
    makeup_card_count, max_uses, valid_from, valid_until, created_by, created_at
FROM redeem_batches AS batch, unnest($2::bytea[], $3::text[]) AS new (hmac, hint)
WHERE batch.id = $1
ON CONFLICT (code_hmac) DO NOTHING
RETURNING code_hmac
"""

_BATCH = """
SELECT id, code_type, duration_days, makeup_card_count, max_uses, valid_from, valid_until, codes,
       created_by, created_at, active, uses
FROM redeem_batches AS batch CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE is_active) AS active, coalesce(sum(current_uses), 0) AS uses
    FROM redeem_codes WHERE batch_id = batch.id
) AS counted
"""
GET_BATCH = f"{_BATCH} WHERE id = $1"

# Newest first; $2 and $3: the last row of the page before.
LIST_BATCHES = f"""
{_BATCH}
WHERE ($1::text IS NULL OR code_type = $1)
  AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
ORDER BY created_at DESC, id DESC LIMIT $4
"""

# Of a batch, in the order in which they were made; of all, the newest first.
LIST_CODES = """
SELECT id, batch_id, code_hint, code_type, duration_days, makeup_card_count, max_uses,
       current_uses, valid_from, valid_until, is_active, created_at
FROM redeem_codes
WHERE ($1::uuid IS NULL OR batch_id = $1) AND ($2::text IS NULL OR code_type = $2)
  AND ($3::boolean IS NULL OR is_active = $3) AND ($4::boolean IS NULL OR (current_uses > 0) = $4)
  AND ($5::bigint IS NULL OR id < $5)
ORDER BY id DESC LIMIT $6
"""

# Locked in one order: two who disable the same codes do not wait for each other.
DISABLE = """
WITH named AS (
    SELECT id FROM redeem_codes
    WHERE (id = $1 OR batch_id = $2) AND is_active ORDER BY id FOR NO KEY UPDATE
)
UPDATE redeem_codes SET is_active = false FROM named WHERE redeem_codes.id = named.id
"""

HAS_BATCH = "SELECT EXISTS (SELECT FROM redeem_batches WHERE id = $1)"
HAS_CODE = "SELECT EXISTS (SELECT FROM redeem_codes WHERE id = $1)"

# In the order of the index, and the same for everybody: workers that come together take turns.
END = f"""
WITH due AS (
    SELECT id, member_type AS tier FROM users
    WHERE member_type <> 'free' AND member_expiry_at <= $1
    ORDER BY member_expiry_at, id LIMIT $2 FOR NO KEY UPDATE
)
UPDATE users SET member_type = 'free', version = version + 1, updated_at = $3
FROM due WHERE users.id = due.id
RETURNING due.tier, {", ".join(f"users.{column}" for column in COLUMNS.split(", "))}
"""

ENDING = """
SELECT id, member_type, member_expiry_at, timezone FROM users
WHERE member_type <> 'free' AND member_expiry_at > $1 AND member_expiry_at <= $2
  AND (member_expiry_at, id) > ($3, $4::bigint) AND deleted_at IS NULL
ORDER BY member_expiry_at, id LIMIT $5
"""

STILL_ENDING = """
SELECT id, member_expiry_at FROM users
JOIN unnest($1::bigint[], $2::timestamptz[]) AS told (user_id, expiry)
    ON id = user_id AND member_expiry_at = expiry
WHERE member_type <> 'free'
"""


async def find(connection: Connection, index: bytes, user_id: int) -> Code | None:
    """The code with this index, as `user_id` finds it."""
    row = await connection.fetchrow(FIND, index, user_id)
    return Code(*row) if row else None


async def spend(
    connection: Connection, worth: Worth, change: Change, now: datetime
) -> tuple[bool, bool]:
    """Use a code up by one, for the user of `change`; locks its row until the transaction ends.

    Whether there was a use left, and whether the person has not had it before. Unless both are
    true the transaction must be rolled back.
    """
    row = await connection.fetchrow(SPEND, *_usage(worth, change, now))
    assert row is not None, "a row without FROM"
    return row[0], row[1]


async def record(connection: Connection, worth: Worth, change: Change, now: datetime) -> None:
    """Note that a built-in code was redeemed."""
    await connection.execute(RECORD, *_usage(worth, change, now))


def _usage(worth: Worth, change: Change, now: datetime) -> tuple[object, ...]:
    user, kind = change.user, (worth.code_id, worth.hint, worth.code_type)
    tiers, ends = (change.before, change.after), (change.expiry_before, change.expiry_after)
    return (user.id, *kind, *tiers, *ends, now)


async def set_membership(
    connection: Connection, user_id: int, membership: Membership, now: datetime
) -> User:
    """To be called while holding the user's row lock."""
    row = await connection.fetchrow(SET_MEMBERSHIP, user_id, *membership, now)
    assert row is not None, "the row is locked"
    return User(*row)


async def add_cards(connection: Connection, user_id: int, cards: int, now: datetime) -> User:
    """To be called while holding the user's row lock."""
    row = await connection.fetchrow(ADD_CARDS, user_id, cards, now)
    assert row is not None, "the row is locked"
    return User(*row)


async def history(
    connection: Connection, user_id: int, before: int | None, limit: int
) -> list[Usage]:
    """Newest first; `before`: an id."""
    return [Usage(*row) for row in await connection.fetch(HISTORY, user_id, before, limit)]


async def add_batch(
    connection: Connection, batch_id: UUID, plan: Plan, created_by: int | None, now: datetime
) -> None:
    what = (plan.code_type, plan.duration_days, plan.makeup_card_count, plan.max_uses)
    window = (plan.valid_from, plan.valid_until)
    await connection.execute(ADD_BATCH, batch_id, *what, *window, plan.count, created_by, now)


async def add_codes(
    connection: Connection, batch_id: UUID, codes: Mapping[bytes, str]
) -> set[bytes]:
    """Store codes (index and hint) of the batch; the indexes of those that did not exist."""
    rows = await connection.fetch(ADD_CODES, batch_id, list(codes), list(codes.values()))
    return {row[0] for row in rows}


async def get_batch(connection: Connection, batch_id: UUID) -> Batch | None:
    row = await connection.fetchrow(GET_BATCH, batch_id)
    return Batch(*row) if row else None


async def list_batches(
    connection: Connection, code_type: str | None, after: BatchPosition | None, limit: int
) -> list[Batch]:
    """Newest first."""
    rows = await connection.fetch(LIST_BATCHES, code_type, *(after or (None, None)), limit)
    return [Batch(*row) for row in rows]


async def list_codes(
    connection: Connection, wanted: CodeFilter, before: int | None, limit: int
) -> list[ListedCode]:
    """Newest first; `before`: an id."""
    rows = await connection.fetch(LIST_CODES, *wanted, before, limit)
    return [ListedCode(*row) for row in rows]


async def disable(connection: Connection, batch_id: UUID | None, code_id: int | None) -> int:
    """Disable what is active of a batch, or one code; how many codes it was."""
    return int((await connection.execute(DISABLE, code_id, batch_id)).rpartition(" ")[2])


async def has_batch(connection: Connection, batch_id: UUID) -> bool:
    return bool(await connection.fetchval(HAS_BATCH, batch_id))


async def has_code(connection: Connection, code_id: int) -> bool:
    return bool(await connection.fetchval(HAS_CODE, code_id))


async def end(
    connection: Connection, until: datetime, most: int, now: datetime
) -> list[tuple[str, User]]:
    """Write free into up to `most` rows whose membership ended at `until` or before.

    What each of them was, and the row now. Locks them until the transaction ends.
    """
    rows = await connection.fetch(END, until, most, now)
    return [(tier, User(*row)) for tier, *row in rows]


async def ending(
    connection: Connection, first: datetime, last: datetime, after: tuple[datetime, int], most: int
) -> list[Ending]:
    """Memberships that end after `first` and until `last`, after the row `after`, in order."""
    rows = await connection.fetch(ENDING, first, last, *after, most)
    return [Ending(*row) for row in rows]


async def still_ending(
    connection: Connection, told: Collection[tuple[int, datetime]]
) -> set[tuple[int, datetime]]:
    """Those of `told` (user id, expiry) whose membership still ends then."""
    ids, ends = [number for number, _ in told], [at for _, at in told]
    return {(row[0], row[1]) for row in await connection.fetch(STILL_ENDING, ids, ends)}
