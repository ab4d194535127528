"""POST /redeem-codes/redeem: what codes give, and why they are refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories import START, FrozenClock, Visitor, data, refusal
from tests.modules.membership.conftest import (
    DAY,
    Make,
    in_days,
    redeem,
    refused,
    stored,
    text_of,
    uses,
)
from zxo.context import Context
from zxo.modules import membership

NOT_FOUND = ("redeem_code_not_found", "兑换码不存在")
DISABLED = ("redeem_code_disabled", "兑换码已禁用")
USED_UP = ("redeem_code_used_up", "兑换码已达到使用上限")
NOT_YET = ("redeem_code_not_yet_valid", "兑换码尚未生效")
EXPIRED = ("redeem_code_expired", "兑换码已过期")
ALREADY = ("redeem_code_already_redeemed", "您已使用过此兑换码")
DOWNGRADE = ("membership_downgrade", "您的 AI 权限尚未到期，不能兑换 VIP")


async def test_a_vip_code_makes_a_member_for_its_days(
    alice: Visitor, ctx: Context, make: Make
) -> None:
    assert await redeem(alice, await make(duration_days=4)) == {
        "codeType": "vip",
        "memberTypeBefore": "free",
        "memberTypeAfter": "vip",
        "expiryBefore": None,
        "expiryAfter": "2025-12-05T01:00:00Z",
        "durationDays": 4,
    }
    profile = data(await alice.get("/users/me"))
    assert (profile["memberType"], profile["memberExpiryAt"]) == ("vip", "2025-12-05T01:00:00Z")
    row = await stored(ctx, alice)
    assert (row["vip_activated_at"], row["ai_activated_at"]) == (START, None)


async def test_the_same_tier_is_extended_from_its_end(
    alice: Visitor, ctx: Context, make: Make, clock: FrozenClock
) -> None:
    await redeem(alice, await make(duration_days=30))
    alice = await in_days(10, alice, clock)
    given = await redeem(alice, await make(duration_days=5))
    assert given["memberTypeBefore"] == given["memberTypeAfter"] == "vip"
    assert given["expiryBefore"] == text_of(START + 30 * DAY)
    assert given["expiryAfter"] == text_of(START + 35 * DAY)
    assert (await stored(ctx, alice))["vip_activated_at"] == clock.now()


async def test_an_expired_membership_counts_as_none(
    alice: Visitor, make: Make, clock: FrozenClock
) -> None:
    await redeem(alice, await make(duration_days=4))
    alice = await in_days(10, alice, clock)
    given = await redeem(alice, await make(duration_days=5))
    assert (given["memberTypeBefore"], given["expiryBefore"]) == ("free", None)
    assert given["expiryAfter"] == text_of(START + 15 * DAY)


@pytest.mark.parametrize(("vip_days", "ends_after"), [(5, 60), (100, 100)])
async def test_ai_over_vip_ends_no_sooner_than_the_vip_would_have(
    alice: Visitor, ctx: Context, make: Make, vip_days: int, ends_after: int
) -> None:
    await redeem(alice, await make(duration_days=vip_days))
    given = await redeem(alice, await make(code_type="ai", duration_days=60))
    assert (given["memberTypeBefore"], given["memberTypeAfter"]) == ("vip", "ai")
    assert given["expiryAfter"] == text_of(START + ends_after * DAY)
    assert given["durationDays"] == 60
    assert (await stored(ctx, alice))["ai_activated_at"] == START


async def test_ai_without_days_is_three_calendar_months(
    alice: Visitor, make: Make, clock: FrozenClock
) -> None:
    clock.set("2025-11-30T09:00:00+08:00")
    given = await redeem(alice, await make(code_type="ai"))
    assert (given["expiryAfter"], given["durationDays"]) == ("2026-02-28T01:00:00Z", 90)
    clock.advance(days=1)
    given = await redeem(alice, await make(code_type="ai"))
    assert (given["expiryAfter"], given["durationDays"]) == ("2026-05-28T01:00:00Z", 89)


async def test_vip_over_ai_is_refused_and_the_code_is_kept(
    alice: Visitor, bob: Visitor, ctx: Context, make: Make, clock: FrozenClock
) -> None:
    await redeem(alice, await make(code_type="ai", duration_days=30))
    before, vip = await stored(ctx, alice), await make()
    assert await refused(alice, vip, 409) == DOWNGRADE
    assert await stored(ctx, alice) == before
    assert await uses(ctx) == 1
    alice = await in_days(30, alice, clock)  # over at this very instant
    assert (await redeem(alice, vip))["memberTypeAfter"] == "vip"
    bob = await bob.log_in("bob")
    assert await refused(bob, vip, 400) == USED_UP


async def test_a_card_code_adds_cards(alice: Visitor, ctx: Context, make: Make) -> None:
    await redeem(alice, await make(duration_days=4))
    version = (await stored(ctx, alice))["version"]
    assert await redeem(alice, await make(code_type="makeup_card", makeup_card_count=5)) == {
        "codeType": "makeup_card",
        "memberTypeBefore": "vip",
        "memberTypeAfter": "vip",
        "expiryBefore": "2025-12-05T01:00:00Z",
        "expiryAfter": "2025-12-05T01:00:00Z",
        "durationDays": None,
        "makeupCardCount": 5,
        "makeupCards": 8,
    }
    assert data(await alice.get("/users/me"))["makeupCards"] == 8
    row = await stored(ctx, alice)
    assert (row["makeup_cards"], row["version"]) == (8, version + 1)  # other processes forget her


@pytest.mark.parametrize("code", ["ABCDEF123456", "戒烟戒烟戒烟", "-", "  x  ", "ZX", "😀" * 100])
async def test_what_is_no_code_is_not_found(alice: Visitor, code: str) -> None:
    assert await refused(alice, code, 404) == NOT_FOUND


@pytest.mark.parametrize(
    "body", [{}, {"code": ""}, {"code": " "}, {"code": 7}, {"code": "x" * 101}]
)
async def test_what_is_no_text_is_malformed(alice: Visitor, body: dict[str, Any]) -> None:
    assert refusal(await alice.post("/redeem-codes/redeem", **body), 400) == "invalid_request"


@pytest.mark.parametrize(
    "typed", ["vip2025", " VIP-2025 ", "Ｖｉｐ－２０２５", "v i p—2 0 2 5", "V1P2O25"]
)
async def test_however_it_is_typed_a_code_is_found(alice: Visitor, make: Make, typed: str) -> None:
    await make(text="Vip-2025", max_uses=-1)
    assert (await redeem(alice, typed))["memberTypeAfter"] == "vip"


async def test_a_random_code_may_be_typed_in_groups_and_small_letters(
    alice: Visitor, make: Make
) -> None:
    text = (await make()).lower()
    await redeem(alice, f"{text[:4]}-{text[4:8]} {text[8:]}")


async def test_a_code_is_for_as_many_people_as_it_says(
    visitor: Visitor, ctx: Context, make: Make
) -> None:
    text = await make(max_uses=2)
    people = [await visitor.log_in(f"person-{number}") for number in range(3)]
    await redeem(people[0], text)
    await redeem(people[1], text)
    assert await refused(people[2], text, 400) == USED_UP
    assert await uses(ctx) == 2


async def test_an_unlimited_code_is_for_everybody_once(
    visitor: Visitor, ctx: Context, make: Make
) -> None:
    text = await make(max_uses=-1)
    people = [await visitor.log_in(f"person-{number}") for number in range(3)]
    for person in people:
        await redeem(person, text)
        assert await refused(person, text, 409) == ALREADY
    assert await uses(ctx) == 3


async def test_a_code_is_valid_in_its_window_both_ends_included(
    alice: Visitor, bob: Visitor, make: Make, clock: FrozenClock
) -> None:
    window = {"valid_from": START + DAY, "valid_until": START + 2 * DAY}
    text = await make(max_uses=-1, **window)
    instant = timedelta(microseconds=1)
    clock.set(START + DAY - instant)
    assert await refused(alice, text, 400) == NOT_YET
    clock.set(START + DAY)
    await redeem(alice, text)
    clock.set(START + 2 * DAY)
    await redeem(bob, text)
    clock.set(START + 2 * DAY + instant)
    assert await refused(bob, text, 400) == EXPIRED


async def test_of_several_reasons_the_first_of_the_order_is_told(
    alice: Visitor, ctx: Context, make: Make, clock: FrozenClock
) -> None:
    """Disabled, used up, not yet valid, expired, already redeemed, a step down."""
    await redeem(alice, await make(code_type="ai", duration_days=300))
    text = await make(code_type="ai", duration_days=1)
    await redeem(alice, text)
    change = "UPDATE redeem_codes SET {} WHERE id = (SELECT max(id) FROM redeem_codes)"
    await ctx.db.execute(
        change.format("code_type = 'vip', valid_until = $1, valid_from = $2"),
        START - DAY,
        START + DAY,
    )
    await ctx.db.execute(change.format("is_active = false"))
    assert await refused(alice, text, 400) == DISABLED
    await ctx.db.execute(change.format("is_active = true"))
    assert await refused(alice, text, 400) == USED_UP
    await ctx.db.execute(change.format("max_uses = 2"))
    assert await refused(alice, text, 400) == NOT_YET
    await ctx.db.execute(change.format("valid_from = NULL"))
    assert await refused(alice, text, 400) == EXPIRED
    await ctx.db.execute(change.format("valid_until = NULL"))
    assert await refused(alice, text, 409) == ALREADY
    await ctx.db.execute("DELETE FROM redeem_code_usages")
    assert await refused(alice, text, 409) == DOWNGRADE


async def test_a_disabled_batch_is_redeemed_by_nobody(alice: Visitor, ctx: Context) -> None:
    plan = membership.Plan(code_type="vip", duration_days=1, count=2)
    made = await membership.create_batch(ctx, plan, 7)
    assert await membership.disable(ctx, batch_id=made.batch.id) == 2
    for text in made.texts:
        assert await refused(alice, text, 400) == DISABLED


async def test_a_refused_code_changes_nothing(
    alice: Visitor, ctx: Context, make: Make, clock: FrozenClock
) -> None:
    text = await make(max_uses=-1)
    await redeem(alice, text)
    before = await stored(ctx, alice), await ctx.db.fetchval("SELECT count(*) FROM outbox")
    assert await refused(alice, text, 409) == ALREADY
    assert (
        await stored(ctx, alice),
        await ctx.db.fetchval("SELECT count(*) FROM outbox"),
    ) == before


async def test_a_retry_with_the_same_key_gets_the_same_answer(alice: Visitor, make: Make) -> None:
    key, body = {"Idempotency-Key": "once"}, {"code": await make()}
    first = await alice.request("POST", "/redeem-codes/redeem", headers=key, json=body)
    again = await alice.request("POST", "/redeem-codes/redeem", headers=key, json=body)
    assert data(again) == data(first)
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_code_is_never_stored(alice: Visitor, ctx: Context, make: Make) -> None:
    text = await make(text="GEHEIM7")
    await redeem(alice, text)
    rows = await ctx.db.fetch("SELECT to_jsonb(c)::text FROM redeem_codes c")
    rows += await ctx.db.fetch("SELECT to_jsonb(u)::text FROM redeem_code_usages u")
    rows += await ctx.db.fetch("SELECT payload FROM outbox")
    assert rows
    assert not [row[0] for row in rows if text in row[0] or text[:4] in row[0]]


async def test_without_a_token_there_is_nothing(visitor: Visitor) -> None:
    assert refusal(await visitor.post("/redeem-codes/redeem", code="VIP"), 401) == "unauthorized"
    assert refusal(await visitor.get("/redeem-codes/history"), 401) == "unauthorized"


async def test_a_deleted_account_redeems_nothing(alice: Visitor, ctx: Context, make: Make) -> None:
    text = await make()
    await ctx.db.execute("UPDATE users SET deleted_at = $1", datetime(2025, 12, 1, tzinfo=UTC))
    for cache in ctx.caches._by_topic.values():
        cache.clear()
    assert refusal(await alice.post("/redeem-codes/redeem", code=text), 401) == "account_gone"
    assert await uses(ctx) == 0
