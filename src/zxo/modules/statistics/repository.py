"""SQL of statistics: counts over everybody's records, as they were when a day ended.

A day is $1 <= t < $2. Who has left the service is in what happened while they were there, and in no
count of who was there when a later day ended.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from zxo.kit.db import Connection
from zxo.kit.zones import date_in
from zxo.modules.statistics import rules
from zxo.modules.statistics.models import COLUMNS, Row
from zxo.modules.statistics.rules import Day, Figures, Rows

SECONDS = 600.0  # counting everybody's records may take longer than a request may

# Every date that people anywhere (UTC-12 to UTC+14) have during the day. It spares reading the
# months in which nothing of that day can be.
LOCAL_DATES = """BETWEEN ($1::timestamptz AT TIME ZONE 'UTC')::date
    AND ($2::timestamptz AT TIME ZONE 'UTC')::date + 1"""

# Counted on the day. A makeup is for any earlier date.
CHECKED_IN = f"""
SELECT user_id, is_makeup FROM check_in_records
WHERE NOT is_makeup AND check_in_date {LOCAL_DATES} AND created_at >= $1 AND created_at < $2
UNION ALL
SELECT user_id, is_makeup FROM check_in_records
WHERE is_makeup AND made_on {LOCAL_DATES} AND created_at >= $1 AND created_at < $2
"""

# Who did what, once or more. Registering is logging in, too: its session may be gone by now.
ACTED = f"""
SELECT user_id, 'checkIn' AS how FROM ({CHECKED_IN}) AS checked_in
UNION ALL
SELECT user_id, 'craving' FROM craving_records
WHERE recorded_date {LOCAL_DATES} AND recorded_at >= $1 AND recorded_at < $2
UNION ALL
SELECT user_id, 'logIn' FROM sessions
WHERE created_at >= $1 AND created_at < $2 OR refreshed_at >= $1 AND refreshed_at < $2
UNION ALL
SELECT id, 'logIn' FROM users WHERE created_at >= $1 AND created_at < $2
UNION ALL
SELECT user_id, 'coach' FROM ai_conversations WHERE created_at >= $1 AND created_at < $2
"""

ACTIVE = f"""
WITH active AS (SELECT DISTINCT user_id, how FROM ({ACTED}) AS acted)
SELECT how, count(*) FROM active GROUP BY how
UNION ALL
SELECT NULL, count(DISTINCT user_id) FROM active
"""

CHECK_INS = f"""
SELECT count(*) FILTER (WHERE NOT is_makeup), count(*) FILTER (WHERE is_makeup),
       count(DISTINCT user_id)
FROM ({CHECKED_IN}) AS checked_in
"""

# Somebody who was there when the day ended.
THERE = "created_at < $2::timestamptz AND (deleted_at IS NULL OR deleted_at >= $2)"

NEW_USERS = f"""
SELECT count(*) FILTER (WHERE created_at >= $1::timestamptz AND created_at < $2),
       count(*) FILTER (WHERE {THERE})
FROM users
"""

CRAVINGS = f"""
SELECT recorded_hour, count(*), count(DISTINCT user_id) FROM craving_records
WHERE recorded_date {LOCAL_DATES} AND recorded_at >= $1 AND recorded_at < $2
GROUP BY GROUPING SETS ((recorded_hour), ())
"""

# Every day has 24 hours (see rules.EARLIEST), so that those before it end as many hours earlier.
RETENTION = f"""
WITH active AS (SELECT DISTINCT user_id FROM ({ACTED}) AS acted)
SELECT age, count(users.id), count(active.user_id)
FROM unnest(ARRAY[{", ".join(map(str, rules.RETENTION_DAYS))}]) AS age
LEFT JOIN users ON users.created_at >= $1 - make_interval(hours => 24 * age)
    AND users.created_at < $2 - make_interval(hours => 24 * age)
LEFT JOIN active ON active.user_id = users.id
GROUP BY age ORDER BY age
"""

# What somebody was when the day ended ($1 here): the first of these that was in force then. What
# the next code redeemed afterwards found; where there was none, what the row says, unless that
# began later (somebody free whose row has an expiry was, until then, what was activated last); what
# the last code before had given, which may have lapsed, and been tidied away.
MEMBERSHIPS = f"""
WITH following AS (
    SELECT DISTINCT ON (user_id) user_id, 1 AS choice, member_type_before AS type,
           expiry_before AS expiry
    FROM redeem_code_usages WHERE created_at >= $1 ORDER BY user_id, created_at, id
), present AS (
    SELECT id AS user_id, 2 AS choice, type, member_expiry_at AS expiry
    FROM users CROSS JOIN LATERAL (SELECT CASE
        WHEN member_type <> 'free' THEN member_type
        WHEN coalesce(ai_activated_at >= vip_activated_at, ai_activated_at IS NOT NULL) THEN 'ai'
        ELSE 'vip' END AS type) AS latest
    WHERE (member_type <> 'free' OR member_expiry_at IS NOT NULL)
      AND id NOT IN (SELECT user_id FROM following)
      AND coalesce(CASE type WHEN 'vip' THEN vip_activated_at ELSE ai_activated_at END < $1, true)
), preceding AS (
    SELECT DISTINCT ON (user_id) user_id, 3 AS choice, member_type_after AS type,
           expiry_after AS expiry
    FROM redeem_code_usages WHERE created_at < $1 ORDER BY user_id, created_at DESC, id DESC
), known AS (
    SELECT * FROM following UNION ALL SELECT * FROM present UNION ALL SELECT * FROM preceding
), members AS (
    SELECT DISTINCT ON (user_id) user_id, type FROM known
    WHERE type <> 'free' AND coalesce(expiry > $1, true) ORDER BY user_id, choice
), people AS (
    SELECT type FROM users LEFT JOIN members ON user_id = id WHERE {THERE.replace("$2", "$1")}
)
SELECT count(*), count(*) FILTER (WHERE type IS NULL), count(*) FILTER (WHERE type = 'vip'),
       count(*) FILTER (WHERE type = 'ai')
