"""Alembic's entry: one connection, one transaction a migration, processes take turns."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# Any number, the same in every process that migrates.
TURN = 2_026_112_200


def migrate(connection: Connection) -> None:
    """Run what was asked for while no other process does."""
    connection.execute(text(f"SELECT pg_advisory_lock({TURN})"))
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def main() -> None:
    """Connect, migrate, disconnect (which gives the turn back)."""
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(main())
