"""SQL of check_in_records, and of the progress in users that moves with them."""

from datetime import date, datetime

from zxo.kit import outbox
from zxo.kit.db import Connection
from zxo.modules.checkins.events import CheckedIn
from zxo.modules.checkins.models import NOWHERE, Place, Record
from zxo.modules.checkins.rules import Step
from zxo.modules.users import COLUMNS, User

# The user's progress, the record and the event in one statement, on the condition that the user is
# still as it was read ($2). No row back: somebody was faster, nothing was written.
# The place ($15 to $17) is dropped where there is no consent to keep it; MATERIALIZED, so that
# consents are not even read where nothing was said.
COUNT_DAY = f"""
WITH place AS MATERIALIZED (
    SELECT round($15::numeric, 3) AS latitude, round($16::numeric, 3) AS longitude,
           $17::text AS name
    FROM consents
    WHERE ($15 IS NOT NULL OR $17 IS NOT NULL)
      AND user_id = $1 AND purpose = 'location' AND withdrawn_at IS NULL
), progressed AS (
    UPDATE users
    SET total_days = $3, consecutive_days = $4, makeup_cards = makeup_cards + $5,
        last_check_in_date = $6, total_days_reached_at = $7, updated_at = $7,
        last_check_in_is_makeup =
            CASE WHEN $6::date = $8::date THEN $9 ELSE last_check_in_is_makeup END,
        version = version + 1
    WHERE id = $1 AND version = $2 AND deleted_at IS NULL
    RETURNING {COLUMNS}
), recorded AS (
    INSERT INTO check_in_records (user_id, check_in_date, is_makeup, rank_at_check_in,
                                  stars_at_check_in, made_on, created_at,
                                  latitude, longitude, location_name)
    SELECT id, $8, $9, $10, $11, $12, $7, latitude, longitude, name
    FROM progressed LEFT JOIN place ON true
), announced AS (
    INSERT INTO outbox (event, payload) SELECT $13, $14 FROM progressed
)
SELECT {COLUMNS} FROM progressed
"""

SELECT_DATES = "SELECT check_in_date FROM check_in_records WHERE user_id = $1"

SELECT_MONTH = """
SELECT check_in_date, is_makeup, rank_at_check_in, stars_at_check_in FROM check_in_records
WHERE user_id = $1 AND check_in_date >= $2 AND check_in_date < $3
ORDER BY check_in_date DESC
"""

SELECT_DATES_BETWEEN = """
SELECT check_in_date FROM check_in_records
WHERE user_id = $1 AND check_in_date BETWEEN $2 AND $3
"""

SELECT_RECORD = """
SELECT check_in_date, is_makeup, rank_at_check_in, stars_at_check_in FROM check_in_records
WHERE user_id = $1 AND check_in_date = $2
"""

# A makeup made on $2 is of a date before it, at most 366 days and a zone's difference.
COUNT_MAKEUPS = """
SELECT count(*) FROM check_in_records
WHERE user_id = $1 AND is_makeup AND made_on = $2 AND check_in_date >= $2::date - 400
"""


async def count_day(
    connection: Connection,
    user: User,
    day: date,
    step: Step,
    now: datetime,
    *,
    is_makeup: bool,
    place: Place = NOWHERE,
) -> User | None:
    """Write the step if `user` is still the row; the new row, or None where it has changed.

    Raises UniqueViolationError where the date has a record after all.
    """
    event = CheckedIn(
        user_id=user.id,
        version=user.version + 1,
        check_in_date=day,
        is_makeup=is_makeup,
        total_days=step.progress.total_days,
        consecutive_days=step.progress.consecutive_days,
        is_rank_up=step.is_rank_up,
    )
    row = await connection.fetchrow(
        COUNT_DAY,
        user.id,
        user.version,
        step.progress.total_days,
        step.progress.consecutive_days,
        step.cards,
        step.progress.last_date,
        now,
        day,
        is_makeup,
        step.rank.rank,
        step.rank.stars,
        user.today(now),
        event.name(),
        outbox.encode(event),
        place.latitude,
        place.longitude,
        place.name,
    )
    return User(*row) if row else None


async def all_dates(connection: Connection, user_id: int) -> set[date]:
    return {row[0] for row in await connection.fetch(SELECT_DATES, user_id)}


async def dates_between(connection: Connection, user_id: int, first: date, last: date) -> set[date]:
    """Both ends included."""
    rows = await connection.fetch(SELECT_DATES_BETWEEN, user_id, first, last)
    return {row[0] for row in rows}


async def month(connection: Connection, user_id: int, first: date, end: date) -> list[Record]:
    """Newest first; `end` excluded."""
    rows = await connection.fetch(SELECT_MONTH, user_id, first, end)
    return [Record(*row) for row in rows]


async def get(connection: Connection, user_id: int, day: date) -> Record | None:
    row = await connection.fetchrow(SELECT_RECORD, user_id, day)
    return Record(*row) if row else None


async def makeups_made_on(connection: Connection, user_id: int, today: date) -> int:
    return int(await connection.fetchval(COUNT_MAKEUPS, user_id, today))
