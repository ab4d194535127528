"""Many at one code, and much at one person: nobody gets too much, and nothing is lost."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.concurrency.test_check_in_races import outcomes
from tests.factories import START, Visitor, data
from tests.modules.membership.conftest import stored, uses
from zxo.context import Context
from zxo.modules import membership
from zxo.modules.membership import Plan

Person = Callable[[Visitor], Visitor]


async def make(ctx: Context, **plan: object) -> list[str]:
    vip = {"code_type": "vip", "duration_days": 1}
    return (await membership.create_batch(ctx, Plan(**{**vip, **plan}), None)).texts


async def crowd(visitor: Visitor, size: int) -> list[Visitor]:
    return [await visitor.log_in(f"person-{number}") for number in range(size)]


@pytest.mark.parametrize(
    ("allowed", "size"), [(7, 40), pytest.param(63, 200, marks=pytest.mark.slow)]
)
async def test_a_code_with_so_many_uses_is_given_to_exactly_so_many_people(
    visitor: Visitor, ctx: Context, other_process: Person, allowed: int, size: int
) -> None:
    (text,) = await make(ctx, max_uses=allowed)
    people = await crowd(visitor, size)
    halves = [other_process(person) if i % 2 else person for i, person in enumerate(people)]
    answers = await asyncio.gather(
        *(person.post("/redeem-codes/redeem", code=text) for person in halves)
    )
    assert outcomes(answers) == {"ok": allowed, "redeem_code_used_up": size - allowed}
    assert await uses(ctx) == allowed
    vips = "SELECT count(*) FROM users WHERE member_type = 'vip' AND member_expiry_at = $1"
    assert await ctx.db.fetchval(vips, START + timedelta(days=1)) == allowed


@pytest.mark.parametrize("most", [-1, 60])
async def test_of_fifty_tries_of_one_person_one_counts(
    alice: Visitor, ctx: Context, other_process: Person, most: int
) -> None:
    (text,) = await make(ctx, max_uses=most)
    elsewhere = other_process(alice)
    tries = [
        person.post("/redeem-codes/redeem", code=text)
        for _ in range(25)
        for person in (alice, elsewhere)
    ]
    answers = await asyncio.gather(*tries)
    assert outcomes(answers) == {"ok": 1, "redeem_code_already_redeemed": 49}
    assert await uses(ctx) == 1
    assert (await stored(ctx, alice))["member_expiry_at"] == START + timedelta(days=1)


async def test_a_code_for_one_serves_one_person_once(alice: Visitor, ctx: Context) -> None:
    (text,) = await make(ctx)
    answers = await asyncio.gather(
        *(alice.post("/redeem-codes/redeem", code=text) for _ in range(50))
    )
    assert outcomes(answers)["ok"] == 1
    assert outcomes(answers)["redeem_code_used_up"] == 49
    assert await uses(ctx) == 1


async def test_many_codes_of_one_person_at_once_add_up(alice: Visitor, ctx: Context) -> None:
    texts = await make(ctx, count=20)
    answers = await asyncio.gather(
        *(alice.post("/redeem-codes/redeem", code=text) for text in texts)
    )
    assert outcomes(answers) == {"ok": 20}
    assert (await stored(ctx, alice))["member_expiry_at"] == START + timedelta(days=20)
    assert data(await alice.get("/users/me"))["memberExpiryAt"] == "2025-12-21T01:00:00Z"


async def test_cards_check_ins_makeups_and_grants_at_once_all_count(
    alice: Visitor, ctx: Context, other_process: Person
) -> None:
    """Every card added and spent is in the balance, and nobody waits for the other for ever."""
    texts = await make(
        ctx, count=12, code_type="makeup_card", duration_days=None, makeup_card_count=2
    )
    elsewhere = other_process(alice)
    answers = await asyncio.gather(
        *(person.post("/check-in") for _ in range(10) for person in (alice, elsewhere)),
        *(alice.post("/check-in/makeup", checkInDate=f"2025-11-{day}") for day in (28, 29, 28, 29)),
        *(elsewhere.post("/redeem-codes/redeem", code=text) for text in texts),
    )
    *_, granted = await asyncio.gather(
        *(alice.post("/check-in") for _ in range(5)),
        *(membership.grant(ctx, alice.user["id"], "vip", 1) for _ in range(5)),
    )
    assert granted.after == "vip"
    assert outcomes(answers[:20]) == {"ok": 1, "already_checked_in": 19}
    assert outcomes(answers[20:24])["ok"] == 2
    assert outcomes(answers[24:]) == {"ok": 12}
    row = await stored(ctx, alice)
    assert row["makeup_cards"] == 3 + 24 - 2
    assert row["member_expiry_at"] == START + timedelta(days=5)
    for person in (alice, elsewhere):
        assert data(await person.get("/users/me"))["makeupCards"] == 25


async def test_once_a_code_is_disabled_nobody_gets_it(visitor: Visitor, ctx: Context) -> None:
    plan = Plan(code_type="vip", duration_days=1, max_uses=-1)
    made = await membership.create_batch(ctx, plan, None)
    people = await crowd(visitor, 30)
    tries = [person.post("/redeem-codes/redeem", code=made.texts[0]) for person in people[:20]]
    *answers, first, second = await asyncio.gather(
        *tries,
        membership.disable(ctx, batch_id=made.batch.id),
        membership.disable(ctx, batch_id=made.batch.id),
    )
    assert {first, second} == {0, 1}
    counted = outcomes(answers)
    assert counted["ok"] + counted["redeem_code_disabled"] == 20
    assert await uses(ctx) == counted["ok"]
    late = [await person.post("/redeem-codes/redeem", code=made.texts[0]) for person in people[20:]]
    assert outcomes(late) == {"redeem_code_disabled": 10}


async def test_a_chosen_text_is_made_once_however_many_try(ctx: Context) -> None:
    tries = await asyncio.gather(
        *(make(ctx, text="NEUJAHR2026") for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(made, list) for made in tries) == 1
    assert sum(isinstance(made, membership.CodeTextTaken) for made in tries) == 9
    assert await ctx.db.fetchval("SELECT count(*) FROM redeem_batches") == 1
