"""The migrations make the schema that the code, the snapshot and the job queue expect."""

import asyncio
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from types import ModuleType
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

import zxo
from tests.kit import schema_snapshot
from zxo import embedded, migrations

STALE = "the schema has changed: look at the difference, then python -m tests.kit.schema_snapshot"


@pytest_asyncio.fixture
async def fresh(services: embedded.Endpoints) -> AsyncIterator[str]:
    """The URL of a database without anything."""
    name = f"migrations_{uuid4().hex}"
    admin = await asyncpg.connect(services.database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    yield services.database_url.replace("/zxo?", f"/{name}?")
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def upgrade(url: str, revision: str = "head") -> None:
    await asyncio.to_thread(migrations.upgrade, url, revision)


async def downgrade(url: str, revision: str) -> None:
    await asyncio.to_thread(migrations.downgrade, url, revision)


async def test_down_to_nothing_and_up_again_gives_the_same_schema(fresh: str) -> None:
    nothing = await schema_snapshot.read(fresh)
    assert await migrations.current(fresh) == ""
    await upgrade(fresh)
    schema = await schema_snapshot.read(fresh)
    assert await migrations.current(fresh) == migrations.head()

    await downgrade(fresh, "base")
    left = await schema_snapshot.read(fresh)
    assert "alembic_version" in left
    assert [line for line in left.splitlines() if not re.search(r"version|^$", line)] == (
        nothing.split()
    )
    await upgrade(fresh)
    assert await schema_snapshot.read(fresh) == schema


async def test_every_step_can_be_undone_by_itself(fresh: str) -> None:
    schemas = [await schema_snapshot.read(fresh)]
    for _ in migrations.FOLDER.glob("versions/*.py"):
        await upgrade(fresh, "+1")
        schemas.append(await schema_snapshot.read(fresh))
    assert await migrations.current(fresh) == migrations.head()
    assert all(before != after for before, after in pairwise(schemas))
    for before in schemas[-2:0:-1]:  # the first step back to nothing leaves alembic_version
        await downgrade(fresh, "-1")
        assert await schema_snapshot.read(fresh) == before


async def test_the_schema_is_the_one_that_was_looked_at(fresh: str) -> None:
    await upgrade(fresh)
    expected = f"{schema_snapshot.HEADING}\n{await schema_snapshot.read(fresh)}"
    assert schema_snapshot.FILE.read_text() == expected, STALE


async def test_the_snapshot_sees_every_kind_of_change(fresh: str) -> None:
    await upgrade(fresh)
    seen = {await schema_snapshot.read(fresh)}
    changes = [
        "CREATE TABLE t (a int)",
        "CREATE TABLE rankings_by (day date) PARTITION BY RANGE (day)",
        "ALTER TABLE t ADD b text",
        "ALTER TABLE t ALTER a TYPE bigint",
        "ALTER TABLE t ALTER a SET DEFAULT 1",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t ADD CHECK (a > 0)",
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES users",
        "CREATE INDEX ON t (a)",
        "CREATE UNIQUE INDEX ON t (b) WHERE a > 1",
        "ALTER TYPE pgqueuer_status ADD VALUE 'lost'",
        "CREATE SEQUENCE s",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE t SET (fillfactor = 50)",
        "CREATE TABLE p PARTITION OF rankings_by FOR VALUES FROM ('2025-12-01') TO (MAXVALUE)",
    ]
    connection = await asyncpg.connect(fresh)
    for change in changes:
        await connection.execute(change)
        seen.add(await schema_snapshot.read(fresh))
    await connection.close()
    assert len(seen) == len(changes) + 1


async def test_the_job_queue_in_use_asks_for_no_change_of_its_tables(fresh: str) -> None:
    await upgrade(fresh)
    connection = await asyncpg.connect(fresh)
    queue = Queries(AsyncpgDriver(connection))
    plan = await queue.plan_upgrade()
    assert not plan.statements
    assert not plan.notes
    await connection.execute("ALTER TABLE pgqueuer DROP COLUMN slot")
    assert (await queue.plan_upgrade()).statements  # it would have told us
    await connection.close()


async def test_the_job_queues_own_installation_makes_the_same(fresh: str) -> None:
    connection = await asyncpg.connect(fresh)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()
    installed = tables(await schema_snapshot.read(fresh), "pgqueuer")
    assert len(installed) == 4
    kept = tables(schema_snapshot.FILE.read_text(), "pgqueuer")
    assert kept == installed


def tables(schema: str, prefix: str) -> list[str]:
    return [part for part in schema.split("\n\n") if part.startswith(f"table {prefix}")]


async def test_processes_that_migrate_at_once_take_turns(fresh: str) -> None:
    program = f"from zxo import migrations; migrations.upgrade({fresh!r})"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program) for _ in range(2)
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    assert await migrations.current(fresh) == migrations.head()


