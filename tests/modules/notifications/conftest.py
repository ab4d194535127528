"""People who are told something."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import running
from tests.factories import FrozenClock, Visitor, data
from zxo.context import Context
from zxo.kit.zones import zone
from zxo.modules import notifications
from zxo.modules.notifications import NewNotice, handlers
from zxo.settings import Settings

Drain = Callable[[], Awaitable[None]]
Living = Callable[..., Awaitable[Visitor]]
MINUTE = timedelta(minutes=1)


async def inbox(person: Visitor, **query: Any) -> list[dict[str, Any]]:
    """What a page of the person's inbox lists."""
    found: list[dict[str, Any]] = data(await person.get("/notifications", **query))["notifications"]
    return found


async def unread(person: Visitor) -> int:
    return int(data(await person.get("/notifications"))["unreadCount"])


async def titles(person: Visitor) -> list[str]:
    """From the oldest to the newest."""
    return [notice["data"]["title"] for notice in await inbox(person, limit=100)][::-1]


async def tell(
    ctx: Context, person: Visitor, *keys: str, kind: str = "membership_changed"
) -> list[int]:
    """Tell the person something for each key; the ids of what is new."""
    before = await notifications.latest_id(ctx, person.user["id"])
    words = {"kind": kind, "title": "你好", "body": "有一条消息。"}
    notices = [NewNotice(person.user["id"], kind, key, {**words, "key": key}) for key in keys]
    for notice in notices:
        await notifications.add(ctx, [notice])
    told = await notifications.news(ctx, {person.user["id"]: before}, 1000)
    return [notice.id for notice in told]


async def has_counted(ctx: Context, person: Visitor, days: int, last: date | None = None) -> None:
    """As if the person had checked in on so many days, the last of them `last`."""
    await ctx.db.execute(
        "UPDATE users SET total_days = $2, last_check_in_date = $3, version = version + 1"
        " WHERE id = $1",
        person.user["id"],
        days,
        last,
    )
    for cache in ctx.caches._by_topic.values():
        cache.clear()


def at(zone_name: str, local: str, *, fold: int = 0) -> datetime:
    """The instant at which clocks in the zone show `local`; fold 1: for the second time."""
    shown = datetime.fromisoformat(local).replace(tzinfo=zone(zone_name), fold=fold)
    return shown.astimezone(UTC)  # where a minute later is a minute later


@pytest.fixture
def living(visitor: Visitor, clock: FrozenClock) -> Living:
    """Somebody new who lives in a zone and wants to be reminded at a time, from `since` on."""

    async def settle(zone_name: str, time: str, since: datetime, name: str = "alice") -> Visitor:
        clock.set(since)
        person = await visitor.log_in(name)
        await sets(person, timezone=zone_name, checkInReminderTime=time)
        return person

    return settle


async def sets(person: Visitor, **settings: Any) -> None:
    data(await person.put("/users/me/settings", **settings))


async def tick(ctx: Context, clock: FrozenClock, *instants: datetime) -> None:
    """Let the job run at each of the instants."""
    for instant in instants:
        clock.set(instant)
        await handlers.remind(ctx)


async def every_minute(ctx: Context, clock: FrozenClock, first: datetime, last: datetime) -> None:
    while first <= last:
        await tick(ctx, clock, first)
        first += MINUTE


async def reminded(person: Visitor) -> list[str]:
    """The dates that the person was reminded of, oldest first."""
    told = await inbox(person)
    return [notice["data"]["date"] for notice in told if notice["type"] == "check_in_reminder"][
        ::-1
    ]


@pytest_asyncio.fixture
async def second_app(
    ctx: Context, settings: Settings, clock: FrozenClock
) -> AsyncIterator[FastAPI]:
    """On the same servers, with memory and sockets of its own."""
    async with running(settings, clock) as started:
        yield started
