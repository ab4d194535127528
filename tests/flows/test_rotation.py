"""`zxo rotate-keys`: everything that is sealed, sealed anew while people go on."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI
from rich.console import Console
from rich.progress import Progress

from tests.conftest import client_of, make_settings, running
from tests.factories import START, FrozenClock, Visitor, data
from tests.flows.commands import Run, assert_one_line
from tests.processes import sql, value
from zxo import embedded, rotation
from zxo.context import Context
from zxo.kit.crypto import Vault
from zxo.kit.db import Database
from zxo.modules import users
from zxo.settings import KeySettings

INDEX, OLD, NEW = (secrets.token_hex(24) for _ in range(3))
PEOPLE = 600
INSERT = """
INSERT INTO users (id, phone_ciphertext, created_at, updated_at)
SELECT id, sealed, $3, $3 FROM unnest($1::bigint[], $2::text[]) AS given(id, sealed)
"""


def number_of(user_id: int, round_: int = 0) -> str:
    return f"+86138{round_:04}{user_id:04}"


def bound_to(user_id: int) -> str:
    return f"users.phone:{user_id}"


async def add_people(database: Database, vault: Vault, count: int = PEOPLE) -> list[int]:
    ids = list(range(1, count + 1))
    sealed = [vault.seal(number_of(user_id), bound_to(user_id)) for user_id in ids]
    await database.execute(INSERT, ids, sealed, START)
    return ids


@pytest_asyncio.fixture
async def with_keys(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock
) -> AsyncIterator[Callable[..., Any]]:
    """A process that has these keys, the first of which seals."""
    async with AsyncExitStack() as stack:

        async def start(*keys: str) -> FastAPI:
            settings = make_settings(services, keys=KeySettings(index=INDEX, encryption=keys))
            return await stack.enter_async_context(running(settings, clock))

        yield start


async def rotate(ctx: Context) -> rotation.Ended:
    with Progress(console=Console(quiet=True)) as progress:
        return await rotation.rotate(ctx, progress)


def token(ctx: Context, user_id: int) -> str:
    issued = int(START.timestamp())
    claims = {"userId": user_id, "openid": None, "memberType": "free", "sid": secrets.token_hex(8)}
    return ctx.tokens.sign({**claims, "jti": "j", "iat": issued, "exp": issued + 3600})


async def test_everything_is_sealed_with_the_first_key_and_then_alone_opens_it(
    with_keys: Callable[..., Any],
) -> None:
    ctx: Context = (await with_keys(NEW, OLD)).state.context
    ids = await add_people(ctx.db, Vault([OLD]), 20)
    await ctx.db.execute("UPDATE users SET phone_ciphertext = NULL WHERE id = 7")

    assert await rotate(ctx) == (19, 0)
    assert await rotate(ctx) == (0, 0)
    alone = Vault([NEW])
    stored = dict(await ctx.db.fetch("SELECT id, phone_ciphertext FROM users"))
    assert stored.pop(7) is None
    opened = {user_id: alone.open(sealed, bound_to(user_id)) for user_id, sealed in stored.items()}
    assert opened == {user_id: number_of(user_id) for user_id in ids if user_id != 7}


async def test_what_no_key_opens_is_counted_and_left_as_it_is(
    with_keys: Callable[..., Any],
) -> None:
    ctx: Context = (await with_keys(NEW, OLD)).state.context
    await add_people(ctx.db, Vault([OLD]), 5)
    foreign = Vault([secrets.token_hex(24)]).seal(number_of(3), bound_to(3))
    moved = Vault([OLD]).seal(number_of(5), bound_to(4))
    for user_id, sealed in ((3, foreign), (5, moved)):
        await ctx.db.execute(
            "UPDATE users SET phone_ciphertext = $2 WHERE id = $1", user_id, sealed
        )

    assert await rotate(ctx) == (3, 2)
    left = await ctx.db.fetch("SELECT phone_ciphertext FROM users WHERE id IN (3, 5) ORDER BY id")
    assert [row[0] for row in left] == [foreign, moved]


async def test_a_run_that_was_cut_off_is_gone_on_with(
    with_keys: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 50)
    ctx: Context = (await with_keys(NEW, OLD)).state.context
    await add_people(ctx.db, Vault([OLD]), 300)
    first = asyncio.create_task(rotate(ctx))
    count = "SELECT count(*) FROM users WHERE starts_with(phone_ciphertext, $1)"
    while await ctx.db.fetchval(count, f"v1.{ctx.vault.kid}.") < 60:
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    done = await ctx.db.fetchval(count, f"v1.{ctx.vault.kid}.")
    assert 60 <= done < 300
    ended = await rotate(ctx)
    assert 0 < ended.renewed <= 300 - done  # statements that were under way ended all the same
    assert ended.unreadable == 0
    assert await ctx.db.fetchval(count, f"v1.{ctx.vault.kid}.") == 300


async def test_a_number_bound_between_reading_and_writing_is_not_lost(
    with_keys: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process that still seals with the older key, which is worse."""
    ctx: Context = (await with_keys(NEW, OLD)).state.context
    before = Vault([OLD, NEW])
    await add_people(ctx.db, before, 3)
    batches = rotation._batches

    async def meanwhile(*given: Any) -> AsyncIterator[list[tuple[int, str]]]:
        async for rows in batches(*given):
            sealed = before.seal(number_of(2, 1), bound_to(2))
            await ctx.db.execute("UPDATE users SET phone_ciphertext = $1 WHERE id = 2", sealed)
            await ctx.db.execute("UPDATE users SET phone_ciphertext = NULL WHERE id = 3")
            yield rows

    monkeypatch.setattr(rotation, "_batches", meanwhile)
    assert await rotate(ctx) == (2, 0)
    stored = await ctx.db.fetch("SELECT phone_ciphertext FROM users ORDER BY id")
    assert Vault([NEW]).open(stored[1][0], bound_to(2)) == number_of(2, 1)
    assert stored[2][0] is None