async def test_who_migrates_waits_for_who_was_faster(fresh: str) -> None:
    connection = await asyncpg.connect(fresh)
    turn = re.search(r"TURN = ([\d_]+)", (migrations.FOLDER / "env.py").read_text())
    assert turn is not None
    await connection.execute(f"SELECT pg_advisory_lock({turn[1].replace('_', '')})")
    waiting = asyncio.create_task(upgrade(fresh))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    assert await connection.fetchval("SELECT to_regclass('users')") is None
    await connection.close()
    await waiting
    assert await migrations.current(fresh) == migrations.head()


async def test_a_migration_that_fails_leaves_nothing_and_names_its_revision(fresh: str) -> None:
    """Each is one transaction: what the second one finds in its way does not undo the first."""
    connection = await asyncpg.connect(fresh)
    await connection.execute("CREATE TABLE pgqueuer_statistics (a int)")
    with pytest.raises(Exception, match="pgqueuer_statistics"):
        await upgrade(fresh)
    assert await migrations.current(fresh) == "0001"
    assert await connection.fetchval("SELECT to_regclass('pgqueuer')") is None
    await connection.execute("DROP TABLE pgqueuer_statistics")
    await connection.close()
    await upgrade(fresh)
    assert await migrations.current(fresh) == migrations.head()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_either_spelling_of_the_url_is_understood(scheme: str) -> None:
    config = migrations.configuration(f"{scheme}://zxo@db/zxo")
    assert config.attributes["url"] == "postgresql+asyncpg://zxo@db/zxo"


def test_every_migration_says_how_long_it_may_wait_for_a_lock() -> None:
    files = sorted((migrations.FOLDER / "versions").glob("*.py"))
    assert files
    for file in files:
        up, down = file.read_text().split("def downgrade")
        assert "SET LOCAL lock_timeout" in up, file.name
        assert "SET LOCAL lock_timeout" in down, file.name


def statements() -> dict[str, str]:
    """Every SQL statement that stands in a constant of the program, by where it stands."""
    names = [found.name for found in pkgutil.walk_packages(zxo.__path__, "zxo.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    return {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, str) and _is_sql(value) and _is_defined_in(module, name)
    }


def _is_sql(text: str) -> bool:
    return bool(re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s", text))


def _is_defined_in(module: ModuleType, name: str) -> bool:
    return re.search(rf"^{name}\b.* = ", inspect.getsource(module), re.MULTILINE) is not None


@pytest.mark.parametrize(("where", "sql"), statements().items(), ids=statements())
async def test_every_statement_of_the_program_fits_the_schema(
    services: embedded.Endpoints, where: str, sql: str
) -> None:
    """A migration that is missing fails here."""
    connection = await asyncpg.connect(services.database_url)
    try:
        await connection.prepare(sql)
    finally:
        await connection.close()


def test_the_statements_are_found() -> None:
    found = statements()
    assert {
        "zxo.modules.users.repository.SELECT_USER",
        "zxo.modules.checkins.repository.COUNT_DAY",
        "zxo.kit.outbox.TAKE",
        "zxo.kit.idempotency.CLAIM",
        "zxo.context.ENDED_SESSIONS",
    } <= set(found)
