"""Running the migrations in `migrations/`: SQL, through Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

FOLDER = Path(__file__).parents[2] / "migrations"


def configuration(url: str) -> Config:
    """Alembic's configuration for the database at `url` (postgresql://…)."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["url"] = url.replace("postgres://", "postgresql://", 1).replace(
        "postgresql://", "postgresql+asyncpg://", 1
    )
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to `revision`. Processes that start at once take turns."""
    command.upgrade(configuration(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the schema down to `revision` (`base`: empty). What the tables held is lost."""
    command.downgrade(configuration(url), revision)


def head() -> str:
    """The newest revision that the code knows."""
    return ScriptDirectory(str(FOLDER)).get_current_head() or ""


async def current(url: str) -> str:
    """The revision that the database is at; empty for a database without tables of ours."""
    engine = create_async_engine(configuration(url).attributes["url"], poolclass=NullPool)

    def read(connection: Connection) -> str:
        connection.execute(text("SELECT 1"))
        return MigrationContext.configure(connection).get_current_revision() or ""

    try:
        async with engine.connect() as connection:
            return await connection.run_sync(read)
    finally:
        await engine.dispose()