@pytest.mark.slow
async def test_no_read_fails_and_no_change_is_lost_while_keys_are_rotated(
    with_keys: Callable[..., Any],
) -> None:
    """Readers over HTTP, and people who bind other numbers, at processes of both orders of keys."""
    apps = [await with_keys(NEW, OLD), await with_keys(OLD, NEW)]
    newer, older = (app.state.context for app in apps)
    ids = await add_people(newer.db, older.vault)
    last = {user_id: number_of(user_id) for user_id in ids}
    over, reads, changes = asyncio.Event(), 0, 0
    luck = random.Random(7)

    async def read(app: FastAPI) -> None:
        nonlocal reads
        ctx: Context = app.state.context
        async with client_of(app) as client:
            while not over.is_set():
                user_id = luck.choice(ids)
                for cache in ctx.caches._by_topic.values():
                    cache.clear()
                profile = data(await Visitor(client, token(ctx, user_id)).get("/users/me"))
                # Of all the numbers that a person has here, the last four digits are the id.
                assert profile["phone"] == f"138****{user_id:04}"
                reads += 1

    async def bind(ctx: Context) -> None:
        nonlocal changes
        while not over.is_set():
            user_id = luck.choice(ids)
            number = number_of(user_id, luck.randrange(1, 9999))
            async with ctx.db.transaction() as connection:
                await users.lock(connection, user_id)
                last[user_id] = number  # nobody else can be about to change it
                await users.set_phone(ctx, connection, user_id, number)
            changes += 1
            await asyncio.sleep(0.002)

    everybody = [asyncio.create_task(read(app)) for app in apps for _ in range(3)]
    everybody += [asyncio.create_task(bind(app.state.context)) for app in apps]
    await asyncio.sleep(0.2)
    ended = await rotate(newer)
    await asyncio.sleep(0.2)
    over.set()
    await asyncio.gather(*everybody)
    await rotate(newer)  # what the older process sealed after its row was passed

    assert ended.renewed > PEOPLE / 2
    assert ended.unreadable == 0
    assert reads > 100
    assert changes > 20
    alone = Vault([NEW])
    rows = await newer.db.fetch("SELECT id, phone_ciphertext FROM users")
    assert {row[0]: alone.open(row[1], bound_to(row[0])) for row in rows} == last


async def test_every_sealed_column_of_the_schema_is_rotated(ctx: Context) -> None:
    columns = await ctx.db.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name LIKE '%ciphertext%'"
    )
    assert {(row[0], row[1]) for row in columns} == {
        (sealed.table, sealed.column) for sealed in rotation.SEALED
    }


def test_the_command_says_what_it_did_and_what_is_left(run: Run, on: dict[str, str]) -> None:
    assert run("migrate", **on).status == 0
    sealed = [Vault([OLD]).seal(number_of(user_id), bound_to(user_id)) for user_id in (1, 2)]
    sql(on["DATABASE_URL"], INSERT, [1, 2], sealed, START)
    keys = {"ZXO_INDEX_KEY": INDEX, "ZXO_ENCRYPTION_KEYS": f"{NEW},{OLD}"}

    ended = run("rotate-keys", **on, **keys)
    assert (ended.status, ended.out) == (0, "")
    assert "users.phone_ciphertext" in ended.err
    assert "2 sealed anew with the first key" in ended.err
    stored = value(on["DATABASE_URL"], "SELECT phone_ciphertext FROM users WHERE id = 2")
    assert Vault([NEW]).open(stored, bound_to(2)) == number_of(2)

    ended = run("rotate-keys", **on, **{**keys, "ZXO_ENCRYPTION_KEYS": OLD})
    assert ended.status == 1
    assert ended.err.splitlines()[-1] == "zxo No key of ours opens 2 values."


def test_an_empty_database_has_nothing_to_rotate(run: Run, on: dict[str, str]) -> None:
    assert_one_line(run("rotate-keys", **on), "zxo migrate")
    assert run("migrate", **on).status == 0
    assert "0 sealed anew" in run("rotate-keys", **on).err
