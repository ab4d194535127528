"""A real PostgreSQL and Valkey from the wheels, one application, and people who use it."""

import os
import re
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.factories import FrozenClock, Visitor
from tests.fakes.wechat import FakeWechat
from zxo import api, embedded, migrations, registry
from zxo import settings as settings_module
from zxo.context import Context
from zxo.kit.jobs import run_to_idle
from zxo.kit.outbox import relay
from zxo.settings import (
    DatabaseSettings,
    KeySettings,
    LimitSettings,
    Settings,
    TokenSettings,
    ValkeySettings,
    WechatSettings,
)

# A shell lets what runs in its background ignore Ctrl-C, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# What this machine has configured must not reach the tests.
EXAMPLE = Path(__file__).parents[1] / ".env.example"  # names every variable; a test sees to that
settings_module.Section.model_config["env_file"] = None
for name in re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", EXAMPLE.read_text("utf-8"), re.MULTILINE):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Endpoints]:
    """The two servers of this test process."""
    folder = tmp_path_factory.mktemp("services")
    with embedded.services(folder, postgres_settings=FAST) as endpoints:
        migrations.upgrade(endpoints.database_url)
        yield endpoints


def make_settings(services: embedded.Endpoints, **overrides: object) -> Settings:
    """Settings for an application on the test servers."""
    values: dict[str, object] = {
        "env": "test",
        "data_dir": services.data_dir,
        "database": DatabaseSettings(url=services.database_url),
        "valkey": ValkeySettings(url=services.redis_url),
        "tokens": TokenSettings(secret="only-for-tests-" + secrets.token_hex(16)),
        "keys": KeySettings(index=secrets.token_hex(24), encryption=(secrets.token_hex(24),)),
        "limits": LimitSettings(enabled=False),
        "wechat": WechatSettings(),
    }
    return Settings(**{**values, **overrides})


@pytest.fixture(scope="session")
def settings(services: embedded.Endpoints) -> Settings:
    return make_settings(services)


@pytest.fixture(scope="session")
def session_clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def clock(session_clock: FrozenClock) -> FrozenClock:
    """The application's clock, standing at 2025-12-01 09:00 in Shanghai until a test moves it."""
    session_clock.reset()
    return session_clock


@asynccontextmanager
async def running(settings: Settings, clock: FrozenClock) -> AsyncIterator[FastAPI]:
    """An application that has started, as the server would start it."""
    app = api.create_app(settings, clock)
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture(scope="session")
async def app(settings: Settings, session_clock: FrozenClock) -> AsyncIterator[FastAPI]:
    async with running(settings, session_clock) as started:
        yield started


@pytest_asyncio.fixture
async def ctx(app: FastAPI, clock: FrozenClock) -> Context:
    """The application's context, over an empty database."""
    context: Context = app.state.context
    await empty(context)
    return context


async def empty(ctx: Context) -> None:
    """Delete every row that a test may have left (DELETE is quicker than TRUNCATE here)."""
    tables = await ctx.db.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
    )
    async with ctx.db.transaction() as connection:
        # Without foreign keys, which would ask for an order, and without triggers.
        await connection.execute("SET LOCAL session_replication_role = 'replica'")
        for table in tables:
            await connection.execute(f'DELETE FROM "{table[0]}"')
    for cache in ctx.caches._by_topic.values():
        cache.clear()
    ctx.memo.clear()
    await ctx.valkey.flushall()


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client that talks to the application through its outermost layer."""
    settings: Settings = app.state.context.settings
    transport = httpx.ASGITransport(api.wrap(app, settings), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://zxo.test")


@pytest_asyncio.fixture
async def client(app: FastAPI, ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
def visitor(client: httpx.AsyncClient) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(client)


@pytest_asyncio.fixture
async def alice(visitor: Visitor) -> Visitor:
    return await visitor.log_in("alice")


@pytest_asyncio.fixture
async def bob(visitor: Visitor) -> Visitor:
    return await visitor.log_in("bob")


@pytest_asyncio.fixture
async def other_process(
    ctx: Context, settings: Settings, clock: FrozenClock
) -> AsyncIterator[Callable[[Visitor], Visitor]]:
    """The same person at a second application on the same servers, with memory of its own."""
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(running(settings, clock))
        client = await stack.enter_async_context(client_of(second))
        yield lambda person: Visitor(client, person.token)


@pytest.fixture
def drain(ctx: Context, settings: Settings) -> Callable[[], Awaitable[None]]:
    """Run the outbox and the jobs until nothing is left to do."""

    async def run() -> None:
        async with asyncpg.create_pool(settings.database.dsn(), min_size=0, max_size=3) as pool:
            await run_to_idle(pool, registry.jobs(ctx))
            while await relay(ctx.db, registry.REACTIONS):  # jobs may have published, too
                await run_to_idle(pool, registry.jobs(ctx))
        ctx.memo.clear()  # as if its half second had passed

    return run


@pytest.fixture
def fake_wechat() -> Iterator[FakeWechat]:
    with FakeWechat() as fake:
        yield fake


@pytest.fixture
def root() -> Path:
    """The folder of the project."""
    return Path(__file__).parents[1]