FROM people
"""

# A built-in code has no row of its own.
REDEEMED_CODES = """
SELECT count(*), count(DISTINCT user_id), count(*) FILTER (WHERE code_type = 'vip'),
       count(*) FILTER (WHERE code_type = 'ai'), count(*) FILTER (WHERE code_type = 'makeup_card'),
       count(*) FILTER (WHERE code_type IS NULL)
FROM (
    SELECT user_id, CASE WHEN redeem_code_id IS NOT NULL THEN code_type END AS code_type
    FROM redeem_code_usages WHERE created_at >= $1 AND created_at < $2
) AS redeemed
"""

COACH = """
SELECT count(*), count(DISTINCT conversation_id), count(DISTINCT user_id),
       coalesce(sum(tokens_used), 0), count(*) FILTER (WHERE source = 'builtin')
FROM ai_conversations WHERE created_at >= $1 AND created_at < $2
"""

# Here $1 is the day in Shanghai; $3 and $4 are the other zones that people live in, and the date
# there when the day ended. Of the dates counted by then, newest first, those of the last run are
# the ones without a gap before them; it counts if it reached that date or the one before.
STANDING = f"""
WITH numbered AS (
    SELECT user_id, check_in_date, row_number() OVER dates AS number,
           first_value(check_in_date) OVER dates AS last
    FROM check_in_records
    WHERE created_at < $2 AND check_in_date <= $1::date + 1
    WINDOW dates AS (PARTITION BY user_id ORDER BY check_in_date DESC)
), progress AS (
    SELECT user_id, count(*) AS total, max(last) AS last,
           count(*) FILTER (WHERE last - check_in_date = number - 1) AS run
    FROM numbered GROUP BY user_id
), people AS (SELECT id, timezone FROM users WHERE {THERE}
), standing AS (
    SELECT coalesce(total, 0) AS total,
           CASE WHEN last >= coalesce(abroad.today, $1::date) - 1 THEN run ELSE 0 END AS run
    FROM people LEFT JOIN progress ON progress.user_id = people.id
    LEFT JOIN unnest($3::text[], $4::date[]) AS abroad (zone, today) ON abroad.zone = timezone
)
SELECT total, run, count(*) FROM standing GROUP BY GROUPING SETS ((total), (run))
"""

ZONES_ABROAD = "SELECT DISTINCT timezone FROM users WHERE timezone <> 'Asia/Shanghai'"

# What happened on a day. What there was at its end is read apart: it is asked for otherwise.
COUNTS: Mapping[str, str] = {
    "active": ACTIVE,
    "check_ins": CHECK_INS,
    "new_users": NEW_USERS,
    "cravings": CRAVINGS,
    "retention": RETENTION,
    "redeemed_codes": REDEEMED_CODES,
    "coach": COACH,
}

# What has not changed keeps the instant at which it was written first.
WRITE = """
INSERT INTO statistics (stat_type, stat_date, stat_data, created_at)
SELECT type, $1, data::jsonb, $4 FROM unnest($2::text[], $3::text[]) AS new (type, data)
ON CONFLICT (stat_type, stat_date) DO UPDATE
SET stat_data = excluded.stat_data, created_at = excluded.created_at
WHERE statistics.stat_data <> excluded.stat_data
"""

COMPLETE_DAYS = """
SELECT stat_date FROM statistics WHERE stat_date >= $1 AND stat_date < $2 AND stat_type = ANY($3)
GROUP BY stat_date HAVING count(*) = cardinality($3::text[])
"""

BETWEEN = f"""
SELECT {COLUMNS} FROM statistics
WHERE stat_date BETWEEN $1 AND $2 AND ($3::text[] IS NULL OR stat_type = ANY($3))
ORDER BY stat_date, stat_type
"""


async def counts(connection: Connection, day: Day) -> dict[str, Rows]:
    """The rows of every source, all of one moment; takes seconds with many people."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
        found = {
            name: await _fetch(connection, sql, day.start, day.end) for name, sql in COUNTS.items()
        }
        found["memberships"] = await _fetch(connection, MEMBERSHIPS, day.end)
        zones = [row[0] for row in await _fetch(connection, ZONES_ABROAD)]
        dates = [date_in(day.last, name) for name in zones]
        found["standing"] = await _fetch(connection, STANDING, day.date, day.end, zones, dates)
    return found


async def _fetch(connection: Connection, sql: str, *args: Any) -> Rows:
    return [tuple(row) for row in await connection.fetch(sql, *args, timeout=SECONDS)]


async def write(
    connection: Connection, day: date, figures: Mapping[str, Figures], now: datetime
) -> None:
    """Put the figures in place of those that the day has."""
    data = [msgspec.json.encode(figure).decode() for figure in figures.values()]
    await connection.execute(WRITE, day, list(figures), data, now)


async def complete_days(connection: Connection, today: date) -> set[date]:
    """Those of the days before `today` that could be caught up with and lack no row."""
    first = today - timedelta(days=rules.CATCH_UP_DAYS)
    rows = await connection.fetch(COMPLETE_DAYS, first, today, list(rules.STATISTICS))
    return {row[0] for row in rows}


async def between(
    connection: Connection, first: date, last: date, types: Collection[str] | None
) -> list[Row]:
    """By day and type; `types` None means all."""
    kinds = None if types is None else list(types)
    rows = await connection.fetch(BETWEEN, first, last, kinds)
    return [Row(kind, day, msgspec.Raw(data.encode()), at) for kind, day, data, at in rows]
