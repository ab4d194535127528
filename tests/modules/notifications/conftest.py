"""People who are told something."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

from tests.factories import Visitor, data
from zxo.context import Context
from zxo.modules import notifications
from zxo.modules.notifications import NewNotice

Drain = Callable[[], Awaitable[None]]


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
