"""Monthly partitions, on a database of this module's own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from zxo import embedded, housekeeping, migrations
from zxo.context import Context
from zxo.kit import partitions
from zxo.kit.db import Database
from zxo.kit.partitions import keep_months

TODAY = date(2025, 12, 1)
OURS = {"check_in_records", "craving_records", "ai_conversations"}
AHEAD = ["2025_12", "2026_01", "2026_02", "2026_03"]
PATIENCE = 60.0

ADD_USER = """
INSERT INTO users (nickname, created_at, updated_at) VALUES ('x', now(), now()) RETURNING id
"""
ADD_RECORD = """
INSERT INTO check_in_records
    (user_id, check_in_date, rank_at_check_in, stars_at_check_in, made_on, created_at)
VALUES ($1, $2, 'x', 1, $2, now())
"""
ADD_CONVERSATION = """
INSERT INTO ai_conversations
    (user_id, conversation_id, message_index, user_message, ai_response, created_at)
VALUES ($1, gen_random_uuid(), 1, '', '', $2)
"""
PLACES = "SELECT check_in_date, tableoid::regclass::text FROM check_in_records ORDER BY 1"


@pytest_asyncio.fixture(scope="session")
async def own_url(services: embedded.Endpoints) -> str:
    """A migrated database that nothing else uses."""
    name = f"partitions_{uuid4().hex}"
    admin = await asyncpg.connect(services.database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = services.database_url.replace("/zxo?", f"/{name}?")
    await asyncio.to_thread(migrations.upgrade, url)
    return url


@pytest_asyncio.fixture
async def database(own_url: str) -> AsyncIterator[Database]:
    """Without rows, and without partitions but the DEFAULT ones."""
    database = await Database.connect(own_url)
    for row in await database.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
        " WHERE c.relkind = 'r' AND c.relname NOT LIKE '%_default'"
    ):
        await database.execute(f"DROP TABLE {row[0]}")
    await database.execute("DELETE FROM users")
    yield database
    await database.close()


@pytest_asyncio.fixture
async def user(database: Database) -> int:
    return int(await database.fetchval(ADD_USER))


async def partitions_of(database: Database, table: str) -> list[str]:
    rows = await database.fetch(partitions.EXISTING, table)
    return sorted(row[0].removeprefix(f"{table}_") for row in rows)


async def places(database: Database) -> dict[str, str]:
    return {str(row[0]): row[1] for row in await database.fetch(PLACES)}


async def test_this_month_and_three_more_are_made_of_every_partitioned_table(
    database: Database,
) -> None:
    made = await keep_months(database, TODAY)
    assert set(made) == {f"{table}_{month}" for table in OURS for month in AHEAD}
    for table in OURS:
        assert await partitions_of(database, table) == [*AHEAD, "default"]


async def test_every_table_that_the_catalogue_calls_partitioned_is_looked_after(
    database: Database,
) -> None:
    known = {row["name"] for row in await database.fetch(partitions.PARTITIONED)}
    every = {
        row[0] for row in await database.fetch("SELECT relname FROM pg_class WHERE relkind = 'p'")
    }
    assert known == every == OURS


async def test_a_second_run_makes_nothing(database: Database) -> None:
    await keep_months(database, TODAY)
    assert await keep_months(database, date(2025, 12, 31)) == []


async def test_a_month_later_only_the_new_one_is_made(database: Database) -> None:
    await keep_months(database, TODAY)
    made = await keep_months(database, date(2026, 1, 1))
    assert set(made) == {f"{table}_2026_04" for table in OURS}


async def test_months_back_are_made_on_request(database: Database) -> None:
    await keep_months(database, date(2026, 2, 15), months_back=3)
    assert await partitions_of(database, "craving_records") == [
        *("2025_11", "2025_12", "2026_01", "2026_02", "2026_03", "2026_04", "2026_05"),
        "default",
    ]


async def test_runs_at_the_same_moment_do_not_disturb_each_other(
    database: Database, user: int
) -> None:
    await database.execute(ADD_RECORD, user, date(2025, 12, 5))
    made = await asyncio.gather(*(keep_months(database, TODAY) for _ in range(4)))
    names = [name for names in made for name in names]
    assert sorted(names) == sorted(f"{table}_{month}" for table in OURS for month in AHEAD)
    assert await places(database) == {"2025-12-05": "check_in_records_2025_12"}


async def test_rows_that_fell_into_default_move_to_their_month(
    database: Database, user: int
) -> None:
    days = ["2024-02-29", "2024-12-31", "2025-01-01", "2025-12-31", "2026-01-01", "2027-05-31"]
    for day in days:
        await database.execute(ADD_RECORD, user, date.fromisoformat(day))
    assert set((await places(database)).values()) == {"check_in_records_default"}

    made = await keep_months(database, TODAY)

    assert await places(database) == {
        day: f"check_in_records_{day[:7].replace('-', '_')}" for day in days
    }
    assert "check_in_records_2024_02" in made
    assert "craving_records_2024_02" not in made


async def test_an_instant_belongs_to_its_month_in_utc(database: Database, user: int) -> None:
    last = datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    for instant in (last, first):
        await database.execute(ADD_CONVERSATION, user, instant)
    await keep_months(database, TODAY)
    rows = await database.fetch(
        "SELECT created_at, tableoid::regclass::text FROM ai_conversations ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        (last, "ai_conversations_2025_12"),
        (first, "ai_conversations_2026_01"),
    ]


async def test_a_new_partition_is_as_the_table_with_index_key_and_reference(
    database: Database, user: int
) -> None:
    await database.execute(ADD_RECORD, user, TODAY)
    await keep_months(database, TODAY)
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute(ADD_RECORD, user, TODAY)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await database.execute(ADD_RECORD, user + 1, TODAY)
    await database.execute("DELETE FROM users WHERE id = $1", user)
    assert await places(database) == {}


async def test_a_table_of_any_name_and_key_is_looked_after(database: Database) -> None:
    await database.execute(
        "CREATE TABLE readings (id bigint, taken timestamptz NOT NULL) PARTITION BY RANGE (taken);"
        "CREATE TABLE readings_default PARTITION OF readings DEFAULT"
    )
    try:
        await keep_months(database, TODAY)
        assert await partitions_of(database, "readings") == [*AHEAD, "default"]
    finally:
        await database.execute("DROP TABLE readings")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["SELECT 1 FROM users FOR UPDATE", PLACES], ["UPDATE users SET nickname = 'y'"]),
        ([PLACES], ["UPDATE users SET nickname = 'y'"]),
        (["UPDATE users SET nickname = 'y'"], [PLACES]),
    ],
    ids=["users locked, records read", "records read", "users written"],
)
async def test_a_transaction_that_holds_locks_finishes_and_so_does_the_job(
    database: Database, user: int, before: list[str], after: list[str]
) -> None:
    """The job must be the one who gives way.

    Were it to wait on, PostgreSQL would end the person's transaction as the victim of a deadlock.
    """
    async with database.transaction() as connection:
        for sql in before:
            await connection.execute(sql)
        job = asyncio.create_task(keep_months(database, TODAY))
        await asyncio.sleep(0.15)  # the job waits for us by now
        for sql in after:
            await connection.execute(sql)
        await connection.execute(ADD_RECORD, user, TODAY)
    await asyncio.wait_for(job, PATIENCE)
    await keep_months(database, TODAY)
    assert await places(database) == {"2025-12-01": "check_in_records_2025_12"}


async def test_readers_and_writers_work_while_partitions_are_made(
    database: Database, user: int
) -> None:
    done = asyncio.Event()

    async def work(first: int) -> int:
        worked = 0
        while not done.is_set() or worked < 5:
            day = date.fromordinal(first + 37 * worked)
            async with database.transaction() as connection:
                await connection.execute("UPDATE users SET total_days = total_days + 1")
                await connection.execute(ADD_RECORD, user, day)
            assert str(day) in await places(database)
            worked += 1
        return worked

    people = [asyncio.create_task(work(date(2026, 1, 1 + n).toordinal())) for n in range(3)]
    months = [date(2026, month, 1) for month in (1, 4, 8)]
    for month in months:
        await asyncio.wait_for(keep_months(database, month), PATIENCE)
    done.set()
    written = sum(await asyncio.gather(*people))
    await keep_months(database, TODAY)
    found = await places(database)
    assert len(found) == written
    assert "check_in_records_default" not in found.values()


async def test_moving_rows_may_take_longer_than_a_request_may(own_url: str) -> None:
    database = await Database.connect(own_url, statement_timeout=0.2)
    try:
        async with database.transaction() as connection:
            await connection.execute(
                "CREATE TABLE slow (id int, day date NOT NULL) PARTITION BY RANGE (day);"
                "CREATE TABLE slow_default PARTITION OF slow DEFAULT;"
                "CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM pg_sleep(1.5); RETURN old; END';"
                "CREATE TRIGGER take_long BEFORE DELETE ON slow_default"
                " FOR EACH ROW EXECUTE FUNCTION take_long();"
                "INSERT INTO slow VALUES (1, '2025-12-05')"
            )
        await keep_months(database, TODAY)
        assert await database.fetchval("SELECT tableoid::regclass::text FROM slow") == (
            "slow_2025_12"
        )
    finally:
        await database.execute("DROP TABLE IF EXISTS slow; DROP FUNCTION IF EXISTS take_long")
        await database.close()


async def test_a_table_that_never_becomes_free_is_reported(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "TRIES", 2)
    monkeypatch.setattr(partitions, "FIRST_WAIT", "10ms")
    monkeypatch.setattr(partitions, "NEXT_WAIT", "10ms")
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE check_in_records IN ROW EXCLUSIVE MODE")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await keep_months(database, TODAY)
    await keep_months(database, TODAY)
    assert await partitions_of(database, "check_in_records") == [*AHEAD, "default"]


async def test_the_job_runs_on_the_date_in_shanghai(ctx: Context) -> None:
    ctx.clock.set("2031-01-31T16:00:00+00:00")  # type: ignore[attr-defined]
    await housekeeping.keep_partitions(ctx)
    made = await partitions_of(ctx.db, "craving_records")
    assert "2031_01" not in made
    assert {"2031_02", "2031_05"} <= set(made)
