"""What operators do: batches of codes, lists, grants; and what else happens in the transaction."""

from typing import Any
from uuid import uuid4

import pytest

from tests.factories import START, FrozenClock, Visitor
from tests.modules.membership.conftest import Make, redeem, stored
from zxo.context import Context
from zxo.kit.db import Connection
from zxo.modules import membership
from zxo.modules.membership import BatchPosition, CodeFilter, Plan

VIP = Plan(code_type="vip", duration_days=30)


class Refused(Exception):
    """Something beside the change went wrong."""


async def refuse(_: Connection, __: Any) -> None:
    raise Refused


async def test_a_batch_of_ten_thousand_is_made_at_once(ctx: Context) -> None:
    plan = Plan(code_type="ai", count=10_000)
    made = await membership.create_batch(ctx, plan, 7)
    assert len(set(made.texts)) == 10_000
    batch = made.batch
    assert (batch.codes, batch.active, batch.uses, batch.created_by) == (10_000, 10_000, 0, 7)
    assert await ctx.db.fetchval("SELECT count(DISTINCT code_hmac) FROM redeem_codes") == 10_000


async def test_a_text_that_reads_like_another_is_refused_and_leaves_no_batch(
    ctx: Context, make: Make
) -> None:
    await make(text="FOOL2025")
    for text in ("fool-2025", "F00L2025", "ｆｏｏ１２０２５"):
        with pytest.raises(membership.CodeTextTaken):
            await make(text=text)
    assert await ctx.db.fetchval("SELECT count(*) FROM redeem_batches") == 1


async def test_an_impossible_plan_is_refused(ctx: Context) -> None:
    with pytest.raises(membership.InvalidPlan, match="days"):
        await membership.create_batch(ctx, Plan(code_type="vip"), None)


async def test_batches_are_listed_newest_first_in_pages(ctx: Context, clock: FrozenClock) -> None:
    made = []
    for kind, days in (("vip", 1), ("ai", 2), ("vip", 3)):
        plan = Plan(code_type=kind, duration_days=days, count=2)
        made.append((await membership.create_batch(ctx, plan, None)).batch)
    first = await membership.list_batches(ctx, limit=2)
    after = BatchPosition(first[-1].created_at, first[-1].id)
    rest = await membership.list_batches(ctx, after=after, limit=2)
    assert len(first) == 2
    assert {batch.id for batch in (*first, *rest)} == {batch.id for batch in made}
    only = await membership.list_batches(ctx, code_type="ai", limit=10)
    assert [batch.duration_days for batch in only] == [2]


async def test_a_batch_tells_how_much_of_it_is_left(ctx: Context, alice: Visitor) -> None:
    made = await membership.create_batch(ctx, Plan(code_type="ai", count=3), None)
    await redeem(alice, made.texts[1])
    used = await membership.list_codes(ctx, CodeFilter(made.batch.id, used=True), limit=10)
    assert [code.code_hint for code in used] == [f"{made.texts[1][:4]}****"]
    assert await membership.disable(ctx, code_id=used[0].id) == 1
    assert await membership.disable(ctx, code_id=used[0].id) == 0
    (batch,) = await membership.list_batches(ctx, limit=10)
    assert (batch.codes, batch.active, batch.uses) == (3, 2, 1)
    assert await membership.disable(ctx, batch_id=batch.id) == 2


async def test_codes_are_listed_by_what_they_are(ctx: Context, make: Make) -> None:
    await make()
    made = await membership.create_batch(ctx, Plan(code_type="ai", count=5), None)
    await make(code_type="makeup_card", makeup_card_count=1)
    everything = await membership.list_codes(ctx, CodeFilter(), limit=4)
    rest = await membership.list_codes(ctx, CodeFilter(), before=everything[-1].id, limit=10)
    numbers = [code.id for code in (*everything, *rest)]
    assert len(numbers) == 7
    assert numbers == sorted(numbers, reverse=True)
    for wanted, count in (
        (CodeFilter(made.batch.id), 5),
        (CodeFilter(code_type="vip"), 1),
        (CodeFilter(active=False), 0),
        (CodeFilter(used=False), 7),
    ):
        assert len(await membership.list_codes(ctx, wanted, limit=10)) == count


async def test_what_does_not_exist_is_not_disabled(ctx: Context) -> None:
    with pytest.raises(membership.NoSuchBatch):
        await membership.disable(ctx, batch_id=uuid4())
    with pytest.raises(membership.NoSuchCode):
        await membership.disable(ctx, code_id=1)


async def test_nobody_unknown_is_granted_anything(ctx: Context, alice: Visitor) -> None:
    with pytest.raises(membership.NoSuchUser):
        await membership.grant(ctx, 2**40, "vip", 1)
    with pytest.raises(membership.NoSuchUser):
        await membership.revoke(ctx, 2**40)
    for days in (None, 0, 3_661):
        with pytest.raises(membership.InvalidGrant):
            await membership.grant(ctx, alice.user["id"], "vip", days)
    await membership.grant(ctx, alice.user["id"], "ai", None)
    with pytest.raises(membership.MembershipDowngrade):
        await membership.grant(ctx, alice.user["id"], "vip", 1)


async def test_what_is_done_beside_is_done_with_it_or_not_at_all(
    ctx: Context, alice: Visitor
) -> None:
    made = await membership.create_batch(ctx, VIP, None)
    before = await stored(ctx, alice)
    for change in (
        membership.create_batch(ctx, VIP, None, refuse),
        membership.disable(ctx, batch_id=made.batch.id, beside=refuse),
        membership.grant(ctx, alice.user["id"], "vip", 1, refuse),
        membership.revoke(ctx, alice.user["id"], refuse),
    ):
        with pytest.raises(Refused):
            await change
    assert await stored(ctx, alice) == before
    assert await ctx.db.fetchval("SELECT count(*) FROM redeem_codes WHERE is_active") == 1
    assert await ctx.db.fetchval("SELECT count(*) FROM outbox") == 0
    seen = []

    async def note(_: Connection, what: Any) -> None:
        seen.append(what)

    await membership.grant(ctx, alice.user["id"], "vip", 1, note)
    assert [(change.before, change.after) for change in seen] == [("free", "vip")]
    assert seen[0].expiry_after > START
