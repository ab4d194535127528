"""SQL of craving_records."""

from collections import Counter
from datetime import date, datetime

from zxo.kit.db import Connection
from zxo.modules.cravings import rules
from zxo.modules.cravings.models import COLUMNS, Craving, DayCount, Pattern, Position, Span

INSERT_CRAVING = f"""
INSERT INTO craving_records
    (user_id, recorded_at, recorded_date, recorded_hour, intensity, trigger_type, trigger_note)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING {COLUMNS}
"""

# Newest first; $4 and $5 are the last row of the page before.
LIST = f"""
SELECT {COLUMNS} FROM craving_records
WHERE user_id = $1 AND recorded_date BETWEEN $2 AND $3
  AND ($4::date IS NULL OR (recorded_date, id) < ($4, $5::bigint))
ORDER BY recorded_date DESC, id DESC
LIMIT $6
"""

BY_HOUR = """
SELECT recorded_hour, count(*), count(intensity), coalesce(sum(intensity), 0) FROM craving_records
WHERE user_id = $1 AND recorded_date BETWEEN $2 AND $3
GROUP BY recorded_hour
"""

BY_DAY = """
SELECT recorded_date, count(*), count(intensity), coalesce(sum(intensity), 0) FROM craving_records
WHERE user_id = $1 AND recorded_date BETWEEN $2 AND $3
GROUP BY recorded_date
"""

BY_HOUR_AND_TRIGGER = """
SELECT recorded_hour, trigger_type, count(*) FROM craving_records
WHERE user_id = $1 AND recorded_date BETWEEN $2 AND $3
GROUP BY recorded_hour, trigger_type
"""

DELETE_CRAVING = "DELETE FROM craving_records WHERE id = $1 AND user_id = $2 RETURNING id"


async def add(
    connection: Connection,
    user_id: int,
    at: tuple[datetime, date, int],
    what: tuple[int | None, str | None, str | None],
) -> Craving:
    """`at`: instant, and date and hour in the user's zone; `what`: intensity, trigger, note."""
    row = await connection.fetchrow(INSERT_CRAVING, user_id, *at, *what)
    assert row is not None, "an insert returns its row"
    return Craving(*row)


async def page(
    connection: Connection,
    user_id: int,
    span: tuple[date, date],
    after: Position | None,
    limit: int,
) -> list[Craving]:
    last_seen = (after.recorded_date, after.id) if after else (None, None)
    rows = await connection.fetch(LIST, user_id, *span, *last_seen, limit)
    return [Craving(*row) for row in rows]


async def span(connection: Connection, user_id: int, first: date, last: date) -> Span:
    """Totals of the dates from `first` to `last`."""
    rows = await connection.fetch(BY_HOUR, user_id, first, last)
    rated, strength = sum(row[2] for row in rows), sum(row[3] for row in rows)
    return Span(
        total=sum(row[1] for row in rows),
        avg_intensity=rules.average(strength, rated),
        by_hour={row[0]: row[1] for row in rows},
    )


async def by_day(connection: Connection, user_id: int, first: date, last: date) -> list[DayCount]:
    """Only dates with cravings."""
    rows = await connection.fetch(BY_DAY, user_id, first, last)
    return [DayCount(row[0], row[1], rules.average(row[3], row[2])) for row in rows]


async def pattern(connection: Connection, user_id: int, first: date, last: date) -> Pattern:
    rows = await connection.fetch(BY_HOUR_AND_TRIGGER, user_id, first, last)
    hours, triggers = Counter[int](), Counter[str]()
    for hour, trigger, count in rows:
        hours[hour] += count
        if trigger is not None:
            triggers[trigger] += count
    peaks = tuple(rules.peak_hours(hours))
    return Pattern(hours.total(), peaks, rules.most_common(triggers))


async def delete(connection: Connection, user_id: int, craving_id: int) -> bool:
    """False where the user has no such craving."""
    return await connection.fetchval(DELETE_CRAVING, craving_id, user_id) is not None
