"""People on boards."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.factories import Visitor, data
from zxo.context import Context
from zxo.modules.rankings import rebuild as rebuilding

SHENZHEN = {"province": "广东省", "city": "深圳市", "district": "南山区", "street": "粤海街道"}
Drain = Callable[[], Awaitable[None]]


@pytest.fixture(autouse=True)
def settles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "SETTLE_SECONDS", 0)


async def make_member(ctx: Context, person: Visitor, tier: str = "vip") -> None:
    """Until redeem codes exist, membership is what the row says."""
    await ctx.db.execute(
        "UPDATE users SET member_type = $2, version = version + 1 WHERE id = $1",
        person.user["id"],
        tier,
    )
    for cache in ctx.caches._by_topic.values():
        cache.clear()


async def board(person: Visitor, kind: str, **query: Any) -> list[tuple[int, int, int]]:
    """(rank, user id, days) from the top down."""
    found = data(await person.get("/rankings", type=kind, **query))["rankings"]
    return [(row["rank"], row["userId"], row["totalDays"]) for row in found]
