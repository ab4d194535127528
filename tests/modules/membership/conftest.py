"""Codes as an operator makes them, and what a person has."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from zxo.context import Context
from zxo.modules import membership
from zxo.modules.membership import Plan

DAY = timedelta(days=1)
Drain = Callable[[], Awaitable[None]]
Make = Callable[..., Awaitable[str]]


@pytest.fixture
def make(ctx: Context) -> Make:
    """Make one code; its text. VIP for 30 days unless said otherwise."""

    async def one(**plan: Any) -> str:
        if not {"code_type", "duration_days"} & set(plan):
            plan["duration_days"] = 30
        made = await membership.create_batch(ctx, Plan(**{"code_type": "vip", **plan}), None)
        return made.texts[0]

    return one


async def redeem(person: Visitor, text: str) -> Any:
    """What the code gave."""
    return data(await person.post("/redeem-codes/redeem", code=text))


async def refused(person: Visitor, text: str, status: int) -> tuple[str, str]:
    """errorCode and message of the refusal."""
    answer: httpx.Response = await person.post("/redeem-codes/redeem", code=text)
    return refusal(answer, status), answer.json()["message"]


async def in_days(days: float, alice: Visitor, clock: FrozenClock) -> Visitor:
    """Alice, logged in again by then: a token lasts a week."""
    clock.advance(days=days)
    return await alice.log_in("alice")


async def stored(ctx: Context, person: Visitor) -> dict[str, Any]:
    """The person's row, with what belongs to memberships."""
    row = await ctx.db.fetchrow(
        "SELECT member_type, member_expiry_at, vip_activated_at, ai_activated_at, makeup_cards,"
        " version FROM users WHERE id = $1",
        person.user["id"],
    )
    assert row is not None
    return dict(row)


async def uses(ctx: Context) -> int:
    """How often codes were used, all in all; as often as there are usages."""
    counted = await ctx.db.fetchval("SELECT sum(current_uses) FROM redeem_codes")
    noted = await ctx.db.fetchval(
        "SELECT count(*) FROM redeem_code_usages WHERE redeem_code_id IS NOT NULL"
    )
    assert counted == noted
    return int(noted)


def text_of(instant: datetime) -> str:
    """The instant as answers write it."""
    return instant.isoformat().replace("+00:00", "Z")
