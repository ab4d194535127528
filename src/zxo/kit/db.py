"""PostgreSQL: the pools, transactions, and which failures mean that the database is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg

Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection

# "The database is away, come back", as opposed to "the program is wrong".
_AWAY = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.OperatorInterventionError,  # shutdown, statement time-out
    asyncpg.ReadOnlySQLTransactionError,  # a fail-over left us on the old primary
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,  # the connection was closed under us
    asyncpg.InternalClientError,  # the server stopped in the middle of an answer
)


POOL_SECONDS = 3.0


def is_away(error: BaseException) -> bool:
    """Whether `error` says that PostgreSQL cannot serve now (a 503, worth a retry)."""
    # DataError is an InterfaceError too, but it means that we passed a wrong value.
    return isinstance(error, _AWAY) and not isinstance(error, asyncpg.exceptions.DataError)


def forget_rows(error: BaseException | None) -> None:
    """Take out of `error`, and of what led to it, what people wrote: it is about to be logged.

    PostgreSQL's DETAIL names the whole row, the driver the argument that it cannot send.
    """
    pending, seen = [error], set[int]()
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, asyncpg.PostgresError):
            one.detail = None
        if isinstance(one, asyncpg.exceptions.DataError):
            one.args = (str(one).partition(":")[0],)
        pending += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


async def _keep(_: asyncpg.Connection) -> None:
    """Nothing to reset: pooled connections carry no session state, and a reset is a round trip."""


class Lease:
    """A connection of a pool for a block. Where all of them stay taken, TimeoutError after 3 s."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        async with asyncio.timeout(POOL_SECONDS):
            self._connection = await self._pool.acquire()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._pool.release(self._connection)


class Database:
    """The primary and, where one is configured, a replica for reads that may lag."""

    def __init__(self, primary: asyncpg.Pool, replica: asyncpg.Pool | None = None) -> None:
        self.primary = primary
        self.replica = replica or primary

    @classmethod
    async def connect(cls, url: str, *, replica_url: str = "", **options: Any) -> "Database":
        """Open the pools without waiting for the server: it may come up after us."""
        primary = await open_pool(url, **options)
        replica = await open_pool(replica_url, **options) if replica_url else None
        return cls(primary, replica)

    async def close(self) -> None:
        for pool in {self.primary, self.replica}:
            try:
                await asyncio.wait_for(pool.close(), timeout=5)
            except TimeoutError:
                pool.terminate()

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        async with Lease(self.primary) as connection:
            return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        async with Lease(self.primary) as connection:
            return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        async with Lease(self.primary) as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        async with Lease(self.primary) as connection:
            return await connection.execute(sql, *args)

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection to the primary; each statement is a transaction of its own."""
        return Lease(self.primary)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One use case, one transaction: committed when the block ends, rolled back on any error.

        Nothing remote (WeChat, a model, storage) may be awaited inside.
        """
        async with Lease(self.primary) as connection, connection.transaction():
            yield connection

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for what may lag: statistics, exports, board fallback. Never own state."""
        return Lease(self.replica)


async def open_pool(
    url: str,
    *,
    max_size: int = 10,
    statement_timeout: float = 5.0,
    statement_cache_size: int = 1024,
    application_name: str = "zxo",
) -> asyncpg.Pool:
    """A pool that connects when first asked. Times are seconds."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=max_size,
        reset=_keep,
        timeout=3,
        command_timeout=statement_timeout + 1,
        max_inactive_connection_lifetime=300,
        statement_cache_size=statement_cache_size,
        server_settings={
            "application_name": application_name,
            "timezone": "UTC",
            "statement_timeout": str(int(statement_timeout * 1000)),
            "idle_in_transaction_session_timeout": "30000",
        },
    )
