"""Memberships, redeemed codes and the coach: rows as those modules store them."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.modules.statistics.conftest import Written
from tests.modules.statistics.world import ONE, World, bounds, noon
from zxo.context import Context
from zxo.modules import statistics

DAY = date(2025, 12, 10)
START, END = bounds(DAY)
INSTANT = timedelta(microseconds=1)

USAGE = """
INSERT INTO redeem_code_usages (user_id, redeem_code_id, code_hint, code_type, member_type_before,
    member_type_after, expiry_before, expiry_after, created_at)
SELECT $1::bigint, $2::bigint, 'ABCD****',
    coalesce((SELECT code_type FROM redeem_codes WHERE id = $2), 'vip'), $3, $4, $5, $6, $7
"""
CODE = """
INSERT INTO redeem_codes (code_hmac, code_hint, code_type, created_at)
VALUES ($1, 'ABCD****', $2, $3) RETURNING id
"""
MEMBER = """
UPDATE users SET member_type = $2, member_expiry_at = $3, vip_activated_at = $4 WHERE id = $1
"""
MESSAGE = """
INSERT INTO ai_conversations (user_id, conversation_id, message_index, user_message, ai_response,
    tokens_used, created_at, source)
VALUES ($1, $2, 0, '难受', '深呼吸', $3, $4, CASE $3::int WHEN 0 THEN 'builtin' ELSE 'model' END)
"""


async def somebody(world: World, name: str = "an") -> int:
    world.clock.set(noon(DAY - 9 * ONE))
    number: int = (await world.log_in(name)).visitor.user["id"]
    world.clock.set(noon(DAY + 9 * ONE))
    return number


async def tier(ctx: Context, written: Written, day: date = DAY) -> str:
    """The one person's."""
    await statistics.write_day(ctx, day)
    figures = (await written(day))["memberships"]
    assert figures.pop("users") == sum(figures.values()) == 1
    return next(name for name, people in figures.items() if people)


@pytest.mark.parametrize(
    ("kind", "expiry", "since", "expected"),
    [
        ("free", None, None, "free"),
        ("vip", END + ONE, START, "vip"),
        ("vip", None, None, "vip"),  # for ever
        ("vip", END + INSTANT, START, "vip"),
        ("vip", END, START, "free"),  # over at that very instant
        ("vip", END - ONE, START, "free"),
        ("vip", END + ONE, END - INSTANT, "vip"),
        ("vip", END + ONE, END, "free"),  # began on the day after
        ("ai", END + ONE, END + ONE, "ai"),  # it is the AI's beginning that would count
    ],
)
async def test_without_codes_a_membership_is_what_the_row_says_if_it_was_in_force(
    ctx: Context, world: World, written: Written, kind: str, expiry: Any, since: Any, expected: str
) -> None:
    await ctx.db.execute(MEMBER, await somebody(world), kind, expiry, since)
    assert await tier(ctx, written) == expected


@pytest.mark.parametrize(
    ("vip_since", "ai_since", "was"),
    [
        (START, None, "vip"),
        (None, START, "ai"),
        (START, START, "ai"),
        (END - INSTANT, START, "vip"),
    ],
)
async def test_who_lapsed_since_and_was_written_free_counts_on_the_days_before(
    ctx: Context, world: World, written: Written, vip_since: Any, ai_since: Any, was: str
) -> None:
    """A membership that an operator gave has left no trace but the row."""
    lapsed = "UPDATE users SET member_expiry_at = $1, vip_activated_at = $2, ai_activated_at = $3"
    await somebody(world)
    await ctx.db.execute(lapsed, END + INSTANT, vip_since, ai_since)
    assert await tier(ctx, written) == was
    assert await tier(ctx, written, DAY + ONE) == "free"


async def test_codes_tell_what_somebody_was_on_every_day(
    ctx: Context, world: World, written: Written
) -> None:
    """VIP for a day from noon on, lapsed and tidied away, then AI; all of it over by now."""
    person = await somebody(world)
    vip_until, ai_until = noon(DAY + ONE), noon(DAY + 6 * ONE)
    await ctx.db.execute(USAGE, person, None, "free", "vip", None, vip_until, noon(DAY))
    ai = (USAGE, person, None, "free", "ai", None, ai_until, noon(DAY + 3 * ONE))
    await ctx.db.execute(*ai)
    makeup = (USAGE, person, None, "ai", "ai", ai_until, ai_until, noon(DAY + 4 * ONE))
    await ctx.db.execute(*makeup)
    await ctx.db.execute(MEMBER, person, "free", None, None)
    found = [await tier(ctx, written, DAY + number * ONE) for number in range(-1, 8)]
    assert found == ["free", "vip", "free", "free", "ai", "ai", "ai", "free", "free"]


@pytest.mark.parametrize(("before", "until"), [("vip", END + ONE), ("free", None)])
async def test_a_code_redeemed_since_does_not_change_the_day(
    ctx: Context, world: World, written: Written, before: str, until: Any
) -> None:
    person = await somebody(world)
    given = (USAGE, person, None, before, "ai", until, END + 90 * ONE, END)
    await ctx.db.execute(*given)
    await ctx.db.execute(MEMBER, person, "ai", END + 90 * ONE, None)
    assert await tier(ctx, written) == before
    assert await tier(ctx, written, DAY + ONE) == "ai"


async def test_redeemed_codes_are_counted_by_their_type(
    ctx: Context, world: World, written: Written
) -> None:
    people = [await somebody(world, name) for name in ("an", "bo")]
    codes = [
        await ctx.db.fetchval(CODE, kind.encode(), kind, START)
        for kind in ("vip", "ai", "makeup_card")
    ]
    for person, code, at in (
        (people[0], codes[0], START - INSTANT),
        (people[0], codes[1], START),
        (people[0], codes[2], noon(DAY)),
        (people[1], codes[2], END - INSTANT),
        (people[0], None, noon(DAY)),
        (people[1], codes[0], END),
    ):
        await ctx.db.execute(USAGE, person, code, "free", "free", None, None, at)
    await statistics.write_day(ctx, DAY)
    expected = {"codes": 4, "users": 2, "vip": 0, "ai": 1, "makeupCard": 2, "builtIn": 1}
    assert (await written(DAY))["redeemed_codes"] == expected


async def test_the_coachs_messages_conversations_people_and_tokens(
    ctx: Context, world: World, written: Written
) -> None:
    people = [await somebody(world, name) for name in ("an", "bo")]
    for person, talk, tokens, at in (
        (people[0], 1, 1, START - INSTANT),
        (people[0], 1, 20, START),
        (people[0], 1, 300, noon(DAY)),
        (people[0], 2, 0, noon(DAY)),
        (people[1], 3, 4_000, END - INSTANT),
        (people[1], 3, 50_000, END),
    ):
        await ctx.db.execute(MESSAGE, person, UUID(int=talk), tokens, at)
    await statistics.write_day(ctx, DAY)
    figures = await written(DAY)
    expected = {"messages": 4, "conversations": 3, "users": 2, "tokens": 4_320, "builtIn": 1}
    assert figures["coach"] == expected
    assert figures["daily_active_users"]["coach"] == figures["daily_active_users"]["users"] == 2
