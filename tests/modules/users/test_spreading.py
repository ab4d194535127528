"""Who learns of a change, and when: this process, the other ones, and the outbox."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import asyncpg
import msgspec
import pytest

from tests.factories import Visitor, data, refusal
from zxo.context import Context
from zxo.modules import users
from zxo.modules.users import ProfileChanged, SettingsChanged, repository
from zxo.modules.users.handlers import drop_cached

ME, SETTINGS = "/users/me", "/users/me/settings"
WITHIN = 1.0
SLACK = 1.0  # a noisy machine

OtherProcess = Callable[[Visitor], Visitor]
Drain = Callable[[], Awaitable[None]]


async def seconds_until(person: Visitor, field: str, value: object) -> float:
    """How long it takes until the person's profile shows it."""
    began = time.monotonic()
    while data(await person.get(ME))[field] != value:
        assert time.monotonic() - began < 10, "still the old value"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def remembered(ctx: Context, *people: Visitor) -> None:
    """Wait until each person's process answers from memory: a silent change does not show."""
    for person in people:
        async with asyncio.timeout(10):
            for cards in count(100):
                data(await person.get(ME))
                await ctx.db.execute("UPDATE users SET makeup_cards = $1", cards)
                if data(await person.get(ME))["makeupCards"] != cards:
                    break
                await asyncio.sleep(0.05)


async def outbox(ctx: Context) -> list[tuple[str, dict[str, Any]]]:
    rows = await ctx.db.fetch("SELECT event, payload FROM outbox ORDER BY id")
    return [(event, msgspec.json.decode(payload)) for event, payload in rows]


@pytest.mark.parametrize(
    ("path", "change", "field", "shown"),
    [
        (ME, {"nickname": "新昵称"}, "nickname", "新昵称"),
        (SETTINGS, {"timezone": "UTC"}, "timezone", "UTC"),
    ],
)
async def test_a_change_is_seen_here_at_once_and_in_another_process_within_a_second(
    alice: Visitor,
    ctx: Context,
    other_process: OtherProcess,
    path: str,
    change: dict[str, str],
    field: str,
    shown: str,
) -> None:
    elsewhere = other_process(alice)
    await remembered(ctx, alice, elsewhere)

    data(await alice.put(path, **change))

    assert data(await alice.get(ME))[field] == shown
    assert await seconds_until(elsewhere, field, shown) < WITHIN + SLACK


async def test_settings_are_never_remembered(alice: Visitor, other_process: OtherProcess) -> None:
    elsewhere = other_process(alice)
    data(await elsewhere.get(SETTINGS))
    data(await alice.put(SETTINGS, dailyAmount=7))

    assert data(await elsewhere.get(SETTINGS))["dailyAmount"] == 7


async def test_a_change_is_published_with_the_version_that_it_made(
    alice: Visitor, ctx: Context
) -> None:
    data(await alice.put(ME, nickname="阿丽"))
    data(await alice.put(SETTINGS, showInRanking=False))
    data(await alice.put(SETTINGS, timezone="UTC"))

    assert await outbox(ctx) == [
        (
            "ProfileChanged",
            {"user_id": alice.user["id"], "version": 2, "region_before": [None] * 4},
        ),
        ("SettingsChanged", {"user_id": alice.user["id"], "version": 3}),
        ("SettingsChanged", {"user_id": alice.user["id"], "version": 4}),
    ]
    assert await ctx.db.fetchval("SELECT version FROM users") == 4


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (ME, {"province": "火星省"}),
        (ME, {"street": "三里屯街道"}),
        (SETTINGS, {"quitAt": "2999-01-01T00:00:00Z"}),
    ],
)
async def test_a_refused_change_publishes_nothing(
    alice: Visitor, ctx: Context, path: str, change: dict[str, str]
) -> None:
    refusal(await alice.put(path, **change), 400)

    assert await outbox(ctx) == []


@pytest.mark.parametrize(
    ("path", "change"), [(ME, {"nickname": "阿丽"}), (SETTINGS, {"dailyAmount": 5})]
)
async def test_a_change_that_was_not_committed_is_neither_published_nor_remembered(
    alice: Visitor,
    ctx: Context,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    change: dict[str, Any],
) -> None:
    before = data(await alice.get(path))

    async def fail(*_: object) -> None:
        raise asyncpg.PostgresConnectionError

    with monkeypatch.context() as broken:
        broken.setattr("zxo.modules.users.service.outbox.publish", fail)
        assert refusal(await alice.put(path, **change), 503) == "unavailable"

    assert await outbox(ctx) == []
    assert data(await alice.get(path)) == before
    assert await ctx.db.fetchval("SELECT version FROM users") == 1


async def test_a_process_that_died_before_it_could_tell_is_made_up_for_by_the_outbox(
    alice: Visitor, ctx: Context, other_process: OtherProcess, drain: Drain
) -> None:
    elsewhere = other_process(alice)
    await remembered(ctx, alice, elsewhere)
    async with ctx.db.transaction() as connection:  # committed, and then silence
        user = await repository.update(
            connection, alice.user["id"], {"nickname": "阿丽"}, ctx.clock.now()
        )
        assert user is not None
        await users.service.outbox.publish(connection, ProfileChanged(user.id, user.version))
    assert data(await elsewhere.get(ME))["nickname"] == "戒烟勇士"

    await drain()

    assert data(await alice.get(ME))["nickname"] == "阿丽"
    assert await seconds_until(elsewhere, "nickname", "阿丽") < WITHIN + SLACK
    assert await outbox(ctx) == []


async def test_being_told_twice_or_late_changes_nothing(alice: Visitor, ctx: Context) -> None:
    data(await alice.put(ME, nickname="一"))
    data(await alice.put(ME, nickname="二"))
    version = await ctx.db.fetchval("SELECT version FROM users")
    user_id = alice.user["id"]
    events = [
        SettingsChanged(user_id, version),
        ProfileChanged(user_id, version - 1),
        ProfileChanged(user_id, version),
    ]

    for _ in range(2):
        await drop_cached(ctx, [*events, *events])
        assert data(await alice.get(ME))["nickname"] == "二"


async def test_being_told_of_a_row_that_is_still_current_keeps_it_in_memory(
    alice: Visitor, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    data(await alice.put(ME, nickname="阿丽"))
    version = await ctx.db.fetchval("SELECT version FROM users")
    await drop_cached(ctx, [ProfileChanged(alice.user["id"], version)])

    assert (await users.get(ctx, alice.user["id"])).version == version
    assert users.service.cache(ctx)._entries[alice.user["id"]].value is not None


async def test_a_forgotten_row_is_read_again(alice: Visitor, ctx: Context) -> None:
    data(await alice.get(ME))
    await ctx.db.execute("UPDATE users SET nickname = '阿丽', version = version + 1")
    await drop_cached(ctx, [ProfileChanged(alice.user["id"], 2)])

    assert data(await alice.get(ME))["nickname"] == "阿丽"
